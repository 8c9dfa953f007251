# SPDX-License-Identifier: GPL-3.0-or-later
"""The fail-safe context on the real PBX: a customer who answers hears who called, even if the dialer is dead."""

from __future__ import annotations

import array
import random
import wave
from pathlib import Path

from ari_bridge.access import AriAccess, TrunkLimits
from ari_bridge.adapter import AriTelephony
from asterisk.carrier.carrier_log import Seen, read_events
from asterisk.carrier.mix import Behaviour
from dialer.telephony import DialCustomer, LegId
from foundation.clock import SystemClock

CALLER_ID = "+4930123456"
CALL_ID = "4F7K2QX9"
FAILSAFE = {"context": "offhook-failsafe", "extension": "s", "variables": {"OFFHOOK_CALL_ID": CALL_ID}}
LOUD = 300  # of 32767, mean of 0.1 s: speech, not noise of the codec


def spoken_s(path: Path) -> float:
    """Seconds of a recording that are not silent."""
    with wave.open(str(path)) as sound:
        step = sound.getframerate() // 10
        samples = array.array("h", sound.readframes(sound.getnframes()))
    means = (sum(map(abs, samples[at : at + step])) / step for at in range(0, len(samples), step))
    return sum(mean > LOUD for mean in means) / 10


async def _heard(number, pbx, carrier, until) -> None:
    digits = number.lstrip("+")
    await until(
        lambda: any(e.seen is Seen.ENDED and e.pii_number == digits for e in read_events(carrier.calls_file))
    )
    message_s = spoken_s(pbx.sounds / "identification.wav")
    assert message_s > 3, "the message itself is silent"
    recording = carrier.recording(number)
    await until(lambda: recording.exists() and spoken_s(recording) >= 0.9 * message_s)


async def test_no_dialer_at_all(ari, customer, pbx, carrier, until):
    """With no application connected an answered customer hears the identification message to its end."""
    number = customer(Behaviour.RECORD)
    async with ari("nobody") as probe:
        await probe.dial(number, "failsafe-none", **FAILSAFE)
        await _heard(number, pbx, carrier, until)


async def test_the_dialer_dies_while_it_rings(ari, customer, pbx, carrier, until):
    """An application that goes away between the INVITE and the answer leaves nobody in silence."""
    number = customer(Behaviour.RECORD)
    async with ari(pbx.app) as dialer:
        await dialer.dial(number, "failsafe-dies", **FAILSAFE)
    assert not any(event["type"] == "StasisStart" for event in dialer.events)
    await _heard(number, pbx, carrier, until)


async def test_our_own_bridge_goes_while_it_rings(customer, pbx, carrier, until):
    """A call that our bridge placed without an RM, and left ringing, is answered by the message."""
    access = AriAccess(
        url=pbx.ari.url, user=pbx.ari.user, password=pbx.ari.password, app=pbx.app, node=pbx.node
    )
    bridge = AriTelephony(
        access, [TrunkLimits(name="carrier")], clock=SystemClock(), randomness=random.Random(1)
    )
    await bridge.start()
    number = customer(Behaviour.RECORD)
    await bridge.dial(
        DialCustomer(
            leg=LegId(pbx.node, f"c-{pbx.node}-{CALL_ID}-1"),
            pii_number=number,
            trunk="carrier",
            caller_id=CALLER_ID,
            bridge=None,
            backstop_s=30.0,
        )
    )
    await bridge.stop()
    await _heard(number, pbx, carrier, until)


async def test_the_dialer_gives_the_call_back(ari, customer, pbx, carrier, until):
    """The application is told the call ID; a call that it lets continue hears the message and is ended."""
    number = customer(Behaviour.RECORD)
    async with ari(pbx.app) as dialer:
        await dialer.dial(number, "failsafe-back", **FAILSAFE)
        start = await dialer.event("StasisStart", "failsafe-back")
        assert start["args"] == ["failsafe", CALL_ID]
        assert (await dialer.request("POST", "/channels/failsafe-back/continue"))[0] == 204
        await _heard(number, pbx, carrier, until)
