# SPDX-License-Identifier: GPL-3.0-or-later
"""Time zones of called places: known names only, days as they begin there, and what a number hints at."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    # "Factory" is the placeholder of a machine whose zone nobody set.
    return frozenset(listed) - {"Factory"}


@lru_cache(maxsize=1024)
def known_zone(name: str | None) -> ZoneInfo | None:
    """The zone of an IANA name such as ``Europe/Lisbon``; None for a name nobody knows."""
    return ZoneInfo(name) if name in _names() else None


def local_instants(zone: ZoneInfo, day: date, minute: int) -> tuple[datetime, ...]:
    """The moments (UTC, in order) at which clocks at a place show ``minute`` (0 to 1440) of ``day``.

    One on an ordinary day, two where clocks are set back over it, none where they are set forward over it.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    found = set()
    for fold in (0, 1):
        instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            found.add(instant)
    return tuple(sorted(found))


def start_of_local_day(zone: ZoneInfo, day: date) -> datetime:
    """The first moment (UTC) of a calendar day at a place, also where midnight itself is skipped."""
    for minute in range(24 * 60):
        instants = local_instants(zone, day, minute)
        if instants:
            return instants[0]
    # A place that moved over the date line skipped the whole day (Samoa, 2011-12-30).
    return start_of_local_day(zone, day + timedelta(days=1))


@lru_cache(maxsize=1)
def _zones_by_country() -> dict[str, frozenset[str]]:
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    zones: dict[str, set[str]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, set()).add(zone)
    return {country: frozenset(names) for country, names in zones.items()}


def only_zone_of(country: str | None) -> str | None:
    """The zone of a country that has exactly one; None for any other.

    A phone number is only a hint at a place (numbers are ported and carried abroad), so a country with
    several zones gives no answer and its customers are not called until their zone is known.
    """
    zones = _zones_by_country().get((country or "").upper(), frozenset())
    return next(iter(zones)) if len(zones) == 1 else None
