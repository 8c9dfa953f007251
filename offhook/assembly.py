# SPDX-License-Identifier: GPL-3.0-or-later
"""From settings to what each room wants to be given. Pure."""

from __future__ import annotations

from datetime import timedelta

from ari_bridge.access import NumberFormat, Timings, TrunkLimits
from config.settings import Settings, TrunkSettings
from crm.records import number_blind
from dialer.engine import TrunkChoice
from dialer.rules import DialingRules
from dialer.timing import Timing
from foundation.encryption import FieldCipher
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from lawful.numbers import NumberPolicy

SAMPLE_PREFIX = "+999"
"""A country code nobody has: what sample customers are reached by, and only by the built-in carrier."""


def timing(settings: Settings) -> Timing:
    """The dialer's timers, scaled as the settings say."""
    dialing = settings.dialing
    return Timing(
        promise_s=dialing.promise_s,
        ring_min_s=dialing.ring_min_s,
        ring_s=dialing.ring_s,
        setup_s=dialing.setup_s,
        abandon_after_s=dialing.abandon_after_s,
        wrap_up_s=dialing.wrap_up_s,
        are_you_there_s=dialing.are_you_there_s,
        more_time_s=dialing.more_time_s,
        review_s=dialing.review_s,
        rm_answer_timeout_s=dialing.rm_answer_timeout_s,
        silence_grace_s=dialing.silence_grace_s,
        lease_s=dialing.lease_s,
    ).scaled(dialing.time_scale)


def bridge_timings(settings: Settings) -> Timings:
    """The ARI bridge's timers: those of the network, which do not scale."""
    return Timings()


def rules(settings: Settings, cipher: FieldCipher) -> DialingRules:
    """What units of work decide with."""
    law, safety = settings.law, settings.safety
    own = frozenset(settings.pbx.caller_ids)
    sample = (SAMPLE_PREFIX,) if settings.profile == "sample" else ()
    return DialingRules(
        cipher=cipher,
        numbers=NumberPolicy(
            allowed_prefixes=(*safety.allowed_prefixes, *sample), sample_prefixes=sample, own_numbers=own
        ),
        hours=CallingPolicy.from_text(
            law.hours,
            national_holidays=law.national_holidays,
            home_country=law.home_country,
            closed_days=frozenset(law.closed_days),
        ),
        caps=Caps(
            per_day=law.attempts_per_day,
            per_7_days=law.attempts_per_7_days,
            per_30_days=law.attempts_per_30_days,
            min_gap_s=law.min_gap_s,
            quarantine_after_abandoned_s=int(law.quarantine_after_abandon_h * 3600),
        ),
        own_blinds=frozenset(number_blind(cipher, number) for number in own),
        max_calls=safety.max_calls,
        max_calls_per_minute=safety.max_calls_per_minute,
        max_calls_per_rm_per_hour=safety.max_calls_per_rm_per_hour,
        lease=timedelta(seconds=settings.dialing.lease_s),
        time_scale=settings.dialing.time_scale,
    )


def trunk_limits(settings: Settings) -> list[TrunkLimits]:
    """The trunks as the ARI bridge guards them."""
    return [_limits(trunk, settings.law.home_country) for trunk in settings.trunks]


def _limits(trunk: TrunkSettings, home_country: str | None) -> TrunkLimits:
    return TrunkLimits(
        name=trunk.name,
        number_format=NumberFormat(trunk.number_format),
        country=home_country or "US",
        prefix=trunk.prefix,
        call_cap=trunk.call_cap,
        calls_per_s=trunk.calls_per_s,
    )


def trunk_choices(settings: Settings) -> list[TrunkChoice]:
    """The trunks as the dialer chooses among them."""
    return [TrunkChoice(name=trunk.name, priority=trunk.priority) for trunk in settings.trunks]
