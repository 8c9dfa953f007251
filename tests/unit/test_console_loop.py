# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's whole loop by plain forms, without any script: the real dialer on a telephony fake."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from accounts.permissions import Role
from dialer.announcements import Announcements
from dialer.campaigns import find_campaign
from dialer.engine import TrunkChoice
from dialer.rules import DialingRules
from dialer.service import Dialer, DialerParts
from dialer.telephony import DialCustomer
from dialer.testing import BUSY, Behaviour, FakeTelephony
from dialer.timing import Timing
from foundation.clock import SystemClock
from foundation.outbox import Dispatcher
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from lawful.numbers import NumberPolicy
from profiler.learning import consume
from tests.console_site import Site, Visitor, open_site
from tests.phones.eventually import eventually
from vocabulary.states import EntryState

ANSWERS = Behaviour(rings_after_s=0.05, answers_after_s=0.3, talks_s=None)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
async def pbx(site: Site) -> AsyncIterator[FakeTelephony]:
    """The dialer at work on the site's database and buses."""
    pbx = FakeTelephony(site.clock, behave=lambda _request: ANSWERS)
    outbox = Dispatcher(site.db, {"profiler": consume}, site.clock)
    dialer = Dialer(
        DialerParts(
            node=pbx.node,
            telephony=pbx,
            db=site.db,
            clock=site.clock,
            ids=site.parts.ids,
            timing=replace(Timing(), look_again_s=0.1),
            rules=DialingRules(
                cipher=site.cipher,
                numbers=NumberPolicy(allowed_prefixes=("+999",), sample_prefixes=("+999",)),
                hours=CallingPolicy.from_text({"mon-sun": "00:00-24:00"}, national_holidays=False),
                caps=Caps(per_day=3, per_30_days=10),
                own_blinds=frozenset(),
                max_calls=5,
                max_calls_per_minute=1000,
                max_calls_per_rm_per_hour=1000,
                lease=timedelta(minutes=10),
            ),
            trunks=[TrunkChoice(name="carrier")],
            bus=site.bus,
            live=site.live,
            announcements=Announcements.in_folder(PurePosixPath("/sounds")),
            dress=lambda snapshot: snapshot | {"script": None, "guidelines": []},
            on_written=outbox.wake,
        )
    )
    outbox.start()
    await dialer.start()
    yield pbx
    await dialer.stop()
    await outbox.close()
    await pbx.close()


class Person:
    """Reads the page, presses a button."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self.text = ""

    async def reads(self, words: str) -> None:
        async def seen() -> bool:
            self.text = await (await self._visitor.get("/call")).text()
            return words in self.text

        await eventually(seen)

    async def presses(self, action: str, **fields: str) -> None:
        if action in ("confirm", "skip", "hang-up", "outcome"):
            call_id = re.search(r'name="call_id" value="(\w+)"', self.text)
            assert call_id is not None
            fields["call_id"] = call_id[1]
        answer = await self._visitor.submit(f"/call/{action}", **fields)
        self.text = await answer.text()
        assert answer.status == 303, self.text


async def test_from_the_first_customer_to_the_end_of_the_list(site: Site, pbx: FakeTelephony) -> None:
    """Shift, review, call, talk, outcome; later, skipped, busy, called again; until the list is said to be over."""
    supervisor = await site.logged_in(Role.SUPERVISOR)
    person = Person(await site.logged_in(Role.RM))
    campaign = await site.campaign("spring", customers=3)
    assert (await supervisor.submit(f"/floor/{campaign.id}/start")).status == 303

    await person.reads("Start your shift")
    await person.presses("shift", campaign=str(campaign.id))
    await person.reads("Call a customer")

    await person.presses("next")
    await person.reads("•••0")
    assert pbx.dialed == []
    await person.presses("confirm")
    await person.reads("Hang up")
    await person.presses("hang-up")
    await person.reads("Save outcome")
    await person.presses("outcome", outcome="sale", note="wants it by post")
    await person.reads("Call a customer")
    assert ">Sale<" in person.text

    await person.presses("next")
    await person.reads("Skip this customer")
    await person.presses("skip", reason="spoke with them on Friday")
    await person.reads("Call a customer")

    pbx.behave = lambda _request: BUSY
    await person.presses("next")
    await person.reads("Skip this customer")
    await person.presses("confirm")
    await person.reads("The line is busy")
    pbx.behave = lambda _request: ANSWERS
    last = re.search(r'name="call_id" value="(\w+)"><button>Call again', person.text)
    assert last is not None
    await person.presses("again", call_id=last[1])
    await person.reads("Skip this customer")
    await person.presses("confirm")
    await person.reads("Hang up")
    await person.presses("hang-up")
    await person.reads("Save outcome")
    await person.presses("outcome", outcome="not_interested")
    await person.reads("Call a customer")

    # The skipped one waits for later; whom nobody waits for any more are done.
    answer = await person._visitor.submit("/call/next")
    assert answer.status == 409
    assert "waiting for a later time" in await answer.text()
    page = await person._visitor.get(f"/api/v1/rms/me/list?campaign=spring&state={EntryState.DONE}")
    assert len((await page.json())["entries"]) == 2
    assert _numbers(pbx.dialed) == 2
    assert len(pbx.dialed) == 3

    await person.presses("break", reason="lunch")
    await person.reads("No calls come until")
    await person.presses("end-shift")
    await person.reads("Start your shift")


def _numbers(dialed: list[DialCustomer]) -> int:
    return len({request.pii_number for request in dialed})


async def test_the_supervisor_stops_the_floor_under_a_review(site: Site, pbx: FakeTelephony) -> None:
    """The RM's page says why nobody is dialed, in the supervisor's words; then it goes on."""
    supervisor = await site.logged_in(Role.SUPERVISOR)
    person = Person(await site.logged_in(Role.RM))
    campaign = await site.campaign("spring", customers=1)
    await supervisor.submit(f"/floor/{campaign.id}/start")
    await person.presses("shift", campaign=str(campaign.id))
    await person.reads("Call a customer")
    await supervisor.submit("/floor/halt", reason="fire drill")
    await person.reads("Everything is stopped: fire drill (supervisorone)")
    answer: Any = await person._visitor.submit("/call/next")
    assert answer.status == 409
    assert pbx.dialed == []
    await supervisor.submit("/floor/lift")
    await person.presses("next")
    await person.reads("Skip this customer")
    found = await site.db.read(find_campaign, "spring")
    assert found.state == "running"
