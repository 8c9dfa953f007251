# SPDX-License-Identifier: GPL-3.0-or-later
"""One request as a handler sees it: who asks, and the only ways to read, write and command.

It remembers how far it got, so that a fault afterwards can be told truly: nothing done, or done already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from accounts.permissions import Permission, Role, may
from console.errors import NotAllowed, NotPossible, NotThere, Refused, WrongInput
from console.parts import ConsoleParts
from foundation import audit
from profiler import rms
from profiler.rms import Rm, RmStanding
from vocabulary.commands import Command, Reply

P = ParamSpec("P")
R = TypeVar("R")

#: Statuses of refused commands; whatever is not named is a matter of how things stand: 409.
_STATUS_OF_REASON: Final = {
    "no_campaign": 404,
    "no_rm": 404,
    "no_call": 404,
    "reason": 422,
    "choose": 422,
    "key_reused": 422,
    "failed": 500,
}


class Progress(StrEnum):
    """How far a request got; decides what may be said when something fails."""

    NOTHING = "nothing"  #: nothing was changed and nobody was called
    SENT = "sent"  #: a command is under way; its outcome is not known
    WRITTEN = "written"  #: a change was made or a command done; only the answer is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks. The operator came in by the Unix socket: whoever can open it owns database and keys anyway."""

    name: str
    role: Role
    account_id: int | None = None
    rm: Rm | None = None
    token: str | None = field(default=None, repr=False)
    must_change_password: bool = False
    operator: bool = False

    def may(self, permission: Permission) -> bool:
        return self.operator or may(self.role, permission)


OPERATOR: Final = Actor(name="operator", role=Role.ADMIN, operator=True)


class CommandRefused(Refused):
    """A command was not done; its reply says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.sentence, reply.reason)
        self.status = _STATUS_OF_REASON.get(reply.reason, NotPossible.status)  # type: ignore[misc]


@dataclass(slots=True)
class Ask:
    """What a handler is given."""

    request: web.Request
    parts: ConsoleParts
    actor: Actor
    progress: Progress = Progress.NOTHING

    def path(self, name: str) -> str:
        """A part of the path, as the route names it."""
        return self.request.match_info[name]

    @property
    def key(self) -> str | None:
        """The sender's idempotency key, its own namespace for each person."""
        given = self.request.headers.get("Idempotency-Key")
        if given is None:
            return None
        if not 1 <= len(given) <= 100:
            raise WrongInput("An Idempotency-Key has 1 to 100 symbols; nothing was done.")
        return f"{self.actor.name}:{given}"

    async def read(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """See what is committed."""
        return await self.parts.db.read(fn, *args, **kwargs)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """One unit of work."""
        result = await self.parts.db.write(fn, *args, **kwargs)
        self.progress = Progress.WRITTEN
        return result

    async def send(self, command: Command) -> Reply:
        """Have the dialer do something in the name of who asks; what is audited it audits itself.

        Raises:
            CommandRefused: it was not done.
            CommandTimedOut: whether it was done is not known.
        """
        self.progress = Progress.SENT
        reply = await self.parts.bus.send(replace(command, by=self.actor.name), key=self.key)
        if not reply.done:
            if reply.reason != "failed":
                self.progress = Progress.NOTHING
            raise CommandRefused(reply)
        self.progress = Progress.WRITTEN
        return reply

    def record(
        self,
        conn: Connection,
        action: str,
        subject: str,
        *,
        detail: dict[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        """An entry of the audit, to be written in the same unit as the deed."""
        now = self.parts.clock.now()
        audit.record(
            conn, now, actor=self.actor.name, action=action, subject=subject, detail=detail, reason=reason
        )

    def own_rm(self) -> Rm:
        """The RM who asks.

        Raises:
            NotAllowed: the account is no RM's.
        """
        if self.actor.rm is None:
            raise NotAllowed(
                "This account belongs to no RM, so it has no desk. Ask a supervisor.", reason="no_rm"
            )
        return self.actor.rm

    async def rm_of_path(self) -> Rm:
        """The RM the path names: ``me``, the own name, or anybody's for the operator.

        Raises:
            NotThere: no such RM, or somebody else's desk.
        """
        name = self.path("rm")
        if self.actor.operator:
            found = await self.read(rms.by_name, name)
        else:
            found = self.own_rm()
            if name not in ("me", found.name):
                found = None
        if found is None or found.standing is RmStanding.LEFT:
            raise NotThere("There is no such RM.", reason="no_rm")
        return found
