# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to an answer: who asks, may they, what did they send; and every failure as a true sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from accounts import sessions
from accounts.errors import AccountsError, BadName, NameTaken, NoSuchAccount, TooManyTries, WeakPassword
from accounts.permissions import Role
from console.access import RIGHTS, Open, admit
from console.ask import OPERATOR, Actor, Ask, Progress
from console.errors import NotRunning, Refused, TooMany, WrongInput
from console.guard import check_origin, recognise
from console.parts import ConsoleParts
from console.routes import Media, Route
from crm.errors import BadMapping, CrmError, ImportRefused, NoSuchCustomer
from dialer.errors import BadCampaign, DialerError, NoSuchCall, NoSuchCampaign, NotBuiltYet
from foundation.errors import CommandTimedOut, DatabaseError, NoHandler
from foundation.tasks import TaskOwner
from profiler.errors import BadRm, ProfilerError, UnknownRm
from vocabulary.errors import BadCallId, VocabularyError

log = structlog.get_logger(__name__)

PARTS: Final = web.AppKey("parts", ConsoleParts)
OWNER: Final = web.AppKey("owner", TaskOwner)
#: Turns a refused page into HTML: ``(request, actor, status, reason, sentence)``.
ErrorPage = Callable[[web.Request, "Actor | None", Refused], web.StreamResponse]

_NOBODY: Final = Actor(name="nobody", role=Role.AUDITOR)

#: Errors of other rooms by the HTTP status and reason they mean; the first that fits counts.
_MEANINGS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NoSuchCampaign, 404, "no_campaign"),
    (NoSuchCall, 404, "no_call"),
    (NoSuchCustomer, 404, "no_customer"),
    (UnknownRm, 404, "no_rm"),
    (NoSuchAccount, 404, "no_account"),
    (BadCallId, 422, "bad_call_id"),
    (BadRm, 422, "bad_rm"),
    (BadName, 422, "bad_name"),
    (WeakPassword, 422, "weak_password"),
    (BadMapping, 422, "bad_mapping"),
    (BadCampaign, 409, "bad_campaign"),
    (NameTaken, 409, "name_taken"),
    (NotBuiltYet, 501, "not_built"),
    (ImportRefused, 409, "import_refused"),
    (DialerError, 409, "not_possible"),
    (ProfilerError, 409, "not_possible"),
    (CrmError, 409, "not_possible"),
    (AccountsError, 409, "not_possible"),
    (VocabularyError, 409, "not_possible"),
)

_FAULT: Final[Mapping[Progress, str]] = {
    Progress.NOTHING: "Nothing was changed and nobody was called. Please try again.",
    Progress.SENT: "Whether your order was carried out is not known: look at the screen before you try again. "
    "No customer is called twice by a repeated order.",
    Progress.WRITTEN: "What you asked for was done, only the answer is missing: reload the page, do not repeat it.",
}


class _OtherRefusal(Refused):
    """An error of another room as a refusal."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence, reason)
        self.status = status  # type: ignore[misc]


def bind(
    route: Route, parts: ConsoleParts, *, operator: bool, error_page: ErrorPage
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route. ``operator``: whoever connects was let in by the socket's file mode."""

    async def answer(request: web.Request) -> web.StreamResponse:
        actor: Actor | None = None
        ask: Ask | None = None
        try:
            if operator:
                actor = OPERATOR
            else:
                check_origin(route, request)
                if RIGHTS[route.name] is not Open.EVERYBODY:
                    actor = await _who(request, parts)
            admit(route, actor)
            ask = Ask(request=request, parts=parts, actor=actor or _NOBODY)
            result = await route.handler(ask, **await _arguments(route, request))
            return _answer(route, result)
        except web.HTTPException:
            raise
        except Exception as error:
            refused = as_refusal(error, ask.progress if ask is not None else Progress.NOTHING)
            if refused.status >= 500 and not isinstance(error, Refused):
                log.error("request_failed", route=route.name, reason=refused.reason, exc_info=error)
            return refusal(refused) if route.is_api else error_page(request, actor, refused)

    return answer


def as_refusal(error: Exception, progress: Progress) -> Refused:
    """What may be told of an error: never a stack trace, always a sentence and what became of the request."""
    match error:
        case Refused():
            return error
        case TooManyTries():
            return TooMany(str(error), retry_after_s=error.wait_s)
        case CommandTimedOut():
            return _OtherRefusal(504, "unknown", str(error))
        case NoHandler():
            return NotRunning("The dialer is not running yet, so nothing was done. Try again in a moment.")
        case DatabaseError():
            return _OtherRefusal(503, "database", f"{error} {_FAULT[progress]}")
    for kind, status, reason in _MEANINGS:
        if isinstance(error, kind):
            return _OtherRefusal(status, reason, str(error))
    return _OtherRefusal(
        500,
        "fault",
        f"This did not work because of a fault in the program; it was recorded. {_FAULT[progress]}",
    )


def refusal(refused: Refused) -> web.Response:
    """A refusal as JSON."""
    headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
    return web.json_response(
        {"reason": refused.reason, "sentence": refused.sentence}, status=refused.status, headers=headers
    )


@web.middleware
async def say_what_aiohttp_says(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """No such path, wrong method, too large: the same form of answer as everything else."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        sentence = {
            404: "There is nothing at this address.",
            405: "This address does not take this kind of request; nothing was done.",
            413: "This is too large; nothing was done.",
        }.get(error.status, "This request could not be understood; nothing was done.")
        reason = {404: "no_such_path", 405: "wrong_method", 413: "too_large"}.get(error.status, "bad_request")
        answer = refusal(_OtherRefusal(error.status, reason, sentence))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


async def _who(request: web.Request, parts: ConsoleParts) -> Actor | None:
    actor, touch_due = await recognise(request, parts)
    if actor is not None and actor.token is not None and touch_due:
        # Beside the request: a slow disk must not hold up an order.
        request.app[OWNER].spawn(_touch(parts, actor.token), name="touch")
    return actor


async def _touch(parts: ConsoleParts, token: str) -> None:
    try:
        await parts.db.write(sessions.touch, token, parts.clock.now())
    except DatabaseError as error:
        log.warning("session_not_touched", error=str(error))


async def _arguments(route: Route, request: web.Request) -> dict[str, BaseModel]:
    arguments: dict[str, BaseModel] = {}
    try:
        if route.query is not None:
            arguments["query"] = route.query.model_validate(dict(request.query))
        if route.body is not None and route.is_api:
            raw = await request.read()
            if raw and request.content_type != "application/json":
                raise WrongInput("Send the body as application/json; nothing was done.", reason="not_json")
            arguments["body"] = route.body.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise WrongInput(wrong_sentence(error)) from None
    return arguments


def wrong_sentence(error: ValidationError) -> str:
    """Every wrong field with what is wrong; never the value, which may be personal."""
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return f"Nothing was done: {'; '.join(problems)}."


def _answer(route: Route, result: Any) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    assert route.media is Media.JSON, route.name
    return web.Response(
        text=result.model_dump_json(), status=route.status, content_type=Media.JSON, charset="utf-8"
    )
