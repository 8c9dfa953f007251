# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of accounts, their web sessions, and failed logins."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from foundation.db.metadata import UtcDateTime, metadata

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("display_name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_must_change", Boolean, nullable=False),
    Column("totp_sealed", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

#: The token itself is only with the browser: whoever reads the database cannot log in with it.
web_session = Table(
    "web_session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", Integer, ForeignKey(account.c.id), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "account_id"),
    Index(None, "expires_at"),
)

login_tries = Table(
    "login_tries",
    metadata,
    Column("origin", String(160), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Index(None, "since"),
)
