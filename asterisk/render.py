# SPDX-License-Identifier: GPL-3.0-or-later
"""The PBX's configuration as text, from a ``PbxSpec``: a pure function. ``files.write_files`` writes it."""

from __future__ import annotations

from typing import Final

import phonenumbers

from asterisk import modules
from asterisk.errors import BadSpec
from asterisk.program import Program
from asterisk.spec import Instance, NumberFormat, PbxSpec, TrunkKind, TrunkSpec
from asterisk.templating import Templates

_TEMPLATES: Final = Templates("asterisk")

INSTANCE_FILES: Final = (
    "acl.conf",
    "asterisk.conf",
    "ccss.conf",
    "cdr.conf",
    "cel.conf",
    "features.conf",
    "indications.conf",
    "logger.conf",
    "manager.conf",
    "modules.conf",
    "pjproject.conf",
    "rtp.conf",
    "stasis.conf",
    "udptl.conf",
    "websocket_client.conf",
)
"""What any Asterisk of ours has."""

OWN_FILES: Final = ("ari_offhook.conf", "extensions_offhook.conf", "pjsip_offhook.conf")
"""What an Asterisk of somebody else can include."""

_FILES: Final = (
    "ari.conf",
    "extensions.conf",
    "http.conf",
    "musiconhold.conf",
    "pjsip.conf",
    *OWN_FILES,
)


def render_instance(
    instance: Instance, program: Program, *, loaded: tuple[str, ...], region: str
) -> dict[str, str]:
    """File name to text of what any Asterisk of ours has; ``loaded`` names its modules."""
    opus = (program.opus,) if program.opus else ()
    return _TEMPLATES.render(
        INSTANCE_FILES,
        {"instance": instance, "program": program, "modules": loaded + opus, "region": region},
    )


def render(spec: PbxSpec, program: Program) -> dict[str, str]:
    """File name to text of the whole configuration folder."""
    return render_instance(
        spec.instance, program, loaded=modules.PBX, region=spec.region
    ) | _TEMPLATES.render(_FILES, _values(spec, program))


def render_own(spec: PbxSpec, program: Program) -> dict[str, str]:
    """File name to text of the files that an Asterisk of somebody else includes (``lines_to_include``)."""
    return _TEMPLATES.render(OWN_FILES, _values(spec, program))


def lines_to_include() -> dict[str, str]:
    """The line to add to each file of an Asterisk of somebody else."""
    return {name.replace("_offhook", ""): f"#include {name}" for name in OWN_FILES}


def _values(spec: PbxSpec, program: Program) -> dict[str, object]:
    return {
        "ari": spec.ari,
        "sip": spec.sip,
        "app": spec.app,
        "rms": spec.rms,
        "trunks": spec.trunks,
        "sounds": spec.sounds,
        "region": spec.region,
        "program": program,
        "called_back": called_back(spec),
        "uri": trunk_uri,
        "matches": _matches,
    }


def trunk_uri(trunk: TrunkSpec) -> str:
    """Where a trunk takes SIP."""
    return f"sip:{trunk.host}:{trunk.port};transport={trunk.transport.value}"


def _matches(trunk: TrunkSpec) -> tuple[str, ...]:
    if trunk.kind is TrunkKind.REGISTER:
        return trunk.sends_from
    # Several "machines" share a loopback address, so there the port tells them apart. Elsewhere carriers
    # call from any port.
    loopback = trunk.host.startswith("127.")
    return (f"{trunk.host}:{trunk.port}" if loopback else trunk.host, *trunk.sends_from)


def called_back(spec: PbxSpec) -> list[tuple[str, str]]:
    """Every way in which a trunk may write one of our caller IDs, and the caller ID itself.

    Raises:
        BadSpec: two caller IDs are written alike.
    """
    national = any(trunk.number_format is NumberFormat.NATIONAL for trunk in spec.trunks)
    written: dict[str, str] = {}
    for caller_id in spec.caller_ids:
        ways = {caller_id, caller_id.removeprefix("+")}
        if national and caller_id.startswith("+"):
            ways.add(national_form(caller_id))
        for way in sorted(ways):
            if written.setdefault(way, caller_id) != caller_id:
                raise BadSpec(f"Caller IDs {written[way]} and {caller_id} are both written {way} by a trunk.")
    return list(written.items())


def national_form(e164: str) -> str:
    """``+4930123456`` as people write it at home: ``030123456``.

    Raises:
        BadSpec: not a number of any country.
    """
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException as error:
        raise BadSpec(f"Caller ID {e164} is not a number of any country: {error}.") from error
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(sign for sign in text if sign.isdigit())
