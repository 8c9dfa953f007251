# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: a noun, a verb, ``--json`` for machines. Exit codes: 0 ok, 1 failed, 2 usage, 3 degraded."""

from offhook.cli.main import main

__all__ = ["main"]
