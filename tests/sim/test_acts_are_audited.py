# SPDX-License-Identifier: GPL-3.0-or-later
"""What people order of the dialer stands in the audit with their name, written with the deed itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from dialer.campaigns import CampaignPolicy
from foundation.audit import verify
from foundation.db.inline import Inline
from foundation.tables import audit_entry
from foundation.testing import run_virtual
from tests.sim.world import PREFIX, World
from vocabulary import commands as c
from vocabulary.states import PacingMode

pytestmark = pytest.mark.sim

BY = "susan"


async def _acts(db: Inline) -> list[Any]:
    def read(conn: Connection) -> list[Any]:
        entry = audit_entry.c
        rows = select(entry.actor, entry.action, entry.subject, entry.reason).order_by(entry.id)
        return [tuple(row) for row in conn.execute(rows)]

    return await db.read(read)


async def _world(mode: PacingMode = PacingMode.PREVIEW) -> World:
    world = await World.make(rms_count=1, customers=1, mode=mode, policy=CampaignPolicy(max_attempts=3))
    await world.boot(start_campaign=False)
    return world


def test_campaigns_and_the_halt_are_audited_with_who_ordered_them() -> None:
    """Started, paused, halted, lifted, stopped: one entry each, in order, and the chain holds."""

    async def story() -> None:
        world = await _world()
        assert world.campaign is not None
        campaign = world.campaign.id
        for command in (
            c.StartCampaign(campaign_id=campaign, by=BY),
            c.PauseCampaign(campaign_id=campaign, by=BY),
            c.Halt(reason="fire drill", by=BY),
            c.LiftHalt(by=BY),
            c.StopCampaign(campaign_id=campaign, by=BY),
        ):
            assert (await world.send(command)).done
        assert await _acts(world.db) == [
            (BY, "campaign.start", "campaign:test", ""),
            (BY, "campaign.pause", "campaign:test", ""),
            (BY, "halt", "floor", "fire drill"),
            (BY, "halt.lift", "floor", ""),
            (BY, "campaign.stop", "campaign:test", ""),
        ]
        assert await world.db.read(verify, b"key") is None
        await world.close()

    run_virtual(story())


def test_what_is_refused_is_not_audited() -> None:
    """An order that changes nothing leaves no entry: a stopped campaign cannot be started."""

    async def story() -> None:
        world = await _world()
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id, by=BY))
        await world.send(c.StopCampaign(campaign_id=world.campaign.id, by=BY))
        before = await _acts(world.db)
        assert not (await world.send(c.StartCampaign(campaign_id=world.campaign.id, by=BY))).done
        assert not (await world.send(c.StartCampaign(campaign_id=99, by=BY))).done
        assert not (await world.send(c.PlaceCall(rm_id=world.rm_ids[0], pii_number="+1900", by=BY))).done
        assert await _acts(world.db) == before
        await world.close()

    run_virtual(story())


def test_a_call_by_hand_is_audited_without_its_number() -> None:
    """By whom, and to which customer: the record has the number, the audit does not."""
    number = f"{PREFIX}55512345"

    async def story() -> None:
        world = await _world(PacingMode.MANUAL)
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id, by=BY))
        await world.until(lambda: world.desk().free)
        command = c.PlaceCall(rm_id=world.rm_ids[0], pii_number=number, zone="Europe/Lisbon", by=BY)
        assert (await world.send(command)).done
        (entry,) = (act for act in await _acts(world.db) if act[1] == "rm.place_call")
        assert (entry[0], entry[2]) == (BY, "customer:2")
        details = await world.db.read(lambda conn: conn.execute(select(audit_entry.c.detail)).all())
        assert number.lstrip("+") not in str(details)
        await world.close()

    run_virtual(story())


def test_deed_and_entry_are_one_unit() -> None:
    """If the entry cannot be written, the deed is not done either."""

    async def story() -> None:
        world = await _world()
        assert world.campaign is not None
        await world.db.write(lambda conn: conn.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'no'); END"
        ))  # fmt: skip
        assert not (await world.send(c.StartCampaign(campaign_id=world.campaign.id, by=BY))).done
        await world.db.write(lambda conn: conn.exec_driver_sql("DROP TRIGGER full"))
        assert (await world.send(c.StartCampaign(campaign_id=world.campaign.id, by=BY))).done
        assert len(await _acts(world.db)) == 1
        await world.close()

    run_virtual(story())
