# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PBX and the simulated carrier, once for all tests of this folder.

==============  ======================================================================================
``lab``         both (``asterisk.lab.Lab``): ``lab.pbx``, ``lab.pbx_spec``, ``lab.carrier``, ...
``pbx``         the PBX's facts (``asterisk.spec.PbxSpec``: ports, passwords, RM endpoints); it runs
``carrier``     the carrier's facts (``asterisk.carrier.spec.CarrierSpec``); it runs
``customer``    ``customer(Behaviour.BUSY)`` is a number that nobody has dialed yet and that behaves so
``until``       ``await until(lambda: ...)`` polls until it is true and gives its value, or fails at a deadline
``ari``         ``async with ari("offhook") as probe``: a bare ARI client with the events of that application
``house``       another PBX and carrier, for whole campaigns one after the other (``recovery_floor.House``)
==============  ======================================================================================

RMs: anna, ben, carl, dora. Trunks: ``carrier`` (by address), ``registered`` (the same, by registration). Our
numbers: ``CALLER_IDS``. Customers ring for 0.2 to 0.4 s; one that answers stays until we hang up, an early
hang-up comes after 0.3 to 0.5 s; a number without a rule behaves by chance (``carrier.mix``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from asterisk.carrier.mix import Behaviour, Mix, Rule, Span, Times
from asterisk.carrier.spec import CarrierSpec
from asterisk.lab import Lab, lab_specs, start_lab
from asterisk.ports import free_port
from asterisk.program import Program, find_program
from asterisk.spec import PbxSpec
from offhook.demo.plan import NAMES
from offhook.lab_floor import LabFloor
from tests.pbx.recovery_floor import House, house_specs

CALLER_IDS = ("+4930123456", "+4930123457")
RMS = ("anna", "ben", "carl", "dora")
DEADLINE_S = 20.0  # for anything that must happen
POLL_S = 0.02

T = TypeVar("T")
Customer = Callable[[Behaviour], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs a real Asterisk."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.pbx)


def quick_mix() -> Mix:
    """Quick customers; the number says how one behaves."""
    return Mix(
        seed=7,
        chance={
            Behaviour.ANSWER: 40,
            Behaviour.BUSY: 20,
            Behaviour.NO_ANSWER: 20,
            Behaviour.WRONG_NUMBER: 10,
            Behaviour.DECLINED: 10,
        },
        rules=tuple(
            Rule(numbers=f"49155{place:02d}*", behaviour=behaviour)
            for place, behaviour in enumerate(Behaviour)
        ),
        times=Times(
            post_dial=Span(least_ms=0, most_ms=50),
            ring=Span(least_ms=200, most_ms=400),
            voicemail_ring=Span(least_ms=200, most_ms=400),
            early=Span(least_ms=300, most_ms=500),
            listen=Span(least_ms=500, most_ms=500),
        ),
        waits_for_us=1.0,
    )


@pytest.fixture(scope="session")
def program() -> Program:
    """The Asterisk that the set-up prepared."""
    return find_program(Path(sys.prefix))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Iterator[Lab]:
    """PBX and carrier, running."""
    specs = lab_specs(
        state=tmp_path_factory.mktemp("lab"),
        rms=RMS,
        mix=quick_mix(),
        randomness=random.SystemRandom(),
        caller_ids=CALLER_IDS,
    )
    running = asyncio.run(start_lab(*specs, program))
    yield running
    asyncio.run(running.stop())


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Iterator[House]:
    """PBX and carrier with twenty RMs, running; phones and dialers are the tests' own."""
    folder = tmp_path_factory.mktemp("house")
    running = asyncio.run(start_lab(*house_specs(folder / "lab", NAMES, free_port()), program))
    yield House(floor=LabFloor(running), folder=folder)
    asyncio.run(running.stop())


@pytest.fixture(scope="session")
def pbx(lab: Lab) -> PbxSpec:
    """The running PBX's facts."""
    return lab.pbx_spec


@pytest.fixture(scope="session")
def carrier(lab: Lab) -> CarrierSpec:
    """The running carrier's facts."""
    return lab.carrier_spec


_serial = itertools.count(1)


@pytest.fixture(scope="session")
def customer() -> Customer:
    """A fresh number for each call, of a customer who behaves as asked."""
    places = {behaviour: place for place, behaviour in enumerate(Behaviour)}
    return lambda behaviour: f"+49155{places[behaviour]:02d}{next(_serial):06d}"


class AriProbe:
    """A bare ARI client: requests as they are, and every event of one application in ``events``."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.events: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, **body: object) -> tuple[int, Any]:
        """Status and parsed answer (None when empty)."""
        async with self._session.request(method, self._url + path, json=body or None) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def dial(self, number: str, channel: str, **more: object) -> None:
        """Originate to a customer over the trunk ``carrier``."""
        more.setdefault("callerId", CALLER_IDS[0])
        status, answer = await self.request(
            "POST", "/channels", endpoint=f"PJSIP/{number}@trunk-carrier", channelId=channel, **more
        )
        assert status == 200, answer

    async def event(self, kind: str, channel: str | None = None) -> dict[str, Any]:
        """The first event of a kind, of one channel if it is named; waits for it."""

        def found() -> dict[str, Any] | None:
            return next(
                (
                    event
                    for event in self.events
                    if event["type"] == kind and channel in (None, event.get("channel", {}).get("id"))
                ),
                None,
            )

        return await _until(found)

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.events.append(json.loads(message.data))


async def _until(found: Callable[[], T | None]) -> T:
    """Poll until something is there (not None, not False); ``TimeoutError`` at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not (value := found()):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return value


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], T | None]], Awaitable[T]]:
    """Wait for something without guessing how long it takes."""
    return _until


Ari = Callable[[str], AbstractAsyncContextManager[AriProbe]]


@pytest.fixture
def ari(pbx: PbxSpec) -> Ari:
    """A way to be a Stasis application for a while."""

    @asynccontextmanager
    async def connect(app: str) -> AsyncIterator[AriProbe]:
        headers = {"Authorization": aiohttp.encode_basic_auth(pbx.ari.user, pbx.ari.password)}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            aiohttp.ClientSession(headers=headers) as events,
            events.ws_connect(f"{pbx.ari.url}/events?app={app}") as socket,
        ):
            probe = AriProbe(session, pbx.ari.url)
            reader = asyncio.create_task(probe.read(socket), name="probe")
            try:
                yield probe
            finally:
                reader.cancel()

    return connect
