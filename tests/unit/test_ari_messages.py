# SPDX-License-Identifier: GPL-3.0-or-later
"""ARI's shapes are read tolerantly, and its ids and application data tell whose a channel is."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from ari_bridge.errors import PbxTooOld
from ari_bridge.http import Done, Refused, Unsure, read_answer
from ari_bridge.ids import call_of, is_our_bridge, is_our_leg, is_ours, read_inbound, rm_args
from ari_bridge.messages import Channel, ChannelDestroyed, Dial, Dialplan, Event, StasisStart, read_event
from ari_bridge.survey import check_version


def test_an_unknown_event_is_generic() -> None:
    """A type that a newer PBX sends is an ``Event``, not an error."""
    event = read_event(
        '{"type":"ChannelSang","timestamp":"2026-11-21T09:38:35.042+0000","channel":{"id":"x"}}'
    )
    assert type(event) is Event
    assert event.at == datetime(2026, 11, 21, 9, 38, 35, 42000, tzinfo=UTC)


def test_unknown_and_missing_fields_are_no_error() -> None:
    """Only what we cannot do without must be there."""
    event = read_event('{"type":"ChannelDestroyed","channel":{"id":"x","colour":1},"mood":"bad"}')
    assert isinstance(event, ChannelDestroyed)
    assert (event.channel.id, event.cause, event.tech_cause) == ("x", 0, None)
    assert isinstance(read_event('{"type":"Dial","peer":{"id":"x"}}'), Dial)
    assert isinstance(read_event('{"type":"StasisStart","channel":{"id":"x"},"args":["a"]}'), StasisStart)


@pytest.mark.parametrize(
    "raw", ["", "{}", "[]", '{"type":"Dial"}', '{"type":5}', '{"type":"Dial","peer":{"id":7}}']
)
def test_what_is_no_event_is_said_to_be_none(raw: str) -> None:
    """Garbage raises one kind of error, which the mailbox logs and passes over."""
    with pytest.raises(msgspec.DecodeError):
        read_event(raw)


@pytest.mark.parametrize(
    ("channel", "ours"),
    [
        (Channel("c-pbx1-4F7K2QX9-1"), True),
        (Channel("rm-pbx1-anna-7-1"), True),
        (Channel("c-pbx2-4F7K2QX9-1"), False),
        (Channel("1795255171.12"), False),
        (
            Channel("1795255171.12", dialplan=Dialplan(app_name="Stasis", app_data="offhook,inbound,+1,t")),
            True,
        ),
        (Channel("1795255171.12", dialplan=Dialplan(app_name="Stasis", app_data="offhook")), True),
        (Channel("1795255171.12", dialplan=Dialplan(app_name="Stasis", app_data="offhook2,x")), False),
        (Channel("1795255171.12", dialplan=Dialplan(app_name="Playback", app_data="offhook,x")), False),
    ],
)
def test_rule_03_ours_by_id_or_by_application_data(channel: Channel, ours: bool) -> None:
    """A channel that Asterisk made by itself is known by the application it is in."""
    assert is_ours("pbx1", "offhook", channel) is ours


def test_hidden_holding_bridges_are_not_ours() -> None:
    """Every ``/dial`` leaves a bridge of Asterisk's own: never swept."""
    assert is_our_bridge("pbx1", "b-pbx1-anna-7-1")
    assert not is_our_bridge("pbx1", "9c9dcd9f-24f5-4a8e-8a7a-3d0e9f3c5f1a")
    assert not is_our_leg("pbx1", "snoop-pbx1-x")


def test_ids_give_the_application_arguments() -> None:
    """What the PBX keeps with a channel tells a later life what it was."""
    assert call_of("c-pbx1-4F7K2QX9-1") == "4F7K2QX9"
    assert call_of("rm-pbx1-anna-7-1") == ""
    assert rm_args("rm-pbx1-anna-7-1") == "rm,anna,7"
    assert read_inbound(["inbound", "+1202", "carrier"]) is not None
    assert read_inbound(["failsafe", "4F7K2QX9"]) is None
    assert read_inbound([]) is None


@pytest.mark.parametrize(
    ("method", "path", "status", "content", "outcome"),
    [
        ("POST", "/channels", 200, b"{}", Done(b"{}")),
        ("POST", "/bridges/b/addChannel", 204, b"", Done(b"")),
        ("POST", "/channels", 400, b'{"message":"no"}', Refused(400, "no")),
        ("GET", "/channels/x", 404, b'{"message":"Channel not found"}', Refused(404, "Channel not found")),
        ("POST", "/channels", 500, b'{"error":"Allocation failed"}', Refused(500, "Allocation failed")),
        ("POST", "/channels", 503, b"", Refused(503, "")),
        ("POST", "/channels", 500, b"<html>", Unsure("500 <html>")),
        ("POST", "/channels", 409, b'{"message":"exists"}', Unsure("409 exists")),
        ("POST", "/channels/create", 409, b'{"message":"exists"}', Unsure("409 exists")),
        ("POST", "/bridges/b/addChannel", 409, b'{"message":"recording"}', Refused(409, "recording")),
    ],
)
def test_every_answer_has_one_of_three_outcomes(
    method: str, path: str, status: int, content: bytes, outcome: object
) -> None:
    """Done, refused, or unsure: a 409 to a new channel and a server error do not say."""
    assert read_answer(method, path, status, content) == outcome


@pytest.mark.parametrize("version", ["20.19.0", "22.9.1", "22.10.1+dfsg", "23.3.0", "24.0.0", "GIT-master"])
def test_rule_22_a_version_that_will_do(version: str) -> None:
    """With an ACL per ARI user and ``tech_cause``; a git build is believed."""
    check_version(version)


@pytest.mark.parametrize("version", ["18.26.0", "21.12.0", "20.18.2", "22.8.9", "23.2.0"])
def test_rule_22_a_version_that_is_too_old(version: str) -> None:
    """Older ones are refused at the start, with what is needed."""
    with pytest.raises(PbxTooOld, match=r"22\.9"):
        check_version(version)
