# SPDX-License-Identifier: GPL-3.0-or-later
"""The world inside ``FakeAsterisk``: channels, bridges and phones that do as their ``Script`` says.

Events and their order are those of Asterisk 22.10, held to recordings (``tests/fixtures/ari``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ari_bridge.phone_script import Script, answers
from foundation.tasks import TaskOwner

Json = dict[str, Any]

ASTERISK_ID = "02:00:00:00:00:01"
VERSION = "22.10.1"
#: What Asterisk makes of a SIP final response (measured).
CAUSES = {
    302: 23, 401: 21, 402: 127, 403: 21, 404: 1, 407: 21, 408: 18, 410: 22, 429: 127, 480: 19, 484: 28, 486: 17,
    487: 127, 488: 58, 500: 38, 502: 27, 503: 34, 504: 102, 600: 17, 603: 21, 604: 1, 607: 127, 608: 127,
}  # fmt: skip
_DIAL_FAILURE = {17: "BUSY", 34: "CONGESTION"}


class NotFound(Exception):
    """404: no such channel or bridge."""


class NotInApplication(Exception):
    """422: the channel has not entered the application yet."""


@dataclass(kw_only=True)
class FakeChannel:
    """One channel."""

    id: str
    name: str
    script: Script
    number: int
    created: datetime
    app_args: str = ""
    context: str = ""  #: where it goes at the answer when it was not originated into the application
    caller: str = ""
    state: str = "Down"
    in_application: bool = False
    outgoing: bool = True
    dialed: bool = False
    gone: bool = False
    heard: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    phone: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class FakeBridge:
    """One bridge."""

    id: str
    created: datetime
    channels: list[str] = field(default_factory=list)


class FakePbx:
    """Channels, bridges and phones. ``tell`` gets every event; time stands in the events and is real."""

    def __init__(self, app: str, tell: Callable[[Json], None], now: Callable[[], datetime]) -> None:
        self.app = app
        self.scripts: dict[str, Script] = {}  #: by number, or by an RM's endpoint (``rm-anna``)
        self.default = answers()
        self.missing_endpoints: set[str] = set()
        self.channels: dict[str, FakeChannel] = {}
        self.bridges: dict[str, FakeBridge] = {}
        self.dialed: list[FakeChannel] = []  #: every INVITE that left, in order
        self.entry_delay_s = 0.0  #: how long a created channel takes to enter the application
        self.app_listens: Callable[[], bool] = lambda: True
        self._tell = tell
        self._now = now
        self._number = 0
        self._owner = TaskOwner("fake_pbx")
        self.start_time = now()

    async def close(self) -> None:
        await self._owner.close()

    def restart(self) -> None:
        """Everything is gone without a word, and the PBX is a new one."""
        for channel in self.channels.values():
            channel.gone = True
        self.channels.clear()
        self.bridges.clear()
        self.start_time = self._now() + timedelta(seconds=1)

    # --- requests -----------------------------------------------------------------------------------

    def endpoint_exists(self, endpoint: str) -> bool:
        return endpoint.partition("/")[2].partition("@")[0] not in self.missing_endpoints

    def make(self, endpoint: str, channel_id: str, body: Json) -> FakeChannel:
        """A channel that is not dialed."""
        target = endpoint.removeprefix("PJSIP/")
        number, _, trunk = target.partition("@")
        self._number += 1
        channel = FakeChannel(
            id=channel_id,
            name=f"PJSIP/{trunk or number}-{self._number:08x}",
            script=self.scripts.get(number, self.default),
            number=self._number,
            created=self._now(),
            app_args=body.get("appArgs", ""),
            context=body.get("context", ""),
            variables=dict(body.get("variables", {})),
        )
        self.channels[channel_id] = channel
        self._event("ChannelVarset", channel)
        return channel

    def enter(self, channel: FakeChannel) -> None:
        """A created channel enters the application, a moment later."""
        self._spawn(channel, self._enter_later(channel))

    async def _enter_later(self, channel: FakeChannel) -> None:
        await asyncio.sleep(self.entry_delay_s)
        if not channel.gone:
            self._enter(channel)

    def dial(self, channel: FakeChannel, timeout_s: float) -> None:
        """The INVITE leaves."""
        channel.dialed = True
        self.dialed.append(channel)
        self._dial_event(channel, "")
        channel.phone = self._spawn(channel, self._ring(channel, timeout_s))

    def hang_up(self, channel_id: str, reason: str = "normal") -> None:
        channel = self.find(channel_id)
        unanswered = reason == "no_answer" and channel.state != "Up" and channel.dialed
        self._destroy(channel, 19 if unanswered else 16, 480 if unanswered else None)

    def answer(self, channel_id: str) -> None:
        channel = self.find(channel_id)
        if channel.state != "Up":
            channel.state = "Up"
            self._event("ChannelStateChange", channel)

    def find(self, channel_id: str) -> FakeChannel:
        channel = self.channels.get(channel_id)
        if channel is None:
            raise NotFound("Channel not found")
        return channel

    def find_bridge(self, bridge_id: str) -> FakeBridge:
        bridge = self.bridges.get(bridge_id)
        if bridge is None:
            raise NotFound("Bridge not found")
        return bridge

    def join(self, bridge_id: str, channel_id: str) -> None:
        """Into a bridge, out of any other."""
        bridge = self.find_bridge(bridge_id)
        channel = self.find(channel_id)
        if not channel.in_application:
            raise NotInApplication("Channel not in Stasis application")
        self._leave(channel)
        bridge.channels.append(channel.id)

    # --- what phones do -----------------------------------------------------------------------------

    def inbound(self, called: str, caller: str, trunk: str) -> FakeChannel:
        """Somebody calls; the dialplan hands the call to the application if one listens."""
        self._number += 1
        channel = FakeChannel(
            id=f"{int(self._now().timestamp())}.{self._number}",
            name=f"PJSIP/trunk-{trunk}-{self._number:08x}",
            script=answers(),
            number=self._number,
            created=self._now(),
            app_args=f"inbound,{called},{trunk}",
            caller=caller,
            state="Ring",
            outgoing=False,
        )
        self.channels[channel.id] = channel
        self._enter(channel)
        return channel

    def stranger(self, app_args: str, target: str = "s") -> FakeChannel:
        """A channel of Asterisk's own enters the application, as after a 302."""
        self._number += 1
        channel = FakeChannel(
            id=f"{int(self._now().timestamp())}.{self._number}",
            name=f"Local/{target}@offhook-from-trunk-{self._number:08x};1",
            script=answers(),
            number=self._number,
            created=self._now(),
            app_args=app_args,
            state="Up",
        )
        self.channels[channel.id] = channel
        self._enter(channel)
        return channel

    def hold(self, channel_id: str, held: bool) -> None:
        """The phone presses hold."""
        channel = self.find(channel_id)
        if held:
            self._event("ChannelHold", channel, musicclass="default")
        else:
            self._event("ChannelUnhold", channel)

    def press(self, channel_id: str, digit: str) -> None:
        """The phone presses a key."""
        self._event("ChannelDtmfReceived", self.find(channel_id), digit=digit, duration_ms=100)

    def far_hang_up(self, channel_id: str) -> None:
        """The phone hangs up."""
        channel = self.find(channel_id)
        self._destroy(channel, 16 if channel.outgoing else 0, None)

    def play(self, channel_id: str, playback_id: str, media: str) -> Json:
        """A short announcement."""
        self.find(channel_id)
        shown = {
            "id": playback_id,
            "media_uri": media,
            "target_uri": f"channel:{channel_id}",
            "language": "en",
            "state": "queued",
        }
        self._owner.spawn(self._play({**shown, "state": "done"}), name=f"play-{playback_id}")
        return shown

    async def _play(self, shown: Json) -> None:
        await asyncio.sleep(0.05)
        self._tell({"type": "PlaybackFinished", "playback": shown})

    async def _ring(self, channel: FakeChannel, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s if timeout_s > 0 else None):
                await self._early(channel)
        except TimeoutError:
            self._destroy(channel, 19, 480)
            return
        script = channel.script
        if script.final == 302:
            # Asterisk follows no redirection of a created channel; it says so twice.
            self._dial_event(channel, "CANCEL")
            self._dial_event(channel, "CANCEL")
        if script.final != 200:
            self._destroy(channel, CAUSES.get(script.final, 127), script.final)
            return
        channel.state = "Up"
        self._event("ChannelStateChange", channel)
        self._dial_event(channel, "ANSWER")
        if not script.sdp_in_200:
            self._destroy(channel, 127, 406)
            return
        if not channel.in_application and not (channel.context and not self.app_listens()):
            self._enter(channel)
        if script.hang_up_after_s is not None:
            await asyncio.sleep(script.hang_up_after_s)
            self._destroy(channel, 16, None)
            return
        while script.sends_audio:
            await asyncio.sleep(0.02)
            channel.heard += 1

    async def _early(self, channel: FakeChannel) -> None:
        script = channel.script
        if script.progress_after_s is not None:
            await asyncio.sleep(script.progress_after_s)
            self._dial_event(channel, "PROGRESS")
        if script.ring_after_s is not None:
            await asyncio.sleep(script.ring_after_s)
            channel.state = "Ringing"
            self._event("ChannelStateChange", channel)
            self._dial_event(channel, "RINGING")
        if script.final_after_s is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(script.final_after_s)

    # --- inside -------------------------------------------------------------------------------------

    def _enter(self, channel: FakeChannel) -> None:
        channel.in_application = True
        if channel.context:
            channel.app_args = f"failsafe,{channel.variables.get('OFFHOOK_CALL_ID', '')}"
        self._event("StasisStart", channel, args=channel.app_args.split(","))

    def _leave(self, channel: FakeChannel) -> None:
        for bridge in self.bridges.values():
            if channel.id in bridge.channels:
                bridge.channels.remove(channel.id)

    def _destroy(self, channel: FakeChannel, cause: int, tech_cause: int | None) -> None:
        if channel.gone:
            return
        if channel.outgoing and channel.dialed and channel.state != "Up" and not channel.in_application:
            failure = _DIAL_FAILURE.get(cause, "NOANSWER")
            self._dial_event(channel, failure)
        channel.gone = True
        self._leave(channel)
        self.channels.pop(channel.id, None)
        more: Json = {"cause": cause, "cause_txt": ""}
        if tech_cause is not None:
            more["tech_cause"] = tech_cause
        self._event("ChannelDestroyed", channel, **more)
        if channel.phone is not None and channel.phone is not asyncio.current_task():
            channel.phone.cancel()

    def _spawn(self, channel: FakeChannel, coro: Any) -> asyncio.Task[None]:
        return self._owner.spawn(coro, name=f"channel-{channel.id}")

    def _event(self, kind: str, channel: FakeChannel, **more: Any) -> None:
        self._tell({"type": kind, "channel": self.shown(channel), **more})

    def _dial_event(self, channel: FakeChannel, status: str) -> None:
        self._tell(
            {
                "type": "Dial",
                "peer": self.shown(channel),
                "dialstatus": status,
                "forward": "",
                "dialstring": channel.name,
            }
        )

    def shown(self, channel: FakeChannel) -> Json:
        """A channel as ARI shows it."""
        in_app = channel.in_application
        return {
            "id": channel.id,
            "name": channel.name,
            "state": channel.state,
            "protocol_id": f"sip-{channel.number}",
            "caller": {"name": "", "number": channel.caller},
            "connected": {"name": "", "number": ""},
            "accountcode": "",
            "dialplan": {
                "context": channel.context,
                "exten": "s",
                "priority": 1,
                "app_name": "Stasis" if in_app else "",
                "app_data": f"{self.app},{channel.app_args}" if in_app else "",
            },
            "creationtime": stamp(channel.created),
            "language": "en",
        }

    def shown_bridge(self, bridge: FakeBridge) -> Json:
        """A bridge as ARI shows it."""
        return {
            "id": bridge.id,
            "technology": "simple_bridge",
            "bridge_type": "mixing",
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": "",
            "channels": list(bridge.channels),
            "creationtime": stamp(bridge.created),
            "video_mode": "talker",
        }


def stamp(at: datetime) -> str:
    """A time as Asterisk writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"
