# SPDX-License-Identifier: GPL-3.0-or-later
"""The main process: what keeps it from starting, and what it does from time to time."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from accounts.tables import login_tries
from ari_bridge.access import Timings
from asterisk.ports import free_port
from config.settings import Settings
from console.errors import CannotListen
from dialer.campaigns import CampaignPolicy, create_campaign, move_campaign
from dialer.halts import standing_halt
from foundation import audit
from foundation.errors import SecondInstance
from foundation.tables import audit_seal
from offhook.cli.running import _write_past_it
from offhook.errors import CannotStart
from offhook.serve import MainProcess
from offhook.upkeep import reorder_lists, tidy
from offhook.workers import worker_pool
from profiler import rms
from profiler.rms import RmStanding
from vocabulary.states import CampaignState, PacingMode


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of an installation whose PBX is not there."""
    monkeypatch.setattr("offhook.system.bridge_timings", lambda _: Timings(start_s=0.2))
    return Settings.model_validate(
        {
            "profile": "sample",
            "state_dir": str(tmp_path),
            "console": {"port": free_port()},
            "pbx": {"ari_port": free_port()},
        }
    )


async def test_without_a_pbx_it_does_not_start(settings: Settings) -> None:
    """One sentence, and everything is given back: the next start has database and port."""
    for _ in range(2):
        main = MainProcess(settings)
        with pytest.raises(CannotStart, match=r"PBX cannot be used.*nobody was dialed"):
            await main.start()
        await main.stop()


async def test_a_second_one_on_the_same_database_is_told_who_has_it(settings: Settings) -> None:
    """By process number; the first goes on, and the port that was tried is free again."""
    first = MainProcess(settings)
    console = settings.console.model_copy(update={"port": free_port()})
    other = settings.model_copy(update={"console": console})
    with pytest.raises(SecondInstance, match=f"process {os.getpid()},"):
        MainProcess(other)
    socket.create_server((console.host, console.port)).close()
    await first.stop()


async def test_a_taken_port_is_named(settings: Settings) -> None:
    """Before the database is touched."""
    with (
        socket.create_server((settings.console.host, settings.console.port)),
        pytest.raises(CannotListen, match=f"port {settings.console.port}.*--port"),
    ):
        MainProcess(settings)
    assert not settings.database_path.exists()


async def test_it_is_degraded_while_nobody_can_be_dialed(settings: Settings) -> None:
    """The reason is said in words."""
    main = MainProcess(settings)
    assert main.condition().reasons == ("The PBX is not connected yet.",)
    main.system.dialer.engine.halted = "drill"
    assert main.condition().reasons == ("Everything is stopped: drill",)
    await main.stop()
    assert main.condition().stopping


async def test_tidying_forgets_old_tries_and_seals_the_audit(settings: Settings) -> None:
    """What the audit has grown by is signed; tries that no longer count are gone."""
    main = MainProcess(settings)
    system = main.system
    now = system.clock.now()
    await system.db.write(audit.record, now, actor="sam", action="login", subject="account:1")
    old = insert(login_tries).values(origin="sam@", tries=3, since=now - timedelta(days=1))
    await system.db.write(lambda conn: conn.execute(old).rowcount)
    await tidy(system)
    await tidy(system)
    assert await system.db.read(lambda conn: len(conn.execute(select(audit_seal.c.number)).all())) == 1
    assert await system.db.read(lambda conn: conn.execute(select(login_tries)).all()) == []
    await main.stop()


async def test_only_lists_of_running_campaigns_are_put_in_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each active RM's list of each campaign that dials."""
    done: list[tuple[int, int]] = []

    async def refresh(_db: object, campaign_id: int, rm_id: int, _now: object) -> int:
        done.append((campaign_id, rm_id))
        return 0

    monkeypatch.setattr("offhook.upkeep.refresh_in_units", refresh)
    main = MainProcess(settings)
    db, now = main.system.db, main.system.clock.now()
    staff = [(await db.write(rms.add, name, name)).rm_id for name in ("anna", "ben", "carl")]
    await db.write(rms.set_standing, staff[2], RmStanding.LEFT)
    made = [
        await db.write(
            create_campaign,
            name=name,
            title=name,
            mode=PacingMode.PREVIEW,
            caller_id="+99900000001",
            policy=CampaignPolicy(),
            now=now,
        )
        for name in ("draft", "running")
    ]
    await db.write(move_campaign, made[1].id, CampaignState.RUNNING, now)
    await reorder_lists(main.system)
    assert done == [(made[1].id, staff[0]), (made[1].id, staff[1])]
    await main.stop()


async def test_a_halt_is_written_past_a_main_process_that_does_not_answer(settings: Settings) -> None:
    """Into the database in use: it stands until it is lifted, and both are in the audit."""
    main = MainProcess(settings)
    db = main.system.db
    _write_past_it(settings, "drill")
    halt = await db.read(standing_halt)
    assert halt is not None
    assert halt.reason == "drill"
    _write_past_it(settings, None)
    assert await db.read(standing_halt) is None
    key = main.system.cipher.blind("audit", "seal").encode()
    assert await db.read(audit.verify, key) is None
    await main.stop()


def test_workers_stand_behind_the_calls() -> None:
    """A job's process has the niceness it was given, and leaves Ctrl-C to the main process."""
    with worker_pool(5) as workers:
        assert workers.submit(os.getpriority, os.PRIO_PROCESS, 0).result() == 5
