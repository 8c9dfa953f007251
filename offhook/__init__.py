# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: command line, supervisor process, wiring, migrations, demo."""
