# SPDX-License-Identifier: GPL-3.0-or-later
"""`offhook audit` and `offhook customers suppress`: reading acts, checking them, keeping somebody from being called."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from foundation.audit import record, seal_day
from foundation.db.metadata import metadata
from foundation.encryption import KeyRing
from foundation.ids import SeededIds
from foundation.testing import FakeClock
from tests.cli_stub import CommandLine, StubSystem


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> StubSystem:
    stub = StubSystem()
    stub.install(monkeypatch)
    return stub


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    (tmp_path / "offhook.toml").write_text('profile = "sample"\nstate_dir = "state"\n')
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A database with two acts and a seal, and its keys."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    ring = KeyRing.load_or_create(state / "keys.json", SeededIds(1))
    now = FakeClock().now()
    engine = create_engine(f"sqlite:///{state / 'offhook.db'}")

    def fill(conn: Connection) -> None:
        metadata.create_all(conn)
        for action in ("campaign.start", "halt"):
            record(conn, now, actor="sue", action=action, subject="floor")
        seal_day(conn, ring.audit_key, now)

    with engine.begin() as conn:
        fill(conn)
    engine.dispose()
    return state / "offhook.db"


def test_acts_are_listed_as_asked(system: StubSystem, cli: CommandLine) -> None:
    """What is left out does not narrow."""
    system.answers["GET /api/v1/audit"] = {"entries": [{"actor": "sue", "action": "halt"}]}
    ended = cli("audit", "list", "--actor", "sue")
    assert ended.code == 0
    assert "halt" in ended.out
    assert system.asked == [("GET", "/api/v1/audit", {"actor": "sue", "limit": "50"})]


def test_an_untouched_audit_is_whole(cli: CommandLine, kept: Path) -> None:
    """Checked with the installation's own key, without a running system."""
    ended = cli("audit", "verify")
    assert (ended.code, ended.out.strip()) == (0, "The audit is whole.")


def test_an_altered_audit_is_an_exit_code(cli: CommandLine, kept: Path) -> None:
    """Somebody with the file removes the database's own guard and an entry: the seal tells."""
    engine = create_engine(f"sqlite:///{kept}")
    with engine.begin() as conn:
        triggers = conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in triggers:
            conn.execute(text(f"DROP TRIGGER {name}"))
        conn.execute(text("DELETE FROM audit_entry WHERE number = 2"))
    engine.dispose()
    ended = cli("audit", "verify")
    assert ended.code == 1
    assert "sealed" in ended.err


def test_without_a_database_there_is_nothing_to_check(cli: CommandLine) -> None:
    """A sentence, not a fault."""
    ended = cli("audit", "verify")
    assert ended.code == 1
    assert "There is no database" in ended.err


def test_a_customer_is_kept_from_being_called_and_back(system: StubSystem, cli: CommandLine) -> None:
    """A reason is asked for; after lifting it says what still stands."""
    assert cli("customers", "suppress", "7", "--reason", "asked by letter").code == 0
    left = [{"source": "legal_dnc"}, {"source": "legal_dnc"}]
    system.answers["GET /api/v1/customers/7/suppressions"] = {"suppressions": left}
    ended = cli("customers", "lift", "7", "--reason", "a mistake")
    assert ended.out.strip() == "Taken back. Still suppressed by: legal_dnc."
    body = {"source": "steward", "reason": "asked by letter"}
    assert system.asked[0] == ("POST", "/api/v1/customers/7/suppress", body)
    assert cli("customers", "lift", "7").code == 2


def test_an_account_is_locked(system: StubSystem, cli: CommandLine) -> None:
    """Only what is given is asked for; nothing given is a usage error."""
    system.answers["POST /api/v1/accounts/sue"] = {"name": "sue", "state": "disabled"}
    assert cli("accounts", "set", "sue", "--lock").code == 0
    assert system.asked == [("POST", "/api/v1/accounts/sue", {"state": "disabled"})]
    assert cli("accounts", "set", "sue").code == 2
