# SPDX-License-Identifier: GPL-3.0-or-later
"""RMs: who they are, what they can do, and which phone reaches them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from profiler.errors import BadRm, RmExists, UnknownRm
from profiler.tables import rm

#: The name is also the SIP user and the part of channel and bridge ids that says whose they are.
NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9]{1,19}")
DEFAULT_MAX_OPEN_ENTRIES: Final = 10_000


class RmStanding(StrEnum):
    """Whether an RM works here."""

    ACTIVE = "active"  #: may log in, own a list and be called
    LEFT = "left"  #: works here no more; the record stays for the calls of the past


@dataclass(frozen=True, slots=True, kw_only=True)
class Rm:
    """One RM's record. Languages are lower-case BCP 47 tags (``pt``, ``pt-br``); skills and licences are free words."""

    rm_id: int
    name: str
    display_name: str
    account_id: int | None
    endpoint: str  #: what Asterisk dials to reach the phone, as ``PJSIP/rm-anna``
    languages: frozenset[str]
    skills: frozenset[str]
    licences: frozenset[str]
    max_open_entries: int  #: over all campaigns
    sends_audio: bool  #: the phone sends RTP all the time, so silence means it is gone
    standing: RmStanding


def add(
    conn: Connection,
    name: str,
    display_name: str,
    *,
    languages: Iterable[str] = (),
    skills: Iterable[str] = (),
    licences: Iterable[str] = (),
    endpoint: str | None = None,
    account_id: int | None = None,
    max_open_entries: int = DEFAULT_MAX_OPEN_ENTRIES,
    sends_audio: bool = True,
) -> Rm:
    """Take a new RM in. Without an endpoint the house's own naming is used: ``PJSIP/rm-<name>``.

    Raises:
        BadRm: the name is not two to twenty of ``a-z0-9`` with a letter first, or the limit is below one.
        RmExists: the name is taken.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise BadRm(
            f"{name!r} cannot be an RM's name: use 2 to 20 small letters and digits, a letter first."
            " Nobody was added."
        )
    _check_limit(max_open_entries)
    if by_name(conn, name) is not None:
        raise RmExists(f"There is already an RM named {name}. Nobody was added; choose another name.")
    row = conn.execute(
        insert(rm)
        .values(
            name=name,
            display_name=display_name.strip() or name,
            account_id=account_id,
            endpoint=endpoint or f"PJSIP/rm-{name}",
            languages=_words(languages),
            skills=_words(skills),
            licences=_words(licences),
            max_open_entries=max_open_entries,
            sends_audio=sends_audio,
            state=RmStanding.ACTIVE,
        )
        .returning(*rm.c)
    ).one()
    return _rm(row)


def find(conn: Connection, rm_id: int) -> Rm | None:
    """The RM of this id, also one who left."""
    row = conn.execute(select(rm).where(rm.c.id == rm_id)).one_or_none()
    return None if row is None else _rm(row)


def by_name(conn: Connection, name: str) -> Rm | None:
    """The RM of this name, also one who left: names are not used again."""
    row = conn.execute(select(rm).where(rm.c.name == name)).one_or_none()
    return None if row is None else _rm(row)


def by_account(conn: Connection, account_id: int) -> Rm | None:
    """The RM who logs in with this account."""
    row = conn.execute(select(rm).where(rm.c.account_id == account_id)).one_or_none()
    return None if row is None else _rm(row)


def everybody(conn: Connection, standing: RmStanding | None = RmStanding.ACTIVE) -> Sequence[Rm]:
    """All RMs of a standing (None: all of them), by name."""
    query = select(rm).order_by(rm.c.name)
    if standing is not None:
        query = query.where(rm.c.state == standing)
    return [_rm(row) for row in conn.execute(query)]


def update_abilities(
    conn: Connection,
    rm_id: int,
    *,
    languages: Iterable[str] | None = None,
    skills: Iterable[str] | None = None,
    licences: Iterable[str] | None = None,
    max_open_entries: int | None = None,
) -> Rm:
    """Change what an RM can do; what is not given stays.

    Raises:
        UnknownRm: there is no such RM.
        BadRm: the limit is below one.
    """
    values: dict[str, Any] = {
        column: _words(words)
        for column, words in (("languages", languages), ("skills", skills), ("licences", licences))
        if words is not None
    }
    if max_open_entries is not None:
        _check_limit(max_open_entries)
        values["max_open_entries"] = max_open_entries
    return _change(conn, rm_id, values)


def set_endpoint(conn: Connection, rm_id: int, endpoint: str, sends_audio: bool = True) -> Rm:
    """Give an RM another phone.

    Raises:
        UnknownRm: there is no such RM.
        BadRm: the endpoint is empty.
    """
    if not endpoint.strip():
        raise BadRm("An RM's endpoint cannot be empty; the old one stays. Give one like PJSIP/rm-anna.")
    return _change(conn, rm_id, {"endpoint": endpoint.strip(), "sends_audio": sends_audio})


def set_account(conn: Connection, rm_id: int, account_id: int | None) -> Rm:
    """Say which account the RM logs in with.

    Raises:
        UnknownRm: there is no such RM.
    """
    return _change(conn, rm_id, {"account_id": account_id})


def set_standing(conn: Connection, rm_id: int, standing: RmStanding) -> Rm:
    """Let an RM leave, or come back. The list of one who leaves is for ``lists.reassign``.

    Raises:
        UnknownRm: there is no such RM.
    """
    return _change(conn, rm_id, {"state": standing})


def _change(conn: Connection, rm_id: int, values: dict[str, Any]) -> Rm:
    if values:
        conn.execute(update(rm).where(rm.c.id == rm_id).values(**values))
    found = find(conn, rm_id)
    if found is None:
        raise UnknownRm(f"There is no RM with the id {rm_id}; nothing was changed.")
    return found


def _check_limit(max_open_entries: int) -> None:
    if max_open_entries < 1:
        raise BadRm(
            f"An RM's list must hold at least one customer, not {max_open_entries}. Nothing was changed."
        )


def _words(words: Iterable[str]) -> list[str]:
    return sorted({cleaned for word in words if (cleaned := word.strip().lower())})


def _rm(row: Row[Any]) -> Rm:
    return Rm(
        rm_id=row.id,
        name=row.name,
        display_name=row.display_name,
        account_id=row.account_id,
        endpoint=row.endpoint,
        languages=frozenset(row.languages),
        skills=frozenset(row.skills),
        licences=frozenset(row.licences),
        max_open_entries=row.max_open_entries,
        sends_audio=row.sends_audio,
        standing=RmStanding(row.state),
    )
