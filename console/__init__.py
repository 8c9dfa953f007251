# SPDX-License-Identifier: GPL-3.0-or-later
"""Web pages, JSON API and live updates."""
