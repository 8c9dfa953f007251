# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the softphone.

::

    PhoneError
    ├── BadAccount      an account, server or secret on the command line cannot be used; nothing was started
    ├── StackMissing    pjsua2 is not installed here; nothing was started
    ├── StackFailed     the SIP stack could not start, or has ended: its phones are off the hook no more
    ├── NotPossible     the phone is in no state for this command; its state is unchanged
    └── ProcessLost     a phone process ended or stopped answering; its calls have ended with it
"""

from __future__ import annotations


class PhoneError(Exception):
    """Something a phone was asked for did not happen."""


class BadAccount(PhoneError):
    """An account, a server or a secret cannot be used; nothing was started."""


class StackMissing(PhoneError):
    """pjsua2 is not installed in this environment; nothing was started. ``./run setup`` installs it."""


class StackFailed(PhoneError):
    """The SIP stack could not start, or has ended; its phones hold no calls any more."""


class NotPossible(PhoneError):
    """The phone is in no state for this command; its state is unchanged."""


class ProcessLost(PhoneError):
    """A phone process ended or stopped answering; its calls have ended with it. Start another."""
