# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line against a running system that is not there: answers by path, and what was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from offhook.cli.main import main

Asked = tuple[str, str, Mapping[str, Any]]
"""Method, path, and what went with it: query or body."""


@dataclass(slots=True)
class StubSystem:
    """What the client of every command speaks to."""

    #: By ``METHOD path``: what is answered, or raised; a list is answered one after the other.
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, sent: Mapping[str, Any]) -> Any:
        self.asked.append((method, path, sent))
        found = self.answers.get(f"{method} {path}", {})
        if isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put it in the place of the real client."""
        system = self

        class StubClient:
            def __init__(self, socket: Path) -> None:
                pass

            def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
                return system.answer("GET", path, query or {})

            def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
                return system.answer("POST", path, body or {})

            def upload(self, path: str, file: Path, query: Mapping[str, str]) -> Any:
                return system.answer("POST", path, query)

            async def ask(self, method: str, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
                return system.answer(method, path, body or {})

            async def watch(self, topic: str, *, rm: str) -> AsyncIterator[dict[str, Any]]:
                for update in system.updates:
                    yield update

        patch.setattr("console.client.OperatorClient", StubClient)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is over."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``cli("campaign", "list")``: the real entry point with these arguments, in a folder of its own."""

    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.patch.setattr("sys.argv", ["offhook", *arguments])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capsys.readouterr()
        return Ended(ended.value.code if isinstance(ended.value.code, int) else 0, out, err)
