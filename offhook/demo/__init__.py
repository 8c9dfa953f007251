# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: a whole campaign of real calls on this machine that ends by itself, with a report."""
