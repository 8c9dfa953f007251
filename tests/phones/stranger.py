# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who calls a phone directly, past the PBX, from another address of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any


def sip_port_of(pid: int) -> int:
    """The UDP port on which a phone process listens: in no call it has no other."""
    inodes = {
        target.name.removeprefix("socket:[").removesuffix("]")
        for target in (link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir())
        if target.name.startswith("socket:[")
    }
    ports = {
        int(fields[1].rpartition(":")[2], 16)
        for fields in (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
        if fields[9] in inodes
    }
    assert len(ports) == 1, ports
    return ports.pop()


async def call_from_a_stranger(port: int) -> int:
    """INVITE from another loopback address; the code of the final response."""
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Stranger(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: Any) -> None:
            answers.put_nowait(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        Stranger, local_addr=("127.0.0.2", 0), remote_addr=("127.0.0.1", port)
    )
    own = transport.get_extra_info("sockname")[1]
    body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio {own} RTP/AVP 0\r\n"
    transport.sendto(
        (
            f"INVITE sip:rm-anna@127.0.0.1:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.2:{own};branch=z9hG4bKstranger\r\nMax-Forwards: 70\r\n"
            f"From: <sip:s@127.0.0.2:{own}>;tag=1\r\nTo: <sip:rm-anna@127.0.0.1:{port}>\r\n"
            f"Call-ID: stranger\r\nCSeq: 1 INVITE\r\nContact: <sip:s@127.0.0.2:{own}>\r\n"
            "Call-Info: <sip:offhook>;answer-after=0\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    try:
        async with asyncio.timeout(5):
            while (code := int((await answers.get()).split()[1])) < 200:
                pass
    finally:
        transport.close()
    return code
