# SPDX-License-Identifier: GPL-3.0-or-later
"""The words everybody uses: enums, the call ID, dispositions, events and commands. Pure: imports nothing of ours."""
