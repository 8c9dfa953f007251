# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated carrier and its customers: a second Asterisk that answers as a mix file says."""
