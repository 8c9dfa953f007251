# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the front door.

::

    FrontDoorError
    └── CannotStart      the system, or a part of it, cannot be started; what was started has been ended
"""

from __future__ import annotations


class FrontDoorError(Exception):
    """Something at the front door went wrong."""


class CannotStart(FrontDoorError):
    """The system, or a part of it, cannot be started; what was started has been ended."""
