# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of what people did: append-only, each entry chained to the one before by its hash.

Each kind of process writes a chain of its own, so that none waits for another. Once a day the head of
each chain is sealed with an HMAC: whoever alters the table without the key is found out by ``verify``,
also when they recompute the hashes or cut off the end of a chain behind its last seal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, func, insert, select

from foundation.db.dialect import insert_if_absent
from foundation.tables import audit_entry, audit_seal

_GENESIS: Final = "0" * 64


def record(
    conn: Connection,
    now: datetime,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    reason: str = "",
    chain: str = "main",
) -> None:
    """Write down what somebody did, in the same unit of work as the deed.

    Args:
        actor: the account's name, or ``system``.
        action: what was done, like ``customer.reveal``.
        subject: to what, like ``customer:17``.
        detail: facts worth keeping, JSON; personal data masked or hashed.
        reason: why, in the actor's own words, where one was asked for.
        chain: the kind of process that writes; only one process of a kind may write at a time.
    """
    last = conn.execute(
        select(audit_entry.c.number, audit_entry.c.hash)
        .where(audit_entry.c.chain == chain)
        .order_by(audit_entry.c.number.desc())
        .limit(1)
    ).one_or_none()
    number, prev_hash = (1, _GENESIS) if last is None else (last.number + 1, last.hash)
    entry: dict[str, Any] = {
        "chain": chain,
        "number": number,
        "at": now,
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": dict(detail or {}),
        "reason": reason,
        "prev_hash": prev_hash,
    }
    conn.execute(insert(audit_entry).values(**entry, hash=_hash(entry)))


def newest(
    conn: Connection,
    limit: int,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
) -> list[Row[Any]]:
    """The newest entries first; whatever is left out does not narrow."""
    wanted = select(audit_entry).order_by(audit_entry.c.id.desc()).limit(limit)
    for column, value in (
        (audit_entry.c.actor, actor),
        (audit_entry.c.action, action),
        (audit_entry.c.subject, subject),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    return list(conn.execute(wanted))


def seal_day(conn: Connection, key: bytes, now: datetime) -> int:
    """Sign the head of every chain that grew since its last seal; the answer is how many."""
    heads = _highest(conn, audit_entry)
    sealed = _highest(conn, audit_seal)
    count = 0
    for chain, number in heads.items():
        if sealed.get(chain, 0) >= number:
            continue
        head = conn.execute(
            select(audit_entry.c.hash).where(audit_entry.c.chain == chain, audit_entry.c.number == number)
        ).scalar_one()
        seal = {"chain": chain, "day": now.date(), "number": number, "hash": head}
        count += insert_if_absent(conn, audit_seal, {**seal, "signature": _sign(key, chain, number, head)})
    return count


def verify(conn: Connection, key: bytes) -> str | None:
    """Check every chain and every seal; the answer is the first thing that is wrong, or None.

    Reads the whole audit: for a reader, and in a job.
    """
    chain, number, prev_hash = "", 0, _GENESIS
    rows = conn.execute(select(audit_entry).order_by(audit_entry.c.chain, audit_entry.c.number))
    for row in rows:
        if row.chain != chain:
            chain, number, prev_hash = row.chain, 0, _GENESIS
        number += 1
        if row.number != number:
            return f"Entry {number} of chain {chain} is missing."
        if row.prev_hash != prev_hash or row.hash != _hash(_content(row)):
            return f"Entry {number} of chain {chain} (row {row.id}) was changed."
        prev_hash = row.hash
    return _verify_seals(conn, key)


def _verify_seals(conn: Connection, key: bytes) -> str | None:
    entry_hash = (
        select(audit_entry.c.hash)
        .where(audit_entry.c.chain == audit_seal.c.chain, audit_entry.c.number == audit_seal.c.number)
        .scalar_subquery()
    )
    seals = conn.execute(
        select(audit_seal, entry_hash.label("entry_hash")).order_by(audit_seal.c.chain, audit_seal.c.day)
    )
    for seal in seals:
        if not hmac.compare_digest(seal.signature, _sign(key, seal.chain, seal.number, seal.hash)):
            return f"The seal of {seal.day} on chain {seal.chain} is forged."
        if seal.entry_hash != seal.hash:
            return f"Chain {seal.chain} no longer has what was sealed on {seal.day} (entry {seal.number})."
    return None


def _highest(conn: Connection, table: Table) -> dict[str, int]:
    highest = select(table.c.chain, func.max(table.c.number).label("number")).group_by(table.c.chain)
    return {row.chain: row.number for row in conn.execute(highest.order_by(table.c.chain))}


def _content(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in ("id", "hash")}


def _hash(entry: Mapping[str, Any]) -> str:
    canonical = json.dumps(
        {**entry, "at": entry["at"].isoformat()}, sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sign(key: bytes, chain: str, number: int, head: str) -> str:
    return hmac.digest(key, f"{chain}\x1f{number}\x1f{head}".encode(), "sha256").hex()
