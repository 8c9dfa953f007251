# SPDX-License-Identifier: GPL-3.0-or-later
"""RM phones of three makes on a real Asterisk: they register, answer, speak and hear, and die cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from asterisk.spec import PbxSpec
from softphone.account import AutoAnswer, PhoneAccount, Server, Transport
from softphone.errors import NotPossible, ProcessLost
from softphone.messages import (
    Answer,
    Answered,
    AnyEvent,
    Dtmf,
    Ended,
    EndedBy,
    HangUp,
    Mute,
    Registration,
    RegistrationChanged,
    Ringing,
    Unplug,
)
from softphone.testing import FakePhone
from tests.phones.baresip_phone import baresip_phone
from tests.phones.eventually import eventually
from tests.phones.headless_phone import headless_phones
from tests.phones.ports import free_port
from tests.phones.sipp_phone import sipp_phone
from tests.phones.stranger import call_from_a_stranger, sip_port_of
from tests.phones.tones import heard_s, read_wav

APP = "phones"
ASKS = {
    "PJSIP_HEADER(add,Call-Info)": "<sip:offhook>;answer-after=0",
    "PJSIP_HEADER(add,X-Offhook-Session)": "s7",
}
BYE_ALONE = 0  # the cause Asterisk gives when a leg that is in no bridge hangs up; in a bridge it is 16
OWN_HZ, OTHER_HZ = 440, 1000
SPEAK_S = 1.5
Account = Callable[..., PhoneAccount]


@pytest.fixture
def account(pbx: PbxSpec) -> Account:
    """``account("anna")``: an RM's account at the running PBX, with automatic answering."""
    passwords = {rm.name: rm.password for rm in pbx.rms}

    def make(rm: str, **more: Any) -> PhoneAccount:
        facts: dict[str, Any] = {
            "user": f"rm-{rm}",
            "password": passwords[rm],
            "server": Server(host=pbx.sip.host, port=pbx.sip.port),
            "auto_answer": AutoAnswer.WHEN_ASKED,
        }
        return PhoneAccount(**(facts | more))

    return make


async def ring(probe: Any, rm: str, channel: str, *, asks: bool = True) -> None:
    """Have the PBX call an RM's phone."""
    status, answer = await probe.request(
        "POST",
        "/channels",
        endpoint=f"PJSIP/rm-{rm}",
        app=APP,
        channelId=channel,
        variables=ASKS if asks else {},
    )
    assert status == 200, answer


async def bridged(probe: Any, bridge: str, *channels: str) -> None:
    """Join channels in a mixing bridge, by plain requests."""
    await probe.request("POST", "/bridges", bridgeId=bridge, type="mixing")
    for channel in channels:
        await probe.event("StasisStart", channel)
        status, answer = await probe.request("POST", f"/bridges/{bridge}/addChannel", channel=channel)
        assert status == 204, answer


async def hung_up(probe: Any, *channels: str) -> None:
    for channel in channels:
        await probe.request("DELETE", f"/channels/{channel}")
        await probe.event("ChannelDestroyed", channel)


async def received(probe: Any, channel: str) -> int:
    """Packets that the PBX received of a leg."""
    status, answer = await probe.request("GET", f"/channels/{channel}/rtp_statistics")
    assert status == 200, answer
    return int(answer["rxcount"])


async def goes_on(probe: Any, channel: str) -> None:
    """Packets of a leg keep arriving."""
    before = await received(probe, channel)

    async def more() -> bool:
        return await received(probe, channel) >= before + 10

    await eventually(more)


@asynccontextmanager
async def other_make(
    make: str, account: PhoneAccount, folder: Path
) -> AsyncIterator[Callable[[], Path | None]]:
    """A registered phone of another make, answering by itself; yields where what it heard is found afterwards."""
    if make == "baresip":
        async with baresip_phone(account, folder, tone_hz=OTHER_HZ, auto_answer=True) as phone:
            yield phone.heard
    elif make == "softphone":
        async with headless_phones([account], recordings=folder):
            yield lambda: folder / f"{account.user}-1.wav"
    else:
        async with sipp_phone(make, folder, account=account, tone_hz=OTHER_HZ) as sipp:
            yield lambda: None
            assert sipp.errors() == ""


@pytest.mark.parametrize("make", ["softphone", "baresip", "answer_tone", "answer_echo"])
async def test_phones_of_every_make_are_heard_at_both_ends(ari, account, tmp_path, make):
    """Two phones in a mixing bridge stay up, and each hears the other's tone (SIPp's echo: its own)."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    other = account("ben", tone_hz=OTHER_HZ)
    async with (
        ari(APP) as probe,
        headless_phones([account("anna", tone_hz=OWN_HZ)], recordings=here) as phones,
        other_make(make, other, there) as heard,
    ):
        await ring(probe, "anna", f"a-{make}")
        await ring(probe, "ben", f"b-{make}")
        await bridged(probe, f"mix-{make}", f"a-{make}", f"b-{make}")
        await goes_on(probe, f"a-{make}")
        await goes_on(probe, f"b-{make}")
        await asyncio.sleep(SPEAK_S)
        await hung_up(probe, f"a-{make}", f"b-{make}")
        await probe.request("DELETE", f"/bridges/mix-{make}")
        ended = await phones.until(Ended)
        at_other_end = heard()
        assert ended.recording is not None
        expected = OWN_HZ if make == "answer_echo" else OTHER_HZ
        assert heard_s(read_wav(Path(ended.recording)), expected) > SPEAK_S / 2
        if at_other_end is not None:
            await eventually(lambda: heard_s(read_wav(at_other_end), OWN_HZ) > SPEAK_S / 2)


async def test_forty_calls_one_after_the_other(ari, account):
    """Originate, automatic answer, hang-up, forty times: every call is told from ring to end, and none is left."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        for turn in range(1, 41):
            await ring(probe, "anna", f"turn-{turn:03}")
            await probe.event("StasisStart", f"turn-{turn:03}")
            await hung_up(probe, f"turn-{turn:03}")
            await phones.until(Ended, count=turn)
        calls = [event for event in phones.events if not isinstance(event, RegistrationChanged)]
        assert [type(event) for event in calls] == [Ringing, Answered, Ended] * 40
        assert {event.by for event in calls if isinstance(event, Ended)} == {EndedBy.PBX}


async def test_a_storm_of_calls(ari, account):
    """Four phones of one process, a hundred calls as fast as the PBX makes them: the next call of a phone comes
    while the hang-up of the one before is under way, and each is answered and told to its end.
    """
    rms = ("anna", "ben", "carl", "dora")

    async def calls(probe: Any, rm: str) -> None:
        for turn in range(1, 26):
            channel = f"storm-{rm}-{turn:03}"
            await ring(probe, rm, channel)
            await probe.event("StasisStart", channel)
            await probe.request("DELETE", f"/channels/{channel}")

    async with ari(APP) as probe, headless_phones([account(rm) for rm in rms]) as phones:
        await asyncio.gather(*(calls(probe, rm) for rm in rms))
        await phones.until(Ended, count=25 * len(rms))
        for rm in rms:
            own = [event for event in phones.events if event.phone == f"rm-{rm}"]
            assert [event.call for event in own if isinstance(event, Ended)] == [
                event.call for event in own if isinstance(event, Ringing)
            ]


async def test_the_phone_tells_who_calls(ari, account):
    """Ringing carries the RM's session from the dialer's header and the SIP Call-ID the PBX knows."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        await ring(probe, "anna", "told")
        start = await probe.event("StasisStart", "told")
        ringing = await phones.until(Ringing)
        assert (ringing.session, ringing.auto_answer) == ("s7", True)
        assert ringing.call == start["channel"]["protocol_id"]
        await hung_up(probe, "told")


async def test_a_call_that_does_not_ask_rings_until_the_rm_answers(ari, account):
    """Without the header the phone rings (180); the RM answers, and ends the call from the phone."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        await ring(probe, "anna", "by-hand", asks=False)
        assert not (await phones.until(Ringing)).auto_answer
        changed = await probe.event("ChannelStateChange", "by-hand")
        assert changed["channel"]["state"] == "Ringing"
        assert not [event for event in probe.events if event["type"] == "StasisStart"]
        process = phones.process
        await process.tell(Answer(ref=process.next_ref(), phone="rm-anna"))
        await probe.event("StasisStart", "by-hand")
        await process.tell(HangUp(ref=process.next_ref(), phone="rm-anna"))
        assert (await probe.event("ChannelDestroyed", "by-hand"))["cause"] == BYE_ALONE
        assert (await phones.until(Ended)).by is EndedBy.PHONE


async def test_automatic_answering_is_off_unless_switched_on(ari, account):
    """A phone whose account does not allow it rings even when asked to answer; the RM may decline."""
    never = account("anna", auto_answer=AutoAnswer.NEVER)
    async with ari(APP) as probe, headless_phones([never]) as phones:
        await ring(probe, "anna", "declined")
        assert not (await phones.until(Ringing)).auto_answer
        process = phones.process
        await process.tell(HangUp(ref=process.next_ref(), phone="rm-anna"))
        destroyed = await probe.event("ChannelDestroyed", "declined")
        assert (destroyed["cause"], destroyed["tech_cause"]) == (21, 603)


async def test_the_dialers_newer_call_takes_the_place_of_an_older_one(ari, account):
    """A call that asks for an answer replaces the one in progress: after a crash no BYE ever came for that."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        await ring(probe, "anna", "older")
        await probe.event("StasisStart", "older")
        await phones.until(Answered)
        await ring(probe, "anna", "newer")
        await probe.event("StasisStart", "newer")
        assert (await probe.event("ChannelDestroyed", "older"))["cause"] == BYE_ALONE
        assert (await phones.until(Ended)).by is EndedBy.REPLACED
        await goes_on(probe, "newer")
        await hung_up(probe, "newer")
        await phones.until(Ended, count=2)


async def test_another_call_finds_the_phone_busy(ari, account):
    """A call that does not ask for an answer gets 486 while the RM talks, and the talk goes on."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        await ring(probe, "anna", "first")
        await probe.event("StasisStart", "first")
        await phones.until(Answered)
        await ring(probe, "anna", "second", asks=False)
        assert (await probe.event("ChannelDestroyed", "second"))["tech_cause"] == 486
        await goes_on(probe, "first")
        await hung_up(probe, "first")


async def test_the_fake_tells_what_the_real_phone_tells(ari, account):
    """Answered by itself, declined, replaced, hung up by either side: the fake phone's events are the real one's."""
    heard: list[AnyEvent] = []
    fake = FakePhone("rm-anna", heard.append, auto_answer=AutoAnswer.WHEN_ASKED)
    await fake.register()
    fake.pbx_calls(asks_auto_answer=True, session="s7")
    fake.pbx_hangs_up()
    fake.pbx_calls(asks_auto_answer=False)
    await fake.hang_up()
    fake.pbx_calls(asks_auto_answer=True, session="s7")
    fake.pbx_calls(asks_auto_answer=True, session="s7")
    await fake.hang_up()
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        hang_up = HangUp(ref=phones.process.next_ref(), phone="rm-anna")
        await ring(probe, "anna", "fake-1")
        await phones.until(Answered)
        await hung_up(probe, "fake-1")
        await phones.until(Ended)
        await ring(probe, "anna", "fake-2", asks=False)
        await phones.until(Ringing, count=2)
        await phones.process.tell(hang_up)
        await phones.until(Ended, count=2)
        await ring(probe, "anna", "fake-3")
        await phones.until(Answered, count=2)
        await ring(probe, "anna", "fake-4")
        await phones.until(Answered, count=3)
        await phones.process.tell(hang_up)
        await phones.until(Ended, count=4)
        assert [shape(event) for event in phones.events] == [shape(event) for event in heard]


def shape(event: AnyEvent) -> dict[str, object]:
    """An event without what only a real call has: its id, and SIP's own words."""
    return {
        "event": type(event).__name__,
        **{
            field: getattr(event, field)
            for field in event.__struct_fields__
            if field not in ("call", "sip_code", "why")
        },
    }


async def test_an_unplugged_phone_is_seen_in_the_statistics(ari, account):
    """An idle phone sends all the time; unplugged, the PBX's receive count stands still; plugged in, it goes on."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        process = phones.process
        await ring(probe, "anna", "cable")
        await probe.event("StasisStart", "cable")
        await goes_on(probe, "cable")
        await process.tell(Unplug(ref=process.next_ref(), on=True))
        await asyncio.sleep(0.2)  # packets under way
        before = await received(probe, "cable")
        await asyncio.sleep(1)
        assert await received(probe, "cable") == before
        await process.tell(Unplug(ref=process.next_ref(), on=False))
        await goes_on(probe, "cable")
        await hung_up(probe, "cable")


async def test_mute_sends_silence_and_packets_go_on(ari, account):
    """Muted, the tone is gone from what the phone sends, and the PBX receives as many packets as before."""
    async with ari(APP) as probe, headless_phones([account("anna", tone_hz=OWN_HZ)]) as phones:
        process = phones.process
        await ring(probe, "anna", "muted")
        await probe.event("StasisStart", "muted")
        await goes_on(probe, "muted")
        assert (await process.figures("rm-anna")).level_sent > 0
        assert (await process.figures("rm-anna")).level_received == 0  # nobody else is there
        await process.tell(Mute(ref=process.next_ref(), phone="rm-anna", on=True))
        await goes_on(probe, "muted")
        figures = await process.figures("rm-anna")
        assert figures.level_sent == 0
        assert figures.packets_sent > 0
        await process.tell(Mute(ref=process.next_ref(), phone="rm-anna", on=False))

        async def speaks() -> bool:
            return (await process.figures("rm-anna")).level_sent > 0

        await eventually(speaks)
        await hung_up(probe, "muted")


async def test_a_re_invite_changes_nothing(ari, account, tmp_path):
    """After a session refresh by re-INVITE a mute still holds, packets go on, and the recording is one file."""
    speaker = account("anna", tone_hz=OWN_HZ)
    async with ari(APP) as probe, headless_phones([speaker], recordings=tmp_path) as phones:
        process = phones.process
        await ring(probe, "anna", "again")
        await probe.event("StasisStart", "again")
        await goes_on(probe, "again")
        await process.tell(Mute(ref=process.next_ref(), phone="rm-anna", on=True))
        status, answer = await probe.request(
            "POST", "/channels/again/variable?variable=PJSIP_SEND_SESSION_REFRESH()&value=invite"
        )
        assert status == 204, answer
        await goes_on(probe, "again")
        await goes_on(probe, "again")
        assert (await process.figures("rm-anna")).level_sent == 0
        await hung_up(probe, "again")
        assert (await phones.until(Ended)).recording == str(tmp_path / "rm-anna-1.wav")
        assert len(list(tmp_path.iterdir())) == 1


async def test_key_presses_reach_the_pbx(ari, account):
    """Keys pressed on the phone arrive at the PBX in order."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        process = phones.process
        await ring(probe, "anna", "keys")
        await probe.event("StasisStart", "keys")
        await phones.until(Answered)
        await process.tell(Dtmf(ref=process.next_ref(), phone="rm-anna", digits="19#"))
        await eventually(
            lambda: [e["digit"] for e in probe.events if e["type"] == "ChannelDtmfReceived"] == list("19#")
        )
        await hung_up(probe, "keys")


async def test_several_phones_in_one_process(ari, account):
    """Four phones of one process register, and are in four calls at once."""
    rms = ("anna", "ben", "carl", "dora")
    async with ari(APP) as probe, headless_phones([account(rm) for rm in rms]) as phones:
        for rm in rms:
            await ring(probe, rm, f"floor-{rm}")
        for rm in rms:
            await probe.event("StasisStart", f"floor-{rm}")
            await goes_on(probe, f"floor-{rm}")
        for rm in rms:
            await hung_up(probe, f"floor-{rm}")
            await phones.until(Ended, phone=f"rm-{rm}")


async def test_sip_over_tcp(ari, account):
    """A phone that registers over TCP is called over it."""
    async with (
        ari(APP) as probe,
        headless_phones([account("anna", transport=Transport.TCP)]) as phones,
    ):
        await ring(probe, "anna", "tcp")
        await probe.event("StasisStart", "tcp")
        await phones.until(Answered)
        await goes_on(probe, "tcp")
        await hung_up(probe, "tcp")


async def test_asked_to_end_the_phone_hangs_up_and_unregisters(ari, account, pbx):
    """SIGTERM: BYE first, then the registration is taken back, exit code 0; the PBX knows of both."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        await ring(probe, "anna", "ending")
        await probe.event("StasisStart", "ending")
        phones.process.send_signal(signal.SIGTERM)
        assert (await probe.event("ChannelDestroyed", "ending"))["cause"] == BYE_ALONE
        assert await phones.process.close() == 0
        assert isinstance(phones.events[-1], RegistrationChanged)
        assert phones.events[-1].state is Registration.OFFLINE
        status, _ = await probe.request("POST", "/channels", endpoint="PJSIP/rm-anna", app=APP)
        assert status == 500  # nobody is registered there any more


async def test_a_phone_killed_in_a_call_is_lost_to_its_driver(ari, account):
    """A power cut: the driver's commands say that the process is lost; the PBX's leg stands until somebody acts."""
    async with ari(APP) as probe, headless_phones([account("anna")]) as phones:
        process = phones.process
        await ring(probe, "anna", "killed")
        await probe.event("StasisStart", "killed")
        await goes_on(probe, "killed")
        phones.exit_code = -signal.SIGKILL
        process.kill()
        await phones.following
        with pytest.raises(ProcessLost, match="-9"):
            await process.figures("rm-anna")
        status, _ = await probe.request("GET", "/channels/killed")
        assert status == 200
        await hung_up(probe, "killed")


async def test_a_wrong_secret_is_refused_and_said(account):
    """The registrar's refusal reaches whoever waits for the registration, with the phone and the code."""
    wrong = account("anna", password="wrong")
    async with headless_phones([wrong], registered=False) as phones:
        with pytest.raises(NotPossible, match=r"rm-anna.*refused 401"):
            await phones.process.registered(timeout_s=10)


async def test_a_server_that_is_not_there(account):
    """With nobody at the address the phone says unreachable, and goes on trying."""
    nobody = account("anna", server=Server(host="127.0.0.1", port=free_port()), transport=Transport.TCP)
    async with headless_phones([nobody], registered=False) as phones:
        await eventually(lambda: any(_is_unreachable(event) for event in phones.events))
        with pytest.raises(NotPossible, match=r"rm-anna \(unreachable"):
            await phones.process.registered(timeout_s=0.1)


def _is_unreachable(event: object) -> bool:
    return isinstance(event, RegistrationChanged) and event.state is Registration.UNREACHABLE


async def test_a_strangers_call_is_refused(account, tmp_path):
    """A call from another host than the registrar gets 403, even if it asks for an answer, and rings nobody."""
    async with headless_phones([account("anna")]) as phones:
        code = await call_from_a_stranger(sip_port_of(phones.process.pid))
        assert code == 403
        assert not [event for event in phones.events if isinstance(event, Ringing)]
