# SPDX-License-Identifier: GPL-3.0-or-later
"""From the settings file to what the PBX shall be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asterisk.errors import BadSpec
from asterisk.secrets_file import load_or_make
from asterisk.spec import (
    Ari,
    CallerIdHeader,
    Instance,
    NumberFormat,
    PbxSpec,
    RmEndpoint,
    RtpRange,
    Sip,
    TrunkKind,
    TrunkSpec,
    TrunkTransport,
)
from config.settings import Settings, TrunkSettings
from vocabulary.call_id import Randomness

SECRETS = "pbx-secrets.json"
"""In the state folder: the passwords of ARI (``ari``) and of the RMs' phones (``rm-<name>``)."""


def pbx_spec(settings: Settings, *, rms: Iterable[str], randomness: Randomness) -> PbxSpec:
    """What the PBX shall be, with the phones of these RMs; passwords that are missing are made and kept.

    For an external PBX this holds as well: of it only ``render.render_own`` is of use.

    Raises:
        BadSpec: a value that the settings allow and a PBX configuration does not, or a password file that
            cannot be read.
        PbxError: the file of passwords is of no use.
    """
    state, pbx = settings.state_dir.absolute(), settings.pbx
    names = tuple(rms)
    passwords = load_or_make(state / SECRETS, ["ari", *(f"rm-{name}" for name in names)], randomness)
    return PbxSpec(
        node=pbx.node,
        app=pbx.app,
        instance=Instance(
            folder=state / "pbx",
            rtp=RtpRange(first=pbx.rtp_start, last=pbx.rtp_end),
            high_priority=pbx.high_priority,
        ),
        sounds=state / "sounds" / "pbx",
        ari=Ari(
            port=pbx.ari_port,
            user=pbx.ari_user,
            password=_read_password(pbx.ari_password_file) if pbx.ari_password_file else passwords["ari"],
        ),
        sip=Sip(host=pbx.sip_host, port=pbx.sip_port),
        rms=tuple(RmEndpoint(name=name, password=passwords[f"rm-{name}"]) for name in names),
        trunks=tuple(_trunk(trunk) for trunk in settings.trunks),
        caller_ids=tuple(pbx.caller_ids),
    )


def _trunk(trunk: TrunkSettings) -> TrunkSpec:
    return TrunkSpec(
        name=trunk.name,
        kind=TrunkKind(trunk.kind),
        host=trunk.host,
        port=trunk.port,
        transport=TrunkTransport(trunk.transport),
        sends_from=tuple(trunk.sends_from),
        user=trunk.user,
        password=_read_password(trunk.password_file) if trunk.password_file else None,
        number_format=NumberFormat(trunk.number_format),
        prefix=trunk.prefix,
        caller_id_header=CallerIdHeader(trunk.caller_id_header),
        call_cap=trunk.call_cap,
        codecs=tuple(trunk.codecs),
        qualify_s=trunk.qualify_s,
    )


def _read_password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise BadSpec(f"The password file {path} cannot be read: {error}.") from error
