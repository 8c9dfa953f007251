# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer's tables: campaigns, calls with their story, shifts of RMs with theirs, and the halt."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text, text

from foundation.db.metadata import UtcDateTime, metadata

_LIVE = "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
_OPEN = "state NOT IN ('wrapped_up','not_connected')"

campaign = Table(
    "campaign",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("title", String(120), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("caller_id", String(20), nullable=False),
    Column("policy", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

call = Table(
    "call",
    metadata,
    Column("call_id", String(8), primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("customer_id", Integer, nullable=False),
    Column("number_id", Integer, nullable=False),
    Column("number_blind", String(64), nullable=False),
    Column("entry_id", Integer, nullable=False),
    Column("rm_id", Integer),
    Column("shift_id", Integer),
    Column("mode", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("node", String(20)),
    Column("leg", String(80)),
    Column("bridge", String(80)),
    Column("trunk", String(40)),
    Column("caller_id", String(20), nullable=False),
    Column("zone", String(40), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("dialed_at", UtcDateTime),
    Column("ringing_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("bridged_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("wrapped_up_at", UtcDateTime),
    Column("confirm_to_invite_ms", Float),
    Column("answer_to_bridge_ms", Float),
    Column("connect_ms", Float),
    Column("disposition", String(24)),
    Column("network_disposition", String(24)),
    Column("ended_by", String(16)),
    Column("sip_code", Integer),
    Column("cause", Integer),
    Column("counted", Boolean, nullable=False, default=False),
    Column("outcome", String(24)),
    Column("answers", JSON),
    Column("script", String(80)),
    Column("reason", Text),
    Index("ix_call_open", "state", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
    Index("ix_call_customer", "customer_id", "dialed_at"),
    Index("ix_call_number", "number_blind", "dialed_at"),
    Index("ix_call_dialed", "dialed_at"),
    Index("ix_call_rm", "rm_id", "dialed_at"),
    Index("ix_call_entry", "entry_id", "dialed_at"),
    Index("ix_call_campaign", "campaign_id", "claimed_at"),
    # One customer has one live call, one RM has one live call: held by the database itself.
    Index(
        "uq_call_live_customer",
        "customer_id",
        unique=True,
        sqlite_where=text(_LIVE),
        postgresql_where=text(_LIVE),
    ),
    Index("uq_call_live_rm", "rm_id", unique=True, sqlite_where=text(_LIVE), postgresql_where=text(_LIVE)),
)

call_move = Table(
    "call_move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", String(8), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False, default=""),
    Index("ix_call_move_call", "call_id", "id"),
)

rm_shift = Table(
    "rm_shift",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rm_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(40)),
    Column("legs", Integer, nullable=False, default=0),
    Index(
        "uq_rm_shift_open",
        "rm_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

rm_move = Table(
    "rm_move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shift_id", Integer, nullable=False),
    Column("rm_id", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(120), nullable=False, default=""),
    Index("ix_rm_move_shift", "shift_id", "id"),
)

halt = Table(
    "halt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted_at", UtcDateTime),
    Column("lifted_by", String(80)),
)
