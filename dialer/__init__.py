# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns, RM sessions, pacing and the life of a call; defines the telephony port."""
