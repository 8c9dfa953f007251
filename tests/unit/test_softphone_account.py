# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of the softphone: what is accepted, what is refused in which words, and where the secret never shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.account import (
    MOST_PHONES,
    PhoneAccount,
    Server,
    Transport,
    check_together,
    parse_account,
    parse_server,
    read_secret,
)
from softphone.errors import BadAccount

SERVER = Server(host="127.0.0.1")


def account(user: str = "rm-anna") -> PhoneAccount:
    return PhoneAccount(user=user, password="s3cret", server=SERVER)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1", "127.0.0.1", 5060),
        ("127.0.0.1:15060", "127.0.0.1", 15060),
        ("pbx.example.org:5061", "pbx.example.org", 5061),
        ("localhost", "localhost", 5060),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(text, host, port):
    """Without a port it is SIP's own."""
    assert parse_server(text) == Server(host=host, port=port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":5060",
        "host:",
        "host:0",
        "host:65536",
        "host:50x",
        "host:٥٠٦٠",
        "[::1]:5060",
        "a b",
        "h;lr",
        "-h",
        "h-",
    ],
)
def test_what_is_no_server_is_refused_by_name(text):
    """The message repeats what was given."""
    with pytest.raises(BadAccount, match="is not a server"):
        parse_server(text)


@given(st.text())
def test_no_server_carries_anything_into_a_sip_uri(text):
    """Whatever is accepted holds letters, digits, dots and hyphens only."""
    try:
        server = parse_server(text)
    except BadAccount:
        return
    assert set(server.host) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("192.0.2.1", False),
        ("pbx.example", False),
    ],
)
def test_a_server_on_this_machine_is_known(host, loopback):
    """Its phones then listen on this machine only."""
    assert Server(host=host).is_loopback is loopback


def test_an_account_names_its_user_and_where_the_secret_is(secret_file):
    """From a file, or from the environment."""
    from_file = parse_account(f"rm-anna:{secret_file}", SERVER, {})
    from_environment = parse_account("rm-anna:env:PHONE", SERVER, {"PHONE": "s3cret"})
    assert from_file == from_environment == account()


def test_the_uris_of_an_account():
    """Address of record and registrar, as SIP wants them."""
    over_tcp = PhoneAccount(
        user="rm-anna", password="x", server=Server(host="pbx", port=5070), transport=Transport.TCP
    )
    assert over_tcp.address_of_record == "sip:rm-anna@pbx:5070"
    assert over_tcp.registrar == "sip:pbx:5070;transport=tcp"


def test_the_secret_is_in_no_representation():
    """What a log or a traceback may show does not hold it."""
    assert "s3cret" not in repr(account())


@pytest.mark.parametrize(
    "text", ["rm-anna", "rm-anna:", ":file", "rm anna:file", "rm@anna:file", "rm;x:file", "ä:file"]
)
def test_what_is_no_account_is_refused(text, tmp_path, monkeypatch):
    """A user without a secret, or one that would change the SIP URI."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("s3cret")
    Path("file").chmod(0o600)
    with pytest.raises(BadAccount):
        parse_account(text, SERVER, {})


def test_a_secret_file_that_is_not_there(tmp_path):
    """The message names the file and the reason."""
    with pytest.raises(BadAccount, match=r"nowhere cannot be read: No such file"):
        read_secret(str(tmp_path / "nowhere"), {})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_file_that_others_can_read(secret_file, mode):
    """The message says what to do."""
    secret_file.chmod(mode)
    with pytest.raises(BadAccount, match="chmod 600"):
        read_secret(str(secret_file), {})


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n"])
def test_a_secret_file_that_holds_no_secret(secret_file, content):
    """Empty, an empty first line, or no text."""
    secret_file.write_bytes(content)
    with pytest.raises(BadAccount, match="secret"):
        read_secret(str(secret_file), {})


def test_a_directory_is_no_secret_file(tmp_path):
    """Nor is anything else that cannot be read."""
    os.chmod(tmp_path, 0o700)
    with pytest.raises(BadAccount, match="cannot be read"):
        read_secret(str(tmp_path), {})


def test_an_environment_variable_that_is_not_set():
    """The message names the variable, not its value."""
    with pytest.raises(BadAccount, match="PHONE holds no secret"):
        read_secret("env:PHONE", {})


def test_accounts_of_one_process():
    """One to MOST_PHONES, none of them twice."""
    check_together([account(f"rm-{n}") for n in range(MOST_PHONES)])
    for bad, words in (
        ([], "not 0"),
        ([account(f"rm-{n}") for n in range(MOST_PHONES + 1)], f"not {MOST_PHONES + 1}"),
        ([account(), account()], "rm-anna is given twice"),
    ):
        with pytest.raises(BadAccount, match=words):
            check_together(bad)
