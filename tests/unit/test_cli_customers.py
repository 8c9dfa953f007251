# SPDX-License-Identifier: GPL-3.0-or-later
"""`offhook customers import`: the mapping, the dry run, the job's end, the lines that were refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_stub import CommandLine, StubSystem

CSV = "id,name,phone,zone\n1,Ana Costa,+351211234567,Europe/Lisbon\n2,Rui,12,Europe/Lisbon\n"
MAPPING = """\
[file]
source = "crm"
[customer]
external_id = { column = "id" }
name = { column = "name" }
zone = { column = "zone" }
numbers = [ { column = "phone" } ]
"""
DONE: dict[str, Any] = {"import_id": 3, "state": "done", "added": 1, "refused": 0}


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> StubSystem:
    stub = StubSystem()
    stub.install(monkeypatch)
    stub.answers["POST /api/v1/imports"] = {"job": 9}
    stub.answers["GET /api/v1/jobs/9"] = {"state": "done", "progress": DONE, "error": None}
    return stub


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    (tmp_path / "offhook.toml").write_text('profile = "sample"\nstate_dir = "state"\n')
    (tmp_path / "people.csv").write_text(CSV)
    (tmp_path / "crm.toml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("offhook.cli.jobs.LOOK_EVERY_S", 0.0)
    return CommandLine(monkeypatch, capsys)


def test_a_file_is_sent_with_its_mapping_and_its_job_waited_for(system: StubSystem, cli: CommandLine) -> None:
    """Progress goes to standard error, the result to standard output."""
    system.answers["GET /api/v1/jobs/9"] = [
        {"state": "running", "progress": {"rows_read": 1}, "error": None},
        {"state": "done", "progress": DONE, "error": None},
    ]
    ended = cli("customers", "import", "people.csv", "--json")
    assert ended.code == 0
    assert json.loads(ended.out) == DONE
    assert "rows_read 1" in ended.err
    assert system.asked[0] == ("POST", "/api/v1/imports", {"mapping": "plain", "name": "people.csv"})


def test_a_mapping_file_is_kept_for_the_running_system(system: StubSystem, cli: CommandLine) -> None:
    """Under its own name; the same again is no problem, another of the same name is."""
    for _ in range(2):
        assert cli("customers", "import", "people.csv", "--mapping", "crm.toml").code == 0
    assert Path("state/mappings/crm.toml").read_text() == MAPPING
    assert system.asked[0][2] == {"mapping": "crm", "name": "people.csv"}
    Path("crm.toml").write_text(MAPPING + "\n")
    ended = cli("customers", "import", "people.csv", "--mapping", "crm.toml")
    assert ended.code == 2
    assert "another mapping of this name" in ended.err
    assert Path("state/mappings/crm.toml").read_text() == MAPPING


def test_a_wrong_mapping_is_not_kept(system: StubSystem, cli: CommandLine) -> None:
    """File, line and key are named; nothing is sent."""
    Path("crm.toml").write_text(MAPPING.replace("column", "colum"))
    ended = cli("customers", "import", "people.csv", "--mapping", "crm.toml")
    assert ended.code == 1
    assert "crm.toml" in ended.err
    assert system.asked == []
    assert not Path("state/mappings").exists()


def test_refused_lines_are_kept_in_a_file(system: StubSystem, cli: CommandLine) -> None:
    """The name is said."""
    system.answers["GET /api/v1/jobs/9"]["progress"] = DONE | {"refused": 1}
    system.answers["GET /api/v1/imports/3/errors"] = "line,column,value,message\n3,phone,12,short\n"
    ended = cli("customers", "import", "people.csv")
    assert ended.code == 0
    assert "import-3-errors.csv" in ended.err
    assert "3,phone" in Path("import-3-errors.csv").read_text()


def test_a_failed_job_says_why(system: StubSystem, cli: CommandLine) -> None:
    """The sentence without the name of its class."""
    error = "ImportRefused: The file has no column phone; nothing was imported."
    system.answers["GET /api/v1/jobs/9"] = {"state": "failed", "progress": {}, "error": error}
    ended = cli("customers", "import", "people.csv")
    assert (ended.code, ended.err) == (1, "Error: The file has no column phone; nothing was imported.\n")


def test_a_dry_run_reads_the_whole_file_and_asks_nobody(system: StubSystem, cli: CommandLine) -> None:
    """What would be refused is said with its line; exit code 1 if anything would be."""
    ended = cli("customers", "import", "people.csv", "--mapping", "crm.toml", "--dry-run", "--json")
    assert json.loads(ended.out) == {"rows": 2, "good": 1, "refused": 1}
    assert ended.code == 1
    assert "line 3: phone:" in ended.err
    assert system.asked == []
    assert not Path("state").exists()


def test_undo_waits_for_its_job(system: StubSystem, cli: CommandLine) -> None:
    """And says when it is done."""
    system.answers["POST /api/v1/imports/3/undo"] = {"job": 9}
    ended = cli("customers", "undo", "3")
    assert (ended.code, ended.out) == (0, "Import 3 is undone.\n")
