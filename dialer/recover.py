# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a recovery plan out: the shell around ``dialer.recovery``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from dialer.call_in_hand import CallInHand
from dialer.call_runner import Adopted, CallRunner
from dialer.calls import open_calls
from dialer.claim import reclaim
from dialer.desk import Desk, DeskRm, PhoneState
from dialer.engine import Engine
from dialer.recovery import CallFate, Fate, OpenCall, OpenShift, Plan, plan_recovery
from dialer.salvage import close_open_call
from dialer.shifts import last_state, open_shifts
from dialer.telephony import SurveyedState, TelephonyError, Unknown
from profiler.rms import Rm, find
from vocabulary.call_id import CallId
from vocabulary.states import CallState, RmState

log = structlog.get_logger()


async def recover(engine: Engine) -> Plan:
    """Settle what an earlier process left, before anybody is dialed. The campaigns are loaded already."""
    means = engine.means
    rows = await means.db.read(open_calls)
    shift_rows = await means.db.read(open_shifts)
    rms: dict[int, Rm] = {}
    for shift in shift_rows:
        rm = await means.db.read(find, shift.rm_id)
        if rm is not None:
            rms[shift.rm_id] = rm
    plan = plan_recovery(
        [_open_call(row) for row in rows],
        [
            OpenShift(
                shift_id=shift.id, rm_id=shift.rm_id, rm=rms[shift.rm_id].name, campaign_id=shift.campaign_id
            )
            for shift in shift_rows
            if shift.rm_id in rms
        ],
        await _survey(engine),
    )
    log.info(
        "recovering",
        calls={fate: sum(1 for call in plan.calls if call.fate is fate) for fate in Fate},
        phones=len(plan.phones),
        orphans=len(plan.orphans),
    )
    for leg in plan.orphans:
        await _hang_up(engine, leg)
    states = _states(plan)
    for shift in shift_rows:
        if shift.rm_id in rms:
            left_in = await means.db.read(last_state, shift.id)
            # Who was on a break, or away, is not ready because the dialer was restarted.
            idle = left_in if left_in in (RmState.BREAK, RmState.AWAY) else RmState.PHONE_CONNECTING
            _seat(engine, rms[shift.rm_id], shift, plan, states.get(shift.rm_id, idle))
    rows_by_id = {row.call_id: row for row in rows}
    for fate in plan.calls:
        await _settle(engine, fate, rows_by_id[fate.call.call_id])
    for desk in engine.desks.values():
        engine.connect(desk, plan.phones.get(desk.rm.id))
    return plan


def _open_call(row: Any) -> OpenCall:
    return OpenCall(
        call_id=CallId(row.call_id),
        state=CallState(row.state),
        rm_id=row.rm_id,
        shift_id=row.shift_id,
        bridge=row.bridge,
    )


async def _survey(engine: Engine) -> Any:
    """The PBX must answer before anything is settled: guessing would count a living call as lost."""
    while True:
        try:
            return await engine.means.telephony.survey()
        except Unknown:
            log.warning("recovery_waits_for_pbx")
            await engine.means.clock.sleep(1.0)


def _states(plan: Plan) -> dict[int, RmState]:
    """Where RMs with a call in hand go on."""
    states: dict[int, RmState] = {}
    for call in plan.calls:
        if call.call.rm_id is None:
            continue
        bridged = call.call.state is CallState.BRIDGED
        if call.fate is Fate.ADOPT:
            states[call.call.rm_id] = RmState.TALKING if bridged else RmState.DIALING
        elif call.fate is Fate.WRAP_UP or bridged:
            states[call.call.rm_id] = RmState.WRAP_UP
    return states


def _seat(engine: Engine, rm: Rm, shift: Any, plan: Plan, state: RmState) -> None:
    desk = engine.seat(
        DeskRm(
            id=rm.rm_id,
            name=rm.name,
            display_name=rm.display_name,
            endpoint=rm.endpoint,
            sends_audio=rm.sends_audio,
        ),
        shift.id,
        shift.campaign_id,
        state,
    )
    phone = plan.phones.get(rm.rm_id)
    if phone is not None:
        desk.leg, desk.bridge = phone
        desk.phone = PhoneState.UP


async def _settle(engine: Engine, fate: CallFate, row: Any) -> None:
    desk = engine.desks.get(fate.call.rm_id or -1)
    match fate.fate:
        case Fate.ADOPT if desk is not None:
            await _adopt(engine, fate, row, desk)
        case Fate.WRAP_UP if desk is not None:
            await _hang_up(engine, fate.leg.leg if fate.leg else None)
            await _wrap_up(engine, row, desk)
        case _:
            await _hang_up(engine, fate.leg.leg if fate.leg else None)
            await _close(engine, fate, row, desk)


async def _adopt(engine: Engine, fate: CallFate, row: Any, desk: Desk) -> None:
    assert fate.leg is not None
    clock = engine.means.clock
    up = fate.leg.state is SurveyedState.UP
    claim = await engine.means.db.read(reclaim, CallId(row.call_id), clock.now(), engine.means.rules)
    desk.call = CallInHand(engine, desk, claim, decided_at=clock.monotonic())
    now = clock.now()
    adopted = Adopted(
        state=CallState(row.state),
        leg=fate.leg.leg,
        up=up,
        # Found ringing, and since when is not known: the lawful minimum counts from now.
        ringing_at=row.ringing_at or (now if fate.leg.state is SurveyedState.RINGING else None),
        bridged_at=row.bridged_at,
        decided_ago_s=_age(row.decided_at, now),
    )
    engine.spawn_call(CallRunner(desk.call).resume(adopted), f"call-{row.call_id}")
    log.info("call_adopted", call_id=row.call_id, up=up)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


async def _wrap_up(engine: Engine, row: Any, desk: Desk) -> None:
    claim = await engine.means.db.read(
        reclaim, CallId(row.call_id), engine.means.clock.now(), engine.means.rules
    )
    desk.call = CallInHand(engine, desk, claim, decided_at=engine.means.clock.monotonic())
    engine.spawn_call(CallRunner(desk.call).wrap_up_only(), f"call-{row.call_id}")


async def _close(engine: Engine, fate: CallFate, row: Any, desk: Desk | None) -> None:
    """One disposition for a call that cannot go on; a talk that was cut still gets its wrap-up."""
    talked = row.bridged_at is not None and desk is not None
    await engine.means.journal.write(
        close_open_call,
        CallId(row.call_id),
        fate.ended_by,
        "The dialer was restarted during this call.",
        engine.means.clock.now(),
        engine.means.ids,
        engine.means.rules,
        was_up=fate.leg is not None and fate.leg.state is SurveyedState.UP,
        rang=fate.leg is not None and fate.leg.state is SurveyedState.RINGING,
        for_wrap_up=talked,
    )
    if talked and desk is not None:
        await _wrap_up(engine, row, desk)


async def _hang_up(engine: Engine, leg: Any) -> None:
    if leg is None:
        return
    try:
        await engine.means.telephony.hang_up(leg)
    except TelephonyError as error:
        log.warning("orphan_left", leg=leg.id, error=str(error))
