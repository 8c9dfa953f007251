# SPDX-License-Identifier: GPL-3.0-or-later
"""What the law allows: calling hours, caps, forbidden prefixes. Pure."""
