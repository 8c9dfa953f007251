# SPDX-License-Identifier: GPL-3.0-or-later
"""The PBX as the settings want it: its specification, how the dialer reaches it, and the phones it knows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import structlog
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from ari_bridge.access import AriAccess
from asterisk.embedded import start_pbx
from asterisk.from_settings import pbx_spec
from asterisk.process import AsteriskProcess
from asterisk.program import find_program
from asterisk.sounds import make_sounds, prompts
from asterisk.spec import PbxSpec
from config.settings import Settings
from foundation.ids import SystemIds
from profiler.rms import everybody

log = structlog.get_logger()


def spec_of(settings: Settings, rms: Iterable[str]) -> PbxSpec:
    """What the PBX shall be, with the phones of these RMs.

    Raises:
        PbxError: a value does not fit into a PBX configuration, or a password file is of no use.
    """
    return pbx_spec(settings, rms=rms, randomness=SystemIds())


def access_of(settings: Settings) -> AriAccess:
    """How the dialer reaches the PBX. Raises as ``spec_of``."""
    spec = spec_of(settings, ())
    url = settings.pbx.ari_url if settings.pbx.mode == "external" else spec.ari.url
    assert url is not None  # the settings insist on it
    return AriAccess(
        url=url, user=spec.ari.user, password=spec.ari.password, app=spec.app, node=settings.pbx.node
    )


def known_rms(settings: Settings) -> list[str]:
    """The names of the active RMs in the database, which may be in use; none where there is no database yet."""
    if not settings.database_path.exists():
        return []
    engine = create_engine(f"sqlite:///file:{settings.database_path}?mode=ro&uri=true")
    try:
        with engine.connect() as conn:
            return [rm.name for rm in everybody(conn)]
    except OperationalError:
        # An earlier version's database, or one that was never finished: `serve` brings it up to date.
        return []
    finally:
        engine.dispose()


async def start_embedded(settings: Settings, rms: Iterable[str]) -> AsteriskProcess:
    """Start the embedded PBX, or have a running one take changed phones, trunks and numbers over: calls stay.

    Raises:
        PbxError: it cannot be rendered or started.
    """
    spec = spec_of(settings, rms)
    make_sounds(spec.sounds, prompts(settings.company))
    return await start_pbx(spec, find_program(Path(sys.prefix)))
