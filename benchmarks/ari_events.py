# SPDX-License-Identifier: GPL-3.0-or-later
"""The event stream: messages of a thousand calls through mailbox, decoder, dispatcher and legs.

A call gives seven wanted events; 300 calls a second, the most this kind of machine was seen to place, give
2,100. Logging is left out. The baseline decodes with the standard library and hands each event to a task of its
own, which loses the order besides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import structlog

from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.dispatch import Dispatcher
from ari_bridge.ids import InboundArgs
from ari_bridge.legs import Leg, LegBook
from ari_bridge.mailbox import SLICE_S, Mailbox
from ari_bridge.messages import StasisStart
from benchmarks.results import Row, percentile, report
from dialer.telephony import BridgeId, LegId, TelephonyEvent
from foundation.clock import SystemClock
from vocabulary.dispositions import LegEnd

NODE = "pbx1"
BRIDGE = BridgeId(NODE, "b-pbx1-anna-1-1")


class NoHands:
    """Nothing here asks for a request."""

    def __init__(self, book: LegBook) -> None:
        self._book = book

    def inbound(self, event: StasisStart, args: InboundArgs) -> None: ...

    def stranger(self, event: StasisStart) -> None: ...

    def too_late(self, channel_id: str) -> None: ...

    def closed(self, leg: Leg, end: LegEnd) -> None:
        self._book.forget(leg)


def messages(calls: int) -> list[str]:
    """The events of answered calls, as the PBX sends them, calls mixed."""
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("StasisStart", "Down", {"args": ["customer", "X"]}),
        ("Dial", "Down", {"dialstatus": ""}),
        ("ChannelStateChange", "Ringing", {}),
        ("Dial", "Ringing", {"dialstatus": "RINGING"}),
        ("ChannelStateChange", "Up", {}),
        ("Dial", "Up", {"dialstatus": "ANSWER"}),
        ("ChannelDestroyed", "Up", {"cause": 16, "cause_txt": "Normal Clearing"}),
    ]
    return [
        json.dumps(
            {
                "type": kind,
                "timestamp": "2026-11-21T10:00:00.123+0000",
                "asterisk_id": "02:00:00:00:00:01",
                "application": "offhook",
                "peer" if kind == "Dial" else "channel": shown(call, state),
                **more,
            }
        )
        for kind, state, more in steps
        for call in range(calls)
    ]


def shown(call: int, state: str) -> dict[str, Any]:
    return {
        "id": f"c-{NODE}-{call:08d}-1",
        "name": f"PJSIP/trunk-carrier-{call:08x}",
        "state": state,
        "protocol_id": "51e18065-93ed-44cc-bfcf-ad6531e81a65",
        "caller": {"name": "", "number": ""},
        "connected": {"name": "", "number": "12025550100"},
        "accountcode": "",
        "dialplan": {
            "context": "offhook-from-trunk",
            "exten": "s",
            "priority": 1,
            "app_name": "Stasis",
            "app_data": "offhook,customer,X",
        },
        "creationtime": "2026-11-21T10:00:00.000+0000",
        "language": "en",
    }


async def ours(raw: Sequence[str], calls: int) -> tuple[float, list[float]]:
    """Events a second, and for how long another task was kept waiting, in ms."""
    book, told = LegBook(), list[TelephonyEvent]()
    for call in range(calls):
        leg = LegId(NODE, f"c-{NODE}-{call:08d}-1")
        book.register(CustomerLeg(leg, told.append, no_media_s=35.0, bridge=BRIDGE))
    mailbox = Mailbox(Dispatcher(NODE, book, told.append, NoHands(book)).handle, SystemClock())
    for message in raw:
        mailbox.put(message)
    waits: list[float] = []

    async def bystander() -> None:
        while mailbox:
            began = time.perf_counter()
            await asyncio.sleep(0)
            waits.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(mailbox.replay(), bystander())
    took_s = time.perf_counter() - began
    assert len(told) == 3 * calls
    return len(raw) / took_s, waits


async def baseline(raw: Sequence[str]) -> float:
    """Events a second with the standard library and a task for each."""
    seen: dict[str, list[str]] = {}

    async def handle(event: dict[str, Any]) -> None:
        channel = event.get("channel") or event["peer"]
        seen.setdefault(channel["id"], []).append(event["type"])

    began = time.perf_counter()
    await asyncio.gather(*[asyncio.ensure_future(handle(json.loads(message))) for message in raw])
    return len(raw) / (time.perf_counter() - began)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks ari_events", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    calls = parser.parse_args(argv).calls
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    raw = messages(calls)
    per_s, waits_ms = asyncio.run(ours(raw, calls))
    return report(
        "ari_events",
        [
            Row(
                name="events",
                unit="1/s",
                ours=per_s,
                baseline=asyncio.run(baseline(raw)),
                limit=2100,
                better="more",
            ),
            Row(
                name="another task waits, p99",
                unit="ms",
                ours=percentile(waits_ms, 0.99),
                limit=2 * SLICE_S * 1000,
            ),
        ],
    )
