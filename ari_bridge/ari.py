# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARI requests we use, by name. Each gives an ``Outcome``; what is asked for is decoded by the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from ari_bridge.access import Timings
from ari_bridge.errors import NotConnected
from ari_bridge.http import AriHttp, Done, Outcome, Refused
from ari_bridge.messages import WANTED_EVENTS, Bridge, Channel, Info, RtpStatistics

_channels = msgspec.json.Decoder(tuple[Channel, ...])
_bridges = msgspec.json.Decoder(tuple[Bridge, ...])
_channel = msgspec.json.Decoder(Channel)
_info = msgspec.json.Decoder(Info)
_statistics = msgspec.json.Decoder(RtpStatistics)


#: Polls of audio under way at once.
MAX_POLLS = 4


class Liveness(Enum):
    """What the PBX says of a channel when asked."""

    LIVE = auto()
    ABSENT = auto()  #: never made, or over already
    NO_ANSWER = auto()


class Ari:
    """One PBX's requests, for one application."""

    def __init__(self, http: AriHttp, app: str, timings: Timings) -> None:
        self._http = http
        self._app = app
        self._timings = timings
        # Two hundred watched phones must not take the connections that a hang-up needs from a PBX that is slow.
        self._polls = asyncio.Semaphore(MAX_POLLS)

    # --- channels -----------------------------------------------------------------------------------

    async def originate(
        self,
        channel: str,
        endpoint: str,
        *,
        timeout_s: int,
        variables: Mapping[str, str],
        app_args: str = "",
        context: str | None = None,
        caller_id: str = "",
    ) -> Outcome:
        """Make and dial a channel; at the answer it enters our application, or ``context`` when one is given."""
        body: dict[str, object] = {
            "endpoint": endpoint,
            "channelId": channel,
            "timeout": timeout_s,
            "variables": dict(variables),
        }
        if caller_id:
            body["callerId"] = caller_id
        if context is None:
            body |= {"app": self._app, "appArgs": app_args}
        else:
            body |= {"context": context, "extension": "s", "priority": 1}
        return await self._http.request("POST", "/channels", body)

    async def create(
        self, channel: str, endpoint: str, *, app_args: str, variables: Mapping[str, str]
    ) -> Outcome:
        """Make a channel in our application without dialing it."""
        body = {
            "endpoint": endpoint,
            "channelId": channel,
            "app": self._app,
            "appArgs": app_args,
            "variables": dict(variables),
        }
        return await self._http.request("POST", "/channels/create", body)

    async def dial(self, channel: str, *, timeout_s: int) -> Outcome:
        """Send the INVITE of a created channel."""
        return await self._http.request("POST", f"/channels/{channel}/dial", {"timeout": timeout_s})

    async def answer(self, channel: str) -> Outcome:
        return await self._http.request("POST", f"/channels/{channel}/answer")

    async def hang_up(self, channel: str, reason: str = "normal") -> Outcome:
        return await self._http.request("DELETE", f"/channels/{channel}?reason={reason}")

    async def mute(self, channel: str, muted: bool) -> Outcome:
        """Silence what the channel says."""
        return await self._http.request(
            "POST" if muted else "DELETE", f"/channels/{channel}/mute?direction=in"
        )

    async def send_dtmf(self, channel: str, digits: str) -> Outcome:
        return await self._http.request("POST", f"/channels/{channel}/dtmf", {"dtmf": digits})

    async def play(self, channel: str, playback: str, media: str) -> Outcome:
        return await self._http.request("POST", f"/channels/{channel}/play/{playback}", {"media": media})

    async def stop_playback(self, playback: str) -> Outcome:
        return await self._http.request("DELETE", f"/playbacks/{playback}")

    async def channel(self, channel: str) -> Channel | Liveness:
        """The channel; else whether it is absent or nobody answered."""
        match await self._http.request("GET", f"/channels/{channel}"):
            case Done(body=body):
                return _channel.decode(body)
            case Refused(status=404):
                return Liveness.ABSENT
            case _:
                return Liveness.NO_ANSWER

    async def liveness(self, channel: str) -> Liveness:
        """Ask several times over some seconds: a request without an answer may still be under way."""
        found = Liveness.NO_ANSWER
        for wait_s in self._timings.settle_s:
            await asyncio.sleep(wait_s)
            told = await self.channel(channel)
            if isinstance(told, Channel):
                return Liveness.LIVE
            found = told
        return found

    async def rtp_statistics(self, channel: str) -> RtpStatistics | None:
        """None when the PBX does not say."""
        async with self._polls:
            outcome = await self._http.request("GET", f"/channels/{channel}/rtp_statistics")
        return _statistics.decode(outcome.body) if isinstance(outcome, Done) else None

    # --- bridges ------------------------------------------------------------------------------------

    async def make_bridge(self, bridge: str) -> Outcome:
        return await self._http.request("POST", f"/bridges/{bridge}", {"type": "mixing"})

    async def add_to_bridge(self, bridge: str, channel: str) -> Outcome:
        """Join; may be repeated. Without the inhibition the other party's identity would go out in re-INVITEs."""
        body = {"channel": channel, "inhibitConnectedLineUpdates": True}
        return await self._http.request("POST", f"/bridges/{bridge}/addChannel", body)

    async def remove_from_bridge(self, bridge: str, channel: str) -> Outcome:
        return await self._http.request("POST", f"/bridges/{bridge}/removeChannel", {"channel": channel})

    async def delete_bridge(self, bridge: str) -> Outcome:
        return await self._http.request("DELETE", f"/bridges/{bridge}")

    # --- the whole PBX ------------------------------------------------------------------------------

    async def ping(self) -> Outcome:
        return await self._http.request("GET", "/asterisk/ping", timeout_s=self._timings.ping_timeout_s)

    async def subscribe(self) -> None:
        """The one subscription recipe, on every connect: ``app=`` in the socket's URL, every channel here.

        ``channel:`` brings the end of channels that left our application, and the fail-safe legs that are
        not in it yet. Never ``subscribeAll`` (asterisk issue 2170), never ``endpoint:`` (doubles all events).
        The filter dies with the application object, so it is put again each time.

        Raises:
            NotConnected: the PBX did not take one of them.
        """
        allowed = {"allowed": [{"type": name} for name in WANTED_EVENTS]}
        for method, path, body in (
            ("PUT", f"/applications/{self._app}/eventFilter", allowed),
            ("POST", f"/applications/{self._app}/subscription", {"eventSource": "channel:"}),
        ):
            outcome = await self._http.request(method, path, body)
            if not isinstance(outcome, Done):
                raise NotConnected(f"{path}: {outcome}")

    async def channels(self) -> tuple[Channel, ...]:
        """All channels of the PBX, ours or not.

        Raises:
            NotConnected: the PBX did not answer.
        """
        return _channels.decode(await self._get("/channels"))

    async def bridges(self) -> tuple[Bridge, ...]:
        """All bridges of the PBX. Raises ``NotConnected`` as ``channels`` does."""
        return _bridges.decode(await self._get("/bridges"))

    async def info(self) -> Info:
        """Version and start of the PBX. Raises ``NotConnected`` as ``channels`` does."""
        return _info.decode(await self._get("/asterisk/info"))

    async def _get(self, path: str) -> bytes:
        outcome = await self._http.request("GET", path)
        if isinstance(outcome, Done):
            return outcome.body
        raise NotConnected(f"{path}: {outcome}")
