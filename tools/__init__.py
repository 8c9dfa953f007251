# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs for those who work on Offhook; none of them is installed."""
