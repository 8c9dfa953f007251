# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms reach an administrator: over the API and the command line, with what was set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

from accounts.permissions import Role
from dialer.alarms import raise_alarm
from foundation.outbox import newest
from foundation.tables import outbox, outbox_parked
from tests.cli_stub import CommandLine, StubSystem
from tests.console_site import Site, open_site
from vocabulary.events import AlarmRaised


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_alarms_are_told_newest_first(site: Site) -> None:
    """To whoever watches the floor, as many as asked for."""
    for trunk in ("north", "south"):
        await site.db.write(
            raise_alarm, "trunk_unusable", trunk, "Not used.", site.clock.now(), site.parts.ids
        )
    admin, rm = await site.logged_in(Role.ADMIN), await site.logged_in(Role.RM)
    told = await (await admin.get("/api/v1/alarms")).json()
    assert [one["subject"] for one in told["alarms"]] == ["south", "north"]
    assert (told["alarms"][0]["alarm"], told["set_aside"]) == ("trunk_unusable", 0)
    assert len((await (await admin.get("/api/v1/alarms?limit=1")).json())["alarms"]) == 1
    assert (await rm.get("/api/v1/alarms")).status == 403


async def test_what_was_set_aside_is_counted(site: Site) -> None:
    """An event that a consumer could not handle has no effect: somebody must know."""
    now = site.clock.now()
    await site.db.write(raise_alarm, "x", "y", "z", now, site.parts.ids)

    def set_aside(conn: Connection) -> None:
        event_id = conn.execute(select(outbox.c.event_id)).scalar_one()
        conn.execute(
            insert(outbox_parked).values(consumer="profiler", event_id=event_id, parked_at=now, error="e")
        )

    await site.db.write(set_aside)
    admin = await site.logged_in(Role.ADMIN)
    assert (await (await admin.get("/api/v1/alarms")).json())["set_aside"] == 1


async def test_an_event_of_another_version_is_left_out(site: Site) -> None:
    """What cannot be read does not hide what can."""
    for name in ("old", "new"):
        await site.db.write(raise_alarm, name, "y", "z", site.clock.now(), site.parts.ids)
    await site.db.write(
        lambda conn: conn.execute(update(outbox).where(outbox.c.seq == 1).values(body='{"at": 3}'))
    )
    found = await site.db.read(newest, AlarmRaised.kind, 10)
    assert [event.alarm for event in found if isinstance(event, AlarmRaised)] == ["new"]


@pytest.mark.parametrize(("set_aside", "code"), [(0, 0), (2, 3)])
def test_the_command_line_lists_alarms(
    set_aside: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 3 when the effect of an event is missing."""
    system = StubSystem()
    system.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "offhook.toml").write_text('profile = "sample"\nstate_dir = "state"\n')
    system.answers["GET /api/v1/alarms"] = {"alarms": [{"alarm": "x"}], "set_aside": set_aside}
    ended = CommandLine(monkeypatch, capsys)("alarms")
    assert ended.code == code
    assert "x" in ended.out
    assert ("set aside" in ended.err) is bool(set_aside)
