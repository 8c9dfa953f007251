# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad trunks and a bad disk under a real campaign: each call has its end, nothing is lost, the state says why."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from asterisk.carrier.mix import Behaviour
from config.settings import TrunkSettings
from foundation.db.sqlite import SqliteWriter
from foundation.errors import DatabaseFull
from offhook.demo.plan import NAMES
from tests.pbx.recovery_floor import DEADLINE_S, House, at_work, phones_of, until
from vocabulary.commands import PauseCampaign
from vocabulary.dispositions import Disposition

pytestmark = pytest.mark.pbx

MEETS = {
    Behaviour.ANSWER: Disposition.ANSWERED,
    Behaviour.EARLY_HANG_UP: Disposition.ANSWERED,
    Behaviour.NO_ANSWER: Disposition.NO_ANSWER,
    Behaviour.UNAVAILABLE: Disposition.NO_ANSWER,
    Behaviour.DECLINED: Disposition.DECLINED,
    Behaviour.BUSY: Disposition.BUSY,
    Behaviour.WRONG_NUMBER: Disposition.INVALID_NUMBER,
    Behaviour.FORBIDDEN: Disposition.CARRIER_REJECTED,
    Behaviour.CONGESTED: Disposition.CARRIER_FAILED,
    Behaviour.REDIRECT: Disposition.CARRIER_FAILED,
    Behaviour.SILENT: Disposition.CARRIER_FAILED,
}


async def test_every_behaviour_has_its_disposition(house: House) -> None:
    """Whatever the far end does - nothing, refusing, ringing for ever, hanging up at once - is told by its own word."""
    numbers = {behaviour: house.numbers(behaviour, 1)[0] for behaviour in MEETS}
    names = NAMES[: len(numbers)]
    async with phones_of(house, names), at_work(house, names, list(numbers.values())) as work:
        await work.to_the_end()
        digits = {e164.lstrip("+"): behaviour for behaviour, e164 in numbers.items()}
        met = {digits[work.site.digits[row.number_blind]]: row.disposition for row in work.records.rows()}
        assert met == MEETS
        # The witness can say no: one INVITE too many is a broken promise.
        invites = house.invites(numbers.values())
        invites[next(iter(digits))] += 1
        assert len(work.records.audit(invites).broken) == 1


@pytest.mark.parametrize("trunk", ["nowhere", "dead", "silent"])
async def test_bad_trunk_is_rested_and_the_rm_is_told(house: House, trunk: str) -> None:
    """A trunk that the PBX does not know, that nobody is at, or that never answers: it is rested after a few calls,
    everybody reads why, and customers are not burnt on it."""
    numbers = house.numbers(Behaviour.SILENT if trunk == "silent" else Behaviour.ANSWER, 8)
    settings = TrunkSettings(name="carrier" if trunk == "silent" else trunk, host="127.0.0.1")
    async with (
        phones_of(house, ["anna"]),
        at_work(house, ["anna"], numbers, trunks=[settings]) as work,
    ):
        engine = work.system.dialer.engine
        await until(lambda: settings.name in engine.trunk_problems)
        await until(lambda: "trunk" in work.desks["anna"].why_not.lower())
        await asyncio.sleep(2)
        dialed = [row for row in work.records.rows() if row.dialed_at]
        assert 2 <= len(dialed) <= 5
        assert {row.disposition for row in dialed} == {Disposition.CARRIER_FAILED}
        assert len(work.records.rows()) <= len(dialed) + 2, "customers were claimed for nothing"
        await work.system.bus.send(PauseCampaign(campaign_id=work.site.campaign_id))
        await work.leave()


async def test_database_locked_for_ten_seconds(house: House) -> None:
    """Another program holds the write lock: nobody new is dialed, calls go on, and all is written afterwards."""
    names = NAMES[:4]
    numbers = house.numbers(Behaviour.ANSWER, 6)
    async with phones_of(house, names), at_work(house, names, numbers) as work:
        await until(lambda: work.records.now().talking >= 2)
        other = sqlite3.connect(work.site.settings.database_path, isolation_level=None, timeout=5)
        other.execute("BEGIN IMMEDIATE")
        locked_at = work.system.clock.now() + timedelta(milliseconds=500)
        await until(lambda: work.system.dialer.engine.dialing_blocked() is not None)
        assert "database" in (work.system.dialer.engine.dialing_blocked() or "")
        assert work.dialed_after(locked_at) == 0
        other.rollback()
        other.close()
        await work.to_the_end()
        assert len(work.records.rows()) == len(numbers)


async def test_disk_full(house: House) -> None:
    """No page can be added to the database: nobody new is dialed and the state says why; calls in progress come to
    their end and are written when there is space again."""
    names = NAMES[:4]
    numbers = house.numbers(Behaviour.ANSWER, 6)
    async with phones_of(house, names), at_work(house, names, numbers) as work:
        db, engine = work.system.db, work.system.dialer.engine
        await until(lambda: work.records.now().talking >= 3)
        await db.write(_limit_pages, 1)
        await until(lambda: engine.dialing_blocked() is not None)
        assert "database" in (engine.dialing_blocked() or "")
        full_at = work.system.clock.now() + timedelta(milliseconds=300)
        async with asyncio.timeout(DEADLINE_S):
            while any(name.startswith("PJSIP/trunk-") for name in await house.channels()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert all("database" in desk.why_not for desk in work.desks.values() if desk.free)
        await asyncio.sleep(1)
        assert work.dialed_after(full_at) == 0
        assert work.records.now().open >= 1, "the end of a call was written to a full disk"
        async with asyncio.timeout(DEADLINE_S):
            while not await _room_again(db):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await work.to_the_end()
        assert len(work.records.rows()) == len(numbers)


async def _room_again(db: SqliteWriter) -> bool:
    """False: this unit shared the fate of others that did not fit."""
    try:
        await db.write(_limit_pages, 2**30)
    except DatabaseFull:
        return False
    return True


def _limit_pages(conn: Connection, pages: int) -> None:
    conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")
