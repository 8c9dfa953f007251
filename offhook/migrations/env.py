# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alembic runs: always on a connection that ``offhook.migrate`` opened."""

from __future__ import annotations

from alembic import context

from foundation.db.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
