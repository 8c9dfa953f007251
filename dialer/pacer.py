# SPDX-License-Identifier: GPL-3.0-or-later
"""The pacer of the whole floor: at every event and at least every 250 ms it gives free RMs their next customer.

It decides for the campaigns that dial by themselves (progressive); manual and preview RMs ask for theirs.
It also says, in words, why an RM who is free gets no call.
"""

from __future__ import annotations

import asyncio

import structlog

from dialer.campaigns import Campaign, list_campaigns, move_campaign
from dialer.claim import Claim, ListOver, NothingDue, claim_next
from dialer.desk import Desk
from dialer.engine import Engine
from dialer.pacing.progressive import lines_to_dial
from dialer.pacing.snapshot import PacingSnapshot
from foundation.errors import DatabaseError
from foundation.tasks import TaskOwner
from profiler.lists import counts
from vocabulary.errors import IllegalMove
from vocabulary.states import OPEN_ENTRY_STATES, CampaignState, PacingMode

log = structlog.get_logger()

END_OF_LIST = "This is the end of your list: every customer in it has been dealt with."


class Pacer:
    """Owns the pacing task and the claims it has under way."""

    def __init__(self, engine: Engine, *, max_calls: int) -> None:
        self._engine = engine
        self._means = engine.means
        self._max_calls = max_calls
        self._poke = asyncio.Event()
        self._said: dict[int, str] = {}  #: why a campaign does not dial, as last told to its free RMs
        self._owner = TaskOwner("pacer", on_crash=engine.crashed)
        engine.on_free.append(lambda desk: self.poke())

    def start(self) -> None:
        """Dial from here on."""
        self._owner.spawn(self._run(), name="pace")

    async def close(self) -> None:
        """Claim nobody new; claims under way are given up."""
        await self._owner.close()

    def poke(self) -> None:
        """Something changed: look now."""
        self._poke.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._means.timing.pace_every_s):
                    await self._poke.wait()
            except TimeoutError:
                pass
            self._poke.clear()
            for campaign in list(self._engine.campaigns.values()):
                self._pace(campaign)

    def _pace(self, campaign: Campaign) -> None:
        engine, now_s = self._engine, self._means.clock.monotonic()
        desks = [desk for desk in engine.desks.values() if desk.campaign_id == campaign.id and desk.free]
        if not desks:
            return
        why_not = self.why_not(campaign)
        said, self._said[campaign.id] = self._said.get(campaign.id, ""), why_not or ""
        for desk in desks:
            if why_not is not None or desk.why_not == said:
                desk.say_why_not(why_not or "")
        if why_not is not None or campaign.mode is not PacingMode.PROGRESSIVE:
            return
        due = sorted(
            (desk for desk in desks if desk.look_at <= now_s), key=lambda desk: (desk.since, desk.rm.id)
        )
        under_way = sum(1 for desk in engine.desks.values() if desk.call is not None or desk.claiming)
        snapshot = PacingSnapshot(free_rms=len(due), lines_left=self._max_calls - under_way)
        for desk in due[: lines_to_dial(snapshot)]:
            desk.claiming = True
            self._owner.spawn(self._claim(campaign, desk), name=f"claim-{desk.rm.name}")

    def why_not(self, campaign: Campaign) -> str | None:
        """Why nobody of a campaign may be dialed at this moment, in words, or None."""
        blocked = self._engine.dialing_blocked() or campaign.closed(self._means.clock.now())
        if blocked is None and self._engine.pick_trunk(campaign.policy.trunks) is None:
            return "No trunk can be used right now, so nobody is dialed."
        return blocked

    async def _claim(self, campaign: Campaign, desk: Desk) -> None:
        decided_at = self._means.clock.monotonic()
        desk.look_at = decided_at + self._means.timing.look_again_s
        try:
            claimed = await claim_for(self._engine, campaign, desk)
            if isinstance(claimed, Claim):
                # Whatever changed while the claim was being written, the call finds out before it dials.
                desk.look_at = decided_at
                self._engine.run_call(desk, claimed, review_first=False, decided_at=decided_at)
                return
            await self._nobody(campaign, desk, claimed)
        except DatabaseError as error:
            desk.say_why_not(f"The next customer could not be fetched; nobody was dialed. {error}")
        finally:
            if desk.call is None:
                desk.claim_over()

    async def _nobody(self, campaign: Campaign, desk: Desk, answer: NothingDue | ListOver) -> None:
        clock, timing = self._means.clock, self._means.timing
        wait_s = timing.look_again_s
        if isinstance(answer, NothingDue):
            desk.say_why_not(answer.sentence)
            if answer.next_at is not None:
                wait_s = min(max((answer.next_at - clock.now()).total_seconds(), 0.05), wait_s)
        else:
            desk.say_why_not(END_OF_LIST)
        desk.look_at = clock.monotonic() + wait_s
        if isinstance(answer, ListOver):
            await self.list_over(campaign)

    async def list_over(self, campaign: Campaign) -> None:
        """An RM's list came to its end: with the last one of the campaign the campaign is exhausted."""
        by_rm = await self._means.db.read(counts, campaign.id)
        if any(states.get(state, 0) for states in by_rm.values() for state in OPEN_ENTRY_STATES):
            return
        current = self._engine.campaigns.get(campaign.id)
        if current is None or current.state is not CampaignState.RUNNING:
            return
        try:
            moved = await self._means.db.write(
                move_campaign, campaign.id, CampaignState.EXHAUSTED, self._means.clock.now()
            )
        except IllegalMove:
            return  # paused or stopped in this very moment: that stands
        log.info("campaign_exhausted", campaign=campaign.name)
        self.campaign_moved(moved)

    def campaign_moved(self, campaign: Campaign) -> None:
        """A campaign's new state is durable: heed it now."""
        self._engine.campaigns[campaign.id] = campaign
        self._engine.publish_floor()
        self.poke()

    async def refresh_campaigns(self) -> None:
        """Read the campaigns anew: after a command, and at the start."""
        found = await self._means.db.read(list_campaigns)
        self._engine.campaigns = {campaign.id: campaign for campaign in found}
        self._engine.publish_floor()
        self.poke()


async def claim_for(
    engine: Engine, campaign: Campaign, desk: Desk, customer_id: int | None = None
) -> Claim | NothingDue | ListOver:
    """Claim the next customer of an RM's list, in one unit of work. Raises ``DatabaseError``."""
    means = engine.means
    return await means.db.write(
        claim_next,
        campaign,
        desk.rm,
        desk.shift_id,
        means.clock.now(),
        means.ids,
        means.rules,
        customer_id=customer_id,
    )
