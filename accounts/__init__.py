# SPDX-License-Identifier: GPL-3.0-or-later
"""People who log in: accounts, roles, permissions, web sessions."""
