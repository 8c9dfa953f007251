# SPDX-License-Identifier: GPL-3.0-or-later
"""What exists on the PBX now: taken after a gap in the events, after a restart, and when something is unclear."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from ari_bridge.ari import Ari
from ari_bridge.errors import PbxTooOld
from ari_bridge.ids import is_our_bridge, is_ours
from ari_bridge.messages import Bridge, Channel, Info, read_time
from dialer.telephony import BridgeId, LegId, SurveyedLeg, SurveyedState

#: The first releases of each line with an ACL per ARI user and ``tech_cause``.
OLDEST = {20: 19, 22: 9, 23: 3}


@dataclass(frozen=True, slots=True)
class Stock:
    """All channels and bridges of a PBX, and which life of the PBX it is."""

    channels: dict[str, Channel]
    bridges: dict[str, Bridge]
    life: str  #: changes when the PBX is restarted

    def bridge_of(self, node: str, channel_id: str) -> BridgeId | None:
        """Our bridge in which a channel is."""
        for bridge in self.bridges.values():
            if channel_id in bridge.channels and is_our_bridge(node, bridge.id):
                return BridgeId(node, bridge.id)
        return None


async def take_stock(ari: Ari) -> Stock:
    """Ask for everything.

    Raises:
        NotConnected: the PBX did not answer.
        PbxTooOld: it lacks what we build on.
    """
    info, channels, bridges = await asyncio.gather(ari.info(), ari.channels(), ari.bridges())
    check_version(info.system.version)
    return Stock(
        channels={channel.id: channel for channel in channels},
        bridges={bridge.id: bridge for bridge in bridges},
        life=_life(info),
    )


def check_version(version: str) -> None:
    """Raises ``PbxTooOld`` for a release that lacks what we build on; an unreadable one (git builds) passes."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        return
    major, minor = int(found.group(1)), int(found.group(2))
    newer_line = major > max(OLDEST)
    if not newer_line and (major not in OLDEST or minor < OLDEST[major]):
        raise PbxTooOld(f"Asterisk {version} is too old: 20.19, 22.9 or 23.3 is needed.")


def our_legs(stock: Stock, node: str, app: str) -> list[SurveyedLeg]:
    """Our channels, ordered by id.

    A channel that is down in a bridge of ours may have been dialed (the INVITE may still be without an
    answer), so it counts as ringing: better an attempt counted that was none than a customer dialed twice.
    """
    legs = []
    for channel in sorted(stock.channels.values(), key=lambda channel: channel.id):
        if not is_ours(node, app, channel):
            continue
        bridge = stock.bridge_of(node, channel.id)
        legs.append(
            SurveyedLeg(
                leg=LegId(node, channel.id),
                state=surveyed_state(channel, bridge),
                bridge=bridge,
                created_at=read_time(channel.creationtime),
            )
        )
    return legs


def surveyed_state(channel: Channel, bridge: BridgeId | None) -> SurveyedState:
    """What a channel is doing, on the safe side."""
    if channel.state == "Up":
        return SurveyedState.UP
    in_stasis_unjoined = channel.dialplan.app_name == "Stasis" and bridge is None
    return SurveyedState.DOWN if channel.state == "Down" and in_stasis_unjoined else SurveyedState.RINGING


def _life(info: Info) -> str:
    return f"{info.system.entity_id} {info.status.startup_time}"
