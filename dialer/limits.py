# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops every call of an RM, whoever the customer: a halt, the caps of the house, a campaign that is closed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from dialer.calls import count_dialed_since, count_live
from dialer.campaigns import Campaign
from dialer.halts import standing_halt
from dialer.rules import DialingRules


def refusal(
    conn: Connection, campaign: Campaign, rm_id: int | None, now: datetime, rules: DialingRules
) -> str | None:
    """Why no call of this RM may begin now, in words, or None.

    Asked at the claim, so that no customer is taken for nothing, and again before dialing.
    """
    halt = standing_halt(conn)
    if halt is not None:
        return f"Everything is stopped: {halt.reason}"
    if count_live(conn) >= rules.max_calls:
        return "As many calls as are allowed at once are under way."
    if count_dialed_since(conn, now - timedelta(minutes=1)) >= rules.max_calls_per_minute:
        return "As many calls as are allowed in one minute were dialed."
    hour = timedelta(hours=1) * rules.time_scale
    if count_dialed_since(conn, now - hour, rm_id) >= rules.max_calls_per_rm_per_hour:
        return "As many calls as one RM is allowed in an hour were dialed."
    return campaign.closed(now)
