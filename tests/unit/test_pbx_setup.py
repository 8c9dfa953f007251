# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around the rendered files: passwords, sounds, ports, the program, the settings, the check."""

from __future__ import annotations

import json
import random
import socket
import stat
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from asterisk import check as checks
from asterisk import sounds
from asterisk.check import Severity, check, check_host_name, check_included, new_enough
from asterisk.embedded import pbx_listeners
from asterisk.errors import BadSpec, PbxError, PortTaken, ProgramMissing
from asterisk.files import make_folder, write_files
from asterisk.from_settings import SECRETS, pbx_spec
from asterisk.modules import PBX
from asterisk.ports import free_port, free_rtp_range, must_be_free
from asterisk.program import FACTS, Program, find_program
from asterisk.render import lines_to_include, render, render_own
from asterisk.secrets_file import load_or_make
from config.settings import Settings

RANDOMNESS = random.Random(1)


# --- passwords -------------------------------------------------------------------------------------


def test_passwords_are_made_once(tmp_path: Path) -> None:
    """A name keeps its password; a new name gets a new one; the file is for its owner alone."""
    path = tmp_path / "state" / "secrets.json"
    first = load_or_make(path, ["ari", "rm-anna"], RANDOMNESS)
    second = load_or_make(path, ["rm-ben", "ari"], RANDOMNESS)
    assert second == first | {"rm-ben": second["rm-ben"]}
    assert len(set(second.values())) == 3
    assert all(len(password) == 32 and password.isalnum() for password in second.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_passwords_that_others_can_read_are_refused(tmp_path: Path) -> None:
    """An open file is not used: its passwords may be known."""
    path = tmp_path / "secrets.json"
    load_or_make(path, ["ari"], RANDOMNESS)
    path.chmod(0o644)
    with pytest.raises(PbxError, match="read by others"):
        load_or_make(path, ["ari"], RANDOMNESS)


def test_a_damaged_file_of_passwords_is_kept(tmp_path: Path) -> None:
    """It is said what is wrong, and the file is left for a person to look at."""
    path = tmp_path / "secrets.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(PbxError, match="not a file of passwords"):
        load_or_make(path, ["ari"], RANDOMNESS)
    assert path.read_text() == "{"


# --- sounds ----------------------------------------------------------------------------------------


def test_messages_are_spoken_once(tmp_path: Path) -> None:
    """Every text becomes a file that Asterisk plays as it is; it is made again only when the text changes."""
    texts = {"identification": "Hello. This was a call from us.", "bye": "Good bye."}
    sounds.make_sounds(tmp_path, texts)
    for name in ("identification.wav", "bye.wav", "hold/music.wav"):
        with wave.open(str(tmp_path / name)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
            assert sound.getnframes() > 4000
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.wav")}
    sounds.make_sounds(tmp_path, texts | {"bye": "See you."})
    changed = [path.name for path, inode in before.items() if path.stat().st_ino != inode]
    assert changed == ["bye.wav"]


def test_without_a_voice_there_are_beeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no espeak-ng a message is beeps, and is spoken as soon as there is one."""
    with monkeypatch.context() as silent:
        silent.setattr(sounds.shutil, "which", lambda name: None)
        sounds.make_sounds(tmp_path, {"bye": "Good bye."})
    beeps = (tmp_path / "bye.wav").read_bytes()
    sounds.make_sounds(tmp_path, {"bye": "Good bye."})
    assert (tmp_path / "bye.wav").read_bytes() != beeps


# --- ports -----------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named() -> None:
    """The error says which port, and for what it was wanted."""
    spec = a_spec(Path("/tmp/x"))
    listeners = pbx_listeners(spec)
    must_be_free(listeners)
    with (
        socket.create_server(("127.0.0.1", spec.sip.port)),
        pytest.raises(PortTaken, match=f"TCP port {spec.sip.port} on 127.0.0.1, for SIP"),
    ):
        must_be_free(listeners)


def test_audio_has_room() -> None:
    """A free range begins with an even port and holds two ports for each leg."""
    rtp = free_rtp_range(legs=50)
    assert rtp.first % 2 == 0
    assert rtp.last - rtp.first == 100


# --- the program -----------------------------------------------------------------------------------


def facts(prefix: Path, **said: str) -> Path:
    """Facts as the set-up leaves them, in a Python environment ``prefix``."""
    root = prefix / "root"
    for name in ("modules", "data", "sbin"):
        (root / name).mkdir(parents=True)
    program = root / "asterisk"
    program.write_text("#!/bin/sh\necho Asterisk 22.10.1\n")
    program.chmod(0o755)
    path = prefix / FACTS
    path.parent.mkdir(parents=True)
    told = {
        "program": str(program),
        "version": "22.10.1",
        "modules_dir": str(root / "modules"),
        "data_dir": str(root / "data"),
        "sbin_dir": str(root / "sbin"),
    }
    path.write_text(json.dumps(told | said))
    return root


def test_the_program_is_found(tmp_path: Path) -> None:
    """What the set-up wrote is used; Opus by the name that this Asterisk has for it, if it has it."""
    root = facts(tmp_path)
    assert find_program(tmp_path).opus is None
    (root / "modules" / "codec_opus_open_source.so").touch()
    program = find_program(tmp_path)
    assert (program.path, program.opus) == (root / "asterisk", "codec_opus_open_source")


@pytest.mark.parametrize("broken", ["nothing", "no json", "a key is missing", "program is gone"])
def test_without_a_program_the_set_up_is_named(tmp_path: Path, broken: str) -> None:
    """Whatever is missing, the error says to run the set-up."""
    if broken != "nothing":
        root = facts(tmp_path)
        path = tmp_path / FACTS
        match broken:
            case "no json":
                path.write_text("{")
            case "a key is missing":
                path.write_text("{}")
            case _:
                (root / "asterisk").unlink()
    with pytest.raises(ProgramMissing, match=r"\./run setup"):
        find_program(tmp_path)


# --- from settings ---------------------------------------------------------------------------------


def settings(tmp_path: Path, **more: object) -> Settings:
    """Settings with a state folder of their own."""
    safety = {"allowed_prefixes": ["+49"]}
    return Settings.model_validate({"state_dir": str(tmp_path), "safety": safety, **more})


def test_settings_become_a_pbx(tmp_path: Path) -> None:
    """Every trunk, caller ID and port of the settings is there; passwords come from their files."""
    (tmp_path / "password").write_text("from-the-carrier\n")
    trunk = {
        "name": "first",
        "kind": "register",
        "host": "sip.example.net",
        "user": "u",
        "password_file": str(tmp_path / "password"),
        "number_format": "national",
        "caller_id_header": "pai",
        "call_cap": 3,
        "qualify_s": 0,
        "sends_from": ["192.0.2.0/24"],
    }
    chosen = settings(
        tmp_path,
        trunks=[trunk],
        pbx={"sip_host": "192.0.2.1", "caller_ids": ["+4930123456"], "ari_port": 8099},
    )
    spec = pbx_spec(chosen, rms=["anna"], randomness=RANDOMNESS)
    (made,) = spec.trunks
    assert (made.password, made.call_cap, made.qualify_s) == ("from-the-carrier", 3, 0)
    assert (made.number_format, made.caller_id_header) == ("national", "pai")
    assert made.sends_from == ("192.0.2.0/24",)
    assert (spec.sip.host, spec.ari.port, spec.caller_ids) == ("192.0.2.1", 8099, ("+4930123456",))
    kept = json.loads((tmp_path / SECRETS).read_text())
    assert (spec.ari.password, spec.rms[0].password) == (kept["ari"], kept["rm-anna"])
    assert pbx_spec(chosen, rms=["anna"], randomness=RANDOMNESS) == spec


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    trunk = {"name": "first", "host": "x.example", "user": "u", "password_file": str(tmp_path / "none")}
    with pytest.raises(BadSpec, match="none cannot be read"):
        pbx_spec(settings(tmp_path, trunks=[trunk]), rms=[], randomness=RANDOMNESS)


# --- the check -------------------------------------------------------------------------------------


def a_spec(state: Path):
    """A PBX on free ports."""
    ports = {"ari_port": free_port(), "sip_port": free_port()}
    return pbx_spec(
        Settings.model_validate({"state_dir": str(state), "pbx": ports}), rms=[], randomness=RANDOMNESS
    )


@pytest.fixture
def healthy(tmp_path: Path):
    """A PBX with which nothing is wrong: what it shall be, its program, its hosts file."""
    root = facts(tmp_path / "python")
    for name in PBX:
        (root / "modules" / f"{name}.so").touch()
    program = find_program(tmp_path / "python")
    spec = a_spec(tmp_path / "state")
    for folder in spec.instance.every_folder():
        make_folder(folder)
    write_files(spec.instance.conf, render(spec, program))
    sounds.make_sounds(spec.sounds, sounds.prompts("us"))
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.1.1 here.example here # ours\n")
    return spec, program, hosts


def found(healthy, spec=None) -> list[str]:
    """What the check says."""
    kept, program, hosts = healthy
    return [finding.what for finding in check(spec or kept, program, hosts=hosts, host_name="here")]


def test_nothing_is_wrong_with_a_healthy_pbx(healthy) -> None:
    """Freshly rendered, the check finds nothing."""
    assert found(healthy) == []


def test_the_check_finds_what_is_wrong(healthy) -> None:
    """One damage, one finding that names it."""
    spec, program, hosts = healthy
    conf = spec.instance.conf

    def only(words: str) -> None:
        (what,) = found(healthy)
        assert words in what

    (conf / "rtp.conf").unlink()
    only("rtp.conf is missing")
    write_files(conf, render(spec, program))
    with (conf / "http.conf").open("a") as file:
        file.write("bindaddr = 0.0.0.0\n")
    only("http.conf is not what the settings say")
    (conf / "http.conf").write_text("[general]\n")
    only("http.conf was not made by Offhook")
    (conf / "http.conf").unlink()
    write_files(conf, render(spec, program))
    (conf / "ari_offhook.conf").chmod(0o640)
    only("ari_offhook.conf can be read by others")
    (conf / "ari_offhook.conf").chmod(0o600)
    conf.chmod(0o755)
    only("can be entered by others")
    conf.chmod(0o700)
    (spec.instance.spool / "recording").rmdir()
    only("recording is missing")
    make_folder(spec.instance.spool / "recording")
    (spec.sounds / "identification.wav").rename(spec.sounds / "gone")
    only("has no identification.wav")
    (spec.sounds / "gone").rename(spec.sounds / "identification.wav")
    (program.modules / "res_srtp.so").unlink()
    only("has no res_srtp")
    (program.modules / "res_srtp.so").touch()
    with socket.create_server(("127.0.0.1", spec.ari.port)):
        only(f"TCP port {spec.ari.port} on 127.0.0.1, for ARI, cannot be had")
    hosts.write_text("127.0.0.1 localhost # here\n")
    only("does not have this machine's name, here")
    hosts.unlink()
    only("does not have this machine's name, here")


def test_a_changed_setting_is_seen(healthy) -> None:
    """Files rendered from other settings than those of now are found."""
    spec = healthy[0]
    changed = replace(spec, caller_ids=("+4930123456",))
    assert [what.split("/")[-1] for what in found(healthy, changed)] == [
        "extensions_offhook.conf is not what the settings say."
    ]


def test_the_right_to_real_time_is_looked_at(healthy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not have real-time priority is warned, unless it is not wanted."""
    spec = healthy[0]
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(checks.resource, "getrlimit", lambda which: (0, 0))
    (what,) = found(healthy)
    assert "real-time priority" in what
    modest = replace(spec, instance=replace(spec.instance, high_priority=False))
    write_files(modest.instance.conf, render(modest, healthy[1]))
    assert found(healthy, modest) == []


@pytest.mark.parametrize(
    ("version", "will_do"),
    [
        ((20, 18), False),
        ((20, 19), True),
        ((21, 99), False),
        ((22, 8), False),
        ((22, 9), True),
        ((22, 10), True),
        ((23, 2), False),
        ((23, 3), True),
        ((24, 0), True),
        ((18, 26), False),
    ],
)
def test_the_oldest_version_that_will_do(version: tuple[int, int], will_do: bool) -> None:
    """20.19, 22.9, 23.3 and what follows them; 21 has no long support."""
    assert new_enough(*version) is will_do


def test_an_old_asterisk_is_an_error(healthy) -> None:
    """The version that the program itself says counts, not the one that was noted."""
    program: Program = healthy[1]
    program.path.write_text("#!/bin/sh\necho Asterisk 20.6.0~dfsg\n")
    (what,) = found(healthy)
    assert "Asterisk 20.6.0" in what


def test_an_asterisk_that_does_not_run_is_an_error(healthy) -> None:
    """A program that ends with an error is reported, not raised."""
    healthy[1].path.write_text("#!/bin/sh\nexit 1\n")
    (what,) = found(healthy)
    assert "does not run" in what


def test_a_host_name_finding_is_a_warning(tmp_path: Path) -> None:
    """Calls are slow then, but they work: a dead DNS may know the name after all."""
    (finding,) = check_host_name(tmp_path / "none", "here")
    assert finding.severity is Severity.WARNING
    assert "127.0.1.1 here" in finding.mend


def test_an_existing_pbx_must_include_our_files(tmp_path: Path, healthy) -> None:
    """Our files and the lines that include them are both looked for."""
    spec, program, _ = healthy
    theirs = tmp_path / "asterisk"
    files = render_own(spec, program)
    write_files(theirs, files)
    assert len(check_included(theirs, files)) == 3
    for name, line in lines_to_include().items():
        (theirs / name).write_text(f"[general]\n{line}\n")
    assert check_included(theirs, files) == []
