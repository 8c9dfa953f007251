# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit of work of the dialer needs to decide with: keys, the law, safety limits, terms of the lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from crm.contact import ContactPolicy
from dialer.campaigns import Campaign
from foundation.encryption import FieldCipher
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from lawful.numbers import NumberPolicy
from profiler.retry import RetryPolicy
from vocabulary.dispositions import Disposition


@dataclass(frozen=True, slots=True, kw_only=True)
class DialingRules:
    """Frozen for the life of the process; a change of settings makes a new one."""

    cipher: FieldCipher = field(repr=False)
    numbers: NumberPolicy
    hours: CallingPolicy
    caps: Caps
    own_blinds: frozenset[str] = field(repr=False)
    max_calls: int  #: calls that may be live at once, over all campaigns and processes
    max_calls_per_minute: int
    max_calls_per_rm_per_hour: int
    lease: timedelta
    #: Waits between tries times this: 1 except in demonstrations and tests.
    time_scale: float = 1.0

    def contact(self, campaign: Campaign) -> ContactPolicy:
        """The house's rules, narrowed by the campaign's; a campaign never widens them."""
        policy = campaign.policy
        hours = self.hours
        if policy.hours is not None:
            hours = _narrowed(hours, CallingPolicy.from_text(policy.hours))
        if policy.holidays:
            hours = replace(hours, national_holidays=True)
        caps = self.caps
        if policy.attempts_per_day is not None:
            allowed = caps.per_day if caps.per_day is not None else policy.attempts_per_day
            caps = replace(caps, per_day=min(allowed, policy.attempts_per_day))
        return ContactPolicy(
            hours=hours,
            caps=caps,
            consent_required=policy.consent_required,
            rm_guaranteed=True,
            own_blinds=self.own_blinds,
        )

    def retry(self, campaign: Campaign) -> RetryPolicy:
        """When a customer of this campaign is tried again."""
        waits: Mapping[Disposition, int | None] = {
            disposition: None if wait is None else int(wait * self.time_scale)
            for disposition, wait in campaign.policy.retry_s.items()
        }
        return RetryPolicy(max_attempts=campaign.policy.max_attempts, waits_s=waits)


def _narrowed(house: CallingPolicy, campaign: CallingPolicy) -> CallingPolicy:
    weekly = tuple(
        tuple(common for ours in lawful for theirs in wanted if (common := ours.meets(theirs)) is not None)
        for lawful, wanted in zip(house.weekly, campaign.weekly, strict=True)
    )
    return replace(house, weekly=weekly)
