# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer calls the campaign's caller ID back, on a real PBX with a real RM phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from asterisk.carrier.call_back import call_back
from asterisk.carrier.mix import Behaviour, Mix
from crm.numbers import reveal
from crm.tables import customer_number, interaction, suppression
from offhook.demo.plan import CALLER_ID, DemoPlan
from offhook.demo.stage import Stage, set_stage
from profiler.tables import target_entry
from tests.phones.eventually import eventually
from vocabulary.commands import StartShift, TakeBreak
from vocabulary.outcomes import BreakReason
from vocabulary.states import PacingMode, RmState

DEADLINE_S = 40.0


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """One RM at work in a manual campaign with three customers in the list; nobody is dialed."""
    plan = DemoPlan(customers=3, rms=1, mode=PacingMode.MANUAL, seed=3, mix=Mix(chance={Behaviour.ANSWER: 1}))
    async with set_stage(plan, tmp_path) as stage:
        rm_id = stage.rm_ids["anna"]
        await stage.system.bus.send(StartShift(rm_id=rm_id, campaign_id=stage.campaign.id))
        await eventually(lambda: stage.system.dialer.engine.desks[rm_id].free, DEADLINE_S)
        yield stage


async def test_the_owner_rm_gets_a_customer_who_calls_back(stage: Stage) -> None:
    """The customer hears who had called, then talks with the RM whose list they are in."""
    rm_id, system = stage.rm_ids["anna"], stage.system
    desk = system.dialer.engine.desks[rm_id]
    await call_back(stage.floor.lab.carrier, customer=await _a_number(stage), called=CALLER_ID)
    await eventually(lambda: desk.state is RmState.TALKING, DEADLINE_S)
    await stage.floor.lab.carrier.command("channel request hangup all")
    await eventually(lambda: desk.free, DEADLINE_S)
    await eventually(lambda: _told(stage), DEADLINE_S)
    assert await _summaries(stage) == ["Called back and spoke with the RM"]


async def test_a_caller_hears_a_message_when_the_rm_is_on_a_break(stage: Stage) -> None:
    """Nobody is there: the recorded message says so and the call ends; it stands in the timeline."""
    rm_id, system = stage.rm_ids["anna"], stage.system
    await system.bus.send(TakeBreak(rm_id=rm_id, reason=BreakReason.LUNCH))
    await call_back(stage.floor.lab.carrier, customer=await _a_number(stage), called=CALLER_ID)
    await eventually(lambda: _told(stage), DEADLINE_S)
    assert await _summaries(stage) == ["Called back and heard the announcement"]
    assert system.dialer.engine.desks[rm_id].state is RmState.BREAK


async def test_the_opt_out_key_records_suppression_and_ends_the_call(stage: Stage) -> None:
    """Key 9 during the announcement: customer and number are suppressed, and the call ends."""
    carrier = stage.floor.lab.carrier
    number = await _a_number(stage)
    await carrier.command(
        f"channel originate Local/{number}-{CALLER_ID}@call-back application SendDTMF wwwwww9wwwwwwwwwwww"
    )
    await eventually(lambda: _told(stage), DEADLINE_S)
    assert await _summaries(stage) == ["Called back and asked not to be called again"]
    scopes = await stage.system.db.read(
        lambda conn: list(conn.scalars(select(suppression.c.scope).order_by(suppression.c.scope)))
    )
    assert scopes == ["customer", "number"]


async def _a_number(stage: Stage) -> str:
    """The number of a customer in the RM's list."""

    def look(conn):  # type: ignore[no-untyped-def]
        number_id = conn.scalar(
            select(customer_number.c.id)
            .join(target_entry, target_entry.c.customer_id == customer_number.c.customer_id)
            .order_by(customer_number.c.id)
            .limit(1)
        )
        return reveal(conn, stage.system.cipher, number_id)

    return str(await stage.system.db.read(look))


async def _told(stage: Stage) -> bool:
    return bool(await _summaries(stage))


async def _summaries(stage: Stage) -> list[str]:
    return await stage.system.db.read(
        lambda conn: list(conn.scalars(select(interaction.c.summary).order_by(interaction.c.id)))
    )
