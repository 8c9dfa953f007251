# SPDX-License-Identifier: GPL-3.0-or-later
"""A floor in which everything goes wrong, drawn from a seed: ``run_seed`` lets it live to the end of its lists.

Customers of every behaviour; RMs who work, dither, leave and fall asleep; phones, event stream, trunk and
database that fail; a dialer that dies at any of its acts and is started again on the same database and PBX.
After the troubles everything is put right, and then nothing may be left over (``tests.sim.ledger``).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import structlog
from structlog.testing import capture_logs

from dialer.campaigns import CampaignPolicy
from dialer.finish import GHOST_RING
from dialer.telephony import DialCustomer, LegId, Refusal, TrunkHealth
from dialer.testing import (
    BUSY,
    DECLINES,
    HANGS_UP_AT_ONCE,
    RINGS_FOR_EVER,
    SILENT_TRUNK,
    WRONG_NUMBER,
    Behaviour,
)
from dialer.timing import Timing
from foundation.errors import DatabaseBusy, FoundationError
from foundation.testing import run_virtual
from tests.sim.ledger import Ledger
from tests.sim.process import Process
from tests.sim.world import CALLER_ID, PREFIX, World
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import CampaignState, PacingMode, RmState

log = structlog.get_logger()

TIME_SCALE = 1 / 288
"""A day of waiting lasts five minutes."""

AFTER_LOST_S = 200
"""How long a customer whose call was lost is left alone."""

TIMING = Timing(
    pace_every_s=1.0, wrap_up_s=15.0, are_you_there_s=5.0, more_time_s=10.0, review_s=30.0, lease_s=120.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one seed."""

    seed: int
    calls: int
    dispositions: dict[str, int]
    lives: int  #: how often the dialer was started
    broken: list[str]  #: rules that did not hold
    log_hash: str


def run_seed(seed: int, *, customers: int = 14, trouble_s: float = 600.0) -> Told:
    """One world from its seed, under virtual time. The same seed tells the same story, word for word.

    Things go wrong for ``trouble_s`` virtual seconds.
    """
    # The outbox is woken by whoever writes; its polling for lost wakes is most of what an idle world does.
    with capture_logs() as lines, mock.patch("foundation.outbox.POLL_S", 30.0):
        told = run_virtual(_Seeded(seed, customers, trouble_s).live())
    faults = {"task_crashed", "journal_note_failed", "event_failed", "command_failed", "outcome_failed"}
    broken = [*told.broken, *(f"{line['event']}: {line}" for line in lines if line["event"] in faults)]
    story = json.dumps([{k: str(v) for k, v in line.items() if k != "exc_info"} for line in lines])
    return replace(told, broken=broken, log_hash=hashlib.sha256(story.encode()).hexdigest())


class _Seeded:
    def __init__(self, seed: int, customers: int, trouble_s: float) -> None:
        self.seed = seed
        self.trouble_s = trouble_s
        self.rng = random.Random(seed)
        self.customers = customers
        self.mode = self.rng.choice(
            [PacingMode.PROGRESSIVE, PacingMode.PROGRESSIVE, PacingMode.PREVIEW, PacingMode.MANUAL]
        )
        self.lives = 0
        self.calm = False
        self.database_down = False
        self.deaths: list[asyncio.Task[None]] = []
        self.world: World
        self.ledger: Ledger

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    # --- the world ----------------------------------------------------------------------------------

    async def live(self) -> Told:
        wait_s = dict.fromkeys(Disposition, 40 * 288)
        # Another hour of the day would be a long time to simulate.
        no_wait: dict[Disposition, int | None] = {Disposition.NO_ANSWER: None, Disposition.MACHINE: None}
        self.world = world = await World.make(
            rms_count=self.rng.randint(2, 4),
            customers=self.customers,
            mode=self.mode,
            policy=CampaignPolicy(
                max_attempts=3, retry_s={**wait_s, **no_wait, Disposition.LOST: AFTER_LOST_S * 288}
            ),
            timing=TIMING,
            seed=self.seed,
            numbers=self._numbers(),
            time_scale=TIME_SCALE,
        )
        self.ledger = Ledger(world, after_lost_s=AFTER_LOST_S)
        world.pbx.behave = self._behave
        world.db.before = self._before
        await self._start()
        # One after the other in the list: the order of tasks is a part of the story.
        lives = [asyncio.create_task(self._rm(rm_id), name=f"rm-{rm_id}") for rm_id in world.rm_ids] + [
            asyncio.create_task(self._undertaker(), name="undertaker"),
            asyncio.create_task(self._troubles(), name="troubles"),
            asyncio.create_task(self.ledger.watch(), name="watch"),
        ]
        await self._to_the_end()
        for task in lives:
            task.cancel()
        for ended in await asyncio.gather(*lives, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        world.db.before = None
        told = await self.ledger.audit()
        calls = await world.calls()
        await world.close()
        counts: dict[str, int] = {}
        for row in calls:
            counts[str(row.disposition)] = counts.get(str(row.disposition), 0) + 1
        return Told(
            seed=self.seed,
            calls=len(calls),
            dispositions=dict(sorted(counts.items())),
            lives=self.lives,
            broken=told,
            log_hash="",
        )

    def _numbers(self) -> list[str]:
        """Some customers share a phone."""
        numbers: list[str] = []
        for index in range(self.customers):
            if numbers and self.chance(0.15):
                numbers.append(self.rng.choice(numbers))
            else:
                numbers.append(f"{PREFIX}{index + 10_000_000}")
        return numbers

    def _behave(self, request: DialCustomer) -> Behaviour:
        self.ledger.dialed(request)
        answers = Behaviour(
            rings_after_s=self.rng.uniform(0.05, 3.0),
            answers_after_s=self.rng.uniform(3.0, 20.0),
            talks_s=self.rng.choice([0.0, 0.5, 5.0, 20.0, 90.0]),
        )
        if self.chance(0.08) and request.bridge is not None and answers.answers_after_s is not None:
            moment = answers.answers_after_s + self.rng.uniform(-0.05, 0.05)
            rm = request.bridge.id.split("-")[2]
            self.deaths.append(asyncio.create_task(self._phone_dies_later(rm, moment), name="phone-dies"))
        others = [BUSY, DECLINES, HANGS_UP_AT_ONCE, RINGS_FOR_EVER, SILENT_TRUNK, WRONG_NUMBER]
        return answers if self.chance(0.55) else self.rng.choice(others)

    async def _before(self, unit: str) -> None:
        if ":peek_" in unit:
            return  # somebody outside looks
        if self.chance(0.3):
            await self.world.clock.sleep(self.rng.uniform(0.0, 0.02))
        if self.database_down or (not self.calm and self.chance(0.004)):
            raise DatabaseBusy("The database is busy, says the simulation. Nothing was written.")

    # --- lives of the dialer ------------------------------------------------------------------------

    async def _boot(self) -> None:
        self.lives += 1
        mortal = not self.calm and self.lives < 8 and self.chance(0.8)
        process = Process(
            self.world.db,
            self.world.pbx,
            dies_at=self.rng.randint(5, 500) if mortal else 0,
            after_effect=self.chance(0.5),
        )
        await self.world.boot(process=process, start_campaign=False, shifts=False)

    async def _undertaker(self) -> None:
        """Starts the dialer again, a while after it died, also where it died while starting."""
        world = self.world
        while True:
            assert world.process is not None
            await world.process.dead.wait()
            log.info("dialer_dies", act=world.process.last_act, acts=world.process.acts)
            await world.kill()
            await world.clock.sleep(self.rng.choice([0.01, 0.2, 1.0, 4.0, 30.0]))
            await self._start()

    async def _start(self) -> None:
        """Until it is up, or died in the middle of it."""
        while True:
            boot = asyncio.create_task(self._boot(), name="boot")
            try:
                await self._or_death(boot)
                return
            except FoundationError as error:
                log.info("boot_failed", error=str(error))
                await self.world.kill()
                await self.world.clock.sleep(1.0)

    async def _or_death(self, boot: asyncio.Task[None]) -> None:
        """Wait for a start, or for the death in the middle of it."""
        while not boot.done():
            await self.world.clock.sleep(0.05)
            process = self.world.process
            if process is not None and process.dead.is_set() and not boot.done():
                boot.cancel()
                await asyncio.wait({boot})
                return
        boot.result()

    # --- people -------------------------------------------------------------------------------------

    async def _send(self, command: c.Command) -> c.Reply | None:
        """A command whose sender lives on when the dialer dies."""
        try:
            return await self.world.bus.send(command, deadline_s=20.0)
        except FoundationError:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None

    async def _rm(self, rm_id: int) -> None:
        """An RM's day: does what the screen asks for, mostly."""
        campaign = self.world.campaign
        assert campaign is not None
        while True:
            await self.world.clock.sleep(self.rng.uniform(0.5, 4.0))
            dialer = self.world.dialer
            if dialer is None:
                continue
            desk = dialer.engine.desks.get(rm_id)
            if desk is None:
                await self._send(c.StartShift(rm_id=rm_id, campaign_id=campaign.id))
                continue
            call_id = desk.call.call_id if desk.call is not None else None
            match desk.state:
                case RmState.WRAP_UP if call_id is not None:
                    await self._wrap_up(rm_id, call_id)
                case RmState.AWAY | RmState.BREAK:
                    await self._send(c.GoReady(rm_id=rm_id))
                case RmState.REVIEWING if call_id is not None:
                    await self._decide(rm_id, call_id)
                case RmState.DIALING if call_id is not None and self.chance(0.04):
                    await self._send(c.CancelCall(rm_id=rm_id, call_id=call_id, reason="changed my mind"))
                case RmState.TALKING if call_id is not None and self.chance(0.2):
                    await self._send(c.HangUp(rm_id=rm_id, call_id=call_id))
                case RmState.READY if self.mode is PacingMode.PREVIEW:
                    await self._send(c.NextCustomer(rm_id=rm_id))
                case RmState.READY if self.mode is PacingMode.MANUAL and self.chance(0.4):
                    await self._choose(rm_id)
            if not self.calm and self.chance(0.02):
                await self._send(self._whim(rm_id))

    def _whim(self, rm_id: int) -> c.Command:
        return self.rng.choice(
            [
                c.TakeBreak(rm_id=rm_id, reason=BreakReason.PAUSE),
                c.EndShift(rm_id=rm_id),
                c.MoreTime(rm_id=rm_id),
            ]
        )

    async def _wrap_up(self, rm_id: int, call_id: Any) -> None:
        if self.chance(0.1):
            await self.world.clock.sleep(25.0)  # asleep
            return
        if self.chance(0.1):
            await self._send(c.MoreTime(rm_id=rm_id))
        outcome = self.rng.choice([item for item in Outcome if item is not Outcome.NO_OUTCOME])
        await self._send(c.RecordOutcome(rm_id=rm_id, call_id=call_id, outcome=outcome, callback_at=None))
        await self._send(c.RecordOutcome(rm_id=rm_id, call_id=call_id, outcome=Outcome.SALE))

    async def _decide(self, rm_id: int, call_id: Any) -> None:
        which = self.rng.random()
        if which < 0.75:
            await self._send(c.ConfirmCall(rm_id=rm_id, call_id=call_id))
        elif which < 0.85:
            await self._send(c.SkipCustomer(rm_id=rm_id, call_id=call_id, reason="later"))
        elif which < 0.9:
            await self._send(c.CancelCall(rm_id=rm_id, call_id=call_id, reason="not now"))
        elif which < 0.95:
            await self._send(c.HangUp(rm_id=rm_id, call_id=call_id))

    async def _choose(self, rm_id: int) -> None:
        customer_id = await self.ledger.waiting_customer(rm_id)
        if customer_id is not None:
            await self._send(c.NextCustomer(rm_id=rm_id, customer_id=customer_id))

    # --- what goes wrong ----------------------------------------------------------------------------

    async def _troubles(self) -> None:
        world, rng = self.world, self.rng
        troubles = [
            self._phone_dies,
            self._phone_falls_silent,
            self._phones_unregistered,
            self._link_cut,
            self._database_down,
            self._requests_unknown,
            self._hang_ups_unheard,
            self._trunk_refuses,
            self._breaker,
            self._halt,
            self._pause,
            self._call_back,
        ]
        while world.clock.monotonic() < self.trouble_s:
            await world.clock.sleep(rng.expovariate(1 / 15))
            trouble = rng.choice(troubles)
            log.info("trouble", what=trouble.__name__)
            await trouble()
        self.calm = True
        if world.process is not None:
            world.process.spare()
        log.info("all_is_well_again")

    def _any_rm(self) -> str:
        return f"rm{self.rng.randrange(len(self.world.rm_ids))}x"

    async def _phone_dies_later(self, rm: str, after_s: float) -> None:
        """In the moment of an answer, or just beside it."""
        await self.world.clock.sleep(after_s)
        if not self.calm:
            self.world.pbx.rm_phone_dies(rm)

    async def _hang_ups_unheard(self) -> None:
        self.world.pbx.hang_up_unheard = True
        await self.world.clock.sleep(self.rng.uniform(1.0, 12.0))
        self.world.pbx.hang_up_unheard = False

    async def _phone_dies(self) -> None:
        self.world.pbx.rm_phone_dies(self._any_rm())

    async def _phone_falls_silent(self) -> None:
        rm = self._any_rm()
        self.world.pbx.rm_phone_silent(rm, self.rng.choice(["no audio", "hold"]))
        await self.world.clock.sleep(self.rng.choice([1.0, 10.0]))
        self.world.pbx.rm_phone_heard(rm)

    async def _phones_unregistered(self) -> None:
        self.world.pbx.registered = False
        self.world.pbx.rm_phone_dies(self._any_rm())
        await self.world.clock.sleep(self.rng.uniform(1.0, 10.0))
        self.world.pbx.registered = True

    async def _link_cut(self) -> None:
        self.world.pbx.link_down()
        await self.world.clock.sleep(self.rng.uniform(0.5, 20.0))
        if self.world.pbx.mute_events:
            self.world.pbx.link_up()

    async def _database_down(self) -> None:
        self.database_down = True
        await self.world.clock.sleep(self.rng.choice([0.1, 1.0, 12.0]))
        self.database_down = False

    async def _requests_unknown(self) -> None:
        self.world.pbx.dial_unknown = True
        await self.world.clock.sleep(self.rng.uniform(1.0, 20.0))
        self.world.pbx.dial_unknown = False

    async def _trunk_refuses(self) -> None:
        self.world.pbx.refuse_dial = self.rng.choice([Refusal.TRUNK_FULL, Refusal.REJECTED])
        await self.world.clock.sleep(self.rng.uniform(1.0, 6.0))
        self.world.pbx.refuse_dial = None

    async def _breaker(self) -> None:
        for usable in (False, True):
            event = TrunkHealth(
                at=self.world.clock.now(), trunk="carrier", usable=usable, why="too many failures"
            )
            self.world.pbx.tell(event)
            await self.world.clock.sleep(self.rng.uniform(1.0, 10.0))

    async def _halt(self) -> None:
        await self._send(c.Halt(reason="a test"))
        await self.world.clock.sleep(self.rng.uniform(1.0, 10.0))
        await self._send(c.LiftHalt())

    async def _pause(self) -> None:
        campaign = self.world.campaign
        assert campaign is not None
        await self._send(c.PauseCampaign(campaign_id=campaign.id))
        await self.world.clock.sleep(self.rng.uniform(1.0, 10.0))
        await self._send(c.StartCampaign(campaign_id=campaign.id))

    async def _call_back(self) -> None:
        leg = LegId(self.world.pbx.node, f"in{self.rng.randrange(10**9)}")
        number = f"{PREFIX}{self.rng.randrange(self.customers + 3) + 10_000_000}"
        self.world.pbx.someone_calls(leg, pii_number=number, called=CALLER_ID)
        await self.world.clock.sleep(self.rng.uniform(0.5, 12.0))
        if self.chance(0.3):
            self.world.pbx.presses(leg, "9")
        await self.world.clock.sleep(self.rng.uniform(0.5, 12.0))
        self.world.pbx.customer_hangs_up(leg)

    # --- the end ------------------------------------------------------------------------------------

    async def _to_the_end(self) -> None:
        """Until the lists are over and everybody is at rest; what is switched off is switched on again."""
        world = self.world
        assert world.campaign is not None
        limit = self.trouble_s + 3 * 3600
        while world.clock.monotonic() < limit:
            await world.clock.sleep(5.0)
            dialer = world.dialer
            if dialer is None:
                continue
            campaign = dialer.engine.campaigns.get(world.campaign.id)
            if campaign is None:
                continue
            if self.calm and dialer.engine.halted:
                await self._send(c.LiftHalt())
            if campaign.state in (CampaignState.DRAFT, CampaignState.PAUSED) and (
                self.calm or self.chance(0.3)
            ):
                await self._send(c.StartCampaign(campaign_id=world.campaign.id))
            at_rest = all(
                not desk.busy and desk.state is not RmState.WRAP_UP for desk in dialer.engine.desks.values()
            )
            if self.calm and at_rest and not await self.ledger.anybody_waiting():
                # Time for the last events, phones and notes, and for the phones that may still ring.
                await world.clock.sleep(40.0 + GHOST_RING.total_seconds())
                return
        raise AssertionError(f"seed {self.seed}: the lists never came to their end")
