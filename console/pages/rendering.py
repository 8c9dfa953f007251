# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates to answers, and the words and forms of times and amounts that pages use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from importlib import resources
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ValidationError

from accounts.permissions import Permission
from console.answering import PARTS, wrong_sentence
from console.ask import Actor, Ask
from console.errors import NotLoggedIn, Refused, WrongInput
from console.guard import new_nonce
from console.routes import Media
from crm import money
from vocabulary.dispositions import RULES, Disposition
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import RmState

M = TypeVar("M", bound=BaseModel)

STATE_WORDS: Final[Mapping[str, str]] = {
    RmState.OFFLINE: "Off work",
    RmState.PHONE_CONNECTING: "Phone connecting",
    RmState.READY: "Ready",
    RmState.REVIEWING: "Review",
    RmState.DIALING: "Calling",
    RmState.TALKING: "Talking",
    RmState.WRAP_UP: "Wrap-up",
    RmState.BREAK: "Break",
    RmState.AWAY: "Away",
}
PHONE_WORDS: Final[Mapping[str, str]] = {
    "up": "Phone connected",
    "calling": "Phone is being called: answer it",
    "down": "Phone not connected",
    "silent": "Nothing is heard from your phone",
}

ASSETS: Final[Mapping[str, str]] = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """The templates, and the assets under addresses that change with their content."""

    def __init__(self) -> None:
        folder = resources.files("console").joinpath("static")
        self.assets = {name: folder.joinpath(name).read_bytes() for name in ASSETS}
        self._environment = Environment(
            loader=PackageLoader("console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "asset": self._address,
            "state_words": STATE_WORDS,
            "phone_words": PHONE_WORDS,
            "outcome_words": {str(outcome): OUTCOME_RULES[outcome].sentence for outcome in Outcome},
            "disposition_words": {str(one): RULES[one].sentence for one in Disposition},
            "P": Permission,
        }
        self._environment.filters |= {
            "words": lambda name: str(name).replace("_", " "),
            "clock": clock_words,
            "amount": money.show,
            "day": day_words,
            "birthday": lambda month_and_day: f"{date.fromisoformat(f'2000{month_and_day[1:]}'):%-d %B}",
            "script_html": Markup,
        }

    def html(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(**values)

    def _address(self, name: str) -> str:
        digest = hashlib.sha256(self.assets[name]).hexdigest()[:12]
        return f"/static/{name}?v={digest}"


PAGES: Final = web.AppKey("pages", Pages)


def page(
    request: web.Request, actor: Actor | None, template: str, *, status: int = 200, **values: Any
) -> web.Response:
    """A page as an answer."""
    text = request.app[PAGES].html(
        template,
        nonce=new_nonce(request, request.app[PARTS]),
        actor=actor,
        company=request.app[PARTS].settings.company,
        here=request.path,
        **values,
    )
    return web.Response(text=text, status=status, content_type=Media.HTML, charset="utf-8")


def error_page(request: web.Request, actor: Actor | None, refused: Refused) -> web.StreamResponse:
    """A refusal as a page, or the way to what is missing: the login, a password of one's own."""
    if isinstance(refused, NotLoggedIn):
        return web.Response(status=303, headers={"Location": "/login"})
    if refused.reason == "password_must_change":
        return web.Response(status=303, headers={"Location": "/password"})
    return page(request, actor, "refused.html", status=refused.status, alert=refused.sentence)


def see_other(path: str) -> web.Response:
    """After a form was done: look there."""
    return web.Response(status=303, headers={"Location": path})


async def form(ask: Ask, model: type[M], fields: Mapping[str, Any] | None = None) -> M:
    """A form's fields (or those given), empty ones left out.

    Raises:
        WrongInput
    """
    if fields is None:
        fields = await ask.request.post()
    try:
        return model.model_validate({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        raise WrongInput(wrong_sentence(error)) from None


def zone_of(name: str | None) -> tzinfo | None:
    """The customer's zone, or None where it is not known."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def local_day_start(now: datetime) -> datetime:
    """When today began at the place of this machine."""
    return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def clock_words(span: timedelta | float | None) -> str:
    """A duration as ``1:02:03`` or ``02:03``."""
    if span is None:
        return "00:00"
    seconds = int(span.total_seconds() if isinstance(span, timedelta) else span)
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def day_words(moment: str | datetime) -> str:
    """A moment, also as ISO 8601 text, as its day: ``5 Jan 2026``."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.day} {at:%b %Y}"
