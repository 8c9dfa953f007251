# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of everything the console answers; the OpenAPI document and the right of way are made from it.

::

    routes = Routes("calls")

    @routes.post("/calls/{call_id}/skip", body=SkipAsked, reply=Done)
    async def skip(ask: Ask, body: SkipAsked) -> Done:
        \"\"\"Put this customer back for later, with a reason.\"\"\"

A handler takes an ``Ask``, and ``query`` and ``body`` where the route has models for them. The first line
of its docstring is the operation's summary.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

API: Final = "/api/v1"

Handler = Callable[..., Awaitable[Any]]


class Asked(BaseModel):
    """Base of what is sent to us: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """Base of what we answer."""

    model_config = ConfigDict(frozen=True)


class Media(StrEnum):
    """What a route answers with."""

    JSON = "application/json"  #: its reply model
    HTML = "text/html"  #: a page for people
    CSV = "text/csv"  #: a file
    SOCKET = "websocket"  #: live updates
    ASSET = "asset"  #: style and script of the pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation."""

    method: str
    path: str
    handler: Handler
    tag: str
    media: Media
    status: int
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    reply: type[BaseModel] | None
    uploads: tuple[str, ...]  #: media types taken as a raw body

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_api(self) -> bool:
        return self.path.startswith(API)

    @property
    def unsafe(self) -> bool:
        """Whether it may change anything."""
        return self.method not in ("GET", "HEAD")

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handler) or "").split("\n", 1)[0]


class Routes:
    """The routes of one module, in the order written."""

    def __init__(self, tag: str, *, prefix: str = API) -> None:
        self._tag = tag
        self._prefix = prefix
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("DELETE", path, **options)

    def _route(
        self,
        method: str,
        path: str,
        *,
        reply: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        body: type[BaseModel] | None = None,
        uploads: tuple[str, ...] = (),
        media: Media = Media.JSON,
        status: int = 200,
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self._routes.append(
                Route(
                    method=method,
                    path=self._prefix + path,
                    handler=handler,
                    tag=self._tag,
                    media=media,
                    status=status,
                    query=query,
                    body=body,
                    reply=reply,
                    uploads=uploads,
                )
            )
            return handler

        return add
