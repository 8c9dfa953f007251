# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the console.

::

    ConsoleError
    ├── Refused              an answer other than success: status, stable reason, sentence for the screen
    │   ├── WrongInput       422: what was sent does not make sense
    │   ├── NotLoggedIn      401: nobody is logged in, or the session is over
    │   ├── NotAllowed       403: the role may not do this
    │   ├── Forged           403: the request does not come from our own pages
    │   ├── NotThere         404: there is no such thing, or not for this person
    │   ├── NotPossible      409: as things stand it cannot be done
    │   ├── TooMany          429: asked too often; says when to try again
    │   └── NotRunning       503: the part that would do it is not there
    ├── BadTable             the route table contradicts itself: found when the application is made
    ├── CannotListen         a socket cannot be had: port taken, path too long
    └── OperatorError        the operator's client got no success
        ├── NobodyRuns       no Offhook answers on the operator's socket; nothing was done
        ├── OperatorRefused  the answer was a refusal
        └── OutcomeUnknown   the connection ended before the answer: ask, do not send it again as new
"""

from __future__ import annotations

from typing import ClassVar


class ConsoleError(Exception):
    """Something the console was asked could not be done."""


class Refused(ConsoleError):
    """An answer other than success. ``reason`` is stable, for programs; ``sentence`` is for people."""

    status: ClassVar[int] = 400
    default_reason: ClassVar[str] = "refused"

    def __init__(self, sentence: str, reason: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reason = reason or self.default_reason
        self.retry_after_s = retry_after_s


class WrongInput(Refused):
    """What was sent does not make sense; nothing was changed."""

    status = 422
    default_reason = "wrong_input"


class NotLoggedIn(Refused):
    """Nobody is logged in, or the session is over."""

    status = 401
    default_reason = "not_logged_in"


class NotAllowed(Refused):
    """The role may not do this."""

    status = 403
    default_reason = "not_allowed"


class Forged(Refused):
    """The request does not come from our own pages."""

    status = 403
    default_reason = "forged"


class NotThere(Refused):
    """There is no such thing, or not for this person: the answer is the same."""

    status = 404
    default_reason = "not_there"


class NotPossible(Refused):
    """As things stand it cannot be done."""

    status = 409
    default_reason = "not_possible"


class TooMany(Refused):
    """Asked too often."""

    status = 429
    default_reason = "too_many"


class NotRunning(Refused):
    """The part of the system that would do it is not there."""

    status = 503
    default_reason = "not_running"


class BadTable(ConsoleError):
    """The route table contradicts itself."""


class CannotListen(ConsoleError):
    """A socket cannot be had, so the console is not served there."""


class OperatorError(ConsoleError):
    """The operator's client got no success."""


class NobodyRuns(OperatorError):
    """No Offhook answers on the operator's socket; nothing was done."""


class OperatorRefused(OperatorError):
    """The answer was a refusal; ``status``, ``reason`` and the sentence are the server's."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


class OutcomeUnknown(OperatorError):
    """The connection ended before the answer: whether it was done is unknown. Look before trying again."""
