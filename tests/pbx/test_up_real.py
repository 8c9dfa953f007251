# SPDX-License-Identifier: GPL-3.0-or-later
"""`offhook up --sample` as a newcomer meets it: real PBX, real phones, real calls, and processes that die."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asterisk.carrier.mix import Behaviour, decide
from asterisk.carrier.mix_file import SAMPLE, read_mix
from asterisk.ports import free_port
from console.client import OperatorClient
from console.errors import OperatorError
from softphone.account import PhoneAccount, parse_server
from softphone.driver import PhoneProcess
from softphone.errors import NotPossible

DEADLINE_S = 40.0
_OFFHOOK = ("-P", "-m", "offhook")
PASSWORD = re.compile(r"^ +(\w+) +([a-z0-9]{4}(?:-[a-z0-9]{4}){3}) +\((\w+)\)$", re.MULTILINE)


def until(found: Callable[[], Any], what: str) -> Any:
    """What ``found`` gives, once it gives something."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")


def offhook(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, *_OFFHOOK, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        cwd=cwd,
    )


def runs(pid: int) -> bool:
    """Whether a process is there, and not merely waits to be counted as dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Up:
    """A running `offhook up --sample`."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        self._said = state.parent / f"said-{port}"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, *_OFFHOOK, "up", "--sample", "--state", str(state), "--port", str(port)],
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def settings(self) -> tuple[str, str]:
        """The option that leads commands here."""
        return "--settings", str(self.state / "offhook.toml")

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def until_up(self) -> None:
        until(lambda: "The console is at" in self.said or self.process.poll() is not None, "up")
        assert self.process.poll() is None, self.said

    def ask(self, path: str) -> Any:
        """What the running system answers its operator."""
        return OperatorClient(self.state / "operator.sock").get(path)

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/api/v1/calls?limit=500")["calls"]
        return found

    def is_well(self) -> bool:
        try:
            return bool(self.ask("/api/v1/health")["status"] == "ok")
        except OperatorError:
            return False

    def main_pid(self) -> int:
        said = (self.state / "offhook.db.lock").read_text(encoding="ascii")
        return int(said.split()[1].rstrip(","))

    def family(self) -> set[int]:
        """It and every process below it."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except OSError:
                continue  # it ended meanwhile
            parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def end(self) -> int:
        """Ctrl-C, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


@contextmanager
def going_up(state: Path) -> Iterator[Up]:
    up = Up(state, free_port())
    try:
        up.until_up()
        yield up
    finally:
        up.end()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short one: a control socket's path has an end."""
    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Up]:
    """One floor for all tests that leave it running."""
    with going_up(folder / "floor") as running:
        yield running


def test_one_command_dials(up: Up) -> None:
    """Passwords are told, the console answers, robots talk with customers, and a call tells its story."""
    assert {name: role for name, _, role in PASSWORD.findall(up.said)} == {
        "anna": "rm",
        "ben": "rm",
        "carl": "rm",
        "dora": "rm",
        "sam": "supervisor",
        "admin": "admin",
    }
    with urllib.request.urlopen(f"http://127.0.0.1:{up.port}/login", timeout=5) as page:
        assert page.status == 200
    talked = until(lambda: [call for call in up.calls() if call["state"] == "bridged"], "a talk")
    told = offhook("calls", "show", talked[0]["call_id"], "--json", *up.settings, cwd=up.state)
    story = json.loads(told.stdout)
    assert [step["state"] for step in story["steps"]][:2] == ["claimed", "dialing"]
    assert story["script"] == "term-deposit"
    assert all(call["rm"] != "anna" for call in up.calls())


def test_a_call_by_hand_ends_with_one_disposition(up: Up) -> None:
    """`offhook call` says each state as it comes, then the disposition; exit code 0: they talked."""
    done = offhook(
        *(
            "call",
            number_of(Behaviour.EARLY_HANG_UP),
            "--rm",
            "anna",
            "--zone",
            "Europe/Lisbon",
            "--outcome",
            "interested",
        ),
        *up.settings,
        cwd=up.state,
    )
    call_id = re.search(r"call ID (\S+)", done.stdout)
    assert call_id is not None, done.stdout + done.stderr
    story = up.ask(f"/api/v1/calls/{call_id[1]}")
    assert (story["disposition"], story["outcome"]) == ("answered", "interested")
    assert done.returncode == 0
    assert done.stdout.rstrip().splitlines()[-1] == "answered."


def number_of(behaviour: Behaviour) -> str:
    """A number that rings within three seconds and then behaves so, in the sample's mix."""
    mix = read_mix(SAMPLE)
    for index in range(10_000):
        number = f"+9997{index:08}"
        meets = decide(mix, number, 1)
        if meets.behaviour is behaviour and meets.ring_ms < 3000:
            return number
    raise AssertionError(f"nobody behaves as {behaviour}")


def test_ctrl_c_cancels_a_call_by_hand(up: Up) -> None:
    """What rings is ended, with one disposition; the RM's shift ends too."""
    calling = subprocess.Popen(
        [
            *(sys.executable, *_OFFHOOK, "call", number_of(Behaviour.NO_ANSWER)),
            *("--rm", "anna", "--zone", "Europe/Lisbon", *up.settings),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert calling.stdout is not None
    until(lambda: "ringing" in (calling.stdout.readline() if calling.stdout else ""), "ringing")
    calling.send_signal(signal.SIGINT)
    assert calling.wait(DEADLINE_S) == 130
    story = up.ask("/api/v1/calls?rm=anna&limit=1")["calls"][0]
    until(lambda: up.ask(f"/api/v1/calls/{story['call_id']}")["disposition"] == "cancelled", "cancelled")
    until(lambda: up.ask("/api/v1/rms/anna")["state"] == "offline", "the shift's end")


def test_a_new_rm_has_a_phone_at_the_pbx_at_once(up: Up) -> None:
    """`rm add` while everything runs: account, one-time password, and a phone that may register."""
    added = offhook("rm", "add", "eva", "--language", "pt", "--json", *up.settings, cwd=up.state)
    assert re.fullmatch(r"\w{4}(-\w{4}){3}", json.loads(added.stdout)["one_time_password"])
    phone = json.loads(offhook("rm", "phone", "eva", "--json", *up.settings, cwd=up.state).stdout)
    assert phone["user"] == "rm-eva"
    conf = up.state / "pbx" / "conf" / "pjsip_offhook.conf"
    until(lambda: phone["password"] in conf.read_text(encoding="utf-8"), "the phone in the PBX's file")
    asyncio.run(registers(phone))
    assert up.is_well()


async def registers(phone: dict[str, str]) -> None:
    """A real phone with what the command says registers; the PBX takes its files over within seconds."""
    account = PhoneAccount(
        user=phone["user"], password=phone["password"], server=parse_server(phone["server"])
    )
    deadline = time.monotonic() + DEADLINE_S
    while True:
        process = await PhoneProcess.start([account])
        try:
            await process.registered(timeout_s=5)
            return
        except NotPossible:
            assert time.monotonic() < deadline
        finally:
            await process.close()


def test_a_second_start_on_the_same_floor_changes_nothing(up: Up) -> None:
    """It names the process that has it; so does a second main process on the same database."""
    again = offhook("up", "--sample", "--state", up.state, "--port", str(free_port()), cwd=up.state)
    main = offhook("serve", *up.settings, "--port", str(free_port()), cwd=up.state)
    assert (again.returncode, main.returncode) == (1, 1)
    assert f"process {up.process.pid}," in again.stderr
    assert f"process {up.main_pid()}," in main.stderr
    assert "Traceback" not in again.stderr + main.stderr
    assert up.is_well()


def test_a_killed_main_process_is_started_again_and_calls_go_on(up: Up) -> None:
    """Talks are on the PBX; the next main process adopts them and dials on. No visitor is refused meanwhile."""
    before = {call["call_id"] for call in up.calls()}
    killed = up.main_pid()
    os.kill(killed, signal.SIGKILL)
    seen = until(lambda: status_of_login(up), "an answer")
    until(lambda: up.main_pid() != killed and status_of_login(up) == 200, "a new main process")
    assert seen in (200, 503)
    until(up.is_well, "well")
    until(lambda: {call["call_id"] for call in up.calls()} - before, "another call")


def status_of_login(up: Up) -> int:
    """What the console's first page answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{up.port}/login", timeout=10) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_killed_pbx_is_started_again_and_calls_go_on(up: Up) -> None:
    """Its calls are lost and counted once; the phones come back by themselves."""
    before = {call["call_id"] for call in up.calls()}
    pid_file = up.state / "pbx" / "run" / "asterisk.pid"
    killed = int(pid_file.read_text())
    os.kill(killed, signal.SIGKILL)
    until(lambda: pid_file.exists() and int(pid_file.read_text() or killed) != killed, "another PBX")
    until(up.is_well, "well")
    until(lambda: {call["call_id"] for call in up.calls()} - before, "another call")


def _stop_between_writes(pid: int, database: Path) -> None:
    """Freeze a process at a moment when it does not hold the database's write lock."""
    for _ in range(100):
        os.kill(pid, signal.SIGSTOP)
        probe = sqlite3.connect(database, timeout=0.2, isolation_level=None)
        try:
            probe.execute("BEGIN IMMEDIATE")
            probe.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        finally:
            probe.close()
    raise AssertionError("it writes all the time")


def test_a_halt_reaches_a_main_process_that_hangs(up: Up) -> None:
    """It is written past it within seconds; once it goes on it dials nobody. Status says so with exit code 3."""
    main = up.main_pid()
    _stop_between_writes(main, up.state / "offhook.db")
    try:
        done = offhook("stop", "--now", "--reason", "drill", *up.settings, cwd=up.state)
        assert done.returncode == 0, done.stderr
        assert "did not answer" in done.stderr
    finally:
        os.kill(main, signal.SIGCONT)
    status = offhook("status", *up.settings, cwd=up.state)
    assert status.returncode == 3
    assert "drill" in status.stdout
    assert offhook("stop", "--lift", *up.settings, cwd=up.state).returncode == 0
    assert up.is_well()


def test_its_end_leaves_no_process_and_the_next_start_finds_everything(folder: Path) -> None:
    """A closed terminal ends what was started; two Ctrl-C do so in a hurry. Passwords are not told again."""
    with going_up(folder / "third") as first:
        family = first.family()
        assert len(family) > 4  # supervisor, main process, PBX, carrier, phones
        first.process.send_signal(signal.SIGHUP)
        assert first.process.wait(DEADLINE_S) == 0
        until(lambda: not any(map(runs, family)), "the end of all")
    with going_up(folder / "third") as second:
        assert not PASSWORD.findall(second.said)
        assert "offhook accounts reset NAME" in second.said
        second.process.send_signal(signal.SIGINT)
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(DEADLINE_S) == 0
