# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign shows customers a number they can call back at an ordinary price."""

from __future__ import annotations

import pytest

from dialer.campaigns import CampaignPolicy, create_campaign, list_campaigns
from dialer.errors import BadCampaign
from foundation.db.inline import Inline
from foundation.testing import FakeClock
from vocabulary.states import PacingMode


async def create(db: Inline, caller_id: str) -> None:
    await db.write(
        create_campaign,
        name="spring",
        title="Spring",
        mode=PacingMode.PREVIEW,
        caller_id=caller_id,
        policy=CampaignPolicy(),
        now=FakeClock().now(),
    )


@pytest.mark.parametrize(
    ("caller_id", "why"),
    [
        ("+19005551234", "premium-rate"),
        ("+351760123456", "premium-rate"),
        ("+881612345678", "satellite"),
        ("112", "not a number in E.164"),
        ("+112", "not a number in E.164"),
        ("+491", "not a number in E.164"),
        ("+49190123", "No numbering plan"),
    ],
)
async def test_no_campaign_shows_a_number_that_costs_or_leads_nowhere(
    inline_db: Inline, caller_id: str, why: str
) -> None:
    """Premium, satellite, emergency and unknown numbers are refused with a sentence; nothing is kept."""
    with pytest.raises(BadCampaign, match=why):
        await create(inline_db, caller_id)
    assert await inline_db.read(list_campaigns) == []


@pytest.mark.parametrize("caller_id", ["+351211234567", "+18005550100", "+99900000001"])
async def test_ordinary_free_and_sample_numbers_may_be_shown(inline_db: Inline, caller_id: str) -> None:
    """Samples' numbers reach nobody; the settings say which numbers are ours."""
    await create(inline_db, caller_id)
    assert [one.caller_id for one in await inline_db.read(list_campaigns)] == [caller_id]
