# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that come in: who is answered without a hand on the phone, who rings, who is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.account import AutoAnswer
from softphone.screening import SIP_CODES, Invite, Verdict, host_of, read_invite, screen

ASKS = Invite(headers={"call-info": ("<sip:offhook>;answer-after=0",)})
PLAIN = Invite(headers={})
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.mark.parametrize(
    ("invite", "source", "registrar", "policy", "in_call", "verdict"),
    [
        (ASKS, HOME, HOME, AutoAnswer.WHEN_ASKED, False, Verdict.ANSWER),
        (ASKS, HOME, HOME, AutoAnswer.WHEN_ASKED, True, Verdict.ANSWER),
        (ASKS, HOME, HOME, AutoAnswer.NEVER, False, Verdict.RING),
        (ASKS, HOME, HOME, AutoAnswer.NEVER, True, Verdict.BUSY),
        (PLAIN, HOME, HOME, AutoAnswer.WHEN_ASKED, False, Verdict.RING),
        (PLAIN, HOME, HOME, AutoAnswer.WHEN_ASKED, True, Verdict.BUSY),
        (ASKS, ELSEWHERE, HOME, AutoAnswer.WHEN_ASKED, False, Verdict.STRANGER),
        (ASKS, HOME, None, AutoAnswer.WHEN_ASKED, False, Verdict.STRANGER),
        (PLAIN, ELSEWHERE, HOME, AutoAnswer.NEVER, True, Verdict.STRANGER),
    ],
)
def test_the_table(invite, source, registrar, policy, in_call, verdict):
    """Answering by itself needs the account's leave, our registrar's host and the request, all three."""
    assert (
        screen(invite, source_host=source, registrar_host=registrar, policy=policy, in_call=in_call)
        is verdict
    )


def test_every_verdict_has_its_sip_code():
    """Answer, ring, busy, refuse."""
    assert {verdict: SIP_CODES[verdict] for verdict in Verdict} == {
        Verdict.ANSWER: 200,
        Verdict.RING: 180,
        Verdict.BUSY: 486,
        Verdict.STRANGER: 403,
    }


@pytest.mark.parametrize(
    ("lines", "asks"),
    [
        (["Call-Info: <sip:offhook>;answer-after=0"], True),
        (["CALL-INFO:<sip:offhook>;Answer-After=0"], True),
        (["Call-Info: <sip:offhook> ; answer-after = 0"], True),
        (["Call-Info: <http://x>;purpose=icon, <sip:offhook>;answer-after=0"], True),
        (["Call-Info: <http://x>;purpose=icon", "Call-Info: <sip:offhook>;answer-after=0"], True),
        (["Call-Info: <sip:offhook>", " ;answer-after=0"], True),
        (["Call-Info: <sip:offhook>;answer-after=5"], False),
        (["Call-Info: <sip:offhook>;answer-after=00"], False),
        (["Call-Info: <sip:offhook>"], False),
        (["Call-Info: answer-after=0"], False),
        (["X-Call-Info: <sip:offhook>;answer-after=0"], False),
        (["Subject: Call-Info: <sip:offhook>;answer-after=0"], False),
        (["Content-Length: 46", "", "Call-Info: <sip:offhook>;answer-after=0"], False),
    ],
)
def test_who_asks_to_be_answered(lines, asks):
    """Call-Info with ``answer-after=0`` as a parameter of one of its values, in the headers, however folded."""
    message = "\r\n".join(["INVITE sip:rm-anna@192.0.2.9 SIP/2.0", *lines, "", ""])
    assert read_invite(message).asks_auto_answer is asks


def test_the_session_comes_with_the_call():
    """The dialer's header, by any case; none when it is not there."""
    message = "INVITE sip:a@b SIP/2.0\r\nx-OFFHOOK-session: s7\r\nCall-ID: abc\r\n\r\n"
    assert read_invite(message).session == "s7"
    assert read_invite(message).headers["call-id"] == ("abc",)
    assert read_invite("INVITE sip:a@b SIP/2.0\r\n\r\n").session is None


@given(st.text())
def test_no_message_breaks_the_reader(text):
    """Whatever arrives is read; only headers can ask for an answer."""
    invite = read_invite(text)
    assert invite.asks_auto_answer in (True, False)


@pytest.mark.parametrize(("address", "host"), [("192.0.2.1:5060", "192.0.2.1"), ("192.0.2.1", "192.0.2.1")])
def test_the_host_of_an_address(address, host):
    """With or without a port."""
    assert host_of(address) == host
