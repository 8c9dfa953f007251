# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast it is: ours, a baseline and the limit side by side from one run. Never timed tests."""
