# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: what each command asks of the running system, what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from console.errors import NobodyRuns, OperatorRefused, OutcomeUnknown
from foundation.ids import SeededIds
from offhook.cli.main import offhook
from tests.cli_stub import CommandLine, StubSystem
from vocabulary.call_id import new_call_id, show_call_id

SETTINGS = """\
profile = "sample"
state_dir = "state"
[pbx]
caller_ids = ["+99900000001", "+99900000002"]
"""
STEPS = [
    {"at": "2026-03-02T10:00:00.250Z", "state": "claimed", "detail": ""},
    {"at": "2026-03-02T10:00:01Z", "state": "dialing", "detail": "carrier"},
    {"at": "2026-03-02T10:00:05Z", "state": "not_connected", "detail": ""},
]
STORY = {
    "call_id": "4F7K-2QX9",
    "state": "not_connected",
    "disposition": "no_answer",
    "reason": None,
    "bridged_at": None,
    "claimed_at": "2026-03-02T10:00:00.250Z",
    "connect_ms": 4750.123456,
    "steps": STEPS,
}


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> StubSystem:
    stub = StubSystem()
    stub.install(monkeypatch)
    return stub


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """In a folder with settings of its own."""
    (tmp_path / "offhook.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("command", "method", "path", "sent"),
    [
        ("campaign list", "GET", "/campaigns", {}),
        ("campaign show spring", "GET", "/campaigns/spring", {}),
        ("campaign start spring", "POST", "/campaigns/spring/start", {}),
        ("campaign pause spring", "POST", "/campaigns/spring/pause", {}),
        ("campaign stop spring", "POST", "/campaigns/spring/stop", {}),
        (
            "campaign create spring --mode manual --script s --guideline g --guideline h",
            "POST",
            "/campaigns",
            {
                "name": "spring",
                "title": "spring",
                "mode": "manual",
                "caller_id": "+99900000001",
                "policy": {"script": "s", "guidelines": ["g", "h"]},
            },
        ),
        ("customers imports", "GET", "/imports", {}),
        ("customers show 7", "GET", "/customers/7", {}),
        ("customers search Ana", "POST", "/customers/search", {"text": "Ana"}),
        ("rm list", "GET", "/rms", {}),
        (
            "rm add eva --language pt --skill cards --licence l --max-customers 9",
            "POST",
            "/rms",
            {
                "name": "eva",
                "display_name": "Eva",
                "languages": ["pt"],
                "skills": ["cards"],
                "licences": ["l"],
                "max_open_entries": 9,
            },
        ),
        (
            "rm set eva --skill gold --left",
            "POST",
            "/rms/eva",
            {"skills": ["gold"], "standing": "left"},
        ),
        ("accounts list", "GET", "/accounts", {}),
        (
            "accounts add sam --role supervisor",
            "POST",
            "/accounts",
            {"name": "sam", "display_name": "Sam", "role": "supervisor"},
        ),
        ("accounts reset sam", "POST", "/accounts/sam/reset", {}),
        (
            "calls list --campaign spring --rm eva --disposition busy --limit 3",
            "GET",
            "/calls",
            {"campaign": "spring", "rm": "eva", "disposition": "busy", "limit": "3"},
        ),
        ("trunk list", "GET", "/trunks", {}),
        ("stop --now --reason drill", "POST", "/floor/halt", {"reason": "drill"}),
        ("stop --lift", "POST", "/floor/lift", {}),
    ],
)
def test_each_command_asks_one_thing(
    system: StubSystem, cli: CommandLine, command: str, method: str, path: str, sent: Mapping[str, Any]
) -> None:
    """The request as the API has it."""
    for name in ("campaigns", "imports", "rms", "accounts", "calls", "trunks"):
        system.answers[f"GET /api/v1/{name}"] = {name: []}
    system.answers["POST /api/v1/customers/search"] = {"customers": []}
    system.answers[f"{method} /api/v1{path}"] = system.answers.get(f"{method} /api/v1{path}", {"a": 1})
    ended = cli(*command.split())
    assert (ended.code, ended.err) == (0, "")
    assert system.asked == [(method, f"/api/v1{path}", sent)]


@pytest.mark.parametrize(
    ("command", "path", "name"),
    [
        ("campaign list", "campaigns", "campaigns"),
        ("rm list", "rms", "rms"),
        ("accounts list", "accounts", "accounts"),
        ("calls list", "calls", "calls"),
        ("trunk list", "trunks", "trunks"),
        ("customers imports", "imports", "imports"),
    ],
)
def test_every_list_comes_as_json_too(
    system: StubSystem, cli: CommandLine, command: str, path: str, name: str
) -> None:
    """The whole of what the API says, for programs."""
    rows = [{"id": 1, "name": "x", "list": ["a", "b"], "none": None}]
    system.answers[f"GET /api/v1/{path}"] = {name: rows}
    assert json.loads(cli(*command.split(), "--json").out) == rows


def test_every_command_that_reads_offers_json() -> None:
    """Also the ones to come: whatever shows or lists."""

    def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for inner, sub in command.commands.items():
                yield from leaves(sub, f"{name} {inner}".strip())
        else:
            yield name, command

    reading = {
        name: command
        for name, command in leaves(offhook, "")
        if name.split()[-1] in ("list", "show", "search", "imports", "status", "check")
    }
    assert len(reading) > 8
    assert [name for name, cmd in reading.items() if "as_json" not in {p.name for p in cmd.params}] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NobodyRuns("No Offhook runs here."), 1),
        (OutcomeUnknown("The connection ended."), 1),
        (OperatorRefused(404, "no_campaign", "There is no campaign 'x'."), 1),
        (OperatorRefused(409, "not_possible", "As things stand."), 1),
        (OperatorRefused(422, "wrong_input", "This makes no sense."), 2),
        (OperatorRefused(501, "not_built", "Not built yet."), 2),
        (OperatorRefused(503, "database", "The database is unwell."), 1),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(
    system: StubSystem, cli: CommandLine, error: Exception, code: int
) -> None:
    """1: it did not work; 2: what was asked makes no sense."""
    system.answers["GET /api/v1/campaigns"] = error
    ended = cli("campaign", "list")
    assert (ended.code, ended.out, ended.err) == (code, "", f"{error}\n")


@pytest.mark.parametrize("mode", ["power", "predictive"])
def test_modes_that_are_not_built_say_so(system: StubSystem, cli: CommandLine, mode: str) -> None:
    """Exit code 2 and one sentence; nothing is asked of anybody."""
    ended = cli("campaign", "create", "x", "--mode", mode)
    assert ended.code == 2
    assert f"Pacing mode {mode} is not built yet" in ended.err
    assert system.asked == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("calls show 1234-5678", "not a call ID"),
        ("stop", "--now"),
        ("stop --now --lift", "--now"),
        ("rm set eva", "otherwise"),
        ("call +999123456 --rm eva --caller-id +351211234567", "not one of our own numbers"),
        ("up --sample --settings offhook.toml", "settings of its own"),
        ("campaign create x --policy bad.toml", "no TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    system: StubSystem, cli: CommandLine, command: str, sentence: str
) -> None:
    """Exit code 2, with what to write instead."""
    Path("bad.toml").write_text("= no")
    ended = cli(*command.split())
    assert ended.code == 2
    assert sentence in ended.err
    assert system.asked == []


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("degraded", 3), ("stopping", 3)])
def test_status_tells_by_its_exit_code(system: StubSystem, cli: CommandLine, status: str, code: int) -> None:
    """3: it works, but somebody should look; the reasons are said."""
    reasons = [] if status == "ok" else ["Trunk carrier is not used: it refuses."]
    system.answers["GET /api/v1/health"] = {"status": status, "reasons": reasons}
    system.answers["GET /api/v1/floor"] = {"campaigns": {"spring": "running"}, "rms": {}}
    ended = cli("status")
    assert ended.code == code
    assert all(reason in ended.out for reason in reasons)


def test_a_call_tells_its_story_in_order(system: StubSystem, cli: CommandLine) -> None:
    """Each step with its time; empty facts are left out."""
    call_id = show_call_id(new_call_id(SeededIds(1)))
    system.answers[f"GET /api/v1/calls/{call_id}"] = dict(STORY)
    lines = cli("calls", "show", call_id).out.splitlines()
    assert lines[-3:] == [
        "2026-03-02 10:00:00.250 UTC  claimed",
        "2026-03-02 10:00:01.000 UTC  dialing       carrier",
        "2026-03-02 10:00:05.000 UTC  not connected",
    ]
    assert "disposition  no_answer" in lines
    assert "connect ms   4750.1" in lines
    assert not any("bridged" in line for line in lines)


# --- the PBX of somebody else ------------------------------------------------------------------------


def test_an_external_pbx_is_rendered_into_a_folder_and_checked_there(cli: CommandLine) -> None:
    """Its own files stay; the recorded messages are made; what was changed since is found."""
    Path("offhook.toml").write_text(
        'state_dir = "state"\n[pbx]\nmode = "external"\nari_url = "http://127.0.0.1:8088/ari"\n'
        'ari_password_file = "ari.password"\ncaller_ids = ["+351211234567"]\n'
    )
    Path("ari.password").write_text("s3cret-s3cret")
    Path("theirs").mkdir()
    Path("theirs/pjsip.conf").write_text("; theirs\n")
    rendered = cli("pbx", "render", "--into", "theirs")
    assert rendered.code == 0, rendered.err
    assert "#include pjsip_offhook.conf" in rendered.out
    assert Path("theirs/pjsip.conf").read_text() == "; theirs\n"
    assert Path("state/sounds/pbx/identification.wav").exists()
    assert cli("pbx", "check").code == 2
    # Their files do not include ours yet.
    checked = cli("pbx", "check", "--included", "theirs", "--json")
    assert checked.code == 1
    assert any("pjsip_offhook.conf" in one["mend"] for one in json.loads(checked.out))


# --- offhook call ------------------------------------------------------------------------------------


def by_hand(system: StubSystem, **story: Any) -> None:
    """A system with the manual campaign, where the RM is offline and becomes ready."""
    campaign = {"id": 5, "name": "by-hand", "caller_id": "+99900000001", "state": "running"}
    system.answers |= {
        "GET /api/v1/campaigns": {"campaigns": [campaign]},
        "GET /api/v1/rms/eva": {"state": "offline", "campaign_id": None},
        "POST /api/v1/rms/eva/call": {"call_id": "4F7K-2QX9"},
        "GET /api/v1/calls/4F7K-2QX9": {**STORY, **story},
    }
    system.updates = [
        {"data": {"state": "phone_connecting"}},
        {"data": {"state": "ready"}},
    ]


def test_a_call_that_is_not_connected_ends_with_1(system: StubSystem, cli: CommandLine) -> None:
    """The shift is begun for it and ended after it; every state is printed."""
    by_hand(system)
    ended = cli("call", "+999123456", "--rm", "eva", "--zone", "Europe/Lisbon")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "eva: phone connecting",
        "eva: ready",
        "call ID 4F7K-2QX9",
        "claimed",
        "dialing       carrier",
        "not connected",
        "no answer.",
    ]
    assert [asked for asked in system.asked if asked[0] != "GET"] == [
        ("POST", "/api/v1/rms/eva/shift", {"campaign": "by-hand"}),
        ("POST", "/api/v1/rms/eva/call", {"number": "+999123456", "zone": "Europe/Lisbon"}),
        ("DELETE", "/api/v1/rms/eva/shift", {}),
    ]


def test_a_talk_ends_with_0_and_its_outcome_is_recorded(system: StubSystem, cli: CommandLine) -> None:
    """The outcome goes in before the shift ends."""
    by_hand(system, state="ended", disposition="answered", bridged_at="2026-03-02T10:00:03Z")
    assert cli("call", "+999123456", "--rm", "eva", "--outcome", "sale").code == 0
    assert system.asked[-2:] == [
        ("POST", "/api/v1/calls/4F7K-2QX9/outcome", {"outcome": "sale"}),
        ("DELETE", "/api/v1/rms/eva/shift", {}),
    ]


def test_the_manual_campaign_is_made_when_first_needed(system: StubSystem, cli: CommandLine) -> None:
    """One for each caller ID, started at once."""
    by_hand(system)
    other = {"id": 6, "name": "by-hand-99900000002", "state": "draft"}
    system.answers["POST /api/v1/campaigns"] = other
    cli("call", "+999123456", "--rm", "eva", "--caller-id", "+99900000002")
    posts = [(path, sent) for method, path, sent in system.asked if method == "POST"]
    assert posts[0][1]["name"] == "by-hand-99900000002"
    assert posts[0][1]["caller_id"] == "+99900000002"
    assert posts[1][0] == "/api/v1/campaigns/by-hand-99900000002/start"


def test_an_rm_in_another_campaign_is_left_alone(system: StubSystem, cli: CommandLine) -> None:
    """Nobody is called and no shift is ended."""
    by_hand(system)
    system.answers["GET /api/v1/rms/eva"] = {"state": "ready", "campaign_id": 1}
    ended = cli("call", "+999123456", "--rm", "eva")
    assert ended.code == 1
    assert "another campaign" in ended.err
    assert [asked[0] for asked in system.asked] == ["GET", "GET"]


# --- starting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["up", "serve", "status", "pbx check"])
def test_wrong_settings_are_named_by_file_line_and_key(cli: CommandLine, command: str) -> None:
    """Nothing is started and no stack is shown."""
    Path("offhook.toml").write_text('company = "x"\n[console]\nport = 99999\n')
    ended = cli(*command.split())
    assert ended.code == 1
    assert "offhook.toml, line 3: console.port" in ended.err
    assert not Path("var").exists()


def test_help_is_quick() -> None:
    """It loads no room: neither the database's library nor the settings'."""
    code = (
        "import sys; from offhook.cli.main import offhook; "
        "print(*{'sqlalchemy', 'pydantic', 'aiohttp', 'rich', 'pjsua2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
