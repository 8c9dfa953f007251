# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole system as a newcomer starts it, in a real browser: real PBX, real phones, a person's day by hand."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from asterisk.ports import free_port
from offhook.sample import OFFICE, PERSON, ROBOTS
from tests.browser.conftest import Complaints, barriers, new_page

START_S = 90.0
STOP_S = 40.0
NEW_PASSWORD = "a sentence nobody guesses"
TRIES = 12
"""Customers called until one answers: three in five do."""
CONNECT_MS = 40_000


@dataclass(slots=True)
class Sample:
    """The sample floor: where its console is, and the one-time passwords it told."""

    address: str
    passwords: dict[str, str]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sample() -> AsyncIterator[Sample]:
    """``offhook up --sample`` on a folder and a port of its own, ended as by Ctrl-C."""
    folder = Path(tempfile.mkdtemp(prefix="oh"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "offhook", "up", "--sample", "--state", str(folder), "--port", str(free_port()),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield await _told(process)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_S):
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        shutil.rmtree(folder)


async def _told(process: asyncio.subprocess.Process) -> Sample:
    """What it prints when it is up."""
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(START_S):
        while "Ctrl-C stops" not in text:
            line = await process.stdout.readline()
            assert line, text
            text += line.decode()
    address = re.search(r"http://[\d.]+:\d+", text)
    assert address is not None, text
    passwords = re.findall(r"^ {4}(\w+) +([\w-]+) +\(\w+\)$", text, re.MULTILINE)
    return Sample(address[0], dict(passwords))


async def log_in(page: Page, sample: Sample, name: str) -> None:
    """The first time: the one-time password, then one of one's own."""
    once = sample.passwords.pop(name)
    await page.goto("/")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(once)
    await page.keyboard.press("Enter")
    await page.get_by_label("Old password").fill(once)
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Choose your password")).not_to_be_visible()


async def call_until_one_answers(page: Page) -> str:
    """Customer after customer; the call ID of the first talk."""
    hang_up = page.get_by_role("button", name="Hang up")
    next_one = page.get_by_role("button", name="Call a customer")
    save = page.get_by_role("button", name="Save outcome")
    for _ in range(TRIES):
        await next_one.click()
        call_id = await page.locator(".call-id b").inner_text()
        await page.get_by_role("button", name="Call", exact=True).click()
        await expect(hang_up.or_(next_one).or_(save)).to_be_visible(timeout=CONNECT_MS)
        if not await next_one.is_visible():
            return call_id
    raise AssertionError(f"None of {TRIES} customers answered.")


async def test_a_person_does_the_whole_loop(sample: Sample, browser: Browser) -> None:
    """From a one-time password to a customer who answered, an outcome, and the next; nothing bars anybody's way."""
    complaints = Complaints()
    page = await new_page(browser, sample.address, complaints)
    await log_in(page, sample, PERSON)
    await page.get_by_label("by hand").check()
    await page.get_by_role("button", name="Start shift").click()
    await expect(page.get_by_text("Phone connected")).to_be_visible(timeout=CONNECT_MS)
    assert await barriers(page) == []

    call_id = await call_until_one_answers(page)
    note = page.get_by_label("Note")
    await note.fill("Wants the rate in writing.")
    assert await barriers(page) == []
    hang_up = page.get_by_role("button", name="Hang up")
    if await hang_up.is_visible():
        await hang_up.click()
    await expect(page.get_by_role("button", name="Save outcome")).to_be_visible()
    await expect(note).to_have_value("Wants the rate in writing.")
    await page.get_by_label("Interested", exact=True).check()
    await page.get_by_role("button", name="Save outcome").click()
    await expect(page.get_by_role("button", name="Call a customer")).to_be_visible()

    await page.get_by_role("link", name="My day").click()
    await expect(page.get_by_text("Interested", exact=True)).to_be_visible()
    story = await (await page.request.get(f"/api/v1/calls/{call_id}")).json()
    assert (story["disposition"], story["outcome"]) == ("answered", "interested")
    assert [step["state"] for step in story["steps"]][-3:] == ["bridged", "ended", "wrapped_up"]
    assert story["connect_ms"] < 30_000

    await page.get_by_text("Break", exact=True).click()
    await page.get_by_role("button", name="Lunch").click()
    await expect(page.get_by_role("heading", name="Break: lunch")).to_be_visible()
    await page.get_by_role("button", name="I am ready").click()
    await expect(page.get_by_role("button", name="Call a customer")).to_be_visible(timeout=CONNECT_MS)
    await page.get_by_role("button", name="End shift").click()
    await expect(page.get_by_role("heading", name="Start your shift")).to_be_visible(timeout=CONNECT_MS)
    assert complaints.heard == []
    await page.context.close()


async def test_a_supervisor_watches_and_stops_the_floor(sample: Sample, browser: Browser) -> None:
    """Simulated RMs talk to simulated customers on the screen, live; one button ends the dialing, one allows it."""
    complaints = Complaints()
    page = await new_page(browser, sample.address, complaints)
    supervisor = next(name for name, role in OFFICE.items() if role == "supervisor")
    await log_in(page, sample, supervisor)
    for robot in ROBOTS:
        await expect(page.get_by_role("rowheader", name=robot)).to_be_visible(timeout=CONNECT_MS)
    talking = page.locator("td .state-talking")
    await expect(talking).not_to_have_count(0, timeout=CONNECT_MS)
    assert await barriers(page) == []
    await page.get_by_label("Reason").fill("fire drill")
    await page.get_by_role("button", name="Stop everything").click()
    await expect(page.get_by_text(f"fire drill ({supervisor})").first).to_be_visible()
    await expect(page.locator("td .state-dialing")).to_have_count(0)
    await page.get_by_role("button", name="Allow dialing again").click()
    await expect(page.get_by_text("fire drill")).to_have_count(0)
    await expect(page.locator("td .state-dialing, td .state-talking")).not_to_have_count(
        0, timeout=CONNECT_MS
    )
    assert complaints.heard == []
    await page.context.close()
