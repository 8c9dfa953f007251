# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing lost, nothing doubled, on a real PBX with real phones: every row of the recovery table, and dying phones.

After every test the records are held against the carrier's log and the PBX: one disposition a call, no number
dialed more often than there are calls, nothing open, locked or undelivered, no channel left.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from asterisk.carrier.mix import Behaviour
from dialer.desk import PhoneState
from offhook.demo.plan import NAMES
from softphone.account import AutoAnswer
from softphone.messages import HangUp, Ringing, Unplug
from tests.pbx.cut_line import CutLine
from tests.pbx.dialer_process import DialerProcess, send_home, staff
from tests.pbx.recovery_floor import TEMPER, House, at_work, kill_and_restart, phones_of, until
from vocabulary.commands import Halt, LiftHalt, PauseCampaign, StartCampaign
from vocabulary.dispositions import Disposition
from vocabulary.states import RmState

pytestmark = pytest.mark.pbx

#: RMs who let the customer talk.
PATIENT = replace(TEMPER, talks_at_most_s=5.0)


# --- the dialer dies ------------------------------------------------------------------------------------


async def test_killed_with_twenty_live_calls(house: House) -> None:
    """kill -9 while 20 customers ring and talk: every call is adopted or closed, nobody is dialed twice."""
    names = NAMES[:20]
    numbers = house.numbers(Behaviour.ANSWER, 14) + house.numbers(Behaviour.NO_ANSWER, 6)
    numbers += house.numbers(None, 6)
    site = await house.site(names, numbers)
    config = house.folder / f"{site.access.node}.json"
    site.config().write(config)
    async with phones_of(house, names):
        kill = await kill_and_restart(house.floor, site, config, live=20, kill_after_s=0.0, dead_s=0.5)
    assert (kill.found.broken, kill.found.forgotten) == ([], ())
    assert kill.ringing + kill.talking == 20
    assert kill.adopted > 0
    assert await house.channels() == []


async def test_graceful_stop_leaves_talks_up(house: House) -> None:
    """SIGTERM: what rings is ended, who talks goes on talking and is adopted by the next start."""
    names = NAMES[:6]
    numbers = house.numbers(Behaviour.ANSWER, 4) + house.numbers(Behaviour.NO_ANSWER, 2)
    site = await house.site(names, numbers)
    config = house.folder / f"{site.access.node}.json"
    site.config(PATIENT).write(config)
    records = site.records()
    async with phones_of(house, names):
        dialer = await DialerProcess.start(config)
        try:
            await until(lambda: records.now().talking >= 2 and records.now().ringing >= 2)
            await dialer.stop()
            rows = records.rows()
            talking = [row for row in rows if row.bridged_at is not None and row.ended_at is None]
            cut = [row for row in rows if row.bridged_at is None]
            assert {row.disposition for row in cut} == {Disposition.CANCELLED}
            assert talking
            channels = await house.channels()
            assert any(name.startswith("PJSIP/trunk-") for name in channels)
            assert sum(name.startswith("PJSIP/rm-") for name in channels) == len(names)
            dialer = await DialerProcess.start(config)
            await until(lambda: records.now().over)
            await dialer.go_home()
        finally:
            await dialer.kill()
        assert records.audit(house.invites(numbers)).broken == []
        by_id = {row.call_id: row for row in records.rows()}
        assert {by_id[row.call_id].disposition for row in talking} == {Disposition.ANSWERED}
    records.close()
    assert await house.channels() == []


async def test_dialer_and_phones_die_together(house: House) -> None:
    """The dialer and every RM's phone are gone at once, with calls up: the next start ends and closes them all."""
    names = NAMES[:4]
    numbers = house.numbers(Behaviour.ANSWER, 2) + house.numbers(Behaviour.NO_ANSWER, 2)
    site = await house.site(names, numbers)
    config = house.folder / f"{site.access.node}.json"
    site.config(PATIENT).write(config)
    records = site.records()
    async with phones_of(house, names) as phones:
        dialer = await DialerProcess.start(config)
        await until(lambda: records.now().talking >= 1 and records.now().ringing >= 2)
        await dialer.kill()
        # In good order: the phones say BYE, and their bridges stand without an RM.
        await phones.close()
    async with phones_of(house, names):
        dialer = await DialerProcess.start(config)
        try:
            await until(lambda: records.now().over)
            await dialer.go_home()
        finally:
            await dialer.kill()
    assert records.audit(house.invites(numbers)).broken == []
    records.close()
    assert await house.channels() == []


# --- the line and the PBX -------------------------------------------------------------------------------


async def test_event_socket_cut_for_ten_seconds(house: House) -> None:
    """With the socket cut nobody new is dialed and talks go on; after it every call has its end, and work goes on."""
    names = NAMES[:4]
    numbers = house.numbers(Behaviour.ANSWER, 6) + house.numbers(Behaviour.NO_ANSWER, 2)
    line = await CutLine(house.floor.lab.pbx_spec.ari.port).open()
    async with (
        phones_of(house, names),
        at_work(house, names, numbers, ari_port=line.port) as work,
    ):
        await until(lambda: work.records.now().talking >= 2 and work.records.now().ringing >= 1)
        line.cut()
        await until(lambda: work.system.dialer.engine.dialing_blocked() is not None)
        down_at = work.system.clock.now() + timedelta(milliseconds=200)
        await asyncio.sleep(10)
        assert work.dialed_after(down_at) == 0
        line.mend()
        await until(lambda: work.system.dialer.engine.dialing_blocked() is None)
        await work.to_the_end()
        assert work.dialed_after(down_at) > 0
    await line.close()


async def test_pbx_killed_in_calls(house: House) -> None:
    """Asterisk dies by SIGKILL: every call is closed, the RMs' phones are called again, dialing goes on."""
    names = NAMES[:4]
    numbers = house.numbers(Behaviour.ANSWER, 7) + house.numbers(Behaviour.NO_ANSWER, 1)
    async with phones_of(house, names), at_work(house, names, numbers) as work:
        await until(lambda: work.records.now().talking >= 2)
        pbx = house.floor.lab.pbx
        assert pbx.pid is not None
        os.kill(pbx.pid, signal.SIGKILL)
        await until(lambda: work.system.dialer.engine.dialing_blocked() is not None)
        await until(lambda: pbx.pid is None)
        await pbx.start()
        back_at = work.system.clock.now()
        await work.to_the_end()
        rows = [row for row in work.records.rows() if row.dialed_at is not None]
        assert work.dialed_after(back_at) > 0
        cut = {row.disposition for row in rows if row.dialed_at < back_at}
        # Answered: joined before the PBX died. Cancelled: refused, with the PBX gone already.
        assert cut <= {Disposition.LOST, Disposition.ANSWERED, Disposition.CANCELLED}
        assert Disposition.ANSWERED in {row.disposition for row in rows if row.dialed_at > back_at}


async def test_halt_stops_every_invite_within_a_second(house: House) -> None:
    """A halt: no INVITE leaves later than one second after it, ringing calls end, who talks goes on talking."""
    names = NAMES[:6]
    numbers = house.numbers(Behaviour.ANSWER, 8) + house.numbers(Behaviour.NO_ANSWER, 4)
    async with phones_of(house, names), at_work(house, names, numbers, temper=PATIENT) as work:
        await until(lambda: work.records.now().talking >= 2 and work.records.now().ringing >= 2)
        talking = {row.call_id for row in work.records.rows() if row.bridged_at and not row.ended_at}
        halted_at = work.system.clock.now()
        await work.system.bus.send(Halt(reason="test"))
        await until(lambda: work.records.now().ringing == 0)
        cut = [row for row in work.records.rows() if row.call_id not in talking and row.dialed_at]
        assert all(row.ended_at is not None for row in cut if row.bridged_at is None)
        assert all(
            row.ended_at is None or row.ended_by == "network"
            for row in work.records.rows()
            if row.call_id in talking
        )
        await asyncio.sleep(2)
        assert work.dialed_after(halted_at + timedelta(seconds=1)) == 0
        assert all("stopped" in desk.why_not for desk in work.desks.values() if desk.free)
        await work.system.bus.send(LiftHalt())
        await work.to_the_end()


# --- RM phones ------------------------------------------------------------------------------------------


async def test_idle_phone_dies(house: House, record_property) -> None:
    """A phone that dies without a word while its RM waits is noticed, and no customer is joined to it."""
    numbers = house.numbers(Behaviour.ANSWER, 2)
    async with (
        phones_of(house, ["anna"]) as annas,
        phones_of(house, ["ben"]),
        at_work(house, ["anna", "ben"], numbers, dial=False) as work,
    ):
        await until(lambda: all(desk.state is RmState.READY for desk in work.desks.values()))
        await asyncio.sleep(2 * 1.5)
        died_at = work.system.clock.monotonic()
        annas.kill()
        await until(lambda: work.desks["anna"].phone is not PhoneState.UP)
        noticed_s = work.system.clock.monotonic() - died_at
        record_property("noticed_s", noticed_s)
        print(f"a dead phone was noticed after {noticed_s:.1f} s")
        anna = work.desks["anna"].rm.id
        await work.system.bus.send(StartCampaign(campaign_id=work.site.campaign_id))
        await staff(work.system, work.site.config())
        await until(lambda: sum(row.outcome is not None for row in work.records.rows()) == 1)
        assert all(row.rm_id != anna for row in work.records.rows())
        await work.system.bus.send(PauseCampaign(campaign_id=work.site.campaign_id))
        await until(lambda: work.records.now().open == 0)
        await send_home(work.system)
        assert work.records.audit(house.invites(numbers)).broken == []


async def test_dialing_right_after_an_idle_phone_died(house: House) -> None:
    """The campaign begins in the moment the phone dies: the customer is not dialed, or is let go before the answer."""
    numbers = house.numbers(Behaviour.ANSWER, 2)
    async with phones_of(house, ["anna"]) as annas, at_work(house, ["anna"], numbers, dial=False) as work:
        await until(lambda: work.desks["anna"].state is RmState.READY)
        await asyncio.sleep(2 * 1.5)
        annas.kill()
        await asyncio.sleep(0.3)
        await work.system.bus.send(StartCampaign(campaign_id=work.site.campaign_id))
        await until(lambda: work.desks["anna"].phone is not PhoneState.UP)
        await until(lambda: work.records.now().open == 0)
        assert not any(row.bridged_at for row in work.records.rows())
        await work.system.bus.send(PauseCampaign(campaign_id=work.site.campaign_id))
        await send_home(work.system)
        assert work.records.audit(house.invites(numbers)).broken == []


async def test_phone_unplugged_in_a_talk(house: House) -> None:
    """No audio comes from the RM: the phone is called anew and the talk ends; plugged in again, work goes on."""
    numbers = house.numbers(Behaviour.ANSWER, 2)
    async with (
        phones_of(house, ["anna"]) as phones,
        at_work(house, ["anna"], numbers, temper=PATIENT) as work,
    ):
        await until(lambda: work.records.now().talking == 1)
        await phones.tell(Unplug(ref=phones.next_ref(), on=True))
        await until(lambda: work.desks["anna"].phone is PhoneState.SILENT)
        await until(lambda: work.records.now().talking == 0)
        await phones.tell(Unplug(ref=phones.next_ref(), on=False))
        await until(lambda: work.desks["anna"].phone is PhoneState.UP)
        await work.to_the_end()


async def test_phone_that_rejects(house: House) -> None:
    """A phone that rejects every call: its RM is told why nobody comes, and nobody is dialed."""
    numbers = house.numbers(Behaviour.ANSWER, 1)
    async with (
        phones_of(house, ["anna"], AutoAnswer.NEVER) as phones,
        at_work(house, ["anna"], numbers) as work,
    ):
        rejected = 0
        async for event in phones.events():
            if isinstance(event, Ringing):
                await phones.tell(HangUp(ref=phones.next_ref(), phone=event.phone))
                rejected += 1
            if rejected == 2:
                break
        await until(lambda: work.desks["anna"].phone is PhoneState.DOWN)
        assert work.desks["anna"].state is RmState.PHONE_CONNECTING
        assert work.records.rows() == []
        await send_home(work.system)
        assert work.records.audit(house.invites(numbers)).broken == []


async def test_phone_not_registered(house: House) -> None:
    """Without a registered phone the RM is told so and nobody is dialed; once it registers, work begins."""
    numbers = house.numbers(Behaviour.ANSWER, 1)
    async with at_work(house, ["tara"], numbers) as work:
        await until(lambda: "not registered" in work.desks["tara"].why_not)
        assert work.records.rows() == []
        async with phones_of(house, ["tara"]):
            await work.to_the_end()
