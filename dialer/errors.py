# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the dialer.

::

    DialerError
    ├── NoSuchCampaign     no campaign of that name or number
    ├── NoSuchCall         no call of that ID
    ├── BadCampaign        a campaign cannot be set up as asked
    └── NotBuiltYet        a pacing mode whose issue is not done
"""

from __future__ import annotations


class DialerError(Exception):
    """Something the dialer was asked cannot be done; nothing was changed."""


class NoSuchCampaign(DialerError):
    """No campaign of that name or number."""


class NoSuchCall(DialerError):
    """No call of that ID."""


class BadCampaign(DialerError):
    """A campaign cannot be set up as asked."""


class NotBuiltYet(DialerError):
    """A pacing mode whose issue is not done."""
