# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls played the same way on the real PBX and on ``FakeAsterisk``, and what is compared of them.

Compared are the requests with their answers (method, path, status, fields) and each channel's events in their
order (type, state, status, causes, fields), without ids, times and numbers. Asterisk sends ``Dial`` and
``ChannelStateChange`` of one moment in either order, so those two are brought into one.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ari_bridge.adapter import AriTelephony
from ari_bridge.http import Done, Refused, Unsure
from ari_bridge.phone_script import Script, answers, refuses
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    HangUpReason,
    InboundCall,
    LegAnswered,
    LegEnded,
    LegId,
    LegJoined,
    LegRinging,
    NotDone,
    PlaybackFinished,
    RmLegAlive,
    RmLegSilent,
)
from tests.bridge_floor import CALLER_ID, CUSTOMER, NODE, BridgeFloor

FIXTURES = Path(__file__).parent / "fixtures" / "ari"
_NOT_COMPARED = re.compile(r"/asterisk/|rtp_statistics|/channels$|/bridges$")

Line = dict[str, Any]


class _Overheard(deque[str]):
    """A mailbox's queue that tells what is put into it."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__()
        self._told = told

    def append(self, raw: str) -> None:
        self._told(raw)
        super().append(raw)


class Recorder:
    """Listens at the bridge's two doors."""

    def __init__(self, telephony: AriTelephony) -> None:
        self.requests: list[Line] = []
        self.events: dict[str, list[Line]] = {}
        self._request = telephony._http.request
        telephony._http.request = self._record_request  # type: ignore[method-assign]
        telephony._mailbox._waiting = _Overheard(self._record_event)

    async def _record_request(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        outcome = await self._request(method, path, body, **more)
        if method != "GET" or not _NOT_COMPARED.search(path):
            line: Line = {"http": f"{method} {_template(path)}"}
            match outcome:
                case Done(body=content):
                    line |= {"done": True, "fields": _fields(json.loads(content)) if content else []}
                case Refused(status=status, message=message):
                    line |= {"refused": status, "message": message}
                case Unsure(why=why):
                    line |= {"unsure": why}
            self.requests.append(line)
        return outcome

    def _record_event(self, raw: str) -> None:
        event = json.loads(raw)
        channel = event.get("channel") or event.get("peer")
        who = _role(channel["id"]) if channel else "other"
        line: Line = {"event": event["type"], "who": who}
        if channel:
            line |= {"state": channel["state"], "channel": _fields(channel)}
        line |= {key: event[key] for key in ("dialstatus", "cause", "tech_cause") if key in event}
        if "args" in event:
            line["args"] = [re.sub(r"^\+?\d+$", "#", arg) for arg in event["args"]]
        line["fields"] = _fields(event)
        self.events.setdefault(who, []).append(line)

    def lines(self) -> list[Line]:
        """Everything, in a comparable order."""
        found = list(self.requests)
        for who in sorted(self.events):
            found += _in_one_order(self.events[who])
        return found


def _in_one_order(events: list[Line]) -> list[Line]:
    """What Asterisk says of one moment by two of its threads comes in either order."""
    places = [at for at, line in enumerate(events) if _moment(line) is not None]
    ordered = list(events)
    for at, line in zip(places, sorted((events[at] for at in places), key=_rank), strict=True):
        moment = _moment(line)
        ordered[at] = {**line, "state": moment} if line["event"] == "Dial" else line
    return ordered


def _moment(line: Line) -> str | None:
    match line:
        case {"event": "Dial", "dialstatus": "" | "RINGING" | "ANSWER" as status}:
            return {"": "Down", "RINGING": "Ringing", "ANSWER": "Up"}[status]
        case {"event": "ChannelStateChange" | "StasisStart", "state": str(state)}:
            return state
    return None


def _rank(line: Line) -> tuple[int, int]:
    moment = ["Down", "Ring", "Ringing", "Up"].index(_moment(line) or "")
    early = line["event"] == "StasisStart" and line["state"] == "Down"
    return moment, 0 if early else ["ChannelStateChange", "Dial", "StasisStart"].index(line["event"]) + 1


def _template(path: str) -> str:
    path = re.sub(rf"(rm-{NODE}|c-{NODE}|b-{NODE})-[\w-]+", r"\1", path)
    return re.sub(r"/(channels|playbacks)/(?!create|c-|rm-)[\w.-]+", r"/\1/other", path)


def _role(channel_id: str) -> str:
    return channel_id.split("-")[0] if channel_id.startswith(("c-", "rm-")) else "other"


def _fields(content: Any) -> list[str]:
    if isinstance(content, list):
        return sorted({field for item in content for field in _fields(item)})
    return sorted(content) if isinstance(content, dict) else []


# --- the calls ----------------------------------------------------------------------------------------


async def rm_alone(floor: BridgeFloor) -> None:
    """An RM's phone is connected and let go."""
    leg, bridge = await floor.connect()
    await floor.telephony.hang_up(leg)
    await floor.ended(leg)
    await floor.telephony.release_bridge(bridge)


async def rm_refuses(floor: BridgeFloor) -> None:
    """An RM's phone is busy."""
    floor.rm_script("anna", refuses(486))
    leg, bridge = LegId(NODE, f"rm-{NODE}-anna-5-1"), BridgeId(NODE, f"b-{NODE}-anna-5-1")
    await floor.telephony.connect_rm(
        ConnectRm(leg=leg, bridge=bridge, rm="anna", endpoint="PJSIP/rm-anna", answer_timeout_s=8)
    )
    await floor.ended(leg)
    await floor.telephony.release_bridge(bridge)


async def rm_unregistered(floor: BridgeFloor) -> None:
    """An RM without a phone."""
    leg, bridge = LegId(NODE, f"rm-{NODE}-nobody-6-1"), BridgeId(NODE, f"b-{NODE}-nobody-6-1")
    try:
        await floor.telephony.connect_rm(
            ConnectRm(leg=leg, bridge=bridge, rm="nobody", endpoint="PJSIP/rm-nobody", answer_timeout_s=8)
        )
    except NotDone:
        return
    raise AssertionError("was placed")


async def rm_holds(floor: BridgeFloor) -> None:
    """An RM presses hold, and takes us back."""
    leg, _ = await floor.connect()
    floor.rm_holds("anna", True)
    await floor.wait_for(RmLegSilent, leg)
    floor.rm_holds("anna", False)
    await floor.wait_for(RmLegAlive, leg)
    await floor.telephony.hang_up(leg)
    await floor.ended(leg)


def early(
    script: Script, *, we_hang_up: HangUpReason | None = None, backstop_s: float = 30
) -> Callable[[BridgeFloor], Awaitable[None]]:
    """A customer dialed into an RM's bridge."""

    async def play(floor: BridgeFloor) -> None:
        _, bridge = await floor.connect()
        leg = await floor.dial(bridge, script, backstop_s=backstop_s)
        if we_hang_up is not None:
            await floor.wait_for(LegAnswered if script.final_after_s is not None else LegRinging, leg)
            await floor.telephony.hang_up(leg, we_hang_up)
        await floor.ended(leg)

    return play


def failsafe(
    script: Script, *, join: bool = False, cancel: bool = False
) -> Callable[[BridgeFloor], Awaitable[None]]:
    """A customer dialed through the fail-safe context."""

    async def play(floor: BridgeFloor) -> None:
        _, bridge = await floor.connect()
        leg = await floor.dial(None, script)
        if cancel:
            await floor.wait_for(LegRinging, leg)
            await floor.telephony.hang_up(leg)
        if join:
            await floor.wait_for(LegAnswered, leg)
            await floor.telephony.bridge(leg, bridge)
            await floor.wait_for(LegJoined, leg)
            await floor.telephony.unbridge(leg, bridge)
            await floor.telephony.hang_up(leg)
        await floor.ended(leg)

    return play


async def called_back(floor: BridgeFloor) -> None:
    """Somebody calls us back, hears an announcement and hangs up."""
    caller = floor.customer_calls(CUSTOMER, CALLER_ID)
    inbound = await floor.wait_for(InboundCall)
    await floor.telephony.answer(inbound.leg)
    await floor.wait_for(LegAnswered, inbound.leg)
    await floor.telephony.play(inbound.leg, "p-1", floor.short_sound)
    await floor.wait_for(PlaybackFinished, inbound.leg)
    floor.customer_hangs_up(caller)
    await floor.wait_for(LegEnded, inbound.leg)


async def nothing_there(floor: BridgeFloor) -> None:
    """Requests about legs and bridges that do not exist."""
    leg, bridge = LegId(NODE, f"c-{NODE}-00000000-1"), BridgeId(NODE, f"b-{NODE}-anna-9-9")
    await floor.telephony.hang_up(leg)
    await floor.telephony.release_bridge(bridge)
    for request in (
        floor.telephony.bridge(leg, bridge),
        floor.telephony.answer(leg),
        floor.telephony.play(leg, "p-2", floor.short_sound),
    ):
        try:
            await request
        except NotDone:
            continue
        raise AssertionError("was done")


SCENARIOS: dict[str, Callable[[BridgeFloor], Awaitable[None]]] = {
    "rm_alone": rm_alone,
    "rm_refuses": rm_refuses,
    "rm_unregistered": rm_unregistered,
    "rm_holds": rm_holds,
    "early_answered": early(answers(0.1), we_hang_up=HangUpReason.NORMAL),
    "early_customer_hangs_up": early(answers(0.1, hang_up_after_s=0.3)),
    "early_answered_and_gone": early(answers(0.1, hang_up_after_s=0.0)),
    "early_no_answer": early(Script(), we_hang_up=HangUpReason.NO_ANSWER),
    "early_cancelled": early(Script(), we_hang_up=HangUpReason.NORMAL),
    "early_backstop": early(Script(), backstop_s=1),
    "early_progress_only": early(Script(ring_after_s=None, progress_after_s=0.05, final_after_s=0.2, final=480)),
    "early_busy": early(refuses(486, rings=True)),
    "early_declined": early(refuses(603, rings=True)),
    "early_invalid": early(refuses(404)),
    "early_unwanted": early(refuses(607)),
    "early_redirected": early(refuses(302, contact="sip:+12025550777@127.0.0.1:9")),
    "early_no_media": early(answers(0.1, sdp_in_200=False)),
    "failsafe_joined": failsafe(answers(0.1), join=True),
    "failsafe_busy": failsafe(refuses(486, rings=True)),
    "failsafe_congested": failsafe(refuses(503)),
    "failsafe_cancelled": failsafe(Script(), cancel=True),
    "called_back": called_back,
    "nothing_there": nothing_there,
}  # fmt: skip


async def record(name: str, floor: BridgeFloor) -> list[Line]:
    """Play a scenario on a connected floor and give what is compared."""
    recorder = Recorder(floor.telephony)
    await SCENARIOS[name](floor)
    return recorder.lines()


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.jsonl"


def write(name: str, lines: list[Line]) -> None:
    """Keep a recording."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    fixture(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def read(name: str) -> list[Line]:
    """A kept recording."""
    return [json.loads(line) for line in fixture(name).read_text(encoding="utf-8").splitlines()]
