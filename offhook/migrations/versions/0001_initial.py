# SPDX-License-Identifier: GPL-3.0-or-later
"""Every table of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import foundation.db.metadata
from foundation.tables import append_only_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("password_must_change", sa.Boolean(), nullable=False),
        sa.Column("totp_sealed", sa.Text(), nullable=True),
        sa.Column("created_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chain", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entry_chain_number"), ["chain", "number"], unique=True)
        batch_op.create_index(batch_op.f("ix_audit_entry_subject_id"), ["subject", "id"], unique=False)

    op.create_table(
        "audit_seal",
        sa.Column("chain", sa.String(length=26), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", "day", name=op.f("pk_audit_seal")),
    )
    op.create_table(
        "call",
        sa.Column("call_id", sa.String(length=8), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.Column("number_blind", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=True),
        sa.Column("shift_id", sa.Integer(), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("node", sa.String(length=20), nullable=True),
        sa.Column("leg", sa.String(length=80), nullable=True),
        sa.Column("bridge", sa.String(length=80), nullable=True),
        sa.Column("trunk", sa.String(length=40), nullable=True),
        sa.Column("caller_id", sa.String(length=20), nullable=False),
        sa.Column("zone", sa.String(length=40), nullable=False),
        sa.Column("claimed_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("decided_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("dialed_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("ringing_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("answered_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("bridged_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("ended_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("wrapped_up_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("confirm_to_invite_ms", sa.Float(), nullable=True),
        sa.Column("answer_to_bridge_ms", sa.Float(), nullable=True),
        sa.Column("connect_ms", sa.Float(), nullable=True),
        sa.Column("disposition", sa.String(length=24), nullable=True),
        sa.Column("network_disposition", sa.String(length=24), nullable=True),
        sa.Column("ended_by", sa.String(length=16), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=True),
        sa.Column("answers", sa.JSON(), nullable=True),
        sa.Column("script", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call")),
    )
    with op.batch_alter_table("call", schema=None) as batch_op:
        batch_op.create_index("ix_call_campaign", ["campaign_id", "claimed_at"], unique=False)
        batch_op.create_index("ix_call_customer", ["customer_id", "dialed_at"], unique=False)
        batch_op.create_index("ix_call_dialed", ["dialed_at"], unique=False)
        batch_op.create_index("ix_call_entry", ["entry_id", "dialed_at"], unique=False)
        batch_op.create_index("ix_call_number", ["number_blind", "dialed_at"], unique=False)
        batch_op.create_index("ix_call_rm", ["rm_id", "dialed_at"], unique=False)
        batch_op.create_index(
            "ix_call_open",
            ["state"],
            unique=False,
            sqlite_where=sa.text("state NOT IN ('wrapped_up','not_connected')"),
            postgresql_where=sa.text("state NOT IN ('wrapped_up','not_connected')"),
        )
        batch_op.create_index(
            "uq_call_live_customer",
            ["customer_id"],
            unique=True,
            sqlite_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
            postgresql_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
        )
        batch_op.create_index(
            "uq_call_live_rm",
            ["rm_id"],
            unique=True,
            sqlite_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
            postgresql_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
        )

    op.create_table(
        "call_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(length=8), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_move")),
    )
    with op.batch_alter_table("call_move", schema=None) as batch_op:
        batch_op.create_index("ix_call_move_call", ["call_id", "id"], unique=False)

    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("caller_id", sa.String(length=20), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("created_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("changed_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("name", name=op.f("uq_campaign_name")),
    )
    op.create_table(
        "customer_profile",
        sa.Column("customer_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("short_calls", sa.Integer(), nullable=False),
        sa.Column("talk_ms", sa.Integer(), nullable=False),
        sa.Column("numbers_condemned", sa.Integer(), nullable=False),
        sa.Column("suppressed_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("last_call_id", sa.String(length=8), nullable=True),
        sa.Column("last_ended_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("last_rm_id", sa.Integer(), nullable=True),
        sa.Column("last_disposition", sa.String(length=30), nullable=True),
        sa.Column("last_outcome", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_profile")),
    )
    op.create_table(
        "halt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halt")),
    )
    op.create_table(
        "import_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("mapping_digest", sa.String(length=64), nullable=False),
        sa.Column("started_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("finished_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("byte_position", sa.Integer(), nullable=False),
        sa.Column("line_position", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.Integer(), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("undone", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batch")),
    )
    with op.batch_alter_table("import_batch", schema=None) as batch_op:
        batch_op.create_index("ix_import_batch_file", ["file_digest", "mapping_digest"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("lease_until", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("finished_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_state_id"), ["state", "id"], unique=False)

    op.create_table(
        "login_tries",
        sa.Column("origin", sa.String(length=160), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_login_tries")),
    )
    with op.batch_alter_table("login_tries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_tries_since"), ["since"], unique=False)

    op.create_table(
        "number_lock",
        sa.Column("e164_blind", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=40), nullable=False),
        sa.Column("until", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("e164_blind", name=op.f("pk_number_lock")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("number_lock", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_number_lock_holder"), ["holder"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_at"), ["at"], unique=False)

    op.create_table(
        "profile_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("subject", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_change")),
        sa.UniqueConstraint(
            "event_id", "subject", "subject_id", name=op.f("uq_profile_change_event_id_subject_subject_id")
        ),
    )
    with op.batch_alter_table("profile_change", schema=None) as batch_op:
        batch_op.create_index(
            "ix_profile_change_subject", ["subject", "subject_id", "at", "id"], unique=False
        )

    op.create_table(
        "profiled_call",
        sa.Column("call_id", sa.String(length=8), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=True),
        sa.Column("rm_stage", sa.Integer(), nullable=False),
        sa.Column("ended_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("dialed", sa.Boolean(), nullable=False),
        sa.Column("disposition", sa.String(length=30), nullable=True),
        sa.Column("local_hour", sa.Integer(), nullable=True),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("talk_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=30), nullable=True),
        sa.Column("corrects", sa.Boolean(), nullable=False),
        sa.Column("outcome_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("outcome_event_id", sa.String(length=26), nullable=True),
        sa.Column("wrap_up_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_profiled_call")),
    )
    with op.batch_alter_table("profiled_call", schema=None) as batch_op:
        batch_op.create_index("ix_profiled_call_customer", ["customer_id"], unique=False)

    op.create_table(
        "profiler_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(length=8), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=True),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("closed_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("close_reason", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiler_session")),
        sa.UniqueConstraint("call_id", name=op.f("uq_profiler_session_call_id")),
    )
    with op.batch_alter_table("profiler_session", schema=None) as batch_op:
        batch_op.create_index(
            "ix_profiler_session_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "reach",
        sa.Column("customer_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "day", "hour", name=op.f("pk_reach")),
    )
    op.create_table(
        "reach_prior",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "hour", name=op.f("pk_reach_prior")),
    )
    op.create_table(
        "rm",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("display_name", sa.String(length=100), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("endpoint", sa.String(length=100), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("skills", sa.JSON(), nullable=False),
        sa.Column("licences", sa.JSON(), nullable=False),
        sa.Column("max_open_entries", sa.Integer(), nullable=False),
        sa.Column("sends_audio", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rm")),
        sa.UniqueConstraint("account_id", name=op.f("uq_rm_account_id")),
        sa.UniqueConstraint("name", name=op.f("uq_rm_name")),
    )
    op.create_table(
        "rm_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shift_id", sa.Integer(), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rm_move")),
    )
    with op.batch_alter_table("rm_move", schema=None) as batch_op:
        batch_op.create_index("ix_rm_move_shift", ["shift_id", "id"], unique=False)

    op.create_table(
        "rm_profile",
        sa.Column("rm_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("talk_ms", sa.Integer(), nullable=False),
        sa.Column("wrap_up_ms", sa.Integer(), nullable=False),
        sa.Column("lists_finished", sa.Integer(), nullable=False),
        sa.Column("outcomes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("rm_id", name=op.f("pk_rm_profile")),
    )
    op.create_table(
        "rm_shift",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("started_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("ended_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.Column("legs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rm_shift")),
    )
    with op.batch_alter_table("rm_shift", schema=None) as batch_op:
        batch_op.create_index(
            "uq_rm_shift_open",
            ["rm_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "customer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("name_sealed", sa.Text(), nullable=True),
        sa.Column("name_blind", sa.String(length=64), nullable=True),
        sa.Column("email_sealed", sa.Text(), nullable=True),
        sa.Column("email_blind", sa.String(length=64), nullable=True),
        sa.Column("birth_sealed", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=12), nullable=True),
        sa.Column("zone", sa.String(length=40), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("region", sa.String(length=8), nullable=True),
        sa.Column("preferred_channel", sa.String(length=12), nullable=True),
        sa.Column("preferred_from_min", sa.Integer(), nullable=True),
        sa.Column("preferred_to_min", sa.Integer(), nullable=True),
        sa.Column("segment", sa.String(length=40), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("updated_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("import_batch_id", sa.Integer(), nullable=True),
        sa.Column("import_digest", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_batch_id"], ["import_batch.id"], name=op.f("fk_customer_import_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_customer_source_external_id")),
    )
    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_customer_email_blind"), ["email_blind"], unique=False)
        batch_op.create_index(batch_op.f("ix_customer_import_batch_id"), ["import_batch_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_customer_name_blind"), ["name_blind"], unique=False)
        batch_op.create_index(batch_op.f("ix_customer_segment"), ["segment"], unique=False)

    op.create_table(
        "import_error",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column_name", sa.String(length=80), nullable=False),
        sa.Column("value_masked", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_error_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("batch_id", "line", "column_name", name=op.f("pk_import_error")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_row",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_row_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("batch_id", "line", name=op.f("pk_import_row")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox_parked",
        sa.Column("consumer", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("parked_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["outbox.event_id"], name=op.f("fk_outbox_parked_event_id_outbox")
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_outbox_parked")),
    )
    op.create_table(
        "outbox_receipt",
        sa.Column("consumer", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["outbox.event_id"], name=op.f("fk_outbox_receipt_event_id_outbox")
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_outbox_receipt")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("created_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("seen_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("expires_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_web_session_account_id_account")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_session")),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_session_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_web_session_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=12), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("wording", sa.String(length=80), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("import_batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_consent_customer_id_customer")
        ),
        sa.ForeignKeyConstraint(
            ["import_batch_id"], ["import_batch.id"], name=op.f("fk_consent_import_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.create_index(
            "ix_consent_customer", ["customer_id", "channel", "purpose", "at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_consent_import_batch_id"), ["import_batch_id"], unique=False)

    op.create_table(
        "customer_name_token",
        sa.Column("token_blind", sa.String(length=24), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_customer_name_token_customer_id_customer")
        ),
        sa.PrimaryKeyConstraint("token_blind", "customer_id", name=op.f("pk_customer_name_token")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("customer_name_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_customer_name_token_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "customer_number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("e164_sealed", sa.Text(), nullable=False),
        sa.Column("e164_blind", sa.String(length=64), nullable=False),
        sa.Column("last2", sa.String(length=2), nullable=False),
        sa.Column("first_invalid_on", sa.Date(), nullable=True),
        sa.Column("first_invalid_trunk", sa.String(length=40), nullable=True),
        sa.Column("import_batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_customer_number_customer_id_customer")
        ),
        sa.ForeignKeyConstraint(
            ["import_batch_id"],
            ["import_batch.id"],
            name=op.f("fk_customer_number_import_batch_id_import_batch"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_number")),
        sa.UniqueConstraint(
            "customer_id", "e164_blind", name=op.f("uq_customer_number_customer_id_e164_blind")
        ),
    )
    with op.batch_alter_table("customer_number", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_customer_number_e164_blind"), ["e164_blind"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_customer_number_import_batch_id"), ["import_batch_id"], unique=False
        )

    op.create_table(
        "import_change",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_change_batch_id_import_batch")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_import_change_customer_id_customer")
        ),
        sa.PrimaryKeyConstraint("batch_id", "customer_id", name=op.f("pk_import_change")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("import_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_import_change_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "interaction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("channel", sa.String(length=12), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("note_sealed", sa.Text(), nullable=True),
        sa.Column("ref_type", sa.String(length=24), nullable=True),
        sa.Column("ref_id", sa.String(length=80), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("source_event_id", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_interaction_customer_id_customer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interaction")),
        sa.UniqueConstraint("source", "source_event_id", name=op.f("uq_interaction_source_source_event_id")),
    )
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.create_index("ix_interaction_timeline", ["customer_id", "at", "id"], unique=False)

    op.create_table(
        "purchase",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("product", sa.String(length=120), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("import_batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_purchase_customer_id_customer")
        ),
        sa.ForeignKeyConstraint(
            ["import_batch_id"], ["import_batch.id"], name=op.f("fk_purchase_import_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_purchase_source_external_id")),
    )
    with op.batch_alter_table("purchase", schema=None) as batch_op:
        batch_op.create_index("ix_purchase_customer", ["customer_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_purchase_import_batch_id"), ["import_batch_id"], unique=False)

    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=True),
        sa.Column("e164_blind", sa.String(length=64), nullable=True),
        sa.Column("channel", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        sa.Column("until", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_suppression_customer_id_customer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
    )
    with op.batch_alter_table("suppression", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suppression_customer_id"), ["customer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_suppression_e164_blind"), ["e164_blind"], unique=False)

    op.create_table(
        "target_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("rm_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("next_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.Column("wait_reason", sa.String(length=200), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("callback_at", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("lease_call_id", sa.String(length=8), nullable=True),
        sa.Column("lease_until", foundation.db.metadata.UtcDateTime(), nullable=True),
        sa.Column("last_disposition", sa.String(length=30), nullable=True),
        sa.Column("last_outcome", sa.String(length=30), nullable=True),
        sa.Column("changed_at", foundation.db.metadata.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_target_entry_customer_id_customer"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["rm_id"], ["rm.id"], name=op.f("fk_target_entry_rm_id_rm")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target_entry")),
        sa.UniqueConstraint("lease_call_id", name=op.f("uq_target_entry_lease_call_id")),
    )
    with op.batch_alter_table("target_entry", schema=None) as batch_op:
        batch_op.create_index(
            "ix_target_entry_callback",
            ["campaign_id", "rm_id", "state", "callback_at"],
            unique=False,
            sqlite_where=sa.text("callback_at IS NOT NULL"),
            postgresql_where=sa.text("callback_at IS NOT NULL"),
        )
        batch_op.create_index("ix_target_entry_customer", ["customer_id", "campaign_id"], unique=False)
        batch_op.create_index(
            "ix_target_entry_lease",
            ["lease_until"],
            unique=False,
            sqlite_where=sa.text("lease_call_id IS NOT NULL"),
            postgresql_where=sa.text("lease_call_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_target_entry_next", ["campaign_id", "rm_id", "state", "next_at"], unique=False
        )
        batch_op.create_index(
            "ix_target_entry_open_rm",
            ["rm_id"],
            unique=False,
            sqlite_where=sa.text("state IN ('pending', 'leased')"),
            postgresql_where=sa.text("state IN ('pending', 'leased')"),
        )
        batch_op.create_index(
            "ix_target_entry_order",
            ["campaign_id", "rm_id", "state", sa.literal_column("score DESC"), "id", "next_at"],
            unique=False,
        )
        batch_op.create_index(
            "uq_target_entry_open_customer",
            ["customer_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('pending', 'leased')"),
            postgresql_where=sa.text("state IN ('pending', 'leased')"),
        )

    for table in ("audit_entry", "audit_seal"):
        for statement in append_only_ddl(table):
            op.execute(statement)


def downgrade() -> None:
    with op.batch_alter_table("target_entry", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_target_entry_open_customer",
            sqlite_where=sa.text("state IN ('pending', 'leased')"),
            postgresql_where=sa.text("state IN ('pending', 'leased')"),
        )
        batch_op.drop_index("ix_target_entry_order")
        batch_op.drop_index(
            "ix_target_entry_open_rm",
            sqlite_where=sa.text("state IN ('pending', 'leased')"),
            postgresql_where=sa.text("state IN ('pending', 'leased')"),
        )
        batch_op.drop_index("ix_target_entry_next")
        batch_op.drop_index(
            "ix_target_entry_lease",
            sqlite_where=sa.text("lease_call_id IS NOT NULL"),
            postgresql_where=sa.text("lease_call_id IS NOT NULL"),
        )
        batch_op.drop_index("ix_target_entry_customer")
        batch_op.drop_index(
            "ix_target_entry_callback",
            sqlite_where=sa.text("callback_at IS NOT NULL"),
            postgresql_where=sa.text("callback_at IS NOT NULL"),
        )

    op.drop_table("target_entry")
    with op.batch_alter_table("suppression", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_suppression_e164_blind"))
        batch_op.drop_index(batch_op.f("ix_suppression_customer_id"))

    op.drop_table("suppression")
    with op.batch_alter_table("purchase", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_purchase_import_batch_id"))
        batch_op.drop_index("ix_purchase_customer")

    op.drop_table("purchase")
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.drop_index("ix_interaction_timeline")

    op.drop_table("interaction")
    with op.batch_alter_table("import_change", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_import_change_customer_id"))

    op.drop_table("import_change")
    with op.batch_alter_table("customer_number", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_number_import_batch_id"))
        batch_op.drop_index(batch_op.f("ix_customer_number_e164_blind"))

    op.drop_table("customer_number")
    with op.batch_alter_table("customer_name_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_name_token_customer_id"))

    op.drop_table("customer_name_token")
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_import_batch_id"))
        batch_op.drop_index("ix_consent_customer")

    op.drop_table("consent")
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_session_expires_at"))
        batch_op.drop_index(batch_op.f("ix_web_session_account_id"))

    op.drop_table("web_session")
    op.drop_table("outbox_receipt")
    op.drop_table("outbox_parked")
    op.drop_table("import_row")
    op.drop_table("import_error")
    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_segment"))
        batch_op.drop_index(batch_op.f("ix_customer_name_blind"))
        batch_op.drop_index(batch_op.f("ix_customer_import_batch_id"))
        batch_op.drop_index(batch_op.f("ix_customer_email_blind"))

    op.drop_table("customer")
    with op.batch_alter_table("rm_shift", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_rm_shift_open",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("rm_shift")
    op.drop_table("rm_profile")
    with op.batch_alter_table("rm_move", schema=None) as batch_op:
        batch_op.drop_index("ix_rm_move_shift")

    op.drop_table("rm_move")
    op.drop_table("rm")
    op.drop_table("reach_prior")
    op.drop_table("reach")
    with op.batch_alter_table("profiler_session", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_profiler_session_open",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.drop_table("profiler_session")
    with op.batch_alter_table("profiled_call", schema=None) as batch_op:
        batch_op.drop_index("ix_profiled_call_customer")

    op.drop_table("profiled_call")
    with op.batch_alter_table("profile_change", schema=None) as batch_op:
        batch_op.drop_index("ix_profile_change_subject")

    op.drop_table("profile_change")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_at"))

    op.drop_table("outbox")
    with op.batch_alter_table("number_lock", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_number_lock_holder"))

    op.drop_table("number_lock")
    with op.batch_alter_table("login_tries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_tries_since"))

    op.drop_table("login_tries")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_state_id"))

    op.drop_table("job")
    with op.batch_alter_table("import_batch", schema=None) as batch_op:
        batch_op.drop_index("ix_import_batch_file")

    op.drop_table("import_batch")
    op.drop_table("halt")
    op.drop_table("customer_profile")
    op.drop_table("campaign")
    with op.batch_alter_table("call_move", schema=None) as batch_op:
        batch_op.drop_index("ix_call_move_call")

    op.drop_table("call_move")
    with op.batch_alter_table("call", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_call_live_rm",
            sqlite_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
            postgresql_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
        )
        batch_op.drop_index(
            "uq_call_live_customer",
            sqlite_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
            postgresql_where=sa.text(
                "state IN ('claimed','reviewing','dialing','ringing','answered','screening','bridged')"
            ),
        )
        batch_op.drop_index(
            "ix_call_open",
            sqlite_where=sa.text("state NOT IN ('wrapped_up','not_connected')"),
            postgresql_where=sa.text("state NOT IN ('wrapped_up','not_connected')"),
        )
        batch_op.drop_index("ix_call_rm")
        batch_op.drop_index("ix_call_number")
        batch_op.drop_index("ix_call_entry")
        batch_op.drop_index("ix_call_dialed")
        batch_op.drop_index("ix_call_customer")
        batch_op.drop_index("ix_call_campaign")

    op.drop_table("call")
    op.drop_table("audit_seal")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entry_subject_id"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_chain_number"))

    op.drop_table("audit_entry")
    op.drop_table("account")
