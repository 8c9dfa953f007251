# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers from CSV files: mapped, checked and sealed in a worker, staged, applied in small units, undoable."""
