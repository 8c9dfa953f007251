# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the ARI bridge that stay inside it; towards the dialer it speaks ``dialer.telephony`` alone.

::

    AriError
    ├── BadNumber           a number or caller ID that may not go to a trunk
    ├── NotConnected        the event socket could not be opened; it is tried again
    └── WontConnect         trying again is of no use until somebody changes something
        ├── WrongCredentials    the PBX refused our user or password
        └── PbxTooOld           the PBX lacks what we build on
"""

from __future__ import annotations


class AriError(Exception):
    """The PBX cannot be used as asked; no call was touched."""


class BadNumber(AriError):
    """A number or caller ID that may not go to a trunk; nothing was dialed."""


class NotConnected(AriError):
    """The event socket could not be opened; it is tried again."""


class WontConnect(AriError):
    """Trying again is of no use until somebody changes something."""


class WrongCredentials(WontConnect):
    """The PBX refused our user or password: compare ari.conf with the settings."""


class PbxTooOld(WontConnect):
    """The PBX lacks what we build on: install Asterisk 20.19, 22.9, 23.3 or newer."""
