# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated carrier on a real Asterisk: every behaviour gives what a network gives, and is repeatable."""

from __future__ import annotations

import asyncio

import pytest

from asterisk.carrier.call_back import call_back
from asterisk.carrier.carrier_log import Seen, invites, read_events
from asterisk.carrier.mix import Behaviour, decide

APP = "carriertest"


@pytest.mark.parametrize(
    ("behaviour", "rings", "cause", "sip"),
    [
        (Behaviour.BUSY, False, 17, 486),
        (Behaviour.WRONG_NUMBER, False, 1, 404),
        (Behaviour.FORBIDDEN, False, 21, 403),
        (Behaviour.CONGESTED, False, 34, 503),
        (Behaviour.DECLINED, True, 21, 603),
        (Behaviour.UNAVAILABLE, True, 19, 480),
        (Behaviour.REDIRECT, False, 23, 302),
        (Behaviour.REDIRECT_TO_US, False, 23, 302),
    ],
)
async def test_a_refusal_has_its_code(ari, customer, behaviour, rings, cause, sip):
    """A call that is not answered ends with the behaviour's SIP code and Q.850 cause, after ringing or not."""
    async with ari(APP) as probe:
        channel = f"refused-{behaviour}"
        await probe.dial(customer(behaviour), channel, app=APP)
        end = await probe.event("ChannelDestroyed", channel)
        assert (end["cause"], end["tech_cause"]) == (cause, sip)
        rang = any(e.get("channel", {}).get("state") == "Ringing" for e in probe.events)
        assert rang is rings


@pytest.mark.parametrize("behaviour", [Behaviour.VOICEMAIL, Behaviour.EARLY_HANG_UP])
async def test_an_answer_that_hangs_up_by_itself(ari, customer, behaviour):
    """A voicemail, and a customer who hangs up at once, answer and end the call with cause 16."""
    async with ari(APP) as probe:
        channel = f"answered-{behaviour}"
        await probe.dial(customer(behaviour), channel, app=APP)
        await probe.event("StasisStart", channel)
        end = await probe.event("ChannelDestroyed", channel)
        assert (end["cause"], end.get("tech_cause")) == (16, None)


@pytest.mark.parametrize("behaviour", [Behaviour.ANSWER, Behaviour.ECHO, Behaviour.RECORD])
async def test_an_answer_that_stays(ari, customer, behaviour, carrier, until):
    """A customer who stays is there until we hang up; the carrier's file tells the whole call."""
    async with ari(APP) as probe:
        channel = f"stays-{behaviour}"
        number = customer(behaviour)
        await probe.dial(number, channel, app=APP)
        await probe.event("StasisStart", channel)
        status, _ = await probe.request("DELETE", f"/channels/{channel}")
        assert status == 204

        def told() -> list[Seen] | None:
            seen = [e.seen for e in read_events(carrier.calls_file) if e.pii_number == number.lstrip("+")]
            return seen if Seen.ENDED in seen else None

        assert await until(told) == [Seen.INVITE, Seen.RINGING, Seen.ANSWERED, Seen.ENDED]


@pytest.mark.parametrize(("behaviour", "rings"), [(Behaviour.NO_ANSWER, True), (Behaviour.SILENT, False)])
async def test_nobody_answers(ari, customer, behaviour, rings, carrier, until):
    """A phone that nobody takes rings until we give up; a silent trunk does not even ring."""
    async with ari(APP) as probe:
        channel, number = f"never-{behaviour}", customer(behaviour)
        await probe.dial(number, channel, app=APP, timeout=1)
        end = await probe.event("ChannelDestroyed", channel)
        assert end["cause"] == 19
        rang = any(e.get("channel", {}).get("state") == "Ringing" for e in probe.events)
        assert rang is rings
        await until(
            lambda: any(
                e.seen is Seen.ENDED and e.pii_number == number.lstrip("+")
                for e in read_events(carrier.calls_file)
            )
        )


async def test_the_carrier_decides_as_foretold(ari, carrier, until):
    """What a number without a rule meets is what ``decide`` foretells, at the first call and at the second."""
    numbers = [f"+4479460000{place:02d}" for place in range(40)]
    async with ari(APP) as probe:
        for attempt in (1, 2):
            for number in numbers:
                await probe.dial(number, f"chance-{number}-{attempt}", app=APP, timeout=1)
            await until(
                lambda attempt=attempt: (
                    sum(event.attempt == attempt for event in _invites(carrier, numbers)) == len(numbers)
                )
            )
        status, channels = await probe.request("GET", "/channels")
        assert status == 200
        await asyncio.gather(*(probe.request("DELETE", f"/channels/{c['id']}") for c in channels))
    met = {(event.pii_number, event.attempt): event.behaviour for event in _invites(carrier, numbers)}
    foretold = {
        (number.lstrip("+"), attempt): decide(carrier.mix, number, attempt).behaviour
        for number in numbers
        for attempt in (1, 2)
    }
    assert met == foretold
    assert len(set(met.values())) > 3, "a mix of one behaviour proves nothing"
    counted = invites(read_events(carrier.calls_file))
    assert {counted[number.lstrip("+")] for number in numbers} == {2}


def _invites(carrier, numbers):
    wanted = {number.lstrip("+") for number in numbers}
    return [
        event
        for event in read_events(carrier.calls_file)
        if event.seen is Seen.INVITE and event.pii_number in wanted
    ]


@pytest.mark.parametrize("called", ["+4930123456", "4930123456"])
async def test_a_customer_calls_back(lab, pbx, ari, called):
    """A call to one of our numbers, with or without its plus sign, reaches the dialer with number and trunk."""
    async with ari(pbx.app) as probe:
        await call_back(lab.carrier, customer="+491711234567", called=called)
        start = await probe.event("StasisStart")
        assert start["args"] == ["inbound", "+4930123456", "carrier"]
        assert start["channel"]["caller"]["number"] == "+491711234567"
        assert start["channel"]["state"] == "Ring"
        await probe.request("DELETE", f"/channels/{start['channel']['id']}")


async def test_a_call_back_through_the_registered_trunk(lab, pbx, ari, until):
    """A call to the contact that we registered belongs to the trunk that we registered at."""
    async with asyncio.timeout(30):
        while "Registered" not in await lab.pbx.command("pjsip show registrations"):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    async with ari(pbx.app) as probe:
        await lab.carrier.command("channel originate PJSIP/4930123456@offhook extension s@caller")
        start = await probe.event("StasisStart")
        assert start["args"] == ["inbound", "+4930123456", "registered"]
        await probe.request("DELETE", f"/channels/{start['channel']['id']}")
