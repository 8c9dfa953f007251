# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of the database, from its first table on (Alembic)."""
