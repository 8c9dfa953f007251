# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the vocabulary.

::

    VocabularyError
    ├── BadCallId        what was typed is not a call ID
    └── IllegalMove      a state machine was asked for a move it does not have
"""

from __future__ import annotations


class VocabularyError(Exception):
    """Something said in the house's words does not make sense."""


class BadCallId(VocabularyError):
    """What was typed is not a call ID."""


class IllegalMove(VocabularyError):
    """A state machine was asked for a move it does not have; its state is unchanged."""
