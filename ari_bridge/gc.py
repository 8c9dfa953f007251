# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels and bridges of ours that nobody here knows: what a lost answer or an earlier life left behind.

A channel is swept when two sweeps in a row found it unregistered, so that one which is just being made
or adopted is left alone. Asterisk's own holding bridges (every ``/dial`` leaves one) are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from ari_bridge.access import AriAccess, Timings
from ari_bridge.ari import Ari
from ari_bridge.errors import AriError
from ari_bridge.ids import is_our_bridge, is_ours
from ari_bridge.messages import read_time
from ari_bridge.survey import Stock, take_stock
from foundation.clock import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found, each ordered by id."""

    channels: list[str]  #: to be hung up now
    bridges: list[str]  #: to be deleted now
    suspects: frozenset[str]  #: channels to be hung up if the next sweep finds them again


def sweep(
    stock: Stock,
    *,
    node: str,
    app: str,
    leg_known: Callable[[str], bool],
    bridge_known: Callable[[str], bool],
    suspects: frozenset[str],
    now: datetime,
    bridge_age_s: float,
) -> Sweep:
    """Find the orphans: pure. ``suspects``: those of the sweep before."""
    unknown = [
        channel.id
        for channel in stock.channels.values()
        if is_ours(node, app, channel) and not leg_known(channel.id)
    ]
    bridges = [
        bridge.id
        for bridge in stock.bridges.values()
        if is_our_bridge(node, bridge.id)
        and not bridge.channels
        and not bridge_known(bridge.id)
        and (now - read_time(bridge.creationtime)).total_seconds() >= bridge_age_s
    ]
    return Sweep(
        channels=sorted(channel for channel in unknown if channel in suspects),
        bridges=sorted(bridges),
        suspects=frozenset(unknown),
    )


async def sweep_for_ever(
    ari: Ari,
    access: AriAccess,
    *,
    leg_known: Callable[[str], bool],
    bridge_known: Callable[[str], bool],
    link_up: Callable[[], bool],
    clock: Clock,
    timings: Timings,
) -> None:
    """Sweep again and again, while the link is up."""
    suspects: frozenset[str] = frozenset()
    while True:
        await clock.sleep(timings.gc_every_s)
        if not link_up():
            continue
        try:
            stock = await take_stock(ari)
        except AriError:
            continue
        found = sweep(
            stock,
            node=access.node,
            app=access.app,
            leg_known=leg_known,
            bridge_known=bridge_known,
            suspects=suspects,
            now=clock.now(),
            bridge_age_s=timings.bridge_age_s,
        )
        suspects = found.suspects
        for channel in found.channels:
            log.warning("orphan_channel_hung_up", leg=channel)
            await ari.hang_up(channel)
        for bridge in found.bridges:
            log.info("orphan_bridge_deleted", bridge=bridge)
            await ari.delete_bridge(bridge)
