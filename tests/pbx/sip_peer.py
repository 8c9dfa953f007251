# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted SIP peer on loopback: strangers' phones behind a trunk, or one RM's phone. It owns one UDP port.

What it does with a call stands in the user part of the request line, looked up in ``scripts``; every INVITE
is kept in ``invites`` with its headers, so that a test can say what was on the wire. It can stop sending
audio, hold, and hang up when told to: what SIPp's scenarios cannot be told in the middle of a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ari_bridge.phone_script import Script, answers

SILENCE = b"\xff" * 160  # 20 ms of G.711 mu-law


@dataclass(kw_only=True)
class PeerCall:
    """One call at the peer."""

    user: str
    headers: dict[str, str]
    invite: str
    address: tuple[str, int]
    call_id: str
    tag: str
    script: Script
    ended: bool = False
    cancelled: bool = False
    answered: bool = False
    bye_received: bool = False
    media_address: tuple[str, int] | None = None
    rtp: RtpPort | None = None
    cseq: int = 1
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class RtpPort(asyncio.DatagramProtocol):
    """Counts what it hears; sends silence every 20 ms while ``sending``."""

    def __init__(self) -> None:
        self.received = 0
        self.sending = False
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > 12:
            self.received += 1

    async def send_to(self, address: tuple[str, int]) -> None:
        sequence = 0
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._transport is not None:
            if self.sending:
                head = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, 0x0FF)
                self._transport.sendto(head + SILENCE, address)
                sequence += 1
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def press(self, digit: str, address: tuple[str, int]) -> None:
        """One key: start, end three times, as RFC 4733 asks."""
        if self._transport is None:
            return
        event = "0123456789*#".index(digit)
        for step, (end, duration) in enumerate(((0, 160), (0x80, 320), (0x80, 320), (0x80, 320))):
            head = struct.pack("!BBHII", 0x80, 101 | (0x80 if step == 0 else 0), 9000 + step, 777, 0x0FF)
            self._transport.sendto(head + struct.pack("!BBH", event, end | 10, duration), address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class SipPeer(asyncio.DatagramProtocol):
    """The peer. ``scripts`` may be changed between calls; ``default`` serves every other user."""

    def __init__(self, scripts: Mapping[str, Script] | None = None, default: Script | None = None) -> None:
        self.scripts = dict(scripts or {})
        self.default = default or answers()
        self.invites: list[PeerCall] = []
        self.crosses = False  #: it answers at the moment when the CANCEL comes
        self.port = 0
        self.messages: list[str] = []
        self._calls: dict[str, PeerCall] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._registered = asyncio.Event()
        self._register_as = ("", "", 0)
        self._expires_s = 600
        self._registration = random.getrandbits(64)

    async def open(self, port: int = 0) -> SipPeer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self._calls.values():
            if call.rtp:
                call.rtp.close()
        if self._transport is not None:
            self._transport.close()

    def live(self) -> list[PeerCall]:
        """Calls that are not over."""
        return [call for call in self._calls.values() if not call.ended]

    async def register(self, user: str, password: str, pbx_port: int, *, expires_s: int = 600) -> None:
        """Register as an RM's phone, with digest authentication. Raises ``TimeoutError`` when it is not taken."""
        self._registered.clear()
        self._register_as = (user, password, pbx_port)
        self._expires_s = expires_s
        self._register("")
        async with asyncio.timeout(5):
            await self._registered.wait()

    async def unregister(self) -> None:
        """The phone says goodbye to the PBX."""
        await self.register(*self._register_as, expires_s=0)

    def _register(self, authorization: str) -> None:
        user, _, port = self._register_as
        self._serial += 1
        uri = f"sip:127.0.0.1:{port}"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={self._branch()}",
            "Max-Forwards: 70",
            f"From: <sip:{user}@127.0.0.1>;tag=reg",
            f"To: <sip:{user}@127.0.0.1>",
            f"Call-ID: register-{self._registration:x}",
            f"CSeq: {self._serial} REGISTER",
            f"Contact: <sip:{user}@127.0.0.1:{self.port}>;expires={self._expires_s}",
            *([f"Authorization: {authorization}"] if authorization else []),
            "Content-Length: 0",
        ]
        self._send("\r\n".join(lines) + "\r\n\r\n", ("127.0.0.1", port))

    def _register_answer(self, code: int, headers: dict[str, str]) -> None:
        if code == 200:
            self._registered.set()
        elif code == 401:
            user, password, port = self._register_as
            asked = dict(re.findall(r'(\w+)="?([^",]+)"?', headers["www-authenticate"]))
            uri, realm, nonce = f"sip:127.0.0.1:{port}", asked["realm"], asked["nonce"]
            first = _md5(f"{user}:{realm}:{password}")
            digest = _md5(f"{first}:{nonce}:00000001:peer:auth:{_md5(f'REGISTER:{uri}')}")
            self._register(
                f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{digest}", '
                f'algorithm=MD5, cnonce="peer", qop=auth, nc=00000001, opaque="{asked.get("opaque", "")}"'
            )

    def forget_calls(self) -> None:
        """The other side died without a word."""
        for call in self.live():
            self._end(call)

    # --- what a test tells a call -----------------------------------------------------------------

    def hang_up(self, call: PeerCall) -> None:
        """BYE from our side."""
        self._end(call)
        self._request(call, "BYE")

    def info_dtmf(self, call: PeerCall, digit: str) -> None:
        """Press a key: RFC 4733 packets in the audio stream."""
        if call.rtp and call.media_address:
            call.rtp.press(digit, call.media_address)

    def call(self, target: str, caller: str, pbx_port: int) -> PeerCall:
        """Call the PBX; the call is answered by it or not at all."""
        self._serial += 1
        call = PeerCall(
            user=caller,
            headers={
                "to": f"<sip:{caller}@127.0.0.1>",
                "from": f"<sip:{target}@127.0.0.1>",
                "contact": f"<sip:{target}@127.0.0.1:{pbx_port}>",
            },
            invite="",
            address=("127.0.0.1", pbx_port),
            call_id=f"out-{random.getrandbits(64):x}",
            tag=f"peer{self._serial}",
            script=self.default,
        )
        self._calls[call.call_id] = call
        self._spawn(call, self._place(call))
        return call

    async def _place(self, call: PeerCall) -> None:
        call.rtp = RtpPort()
        await call.rtp.open()
        self._request(call, "INVITE", self._sdp(call))

    def hold(self, call: PeerCall, held: bool) -> None:
        """Re-INVITE that puts the other side on hold, or takes it back."""
        self._request(call, "INVITE", self._sdp(call, "sendonly" if held else "sendrecv"))

    def refer(self, call: PeerCall, target: str) -> None:
        """Ask the PBX to send its side of the call to ``target`` (RFC 3515): a transfer by the phone."""
        self._request(call, "REFER", extra=f"Refer-To: <{target}>")

    def codes(self, method: str) -> list[int]:
        """The final responses that our requests of a method got."""
        heads = [text.partition("\r\n\r\n")[0] for text in self.messages if text.startswith("SIP/2.0")]
        codes = [int(head.split()[1]) for head in heads if re.search(rf"^CSeq: \d+ {method}\r?$", head, re.M)]
        return [code for code in codes if code >= 200]

    # --- the wire -----------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode("utf-8", "replace")
        if not text.strip():
            return
        self.messages.append(text)
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        if first.startswith("SIP/2.0"):
            self._response(first, headers, body)
            return
        method, target, _ = first.split(" ", 2)
        match method:
            case "INVITE":
                self._invite(target, headers, head, body, addr)
            case "CANCEL":
                self._cancel(headers, head, addr)
            case "BYE":
                self._reply(head, 200, "OK", addr)
                call = self._calls.get(headers["call-id"])
                if call:
                    call.bye_received = True
                    self._end(call)
            case "ACK":
                call = self._calls.get(headers["call-id"])
                if call:
                    call.acknowledged.set()
            case _:
                self._reply(head, 200, "OK", addr)

    def _invite(
        self, target: str, headers: dict[str, str], head: str, body: str, addr: tuple[str, int]
    ) -> None:
        known = self._calls.get(headers["call-id"])
        if known is not None:
            if known.answered and "tag=" in headers["to"]:
                self._reply(head, 200, "OK", addr, tag=known.tag, body=self._sdp(known), contact=known.user)
            return
        found = re.match(r"sips?:([^@;>]*)@", target)
        user = found.group(1) if found else ""
        self._serial += 1
        script = self.scripts.get(user, self.default)
        call = PeerCall(
            user=user, headers=headers, invite=head, address=addr, call_id=headers["call-id"],
            tag=f"peer{self._serial}", script=script, media_address=_media(body),
        )  # fmt: skip
        self._calls[call.call_id] = call
        self.invites.append(call)
        self._spawn(call, self._play(call, head, addr))

    async def _play(self, call: PeerCall, head: str, addr: tuple[str, int]) -> None:
        script = call.script
        if script.trying:
            self._reply(head, 100, "Trying", addr)
        call.rtp = RtpPort()
        await call.rtp.open()
        if script.progress_after_s is not None:
            await asyncio.sleep(script.progress_after_s)
            self._reply(
                head, 183, "Session Progress", addr, tag=call.tag, body=self._sdp(call), contact=call.user
            )
        if script.ring_after_s is not None:
            await asyncio.sleep(script.ring_after_s)
            self._reply(head, 180, "Ringing", addr, tag=call.tag, contact=call.user)
        if script.final_after_s is None:
            return
        await asyncio.sleep(script.final_after_s)
        if call.ended:
            return
        if script.final != 200:
            self._end(call)
            extra = f"Reason: {script.reason}\r\n" if script.reason else ""
            self._reply(
                head,
                script.final,
                "Final",
                addr,
                tag=call.tag,
                contact=script.contact or call.user,
                extra=extra,
            )
            return
        call.answered = True
        body = self._sdp(call) if script.sdp_in_200 else ""
        self._reply(head, 200, "OK", addr, tag=call.tag, body=body, contact=call.user)
        if call.media_address:
            call.rtp.sending = script.sends_audio
            self._spawn(call, call.rtp.send_to(call.media_address))
        if script.hang_up_after_s is not None:
            # RFC 3261, 15: no BYE before the ACK; the PBX may not have made its dialog yet.
            await call.acknowledged.wait()
            await asyncio.sleep(script.hang_up_after_s)
            if not call.ended:
                self.hang_up(call)

    def _cancel(self, headers: dict[str, str], head: str, addr: tuple[str, int]) -> None:
        self._reply(head, 200, "OK", addr)
        call = self._calls.get(headers["call-id"])
        if call and self.crosses:
            call.answered = True
            self._reply(call.invite, 200, "OK", addr, tag=call.tag, body=self._sdp(call), contact=call.user)
        elif call and not call.answered and not call.ended:
            call.cancelled = True
            self._reply(call.invite, 487, "Request Terminated", addr, tag=call.tag)
            self._end(call)

    def _response(self, first: str, headers: dict[str, str], body: str) -> None:
        if "REGISTER" in headers.get("cseq", ""):
            self._register_answer(int(first.split()[1]), headers)
            return
        call = self._calls.get(headers["call-id"])
        if call and first.split()[1] == "200" and "INVITE" in headers.get("cseq", ""):
            if not call.answered:
                call.answered = True
                call.headers["from"] = headers["to"]
                call.media_address = _media(body)
                if call.rtp and call.media_address:
                    call.rtp.sending = True
                    self._spawn(call, call.rtp.send_to(call.media_address))
            self._request(call, "ACK", cseq=int(headers["cseq"].split()[0]))

    def _end(self, call: PeerCall) -> None:
        call.ended = True
        if call.rtp:
            call.rtp.sending = False
        current = asyncio.current_task()
        for task in call.tasks:
            if task is not current:
                task.cancel()
        if call.rtp:
            call.rtp.close()

    def _request(
        self, call: PeerCall, method: str, body: str = "", cseq: int | None = None, extra: str = ""
    ) -> None:
        if cseq is None:
            call.cseq += 1
            cseq = call.cseq
        contact = re.search(r"<([^>]+)>", call.headers["contact"])
        target = contact.group(1) if contact else "sip:unknown"
        self._serial += 1
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={self._branch()}",
            "Max-Forwards: 70",
            f"From: {call.headers['to']};tag={call.tag}",
            f"To: {call.headers['from']}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{call.user}@127.0.0.1:{self.port}>",
        ]
        if extra:
            lines.append(extra)
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self._send("\r\n".join(lines) + "\r\n\r\n" + body, call.address)

    def _reply(
        self, head: str, code: int, text: str, addr: tuple[str, int], *,
        tag: str | None = None, body: str = "", contact: str = "", extra: str = "",
    ) -> None:  # fmt: skip
        out = [f"SIP/2.0 {code} {text}"]
        for line in head.split("\r\n")[1:]:
            name = line.partition(":")[0].strip().lower()
            if name in ("via", "from", "call-id", "cseq", "record-route"):
                out.append(line)
            elif name == "to":
                out.append(f"{line};tag={tag}" if tag and "tag=" not in line else line)
        if contact:
            uri = contact if contact.startswith("sip:") else f"sip:{contact}@127.0.0.1:{self.port}"
            out.append(f"Contact: <{uri}>")
        if body:
            out.append("Content-Type: application/sdp")
        out.append(f"Content-Length: {len(body)}")
        self._send("\r\n".join(out) + "\r\n" + extra + "\r\n" + body, addr)

    def _sdp(self, call: PeerCall, direction: str = "sendrecv") -> str:
        port = call.rtp.port if call.rtp else 9
        call.cseq += 1
        return (
            f"v=0\r\no=peer 1 {call.cseq} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )

    def _branch(self) -> str:
        # Unique over all peers that ever had this port: the PBX remembers transactions for half a minute.
        return f"z9hG4bK{random.getrandbits(64):x}"

    def _send(self, text: str, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(text.encode(), addr)

    def _spawn(self, call: PeerCall, coro: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coro, name="sip-peer")  # type: ignore[arg-type]
        self._tasks.add(task)
        call.tasks.append(task)
        task.add_done_callback(self._tasks.discard)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _media(body: str) -> tuple[str, int] | None:
    port = re.search(r"m=audio (\d+)", body)
    host = re.search(r"c=IN IP4 (\S+)", body)
    return (host.group(1), int(port.group(1))) if port and host else None
