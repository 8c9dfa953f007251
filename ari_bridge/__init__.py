# SPDX-License-Identifier: GPL-3.0-or-later
"""The telephony port on a real Asterisk, over ARI."""
