# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of customers and what is known of them.

Personal data stands in columns ending in ``_sealed`` (AES-GCM; the *row* sealed to is the customer's
``source/external_id``, known before the row is) and is found again by columns ending in ``_blind``
(keyed hashes). Consent, suppression, interactions and purchases are only ever added to.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from foundation.db.metadata import UtcDateTime, metadata

import_batch = Table(
    "import_batch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("source", String(40), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_digest", String(64), nullable=False),
    Column("mapping_digest", String(64), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    #: Where reading goes on after an interruption: the first byte and the first line not yet staged.
    Column("byte_position", Integer, nullable=False),
    Column("line_position", Integer, nullable=False),
    Column("total_bytes", Integer, nullable=False),
    Column("rows_read", Integer, nullable=False, default=0),
    Column("added", Integer, nullable=False, default=0),
    Column("updated", Integer, nullable=False, default=0),
    Column("unchanged", Integer, nullable=False, default=0),
    Column("refused", Integer, nullable=False, default=0),
    Column("undone", Integer, nullable=False, default=0),
    Column("message", Text),
    Index("ix_import_batch_file", "file_digest", "mapping_digest"),
)

#: Rows read, checked and sealed, waiting to become customers; emptied as they are applied.
import_row = Table(
    "import_row",
    metadata,
    Column("batch_id", ForeignKey("import_batch.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

import_error = Table(
    "import_error",
    metadata,
    Column("batch_id", ForeignKey("import_batch.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("column_name", String(80), primary_key=True),
    Column("value_masked", Text, nullable=False),
    Column("message", Text, nullable=False),
    sqlite_with_rowid=False,
)

customer = Table(
    "customer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String(40), nullable=False),
    #: The customer's id in that source; never a national id or a phone number: it is kept in clear.
    Column("external_id", String(120), nullable=False),
    Column("state", String(8), nullable=False),
    Column("name_sealed", Text),
    Column("name_blind", String(64), index=True),
    Column("email_sealed", Text),
    Column("email_blind", String(64), index=True),
    Column("birth_sealed", Text),
    Column("language", String(12)),
    Column("zone", String(40)),
    Column("country", String(2)),
    Column("region", String(8)),
    Column("preferred_channel", String(12)),
    Column("preferred_from_min", Integer),
    Column("preferred_to_min", Integer),
    Column("segment", String(40), index=True),
    Column("attributes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("import_batch_id", ForeignKey("import_batch.id"), index=True),
    #: Keyed hash of the file's row this customer came from: the same row again changes nothing.
    Column("import_digest", String(64)),
    UniqueConstraint("source", "external_id"),
)

customer_name_token = Table(
    "customer_name_token",
    metadata,
    Column("token_blind", String(24), primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

customer_number = Table(
    "customer_number",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("e164_sealed", Text, nullable=False),
    Column("e164_blind", String(64), nullable=False, index=True),
    Column("last2", String(2), nullable=False),
    #: The evidence for SUSPECT: the network's first "no such number", its local day and trunk.
    Column("first_invalid_on", Date),
    Column("first_invalid_trunk", String(40)),
    Column("import_batch_id", ForeignKey("import_batch.id"), index=True),
    UniqueConstraint("customer_id", "e164_blind"),
)

#: One call at a time reaches a phone, however many customers share it.
number_lock = Table(
    "number_lock",
    metadata,
    Column("e164_blind", String(64), primary_key=True),
    Column("holder", String(40), nullable=False, index=True),
    Column("until", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

consent = Table(
    "consent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False),
    Column("channel", String(12), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("wording", String(80), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("import_batch_id", ForeignKey("import_batch.id"), index=True),
    Index("ix_consent_customer", "customer_id", "channel", "purpose", "at"),
)

#: The newest row of a (subject, channel, source) speaks; lifting one adds a row with ``lifted``.
suppression = Table(
    "suppression",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", String(8), nullable=False),
    Column("customer_id", ForeignKey("customer.id"), index=True),
    Column("e164_blind", String(64), index=True),
    Column("channel", String(12), nullable=False),
    Column("source", String(16), nullable=False),
    Column("lifted", Boolean, nullable=False),
    Column("until", UtcDateTime),
    Column("reason", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

interaction = Table(
    "interaction",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", String(12), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("summary", Text, nullable=False),
    Column("note_sealed", Text),
    Column("ref_type", String(24)),
    Column("ref_id", String(80)),
    Column("data", JSON, nullable=False),
    Column("source", String(40), nullable=False),
    Column("source_event_id", String(120), nullable=False),
    UniqueConstraint("source", "source_event_id"),
    Index("ix_interaction_timeline", "customer_id", "at", "id"),
)

purchase = Table(
    "purchase",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False),
    Column("source", String(40), nullable=False),
    Column("external_id", String(120), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("product", String(120), nullable=False),
    Column("amount_minor", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("import_batch_id", ForeignKey("import_batch.id"), index=True),
    UniqueConstraint("source", "external_id"),
    Index("ix_purchase_customer", "customer_id", "at"),
)

#: What an import changed in a customer that was there before: undoing puts it back.
import_change = Table(
    "import_change",
    metadata,
    Column("batch_id", ForeignKey("import_batch.id"), primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), primary_key=True, index=True),
    Column("before", JSON, nullable=False),
    sqlite_with_rowid=False,
)
