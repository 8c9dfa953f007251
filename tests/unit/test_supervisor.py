# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor before anything runs: what it refuses, and that it gives everything back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from asterisk.ports import free_port
from config.load import load
from config.settings import Settings
from console.errors import CannotListen
from foundation.clock import SystemClock
from foundation.db.open import InstanceLock
from foundation.errors import SecondInstance
from offhook.errors import CannotStart
from offhook.supervisor import Floor, Supervisor


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of an installation with a PBX of somebody else, which is not asked here."""
    (tmp_path / "ari.password").write_text("s3cret-s3cret")
    (tmp_path / "offhook.toml").write_text(
        f"""\
profile = "sample"
state_dir = "."
[console]
port = {free_port()}
[pbx]
mode = "external"
ari_url = "http://127.0.0.1:{free_port()}/ari"
ari_password_file = "ari.password"
"""
    )
    return load(tmp_path / "offhook.toml", {})


def supervisor(settings: Settings, *arguments: str, told: list[str] | None = None) -> Supervisor:
    said = [] if told is None else told
    return Supervisor(
        Floor(settings=settings, serve_arguments=arguments),
        on_up=lambda: said.append("up"),
        on_stop=lambda: said.append("stop"),
    )


def holder(settings: Settings) -> int:
    """Who took the database last."""
    lock = settings.state_dir / "offhook.db.lock"
    said = lock.read_text(encoding="ascii").split() if lock.exists() else []
    return int(said[1].rstrip(",")) if len(said) > 1 else os.getpid()


async def test_a_main_process_that_never_comes_up_is_not_tried_for_ever(settings: Settings) -> None:
    """It has said why itself; port and locks are free again."""
    told: list[str] = []
    for _ in range(2):
        with pytest.raises(CannotStart, match="what was started has been ended"):
            await supervisor(settings, "--no-such-option", told=told).run()
    assert told == []
    socket.create_server((settings.console.host, settings.console.port)).close()


async def test_a_taken_port_and_a_taken_database_are_found_first(settings: Settings) -> None:
    """The port is named, or the process that has the database."""
    with (
        socket.create_server((settings.console.host, settings.console.port)),
        pytest.raises(CannotListen, match=f"port {settings.console.port}"),
    ):
        await supervisor(settings).run()
    for taken in (settings.database_path, settings.state_dir / "supervisor"):
        with (
            InstanceLock(taken, SystemClock()),
            pytest.raises(SecondInstance, match=f"process {os.getpid()},"),
        ):
            await supervisor(settings).run()


async def test_a_signal_while_it_starts_ends_it_in_good_order(settings: Settings) -> None:
    """The main process still looks for its PBX: it is ended, and that is no failure."""
    told: list[str] = []
    above = supervisor(settings, "--settings", str(settings.state_dir / "offhook.toml"), told=told)
    running = asyncio.create_task(above.run())
    while holder(settings) == os.getpid():
        await SystemClock().sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert told == ["stop"]
    InstanceLock(settings.database_path, SystemClock()).acquire()
