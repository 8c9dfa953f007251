# SPDX-License-Identifier: GPL-3.0-or-later
"""SIPp as strangers' phones: each scenario gives the PBX what its name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.phones.eventually import eventually
from tests.phones.sipp_phone import SippPhone, sipp_phone

APP = "strangers"


async def dial(probe: Any, phone: SippPhone, channel: str, **more: object) -> None:
    """Call the phone at its address, through an RM's endpoint: it needs no trunk of its own."""
    status, answer = await probe.request(
        "POST",
        "/channels",
        endpoint=f"PJSIP/rm-anna/sip:4930111111@{phone.address}",
        app=APP,
        channelId=channel,
        **more,
    )
    assert status == 200, answer


@pytest.mark.parametrize(
    ("scenario", "keys", "cause", "tech_cause"),
    [
        ("reject", {"code": "486", "reason": "Busy Here"}, 17, 486),
        ("reject", {"code": "404", "reason": "Not Found"}, 1, 404),
        ("reject", {"code": "603", "reason": "Decline"}, 21, 603),
        ("reject", {"code": "503", "reason": "Service Unavailable"}, 34, 503),
        ("reject", {"code": "608", "reason": "Rejected"}, 127, 608),
        ("redirect", {"target": "sip:900@127.0.0.1:9"}, 23, 302),
        ("answer_and_bye", {}, 0, None),
        ("answer_without_sdp", {}, 127, 406),
    ],
)
async def test_a_call_that_ends_by_itself(ari, tmp_path: Path, scenario, keys, cause, tech_cause):
    """Refusals, a redirection and broken answers end with their Q.850 cause and SIP code."""
    async with ari(APP) as probe, sipp_phone(scenario, tmp_path, keys=keys) as phone:
        channel = f"{scenario}-{keys.get('code', '')}"
        await dial(probe, phone, channel)
        end = await probe.event("ChannelDestroyed", channel)
        assert (end["cause"], end.get("tech_cause")) == (cause, tech_cause)


@pytest.mark.parametrize(("scenario", "rings"), [("ring_for_ever", True), ("trying_for_ever", False)])
async def test_a_call_that_nobody_answers(ari, tmp_path: Path, scenario, rings):
    """It lasts until the caller gives up; one rings, the other does not even do that."""
    async with ari(APP) as probe, sipp_phone(scenario, tmp_path) as phone:
        await dial(probe, phone, scenario)
        if rings:
            changed = await probe.event("ChannelStateChange", scenario)
            assert changed["channel"]["state"] == "Ringing"
        status, _ = await probe.request("DELETE", f"/channels/{scenario}?reason=no_answer")
        assert status == 204
        await probe.event("ChannelDestroyed", scenario)
        assert rings or not [e for e in probe.events if e["type"] == "ChannelStateChange"]
        assert phone.errors() == ""


@pytest.mark.parametrize("scenario", ["answer_echo", "answer_tone"])
async def test_a_call_that_is_answered(ari, tmp_path: Path, scenario):
    """It stays until we hang up, and audio comes from it: at once from one that speaks, in return from an echo."""
    async with ari(APP) as probe, sipp_phone(scenario, tmp_path) as phone:
        await dial(probe, phone, scenario)
        await probe.event("StasisStart", scenario)
        if scenario == "answer_echo":
            await probe.request("POST", f"/channels/{scenario}/play", media="tone:ring;tonezone=de")

        async def heard() -> bool:
            _, counts = await probe.request("GET", f"/channels/{scenario}/rtp_statistics")
            return bool(counts["rxcount"] > 20)

        await eventually(heard)
        await probe.request("DELETE", f"/channels/{scenario}")
        await probe.event("ChannelDestroyed", scenario)
        assert phone.errors() == ""
