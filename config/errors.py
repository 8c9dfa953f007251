# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the configuration.

::

    ConfigError
    └── BadSettings      a settings file or variable is wrong: nothing was started
"""

from __future__ import annotations


class ConfigError(Exception):
    """The program cannot be set up as asked."""


class BadSettings(ConfigError):
    """Settings are wrong; nothing was started. ``problems`` has one sentence each, naming file, line and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
