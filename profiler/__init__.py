# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to call next, when, and by whom: scores, matching, target lists, profiler sessions."""
