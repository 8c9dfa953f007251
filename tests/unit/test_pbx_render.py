# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered PBX configuration: nothing dialable, nothing injected, nothing of others overwritten."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asterisk.errors import BadSpec, NotOurs
from asterisk.files import MARK, write_files
from asterisk.program import Program
from asterisk.render import OWN_FILES, called_back, lines_to_include, render, render_own
from asterisk.spec import (
    Ari,
    CallerIdHeader,
    Instance,
    NumberFormat,
    PbxSpec,
    RmEndpoint,
    RtpRange,
    Sip,
    TrunkKind,
    TrunkSpec,
    TrunkTransport,
)

PROGRAM = Program(
    path=Path("/opt/asterisk"),
    version="22.10.1",
    modules=Path("/opt/modules"),
    data=Path("/opt/data"),
    sbin=Path("/opt/sbin"),
    opus="codec_opus",
)
SPEC = PbxSpec(
    node="pbx1",
    app="offhook",
    instance=Instance(folder=Path("/srv/offhook/pbx"), rtp=RtpRange(first=10000, last=12999)),
    sounds=Path("/srv/offhook/sounds"),
    ari=Ari(port=8088, user="offhook", password="ari-password"),
    sip=Sip(host="192.0.2.1", port=5060),
    rms=(
        RmEndpoint(name="anna", password="anna-password"),
        RmEndpoint(name="ben", password="p", sends_audio=False),
    ),
    trunks=(
        TrunkSpec(name="first", host="192.0.2.10"),
        TrunkSpec(
            name="second",
            kind=TrunkKind.REGISTER,
            host="sip.example.net",
            port=5061,
            transport=TrunkTransport.TCP,
            user="account",
            password="trunk-password",
            number_format=NumberFormat.NATIONAL,
            caller_id_header=CallerIdHeader.PAI,
            call_cap=12,
            codecs=("alaw",),
            qualify_s=0,
        ),
    ),
    caller_ids=("+4930123456",),
)


def sections(text: str) -> list[tuple[str, str, dict[str, list[str]]]]:
    """A configuration file as Asterisk reads it: name and parent of each section, option to values."""
    found: list[tuple[str, str, dict[str, list[str]]]] = []
    for line in text.splitlines():
        bare = re.sub(r"(?<!\\);.*", "", line).replace("\\;", ";").strip()
        if head := re.fullmatch(r"\[([^]]+)\](?:\((.*)\))?", bare):
            found.append((head[1], head[2] or "", {}))
        elif "=" in bare:
            name, _, value = bare.partition("=")
            found[-1][2].setdefault(name.strip(), []).append(value.removeprefix(">").strip())
    return found


def section(text: str, name: str, kind: str) -> dict[str, list[str]]:
    """The options of the one section of this name and type."""
    (options,) = [
        options
        for found, parent, options in sections(text)
        if found == name
        and (options.get("type") == [kind] or (kind == "endpoint" and "type" not in options and parent))
    ]
    return options


def extensions(spec: PbxSpec, context: str) -> list[str]:
    """The extensions of a context."""
    return [
        value.split(",")[0]
        for name, _, options in sections(render(spec, PROGRAM)["extensions_offhook.conf"])
        if name == context
        for value in options.get("exten", [])
    ]


def test_rendering_is_a_function() -> None:
    """The same facts give the same text, and every file begins with our mark."""
    files = render(SPEC, PROGRAM)
    assert files == render(SPEC, PROGRAM)
    assert all(text.startswith(MARK + "\n") for text in files.values())
    assert set(OWN_FILES) < set(files)


def test_every_file_that_is_included_is_rendered() -> None:
    """No #include points to a file that is not there."""
    files = render(SPEC, PROGRAM)
    included = [name for text in files.values() for name in re.findall(r"^#include (\S+)$", text, re.M)]
    assert sorted(included) == sorted(OWN_FILES)
    assert set(included) <= set(files)


def test_an_rm_may_dial_nothing() -> None:
    """The RMs' context is there and empty, and includes nothing."""
    text = render(SPEC, PROGRAM)["extensions_offhook.conf"]
    assert [options for name, _, options in sections(text) if name == "offhook-rm"] == [{}]
    assert "include" not in text


def test_a_trunk_reaches_our_own_numbers_alone() -> None:
    """The trunks' context has our caller IDs, letter for letter, in the ways trunks write them: no pattern."""
    assert extensions(SPEC, "offhook-from-trunk") == ["+4930123456", "030123456", "4930123456"]


@given(st.sets(st.from_regex(r"\+[1-9][0-9]{6,13}", fullmatch=True), max_size=8))
def test_no_context_matches_a_pattern(caller_ids: set[str]) -> None:
    """Whatever our numbers are: no extension is a pattern, and no application but these few is called."""
    spec = replace(SPEC, trunks=SPEC.trunks[:1], caller_ids=tuple(sorted(caller_ids)))
    text = render(spec, PROGRAM)["extensions_offhook.conf"]
    lines = [value for _, _, options in sections(text) for value in options.get("exten", [])]
    assert len(lines) == 2 * len(caller_ids) + 1
    assert not any(line.startswith("_") for line in lines)
    called = set(re.findall(r",(?:\d|n|n\(\w+\)),(\w+)\(", text))
    assert called <= {"Stasis", "GotoIf", "Hangup", "Answer", "Playback"}


def test_the_fail_safe_says_who_called_and_ends() -> None:
    """The application is asked first; whatever comes of it, the message and the end follow."""
    text = render(SPEC, PROGRAM)["extensions_offhook.conf"]
    steps = text.split("[offhook-failsafe]")[1].strip().splitlines()[1:]
    assert steps == [
        "exten => s,1,Stasis(offhook,failsafe,${OFFHOOK_CALL_ID})",
        " same => n,Playback(/srv/offhook/sounds/identification)",
        " same => n,Hangup(16)",
    ]


def test_two_of_our_numbers_may_not_be_written_alike() -> None:
    """A caller ID that a trunk writes like another one cannot be told apart, and is refused."""
    with pytest.raises(BadSpec, match="both written"):
        called_back(replace(SPEC, caller_ids=("+4930123456", "4930123456")))


def test_directories_are_no_template() -> None:
    """Asterisk ignores "[directories](!)" without a word and reads the host's own configuration."""
    (directories,) = [
        (parent, options)
        for name, parent, options in sections(render(SPEC, PROGRAM)["asterisk.conf"])
        if name == "directories"
    ]
    assert directories[0] == ""
    assert directories[1]["astetcdir"] == ["/srv/offhook/pbx/conf"]
    assert directories[1]["astrundir"] == ["/srv/offhook/pbx/run"]


@pytest.mark.parametrize(
    ("file", "name", "option", "value"),
    [
        ("asterisk.conf", "options", "highpriority", "yes"),
        ("asterisk.conf", "options", "live_dangerously", "no"),
        ("asterisk.conf", "options", "disable_remote_console_shell", "yes"),
        ("modules.conf", "modules", "autoload", "no"),
        ("manager.conf", "general", "enabled", "no"),
        ("cdr.conf", "general", "enable", "no"),
        ("cel.conf", "general", "enable", "no"),
        ("http.conf", "general", "bindaddr", "127.0.0.1"),
        ("http.conf", "general", "sessionlimit", "500"),
        ("http.conf", "general", "enable_static", "no"),
        ("ari.conf", "general", "websocket_write_timeout", "2000"),
        ("ari_offhook.conf", "offhook", "password", "ari-password"),
        ("rtp.conf", "general", "rtpstart", "10000"),
        ("rtp.conf", "general", "rtpend", "12999"),
        ("rtp.conf", "general", "icesupport", "yes"),
        ("pjsip.conf", "system", "timer_b", "8000"),
        ("pjsip.conf", "system", "timer_t1", "125"),
        ("pjsip.conf", "global", "taskprocessor_overload_trigger", "pjsip_only"),
        ("pjsip.conf", "global", "endpoint_identifier_order", "username,ip"),
        ("pjsip.conf", "offhook-udp", "bind", "192.0.2.1:5060"),
        ("pjsip_offhook.conf", "offhook-leg", "rtp_keepalive", "15"),
        ("pjsip_offhook.conf", "offhook-leg", "allow_transfer", "no"),
        ("pjsip_offhook.conf", "offhook-leg", "send_connected_line", "no"),
        ("pjsip_offhook.conf", "offhook-leg", "trust_connected_line", "no"),
        ("pjsip_offhook.conf", "offhook-leg", "direct_media", "no"),
        ("pjsip_offhook.conf", "offhook-leg", "timers", "yes"),
        ("pjsip_offhook.conf", "offhook-rm", "context", "offhook-rm"),
        ("pjsip_offhook.conf", "offhook-rm", "allow", "ulaw,alaw,g722,opus"),
        ("pjsip_offhook.conf", "offhook-rm", "identify_by", "username"),
        ("pjsip_offhook.conf", "offhook-trunk", "context", "offhook-from-trunk"),
        ("pjsip_offhook.conf", "offhook-trunk", "identify_by", "ip"),
        ("musiconhold.conf", "default", "directory", "/srv/offhook/sounds/hold"),
        ("logger.conf", "logfiles", "security.log", "security"),
    ],
)
def test_a_setting_that_was_learnt_the_hard_way(file: str, name: str, option: str, value: str) -> None:
    """Each of these is there for a measured reason (see the comments in the templates)."""
    (options,) = [options for found, _, options in sections(render(SPEC, PROGRAM)[file]) if found == name]
    assert options[option] == [value]


def test_ari_is_for_this_machine_alone() -> None:
    """Everybody is denied before loopback is permitted."""
    ((_, _, user),) = sections(render(SPEC, PROGRAM)["ari_offhook.conf"])
    assert user["deny"] == ["0.0.0.0/0.0.0.0", "::/0"]
    assert user["permit"] == ["127.0.0.0/8", "::1/128"]
    with pytest.raises(BadSpec, match="loopback"):
        Ari(host="0.0.0.0", port=8088, user="offhook", password="x")


def test_timer_b_is_64_times_t1() -> None:
    """Otherwise Asterisk refuses the whole section (RFC 3261, 17.1.1.2)."""
    options = section(render(SPEC, PROGRAM)["pjsip.conf"], "system", "system")
    assert int(options["timer_b"][0]) == 64 * int(options["timer_t1"][0])


def test_an_rms_phone_proves_who_it_is() -> None:
    """Each RM has a password of its own and one contact, and silence ends the leg only where audio is sure."""
    text = render(SPEC, PROGRAM)["pjsip_offhook.conf"]
    for rm in SPEC.rms:
        endpoint = section(text, rm.endpoint, "endpoint")
        assert endpoint["auth"] == [rm.endpoint]
        assert ("rtp_timeout" in endpoint) is rm.sends_audio
        assert section(text, rm.endpoint, "auth")["password"] == [rm.password]
        aor = section(text, rm.endpoint, "aor")
        assert (aor["max_contacts"], aor["remove_existing"]) == (["1"], ["yes"])


def test_a_trunk_by_address() -> None:
    """It is known by its address, needs no password, and gets the caller ID in From."""
    text = render(SPEC, PROGRAM)["pjsip_offhook.conf"]
    assert section(text, "trunk-first", "identify")["match"] == ["192.0.2.10"]
    assert section(text, "trunk-first", "aor")["contact"] == ["sip:192.0.2.10:5060;transport=udp"]
    endpoint = section(text, "trunk-first", "endpoint")
    assert not {"outbound_auth", "send_pai", "send_rpid", "from_user"} & set(endpoint)
    assert endpoint["allow"] == ["ulaw,alaw"]


def test_a_trunk_by_registration() -> None:
    """We register for ever with the account, answer challenges, and know its calls by our contact."""
    text = render(SPEC, PROGRAM)["pjsip_offhook.conf"]
    registration = section(text, "trunk-second", "registration")
    assert registration["server_uri"] == ["sip:sip.example.net:5061;transport=tcp"]
    assert registration["line"] == ["yes"]
    assert int(registration["max_retries"][0]) > 10_000
    assert section(text, "trunk-second", "auth")["password"] == ["trunk-password"]
    assert not [
        name for name, _, o in sections(text) if name == "trunk-second" and o.get("type") == ["identify"]
    ]
    endpoint = section(text, "trunk-second", "endpoint")
    assert endpoint["outbound_auth"] == ["trunk-second"]
    assert (endpoint["send_pai"], endpoint["from_user"]) == (["yes"], ["account"])
    assert (endpoint["allow"], endpoint["device_state_busy_at"]) == (["alaw"], ["12"])
    assert section(text, "trunk-second", "aor")["qualify_frequency"] == ["0"]


def test_trunks_on_one_loopback_address_are_told_apart_by_port() -> None:
    """Several simulated carriers share 127.0.0.1; elsewhere a carrier may call from any port."""
    trunks = tuple(
        TrunkSpec(name=name, host="127.0.0.1", port=port) for name, port in (("a", 5081), ("b", 5082))
    )
    text = render(replace(SPEC, trunks=trunks), PROGRAM)["pjsip_offhook.conf"]
    assert section(text, "trunk-a", "identify")["match"] == ["127.0.0.1:5081"]
    assert section(text, "trunk-b", "identify")["match"] == ["127.0.0.1:5082"]


@given(st.text(min_size=1, max_size=40))
def test_a_password_stays_a_password(password: str) -> None:
    """Any password is either refused or arrives at Asterisk as it is, as one value of one option."""
    try:
        rm = RmEndpoint(name="anna", password=password)
    except BadSpec:
        return
    text = render(replace(SPEC, rms=(rm,)), PROGRAM)["pjsip_offhook.conf"]
    plain = render(replace(SPEC, rms=(RmEndpoint(name="anna", password="x"),)), PROGRAM)["pjsip_offhook.conf"]
    assert section(text, "rm-anna", "auth")["password"] == [password]
    assert text.count("\n") == plain.count("\n")


EVIL = (
    "x\nexten => _X.,1,Dial(PJSIP/${EXTEN})",
    "x\r[evil]",
    "x;y",
    "${SHELL(id)}",
    "a,b",
    "a b",
    "",
    "../x",
    "[x]",
)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "make",
    [
        lambda v: RmEndpoint(name=v, password="x"),
        lambda v: TrunkSpec(name=v, host="192.0.2.1"),
        lambda v: TrunkSpec(name="t", host=v),
        lambda v: TrunkSpec(name="t", host="192.0.2.1", user=v, password="x"),
        lambda v: TrunkSpec(name="t", host="192.0.2.1", sends_from=(v,)),
        lambda v: TrunkSpec(name="t", host="192.0.2.1", prefix=v + "x"),
        lambda v: TrunkSpec(name="t", host="192.0.2.1", codecs=(v,)),
        lambda v: Ari(port=1, user=v, password="x"),
        lambda v: Sip(host=v, port=5060),
        lambda v: replace(SPEC, node=v),
        lambda v: replace(SPEC, app=v),
        lambda v: replace(SPEC, caller_ids=(v,)),
        lambda v: replace(SPEC, region=v),
        lambda v: replace(SPEC, sounds=Path(f"/x{v}\n")),
        lambda v: replace(SPEC.instance, folder=Path(f"/x{v}\n")),
    ],
)
def test_a_value_that_could_add_a_line_is_refused(evil: str, make) -> None:
    """No name, host, number or path carries a line break, a comment or a dialplan expression along."""
    with pytest.raises(BadSpec):
        make(evil)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TrunkSpec(name="t", kind=TrunkKind.REGISTER, host="x.example"), "registers, so it needs"),
        (lambda: TrunkSpec(name="t", host="x.example", user="u"), "both, or neither"),
        (lambda: TrunkSpec(name="t", host="x.example", port=0), "from 1 to 65535"),
        (lambda: TrunkSpec(name="t", host="x.example", call_cap=0), "at least one"),
        (lambda: TrunkSpec(name="t", host="x.example", codecs=()), "no codec"),
        (lambda: TrunkSpec(name="t", host="x.example", qualify_s=-1), "3600"),
        (lambda: RtpRange(first=10000, last=10001), "fewer than four"),
        (lambda: replace(SPEC, rms=SPEC.rms * 2), "two of RM anna"),
        (lambda: replace(SPEC, trunks=SPEC.trunks * 2), "two of trunk first"),
        (lambda: Instance(folder=Path("/" + "x" * 90), rtp=SPEC.instance.rtp), "shorter folder"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(make, words: str) -> None:
    """A PBX that could not work is refused with a sentence, before anything is written."""
    with pytest.raises(BadSpec, match=words):
        make()


def test_secrets_are_not_shown() -> None:
    """Printing the facts, as a log or a traceback does, shows no password."""
    for secret in ("ari-password", "anna-password", "trunk-password"):
        assert secret not in repr(SPEC)


def test_writing_is_idempotent(tmp_path: Path) -> None:
    """The second time nothing is written; a change writes the changed files alone."""
    files = render(SPEC, PROGRAM)
    assert write_files(tmp_path, files) == sorted(files)
    assert write_files(tmp_path, files) == []
    assert write_files(tmp_path, render(replace(SPEC, rms=()), PROGRAM)) == ["pjsip_offhook.conf"]


def test_written_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    """0600 files in a 0700 folder, and no half-written file beside them."""
    folder = tmp_path / "new" / "conf"
    files = render(SPEC, PROGRAM)
    write_files(folder, files)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == set(files)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_file_of_another_is_never_overwritten(tmp_path: Path) -> None:
    """One file without our mark, and nothing at all is written."""
    theirs = tmp_path / "pjsip_offhook.conf"
    theirs.write_text("[general]\n")
    with pytest.raises(NotOurs, match=r"pjsip_offhook\.conf"):
        write_files(tmp_path, render_own(SPEC, PROGRAM))
    assert [path.name for path in tmp_path.iterdir()] == ["pjsip_offhook.conf"]
    assert theirs.read_text() == "[general]\n"


def test_an_existing_pbx_includes_files_of_our_own() -> None:
    """For somebody else's Asterisk there are only files of our names, and the lines to add to theirs."""
    assert set(render_own(SPEC, PROGRAM)) == set(OWN_FILES)
    assert all("offhook" in name for name in OWN_FILES)
    assert lines_to_include() == {
        "ari.conf": "#include ari_offhook.conf",
        "extensions.conf": "#include extensions_offhook.conf",
        "pjsip.conf": "#include pjsip_offhook.conf",
    }
    names = {name for text in render_own(SPEC, PROGRAM).values() for name, _, _ in sections(text)}
    assert all(name.startswith(("offhook", "rm-", "trunk-")) for name in names)
