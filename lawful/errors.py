# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of this room.

::

    LawfulError
    ├── BadPolicy        a rule was written down wrongly
    └── BadNumber        a text is not a phone number that can be kept
"""

from __future__ import annotations

from lawful.verdicts import Reason


class LawfulError(Exception):
    """A rule, or what it was asked about, does not make sense."""


class BadPolicy(LawfulError):
    """A rule was written down wrongly; nothing was changed."""


class BadNumber(LawfulError):
    """A text is not a phone number that can be kept; the sentence never repeats the text."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
