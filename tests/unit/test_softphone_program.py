# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m softphone`` and its driver, without a PBX: usage, bad input, and an end in every case."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from softphone.account import AutoAnswer, PhoneAccount, Server, Transport
from softphone.driver import PhoneProcess, _command_line
from softphone.errors import BadAccount, NotPossible, ProcessLost
from softphone.messages import HangUp, Quit, Registration, RegistrationChanged
from tests.phones.eventually import eventually
from tests.phones.ports import free_port

ROOT = Path(__file__).parents[2]
#: Over TCP nobody's port says so at once; over UDP it would take 32 s.
NOBODY = PhoneAccount(
    user="rm-anna",
    password="s3cret",
    server=Server(host="127.0.0.1", port=1),
    transport=Transport.TCP,
    auto_answer=AutoAnswer.WHEN_ASKED,
    tone_hz=440,
)


def softphone(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with an empty standard input."""
    program = ["-m", "softphone"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env={**os.environ, "SECRET": "s3cret"},
        input="",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


GOOD = ["--headless", "--server", "127.0.0.1:1", "--transport", "tcp", "--account", "rm-anna:env:SECRET"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--server", "127.0.0.1", "--account", "a:env:SECRET"], "not built yet: add --headless"),
        (["--headless", "--account", "a:env:SECRET"], "Missing option '--server'"),
        (["--headless", "--server", "127.0.0.1"], "Missing option '--account'"),
        (
            ["--headless", "--server", "127.0.0.1:x", "--account", "a:env:SECRET"],
            "'127.0.0.1:x' is not a server",
        ),
        (["--headless", "--server", "h", "--account", "a:/no/where"], "/no/where cannot be read"),
        (["--headless", "--server", "h", "--account", "a:env:NOTHING"], "NOTHING holds no secret"),
        ([*GOOD, "--account", "rm-anna:env:SECRET"], "rm-anna is given twice"),
        ([*GOOD, "--record", "/no/where"], "/no/where"),
        ([*GOOD, "--tone", "20000"], "--tone"),
    ],
)
def test_wrong_usage(arguments, words):
    """Exit code 2 and one sentence; nothing is written to standard output, and the secret to neither."""
    result = softphone(*arguments)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert (result.returncode, result.stdout) == (2, "")
    assert words in said
    assert "s3cret" not in said


def test_without_the_sip_stack():
    """Exit code 1, and the sentence says how to get it."""
    code = "import sys; sys.modules['pjsua2'] = None; from softphone.__main__ import main; main()"
    result = softphone(*GOOD, code=code)
    assert result.returncode == 1
    assert "pjsua2 is not installed" in result.stderr
    assert "./run setup" in result.stderr


def test_everything_but_the_phone_works_without_the_sip_stack():
    """Interface, fake and driver do not import it: whoever dials needs no SIP stack."""
    code = (
        "import sys; sys.modules['pjsua2'] = None\n"
        "import softphone.driver, softphone.testing, softphone.phone, softphone.control, softphone.screening"
    )
    assert softphone(code=code).returncode == 0


def test_the_end_of_input_ends_it_cleanly():
    """With ``--control -`` an empty input is the end: exit code 0, and only JSON lines on standard output."""
    result = softphone(*GOOD, "--control", "-")
    assert result.returncode == 0, result.stderr
    assert all(line.startswith('{"event":') for line in result.stdout.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number):
    """Exit code 0, once it has begun."""
    with subprocess.Popen(
        [sys.executable, "-m", "softphone", *GOOD],
        cwd=ROOT,
        env={**os.environ, "SECRET": "s3cret"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert b"registering" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0


def test_a_stack_that_does_not_start():
    """Exit code 1 and the stack's own reason."""
    code = (
        "import softphone.pjsua_thread as t, sys\n"
        "t.pj.Endpoint.libStart = lambda self: (_ for _ in ()).throw(RuntimeError('no sockets left'))\n"
        "from softphone.__main__ import main; main()"
    )
    result = softphone(*GOOD, code=code)
    assert result.returncode == 1
    assert "The SIP stack does not start: no sockets left" in result.stderr


# --- the driver -------------------------------------------------------------------------------------


@pytest.fixture
async def process() -> AsyncIterator[PhoneProcess]:
    """A phone whose server is not there."""
    started = await PhoneProcess.start([replace(NOBODY, server=Server(host="127.0.0.1", port=free_port()))])
    yield started
    await started.close()


def test_secrets_do_not_stand_on_the_command_line():
    """They travel by environment, one variable an account."""
    arguments, secrets = _command_line([NOBODY, replace(NOBODY, user="rm-ben", password="0ther")], None)
    assert sorted(secrets.values()) == ["0ther", "s3cret"]
    assert not {"s3cret", "0ther"} & set(" ".join(arguments).split())
    assert "rm-ben:env:OFFHOOK_PHONE_1" in arguments


def test_accounts_that_cannot_share_a_process():
    """They are refused before anything is started."""
    for accounts in ([], [NOBODY, NOBODY], [NOBODY, replace(NOBODY, user="rm-ben", tone_hz=None)]):
        with pytest.raises(BadAccount):
            _command_line(accounts, None)


async def test_a_registration_that_does_not_come(process):
    """Waiting for it ends at the deadline, naming the phone and how it stands."""
    with pytest.raises(NotPossible, match=r"Not registered within 0.2 s: rm-anna"):
        await process.registered(timeout_s=0.2)


async def first_registrations(process: PhoneProcess) -> list[RegistrationChanged]:
    events = [await anext(process.events()) for _ in range(2)]
    return [event for event in events if isinstance(event, RegistrationChanged)]


async def test_an_unreachable_server_is_told_as_an_event(process):
    """Registering, then unreachable with the network's reason; the process lives on and tries again."""
    first, second = await first_registrations(process)
    assert (first.state, second.state) == (Registration.REGISTERING, Registration.UNREACHABLE)
    assert second.why == "Connection refused"
    assert await process.close() == 0


async def test_a_server_nobody_knows_is_told_as_an_event():
    """A name that means nothing is unreachable too: it may mean something once the network is up."""
    process = await PhoneProcess.start([replace(NOBODY, server=Server(host="pbx.invalid"))])
    try:
        first, second = await first_registrations(process)
        assert (first.state, second.state) == (Registration.REGISTERING, Registration.UNREACHABLE)
        assert "PJ_ERESOLVE" in second.why
    finally:
        assert await process.close() == 0


async def test_a_refused_command_raises(process):
    """With the phone's own words."""
    with pytest.raises(NotPossible, match="rm-anna is idle"):
        await process.tell(HangUp(ref=process.next_ref(), phone="rm-anna"))


async def test_quit_and_close_agree(process):
    """A process that was told to quit is closed with 0, however often."""
    await process.tell(Quit(ref=process.next_ref()))
    assert await process.close() == 0
    assert await process.close() == 0


async def test_a_lost_process_is_told_everywhere(process):
    """A command, a wait and the events: none of them hangs when the process has died."""
    process.kill()
    with pytest.raises(ProcessLost):
        await process.registered(timeout_s=10)
    async for event in process.events():
        assert isinstance(event, RegistrationChanged)
    with pytest.raises(ProcessLost, match="-9"):
        await process.figures("rm-anna")
    assert await process.close() == -signal.SIGKILL


async def test_a_process_that_stands_still_is_told_as_lost(process, monkeypatch):
    """No reply in time: whether the command was carried out is unknown, and it is not sent again."""
    monkeypatch.setattr("softphone.driver.REPLY_TIMEOUT_S", 0.2)
    await process.events().__anext__()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(ProcessLost, match="does not answer"):
        await process.figures("rm-anna")
    process.send_signal(signal.SIGCONT)


async def test_a_driver_that_dies_leaves_no_phone_behind(tmp_path):
    """kill -9 of the driver: the phone's input ends, and so does the phone."""
    code = (
        "import asyncio, os\n"
        "from tests.unit.test_softphone_program import NOBODY\n"
        "from softphone.driver import PhoneProcess\n"
        "async def main():\n"
        "    process = await PhoneProcess.start([NOBODY])\n"
        "    await anext(process.events())\n"
        "    print(process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    driver = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await driver.communicate()
    assert driver.returncode == -signal.SIGKILL
    stat = Path(f"/proc/{int(output)}/stat")
    await eventually(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")
