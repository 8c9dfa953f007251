# SPDX-License-Identifier: GPL-3.0-or-later
"""The database seam: the only doors to the database."""
