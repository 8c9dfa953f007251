# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns: what is asked of a campaign (its policy), its record, and whether it dials."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Row, insert, select, update

from dialer.errors import BadCampaign, NoSuchCampaign, NotBuiltYet
from dialer.tables import campaign
from lawful.numbers import SAMPLE_PREFIX, NumberPolicy, verdict
from profiler.matching import CampaignNeeds
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import CAMPAIGN_MOVES, CampaignState, PacingMode, check_move

log = structlog.get_logger()

#: 47 CFR 64.1200(a)(6): at least 15 seconds or four rings.
RING_MIN_S = 15.0

BUILT_MODES = frozenset({PacingMode.MANUAL, PacingMode.PREVIEW, PacingMode.PROGRESSIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPolicy:
    """Everything a campaign may decide for itself; what is None is left to the settings."""

    language: str | None = None  #: the script's: every RM must speak it; None: any
    skills: tuple[str, ...] = ()  #: every RM must have all of them
    licences: tuple[str, ...] = ()  #: every RM must hold all of them
    max_customers_per_rm: int | None = None  #: open customers in one RM's list of this campaign
    script: str | None = None  #: id of the script that RMs read from
    guidelines: tuple[str, ...] = ()  #: ids of the guidelines shown beside it
    trunks: tuple[str, ...] = ()  #: by priority; empty: all trunks
    ring_s: float | None = None  #: seconds of ringing; never below the lawful 15
    wrap_up_s: float | None = None  #: seconds to record the outcome
    start_at: datetime | None = None  #: dials nobody before, with offset from UTC
    stop_at: datetime | None = None  #: dials nobody from then on
    #: Hours at the customer's place: ``mon`` to ``sun`` to windows like ``09:00-18:00``; None: the law's.
    hours: dict[str, tuple[str, ...]] | None = None
    holidays: bool = False  #: keep public holidays even where the house does not
    max_attempts: int = 6  #: calls that count, before the customer leaves the list
    attempts_per_day: int | None = None  #: a cap below the house's
    #: Seconds until the next try, by disposition; None: no other try; left out: the disposition's own wait.
    retry_s: dict[Disposition, int | None] = field(default_factory=dict)
    #: What RMs may choose.
    outcomes: tuple[Outcome, ...] = tuple(item for item in Outcome if item is not Outcome.NO_OUTCOME)
    break_reasons: tuple[BreakReason, ...] = tuple(BreakReason)  #: what RMs may choose
    consent_required: bool = False  #: nobody whose consent was never recorded
    purpose: str = "marketing"  #: what consent is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as it stands in the database."""

    id: int
    name: str
    title: str
    mode: PacingMode
    state: CampaignState
    caller_id: str
    policy: CampaignPolicy

    def closed(self, now: datetime) -> str | None:
        """Why it does not dial now, in words, or None."""
        if self.state is not CampaignState.RUNNING:
            return f"Campaign {self.title} is {self.state}."
        if self.policy.start_at is not None and now < self.policy.start_at:
            return f"Campaign {self.title} has not begun yet."
        if self.policy.stop_at is not None and now >= self.policy.stop_at:
            return f"Campaign {self.title} is over."
        return None

    def needs(self) -> CampaignNeeds:
        """What the profiler must heed when it fills this campaign's lists."""
        return CampaignNeeds(
            campaign_id=self.id,
            language=self.policy.language,
            skills=frozenset(self.policy.skills),
            licences=frozenset(self.policy.licences),
            max_per_rm=self.policy.max_customers_per_rm,
        )


def require_built(mode: PacingMode) -> None:
    """Raises ``NotBuiltYet`` for the modes whose issue is not done."""
    if mode not in BUILT_MODES:
        raise NotBuiltYet(
            f"Pacing mode {mode} is not built yet; a campaign can be {', '.join(sorted(BUILT_MODES))}."
        )


def check_caller_id(caller_id: str) -> None:
    """A caller ID must be an ordinary number, which customers can call back at an ordinary price.

    Raises:
        BadCampaign: a premium, emergency, satellite or unknown number; says which.
    """
    # Whether we may dial it is not asked: only what kind of number it is.
    every_prefix = tuple(f"+{digit}" for digit in range(1, 10))
    kind = verdict(caller_id, NumberPolicy(allowed_prefixes=every_prefix, sample_prefixes=(SAMPLE_PREFIX,)))
    if not kind.allowed:
        raise BadCampaign(f"{caller_id} cannot be shown to customers. {kind.sentence} No campaign was made.")


def create_campaign(
    conn: Connection,
    *,
    name: str,
    title: str,
    mode: PacingMode,
    caller_id: str,
    policy: CampaignPolicy,
    now: datetime,
) -> Campaign:
    """A new campaign in draft.

    Raises:
        NotBuiltYet: the mode's issue is not done.
        BadCampaign: the name is taken, the caller ID is no ordinary number, or the policy asks for what no
            campaign may.
    """
    require_built(mode)
    check_caller_id(caller_id)
    if policy.ring_s is not None and policy.ring_s < RING_MIN_S:
        raise BadCampaign(f"A phone must ring for at least {RING_MIN_S:g} s; nothing was changed.")
    if conn.execute(select(campaign.c.id).where(campaign.c.name == name)).first() is not None:
        raise BadCampaign(
            f"There is a campaign named {name!r} already; nothing was changed. Choose another name."
        )
    result = conn.execute(
        insert(campaign).values(
            name=name,
            title=title,
            mode=mode,
            state=CampaignState.DRAFT,
            caller_id=caller_id,
            policy=msgspec.to_builtins(policy),
            created_at=now,
            changed_at=now,
        )
    )
    assert result.inserted_primary_key is not None
    return find_campaign(conn, int(result.inserted_primary_key[0]))


def _read(row: Row[Any]) -> Campaign:
    return Campaign(
        id=row.id,
        name=row.name,
        title=row.title,
        mode=PacingMode(row.mode),
        state=CampaignState(row.state),
        caller_id=row.caller_id,
        policy=msgspec.convert(row.policy, CampaignPolicy),
    )


def find_campaign(conn: Connection, which: int | str) -> Campaign:
    """A campaign by number or name. Raises ``NoSuchCampaign``."""
    column = campaign.c.id if isinstance(which, int) else campaign.c.name
    row = conn.execute(select(campaign).where(column == which)).first()
    if row is None:
        raise NoSuchCampaign(f"There is no campaign {which!r}.")
    return _read(row)


def list_campaigns(conn: Connection) -> list[Campaign]:
    """All campaigns, oldest first."""
    return [_read(row) for row in conn.execute(select(campaign).order_by(campaign.c.id))]


def move_campaign(conn: Connection, campaign_id: int, new: CampaignState, now: datetime) -> Campaign:
    """The one place where a campaign changes its state. The same state again is no move.

    Raises:
        NoSuchCampaign, IllegalMove.
    """
    found = find_campaign(conn, campaign_id)
    if found.state is new:
        return found
    check_move(CAMPAIGN_MOVES, found.state, new, f"Campaign {found.name}")
    conn.execute(update(campaign).where(campaign.c.id == campaign_id).values(state=new, changed_at=now))
    log.info("campaign_moved", campaign=found.name, old=found.state, new=new)
    return find_campaign(conn, campaign_id)
