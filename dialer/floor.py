# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call and a phone need of the engine around them, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dialer.announcements import Announcements
from dialer.journal import Journal
from dialer.telephony import LegEvent, LegId, Telephony
from dialer.timing import Timing
from foundation.clock import Clock
from foundation.db.seam import Database
from foundation.ids import IdSource

if TYPE_CHECKING:
    from dialer.desk import Desk
    from dialer.rules import DialingRules

Listener = Callable[[LegEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What everybody on the floor works with."""

    node: str
    telephony: Telephony
    db: Database
    journal: Journal
    clock: Clock
    ids: IdSource
    timing: Timing
    rules: DialingRules
    announcements: Announcements
    #: Adds script and guidelines to what the RM sees; raises when it cannot: then nobody is dialed.
    dress: Callable[[dict[str, object]], dict[str, object]]


class Floor(Protocol):
    """The engine, as a call or a phone sees it."""

    means: Means

    def listen(self, leg: LegId, listener: Listener) -> None:
        """Events of a leg go here from now on: before the request that makes it."""

    def forget(self, leg: LegId) -> None:
        """The leg has had its last event."""

    def dialing_blocked(self) -> str | None:
        """Why nobody may be dialed at this moment, in words, or None."""

    def pick_trunk(self, names: tuple[str, ...]) -> str | None:
        """The first usable trunk by priority among ``names`` (all, if empty), or None."""

    def free_desk(self, campaign_id: int, other_than: Desk) -> Desk | None:
        """A free RM of the campaign to take over an answered customer."""

    def desk_changed(self, desk: Desk) -> None:
        """Something the RM's screen shows has changed."""

    def desk_free_again(self, desk: Desk) -> None:
        """The pacer may look at this desk."""
