# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiler's tables: RMs, target lists, profiler sessions, and the profiles with their history.

Campaigns are the dialer's, one floor up: ``campaign_id`` is a plain id. Enum columns hold the enum's
value; the data functions give the enum back.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.elements import TextClause

from crm.tables import customer
from foundation.db.metadata import UtcDateTime, metadata

#: ``vocabulary.states.OPEN_ENTRY_STATES`` in SQL, spelled as literals: SQLite uses a partial index only
#: for a query that repeats the index's own condition, and bound parameters are not the same condition.
ENTRY_IS_OPEN: TextClause = text("state IN ('pending', 'leased')")
ENTRY_HAS_LEASE: TextClause = text("lease_call_id IS NOT NULL")
ENTRY_HAS_CALLBACK: TextClause = text("callback_at IS NOT NULL")
SESSION_IS_OPEN: TextClause = text("closed_at IS NULL")

rm = Table(
    "rm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("display_name", String(100), nullable=False),
    Column("account_id", Integer, unique=True),
    Column("endpoint", String(100), nullable=False),
    Column("languages", JSON, nullable=False),
    Column("skills", JSON, nullable=False),
    Column("licences", JSON, nullable=False),
    Column("max_open_entries", Integer, nullable=False),
    Column("sends_audio", Boolean, nullable=False),
    Column("state", String(10), nullable=False),
)

target_entry = Table(
    "target_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("campaign_id", Integer, nullable=False),
    Column("rm_id", ForeignKey(rm.c.id), nullable=False),
    # An import may be undone until one of its customers is called; their waiting entries go with them.
    Column("customer_id", ForeignKey(customer.c.id, ondelete="CASCADE"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("score", Float, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("wait_reason", String(200)),
    Column("attempts", Integer, nullable=False),
    Column("callback_at", UtcDateTime),
    Column("lease_call_id", String(8), unique=True),
    Column("lease_until", UtcDateTime),
    Column("last_disposition", String(30)),
    Column("last_outcome", String(30)),
    Column("changed_at", UtcDateTime, nullable=False),
)

Index(
    "uq_target_entry_open_customer",
    target_entry.c.customer_id,
    unique=True,
    sqlite_where=ENTRY_IS_OPEN,
    postgresql_where=ENTRY_IS_OPEN,
)
Index("ix_target_entry_customer", target_entry.c.customer_id, target_entry.c.campaign_id)
# How much each RM has open, over all campaigns.
Index(
    "ix_target_entry_open_rm",
    target_entry.c.rm_id,
    sqlite_where=ENTRY_IS_OPEN,
    postgresql_where=ENTRY_IS_OPEN,
)
# The order of a list. next_at stands at the end so that entries whose time has not come are stepped over
# within the index.
Index(
    "ix_target_entry_order",
    target_entry.c.campaign_id,
    target_entry.c.rm_id,
    target_entry.c.state,
    target_entry.c.score.desc(),
    target_entry.c.id,
    target_entry.c.next_at,
)
Index(
    "ix_target_entry_next",
    target_entry.c.campaign_id,
    target_entry.c.rm_id,
    target_entry.c.state,
    target_entry.c.next_at,
)
Index(
    "ix_target_entry_callback",
    target_entry.c.campaign_id,
    target_entry.c.rm_id,
    target_entry.c.state,
    target_entry.c.callback_at,
    sqlite_where=ENTRY_HAS_CALLBACK,
    postgresql_where=ENTRY_HAS_CALLBACK,
)
Index(
    "ix_target_entry_lease",
    target_entry.c.lease_until,
    sqlite_where=ENTRY_HAS_LEASE,
    postgresql_where=ENTRY_HAS_LEASE,
)

profiler_session = Table(
    "profiler_session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", String(8), nullable=False, unique=True),
    Column("rm_id", Integer),
    Column("customer_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("close_reason", String(30)),
)
Index(
    "ix_profiler_session_open",
    profiler_session.c.id,
    sqlite_where=SESSION_IS_OPEN,
    postgresql_where=SESSION_IS_OPEN,
)

#: What the events have told of one call so far; the profiles are sums over these rows. Durations are whole
#: milliseconds: sums of floats would depend on the order of the events.
profiled_call = Table(
    "profiled_call",
    metadata,
    Column("call_id", String(8), primary_key=True),
    Column("customer_id", Integer, nullable=False),
    Column("campaign_id", Integer, nullable=False),
    Column("rm_id", Integer),
    Column("rm_stage", Integer, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("dialed", Boolean, nullable=False),
    Column("disposition", String(30)),
    Column("local_hour", Integer),
    Column("weekday", Integer),
    Column("talk_ms", Integer, nullable=False),
    Column("outcome", String(30)),
    Column("corrects", Boolean, nullable=False),
    Column("outcome_at", UtcDateTime),
    Column("outcome_event_id", String(26)),
    Column("wrap_up_ms", Integer, nullable=False),
)
Index("ix_profiled_call_customer", profiled_call.c.customer_id)

customer_profile = Table(
    "customer_profile",
    metadata,
    Column("customer_id", Integer, primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("short_calls", Integer, nullable=False),
    Column("talk_ms", Integer, nullable=False),
    Column("numbers_condemned", Integer, nullable=False),
    Column("suppressed_at", UtcDateTime),
    Column("last_call_id", String(8)),
    Column("last_ended_at", UtcDateTime),
    Column("last_rm_id", Integer),
    Column("last_disposition", String(30)),
    Column("last_outcome", String(30)),
)

#: Tries and answers of one customer by hour at the customer's place; ``day`` is a ``reach.DayKind``.
reach = Table(
    "reach",
    metadata,
    Column("customer_id", Integer, primary_key=True, autoincrement=False),
    Column("day", String(10), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
)

#: The same over all customers: what a customer with little history is judged by.
reach_prior = Table(
    "reach_prior",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
)

rm_profile = Table(
    "rm_profile",
    metadata,
    Column("rm_id", Integer, primary_key=True, autoincrement=False),
    Column("calls", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("talk_ms", Integer, nullable=False),
    Column("wrap_up_ms", Integer, nullable=False),
    Column("lists_finished", Integer, nullable=False),
    Column("outcomes", JSON, nullable=False),
)

profile_change = Table(
    "profile_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", String(26), nullable=False),
    Column("subject", String(10), nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    UniqueConstraint("event_id", "subject", "subject_id"),
)
Index(
    "ix_profile_change_subject",
    profile_change.c.subject,
    profile_change.c.subject_id,
    profile_change.c.at,
    profile_change.c.id,
)
