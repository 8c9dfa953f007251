# SPDX-License-Identifier: GPL-3.0-or-later
"""How many customers to dial now: pure functions of a snapshot."""
