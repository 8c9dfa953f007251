# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: typed, from file and environment, and a wrong one is named with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import BadSettings
from config.load import load
from config.reference import reference

REFERENCE = Path(__file__).parents[2] / "docs/reference/settings.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the settings file is."""
    return tmp_path / "offhook.toml"


def problems(path: Path | None, text: str = "", **env: str) -> list[str]:
    """What is wrong with a settings file, its path taken off."""
    if path is not None:
        path.write_text(text)
    with pytest.raises(BadSettings) as caught:
        load(path, env)
    return [problem.replace(f"{path}, ", "").replace(f"{path}: ", "") for problem in caught.value.problems]


def test_without_a_file_the_defaults_call_nobody() -> None:
    """A fresh installation has no trunk, no allowed prefix, and listens on loopback."""
    settings = load(None, {})
    assert (settings.profile, settings.trunks, settings.safety.allowed_prefixes) == ("production", [], [])
    assert (settings.console.host, settings.pbx.sip_host) == ("127.0.0.1", "127.0.0.1")


def test_the_environment_wins_over_the_file(path: Path) -> None:
    """Keys with a table, keys without, and lists; variables that are no settings are left alone."""
    path.write_text('state_dir = "here"\n[dialing]\nring_s = 20\nwrap_up_s = 30\n')
    settings = load(
        path,
        {
            "OFFHOOK_STATE_DIR": "/there",
            "OFFHOOK_DIALING__RING_S": "25.5",
            "OFFHOOK_PBX__HIGH_PRIORITY": "false",
            "OFFHOOK_SAFETY__ALLOWED_PREFIXES": '["+351", "+34"]',
            "OFFHOOK_CACHE": "/elsewhere",
            "HOME": "/root",
        },
    )
    assert settings.state_dir == Path("/there")
    assert (settings.dialing.ring_s, settings.dialing.wrap_up_s) == (25.5, 30)
    assert settings.pbx.high_priority is False
    assert settings.safety.allowed_prefixes == ["+351", "+34"]


def test_relative_paths_count_from_the_settings_file(path: Path) -> None:
    """Wherever the program was started."""
    path.write_text('state_dir = "state"\n[logging]\nfile = "log/offhook.log"\n')
    settings = load(path, {})
    assert settings.state_dir == path.parent / "state"
    assert settings.database_path == path.parent / "state/offhook.db"
    assert settings.logging.file == path.parent / "log/offhook.log"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[dialing]\n\nring_ss = 3\n",
            "line 3: dialing.ring_ss: There is no such setting. Did you mean ring_s?",
        ),
        ("[dialling]\nring_s = 3\n", "line 1: dialling: There is no such setting. Did you mean dialing?"),
        ("[console]\nport = 70000\n", "line 2: console.port: Input should be less than or equal to 65535."),
        (
            "[dialing]\nring_min_s = 5\n",
            "line 2: dialing.ring_min_s: Input should be greater than or equal to 15.",
        ),
        (
            "[[trunks]]\nname = 'a'\nhost = '127.0.0.1'\n\n[[trunks]]\nname = 'B'\nhost = '127.0.0.1'\n",
            "line 6: trunks[2].name: String should match pattern '^[a-z][a-z0-9_]{0,29}$'.",
        ),
        ("[[trunks]]\nname = 'a'\n", "line 1: trunks[1].host: This setting is missing."),
        (
            "[[trunks]]\nname = 'a'\nhost = 'x'\nkind = 'register'\n",
            "line 1: trunks[1]: A trunk that registers needs user and password_file.",
        ),
        ("[dialing]\nring_s = 10\n", "line 1: dialing: ring_s must not be shorter than ring_min_s."),
        ("[pbx]\nmode = 'external'\n", "line 1: pbx: An external PBX needs ari_url and ari_password_file."),
        ("dialing.wrap_up_s = -1\n", "line 1: dialing.wrap_up_s: Input should be greater than 0."),
        ("[law]\nhours = { mon = '8-21' }\n", "line 2: law.hours.mon."),
        ("[dialing]\ntime_scale = 0.1\n", "[dialing] time_scale is for tests"),
        ("profile = = 1\n", "this is no TOML: Invalid value (at line 1, column 11)."),
    ],
)
def test_a_wrong_setting_is_named_with_line_and_key(path: Path, text: str, problem: str) -> None:
    """And what to write instead where that can be known."""
    assert any(found.startswith(problem) for found in problems(path, text)), problems(path, text)


def test_all_wrong_settings_are_named_at_once(path: Path) -> None:
    """Nobody mends a file one line at a time."""
    assert len(problems(path, "[console]\nport = 0\n[dialing]\nring_s = 'soon'\nfoo = 1\n")) == 3


def test_a_wrong_variable_is_named() -> None:
    """The variable, not a file, is to be mended."""
    assert problems(None, OFFHOOK_CONSOLE__PORT="many")[0].startswith("OFFHOOK_CONSOLE__PORT: console.port: ")
    assert problems(None, OFFHOOK_CONSOLE__PROT="1")[0].startswith(
        "OFFHOOK_CONSOLE__PROT: console.prot: There"
    )


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    """Missing, or not UTF-8."""
    with pytest.raises(BadSettings, match="cannot be read: No such file"):
        load(path, {})
    path.write_bytes(b"company = '\xff'")
    with pytest.raises(BadSettings, match="not UTF-8 at byte 11"):
        load(path, {})


TRUNK_ABROAD = "[[trunks]]\nname = 'a'\nhost = 'sip.example.org'\n"


def test_the_sample_profile_refuses_a_trunk_to_elsewhere(path: Path) -> None:
    """Invented customers have numbers that may belong to somebody."""
    assert (
        "the sample profile calls invented customers"
        in problems(path, f"profile = 'sample'\n{TRUNK_ABROAD}")[0]
    )
    for host in ("127.0.0.1", "localhost", "[::1]", "127.8.8.8"):
        path.write_text(f"profile = 'sample'\n[[trunks]]\nname = 'a'\nhost = '{host}'\n")
        assert load(path, {}).trunks[0].host == host


def test_a_real_trunk_needs_an_allow_list(path: Path) -> None:
    """A trunk *and* prefixes: one alone reaches nobody, and says so."""
    assert "allowed_prefixes is empty" in problems(path, TRUNK_ABROAD)[0]
    path.write_text(f"{TRUNK_ABROAD}[safety]\nallowed_prefixes = ['+351']\n")
    assert load(path, {}).safety.allowed_prefixes == ["+351"]


def test_the_reference_is_current() -> None:
    """Every setting is described, and the page is what ``python -m config.reference`` prints."""
    assert "| None |" not in reference()
    assert REFERENCE.read_text() == reference()
