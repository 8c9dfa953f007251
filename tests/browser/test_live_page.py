# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages made live: what the server says is on the screen, what a person types stays, lost lines are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from accounts.permissions import Role
from console.app import make_app
from console.live import SOCKETS, close_sockets
from foundation.ids import SeededIds
from tests.browser.conftest import Complaints, barriers, new_page
from tests.console_site import PASSWORD, Site, open_site
from tests.phones.eventually import eventually
from vocabulary import commands as c
from vocabulary.call_id import new_call_id, show_call_id
from vocabulary.commands import Reply
from vocabulary.states import RmState

CALL = new_call_id(SeededIds(1))
CUSTOMER: dict[str, Any] = {
    "name": "Ana Silva",
    "language": "pt",
    "zone": "Europe/Lisbon",
    "preferred_hours": None,
    "segment": "premier",
    "attributes": {"job": "teacher"},
    "numbers": [{"number_id": 1, "e164": "+9991234567", "masked": "•••67", "state": "active"}],
    "consents": [],
    "purchases": [],
    "interactions": [],
}


def desk(state: RmState, *, call: str | None = None, **more: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rm": "rmone",
        "campaign_id": 1,
        "state": state,
        "since_monotonic": 0.0,
        "reason": "",
        "why_not": "",
        "last_result": "",
        "phone": "up",
        "wish": None,
        "call": None,
    }
    if call is not None:
        snapshot = {
            "customer": CUSTOMER,
            "why_chosen": ["speaks Portuguese"],
            "outcomes": ["sale", "callback"],
            "script": None,
            "guidelines": [],
        }
        shown["call"] = {
            "call_id": CALL,
            "shown": show_call_id(CALL),
            "state": call,
            "disposition": None,
            "are_you_there": False,
            "snapshot": snapshot,
        }
    return shown | more


class Floor:
    """A site, its address in a browser, and the RM who is logged in there."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self.site = site
        self.complaints = Complaints()
        self._browser = browser
        self._runner: web.AppRunner | None = None
        self._pages: list[Page] = []
        self.port = 0

    async def serve(self) -> None:
        """Serve on a port that stays the same, so that a screen finds the console again."""
        self._runner = web.AppRunner(make_app(self.site.parts), shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def leave(self) -> None:
        """Everybody closes their windows."""
        for page in self._pages:
            await page.context.close()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def log_in(self, role: Role) -> Page:
        name = f"{role}one"
        await self.site.account(role, name)
        page = await new_page(self._browser, f"http://127.0.0.1:{self.port}", self.complaints)
        self._pages.append(page)
        await page.goto("/")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Log out")).to_be_visible()
        return page

    def show(self, data: dict[str, Any]) -> None:
        self.site.live.publish("rm:1", data)

    async def end_session(self) -> None:
        assert self._runner is not None
        app = self._runner.app
        await eventually(lambda: bool(app[SOCKETS]))
        for token in list(app[SOCKETS]):
            await close_sockets(app, token)


@pytest_asyncio.fixture(loop_scope="session")
async def floor(tmp_path: Path, browser: Browser) -> AsyncIterator[Floor]:
    async with open_site(tmp_path) as site:
        await site.campaign("spring")
        floor = Floor(site, browser)
        await floor.serve()
        yield floor
        await floor.leave()
        await floor.stop()
        assert floor.complaints.heard == []


async def test_every_change_is_on_the_screen_without_a_reload(floor: Floor) -> None:
    """State, phone, the customer, the reason why nobody comes."""
    page = await floor.log_in(Role.RM)
    await page.goto("/call")
    status = page.get_by_role("status").first
    await expect(status).to_have_text("Off work")
    floor.show(desk(RmState.PHONE_CONNECTING, phone="calling"))
    await expect(page.get_by_text("Phone is being called: answer it")).to_be_visible()
    floor.show(desk(RmState.READY, why_not="Campaign Spring is paused."))
    await expect(page.get_by_text("Campaign Spring is paused.")).to_be_visible()
    floor.show(desk(RmState.REVIEWING, call="reviewing"))
    await expect(page.get_by_role("heading", name="Ana Silva")).to_be_visible()
    floor.show(desk(RmState.DIALING, call="ringing"))
    await expect(status).to_have_text("Calling: ringing")
    await page.reload()
    await expect(status).to_have_text("Calling: ringing")
    floor.show(desk(RmState.READY, last_result="The line is busy."))
    await expect(page.get_by_text("The line is busy.")).to_be_visible()


async def test_what_is_typed_stays_through_every_change(floor: Floor) -> None:
    """From the talk into the wrap-up, when the phone is lost, when it is asked whether one is there."""
    page = await floor.log_in(Role.RM)
    floor.show(desk(RmState.TALKING, call="bridged"))
    await page.goto("/call")
    note = page.get_by_label("Note")
    await note.fill("she said")
    await page.get_by_label("Sale").check()
    for change in (
        desk(RmState.TALKING, call="bridged", phone="silent"),
        desk(RmState.WRAP_UP, call="ended"),
        desk(RmState.WRAP_UP, call="ended", phone="down"),
    ):
        floor.show(change)
    asked = desk(RmState.WRAP_UP, call="ended")
    asked["call"]["are_you_there"] = True
    floor.show(asked)
    await expect(page.get_by_role("button", name="I am here")).to_be_visible()
    await note.press_sequentially(" that")
    await expect(note).to_have_value("she said that")
    await expect(page.get_by_label("Sale")).to_be_checked()


async def test_an_order_is_sent_once_and_its_refusal_stays_to_be_read(floor: Floor) -> None:
    """The sentence outlives the changes that follow it, until the next order."""
    page = await floor.log_in(Role.RM)
    floor.show(desk(RmState.READY))
    await page.goto("/call")
    floor.site.dialer.replies["rm.next_customer"] = Reply(
        done=False, reason="end_of_list", sentence="This is the end of your list."
    )
    await page.get_by_role("button", name="Call a customer").click()
    alert = page.get_by_role("alert").filter(has_text="This is the end of your list.")
    await expect(alert).to_be_visible()
    floor.show(desk(RmState.READY, why_not="All are done."))
    await expect(page.get_by_text("All are done.")).to_be_visible()
    await expect(alert).to_be_visible()
    floor.site.dialer.replies.clear()
    await page.get_by_role("button", name="Call a customer").click()
    await expect(alert).not_to_be_visible()
    assert floor.site.dialer.told == [c.NextCustomer(rm_id=1)] * 2


async def test_a_lost_line_is_told_and_found_again(floor: Floor) -> None:
    """The page says that it may be old; when the console is back it is as the console has it."""
    page = await floor.log_in(Role.RM)
    floor.show(desk(RmState.READY))
    await page.goto("/call")
    await floor.stop()
    lost = page.get_by_text("The connection to Offhook is lost.")
    await expect(lost).to_be_visible()
    floor.show(desk(RmState.BREAK, reason="lunch"))
    await floor.serve()
    await expect(page.get_by_role("heading", name="Break: lunch")).to_be_visible()
    await expect(lost).not_to_be_visible()
    # The browser tells of every try in vain; those are what was wanted here.
    floor.complaints.heard = [
        heard for heard in floor.complaints.heard if "WebSocket" not in heard and "ERR_" not in heard
    ]


async def test_when_the_session_ends_the_page_goes_to_the_login(floor: Floor) -> None:
    """Nobody goes on looking at a customer after it."""
    page = await floor.log_in(Role.RM)
    floor.show(desk(RmState.TALKING, call="bridged"))
    await page.goto("/call")
    await floor.end_session()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_the_loop_by_keyboard_alone(floor: Floor) -> None:
    """Tab, arrows, Enter: the orders are where the keyboard left off, the menu closes with Escape."""
    page = await floor.log_in(Role.RM)
    await floor.site.call(CALL, 1)
    floor.show(desk(RmState.REVIEWING, call="reviewing"))
    await page.goto("/call")
    await page.get_by_role("button", name="Call", exact=True).focus()
    await page.keyboard.press("Enter")
    floor.show(desk(RmState.DIALING, call="ringing"))
    await expect(page.get_by_role("button", name="Stop calling")).to_be_visible()
    floor.show(desk(RmState.TALKING, call="bridged"))
    await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Hang up")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Lunch")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Lunch")).not_to_be_visible()
    assert [command.kind for command in floor.site.dialer.told] == ["rm.confirm"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_anybody_out(floor: Floor, scheme: Any) -> None:
    """No barrier by axe's rules for WCAG 2.2 AA on any page in any state, in light and dark."""
    page = await floor.log_in(Role.RM)
    await page.emulate_media(color_scheme=scheme)
    found = {"home": await barriers(page)}
    await page.goto("/call")
    for state, call in (
        (RmState.PHONE_CONNECTING, None),
        (RmState.READY, None),
        (RmState.REVIEWING, "reviewing"),
        (RmState.DIALING, "ringing"),
        (RmState.TALKING, "bridged"),
        (RmState.WRAP_UP, "ended"),
        (RmState.BREAK, None),
        (RmState.AWAY, None),
    ):
        floor.show(desk(state, call=call, why_not="All are done.", last_result="The line is busy."))
        await expect(page.locator(f".state-{state}")).to_be_visible()
        found[str(state)] = await barriers(page)
    supervisor = await floor.log_in(Role.SUPERVISOR)
    await supervisor.emulate_media(color_scheme=scheme)
    found["floor"] = await barriers(supervisor)
    await page.goto("/password")
    found["password"] = await barriers(page)
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("width", [320, 1000, 1366])
async def test_nothing_runs_out_of_the_page(floor: Floor, width: int) -> None:
    """Down to 320 pixels, or a laptop's page enlarged four times: no scrolling to the side (WCAG 1.4.10)."""
    page = await floor.log_in(Role.RM)
    await page.set_viewport_size({"width": width, "height": 700})
    for state, call in ((RmState.READY, None), (RmState.TALKING, "bridged")):
        floor.show(desk(state, call=call))
        await page.goto("/call")
        beyond = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, (state, width)
