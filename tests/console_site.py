# SPDX-License-Identifier: GPL-3.0-or-later
"""The console on a real database and a real socket, with a dialer that only remembers what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientWebSocketResponse
from aiohttp.test_utils import TestClient, TestServer

from accounts import accounts
from accounts.passwords import SALT_BYTES, TESTS_ONLY, hash_password
from accounts.permissions import Role
from config.settings import Settings
from console.app import make_app
from console.guard import OUR_HEADER
from console.jobs import JobParts, job_handlers
from console.logins import worker_passwords
from console.parts import Condition, ConsoleParts
from crm.customers import add as add_customer
from crm.records import NewCustomer
from dialer.calls import Move, insert_call, move_call
from dialer.campaigns import Campaign, CampaignPolicy, create_campaign
from foundation.clock import SystemClock
from foundation.commands import CommandBus
from foundation.db.seam import Database
from foundation.db.sqlite import SqliteWriter
from foundation.db.testing import create_tables
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SeededIds
from foundation.jobs import JobRunner
from foundation.live import LiveBus
from foundation.testing import FakeClock
from profiler import rms
from profiler.building import build
from profiler.rms import Rm
from vocabulary.call_id import CallId
from vocabulary.commands import COMMAND_TYPES, Command, Reply
from vocabulary.states import CallState, PacingMode

PASSWORD = "correct horse battery"
OUR_NUMBER = "+99900000001"
OURS = {OUR_HEADER: "1"}


@dataclass(slots=True)
class RecordingDialer:
    """Says yes to every command, or what ``replies`` says for its kind; ``faults`` are raised."""

    told: list[Command] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)

    def register(self, bus: CommandBus) -> None:
        for kind in COMMAND_TYPES:
            bus.handle(kind, self._answer)

    async def _answer(self, command: Command) -> Reply:
        self.told.append(command)
        return self.replies.get(command.kind, Reply(done=True))


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser: keeps cookies, sends what our own pages send."""

    client: TestClient[Any, Any]

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, **options)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = OURS,
        **more: Any,
    ) -> ClientResponse:
        return await self.client.post(path, json=body or {}, headers=headers, **more)

    async def delete(self, path: str) -> ClientResponse:
        return await self.client.delete(path, headers=OURS)

    async def submit(self, path: str, **fields: str) -> ClientResponse:
        """Send a form as a browser does."""
        return await self.client.post(
            path,
            data=fields,
            headers={"Sec-Fetch-Site": "same-origin", "Origin": str(self.client.make_url("/"))[:-1]},
            allow_redirects=False,
        )

    async def watch(self, **query: str) -> ClientWebSocketResponse:
        return await self.client.ws_connect("/api/v1/live", params=query)


@dataclass(slots=True)
class Site:
    """The console with what stands around it."""

    parts: ConsoleParts
    db: Database
    clock: Any  #: a ``FakeClock``, unless a test brought another
    live: LiveBus
    bus: CommandBus
    dialer: RecordingDialer
    cipher: FieldCipher
    ring: KeyRing
    condition: list[Condition]
    runners: list[JobRunner]
    phones_told: list[None]  #: once for each time the PBX was to learn of RMs' phones
    open_clients: list[TestClient[Any, Any]]
    server: TestServer
    workers: ThreadPoolExecutor

    async def visitor(self) -> Visitor:
        """Somebody who is not logged in."""
        client: TestClient[Any, Any] = TestClient(self.server)
        self.open_clients.append(client)
        return Visitor(client)

    async def logged_in(self, role: Role, name: str | None = None) -> Visitor:
        """Somebody with an account of this role; for an RM with a desk too."""
        name = name or f"{role}one"
        if await self.db.read(accounts.find, name) is None:
            await self.account(role, name)
        visitor = await self.visitor()
        answer = await visitor.post("/api/v1/login", {"name": name, "password": PASSWORD})
        assert answer.status == 200, await answer.text()
        return visitor

    async def account(self, role: Role, name: str, *, must_change: bool = False) -> Rm | None:
        """An account with ``PASSWORD``; for an RM with a record of the same name."""
        made = await self.db.write(
            accounts.add,
            name=name,
            display_name=name.title(),
            role=role,
            password_hash=hash_password(PASSWORD, b"s" * SALT_BYTES, TESTS_ONLY),
            now=self.clock.now(),
            password_must_change=must_change,
        )
        if role is not Role.RM:
            return None
        return await self.db.write(rms.add, name, name.title(), account_id=made.id)

    async def rm(self, name: str = "rmone") -> Rm:
        found = await self.db.read(rms.by_name, name)
        assert found is not None
        return found

    async def campaign(
        self, name: str = "spring", mode: PacingMode = PacingMode.PREVIEW, customers: int = 0
    ) -> Campaign:
        """A campaign with customers in its lists."""
        made = await self.db.write(
            create_campaign,
            name=name,
            title=name.title(),
            mode=mode,
            caller_id=OUR_NUMBER,
            policy=CampaignPolicy(),
            now=self.clock.now(),
        )
        ids = [await self.customer(index) for index in range(customers)]
        await self.db.write(build, made.needs(), ids, self.clock.now())
        return made

    async def run_jobs(self) -> None:
        """Do what jobs are asked for, as the main process does."""
        parts = JobParts(
            db=self.db,
            ring=self.ring,
            clock=self.clock,
            executor=self.workers,
            state_dir=self.parts.settings.state_dir,
        )
        self.runners.append(JobRunner(self.db, self.clock, job_handlers(parts)))
        self.runners[-1].start()

    async def call(self, call_id: CallId, rm_id: int) -> None:
        """A call that this RM has had: dialed, rang, was not answered."""
        at = self.clock.now()
        await self.db.write(
            insert_call,
            call_id,
            at,
            campaign_id=1,
            customer_id=1,
            number_id=1,
            number_blind="b",
            entry_id=1,
            rm_id=rm_id,
            mode=PacingMode.PREVIEW,
            caller_id=OUR_NUMBER,
            zone="Europe/Lisbon",
        )
        moves = [
            Move(state=CallState.DIALING, at=at),
            Move(state=CallState.RINGING, at=at),
            Move(state=CallState.NOT_CONNECTED, at=at, detail="rang out"),
        ]
        await self.db.write(move_call, call_id, moves, dialed_at=at, disposition="no_answer", trunk="carrier")

    async def customer(self, index: int = 0) -> int:
        return await self.db.write(
            add_customer,
            self.cipher,
            NewCustomer(
                source="test",
                external_id=f"c{index}",
                name=f"Ana Number{index}",
                numbers=(f"+9991000{index:04}",),
                zone="Europe/Lisbon",
            ),
            self.clock.now(),
        )


@asynccontextmanager
async def open_site(folder: Path, *, clock: FakeClock | SystemClock | None = None) -> AsyncIterator[Site]:
    """A console on a database of its own below ``folder``."""
    clock, ids = clock or FakeClock(), SeededIds(5)
    ring = KeyRing.create(ids)
    cipher = FieldCipher(ring, ids)
    db = SqliteWriter(folder / "offhook.db")
    await db.write(create_tables)
    bus, live, dialer = CommandBus(), LiveBus(), RecordingDialer()
    dialer.register(bus)
    workers = ThreadPoolExecutor(1)
    condition = [Condition()]
    runners: list[JobRunner] = []
    phones_told: list[None] = []
    settings = Settings.model_validate(
        {
            "profile": "sample",
            "state_dir": str(folder),
            "pbx": {"caller_ids": [OUR_NUMBER]},
            "trunks": [
                {"name": "spare", "host": "127.0.0.1", "priority": 20},
                {"name": "main", "host": "127.0.0.1", "priority": 10},
            ],
        }
    )
    parts = ConsoleParts(
        db=db,
        bus=bus,
        live=live,
        settings=settings,
        cipher=cipher,
        ids=ids,
        clock=clock,
        passwords=worker_passwords(workers, ids, TESTS_ONLY),
        condition=lambda: condition[0],
        rms_changed=lambda: phones_told.append(None),
        wake_jobs=lambda: next((runner.wake() for runner in runners), None),
    )
    server = TestServer(make_app(parts))
    await server.start_server()
    site = Site(
        parts=parts,
        db=db,
        clock=clock,
        live=live,
        bus=bus,
        dialer=dialer,
        cipher=cipher,
        ring=ring,
        condition=condition,
        runners=runners,
        phones_told=phones_told,
        open_clients=[],
        server=server,
        workers=workers,
    )
    try:
        yield site
    finally:
        for client in site.open_clients:
            await client.session.close()
        await server.close()
        for runner in runners:
            await runner.close()
        await bus.close()
        await db.close()
        workers.shutdown()
