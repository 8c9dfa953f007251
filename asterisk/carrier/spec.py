# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated carrier shall be, and its configuration as text (a pure function)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asterisk import modules
from asterisk.carrier.mix import CHANCES, COSTLY_NUMBER, HASH_DIGITS, Behaviour, Mix
from asterisk.program import Program
from asterisk.render import render_instance
from asterisk.spec import Instance, Sip
from asterisk.templating import Templates

_TEMPLATES: Final = Templates("asterisk.carrier")
_FILES: Final = ("pjsip.conf", "extensions.conf", "musiconhold.conf")

MODULES: Final = (
    *modules.STORE,
    *modules.SIP,
    *modules.MEDIA,
    "pbx_config",
    "app_dial",
    "app_echo",
    "app_exec",
    "app_playback",
    "app_playtones",
    "app_record",
    "app_senddtmf",
    "app_stack",
    "app_transfer",
    "func_callerid",
    "func_channel",
    "func_cut",
    "func_db",
    "func_env",
    "func_logic",
    "func_math",
    "func_md5",
    "func_strings",
    "func_timeout",
    "res_clioriginate",
)

# What a refusing behaviour hangs up with (Q.850); chan_pjsip turns these into the codes of ``Behaviour``. It has
# no cause for 603, and sends 603 for a cause that it does not know how to say (16).
REFUSALS: Final = {
    Behaviour.BUSY: 17,
    Behaviour.WRONG_NUMBER: 1,
    Behaviour.FORBIDDEN: 21,
    Behaviour.CONGESTED: 34,
}
RINGING_REFUSALS: Final = {Behaviour.DECLINED: 16, Behaviour.UNAVAILABLE: 19}

PHRASES: Final = {
    "hello": "Hello?",
    "phrase-0": "Yes, who is speaking please?",
    "phrase-1": "I see. Please tell me more about it.",
    "phrase-2": "That sounds good to me. What would it cost?",
    "phrase-3": "I am not sure. Let me think about it for a moment.",
    "voicemail": "Hello. I cannot take your call at the moment. Please leave a message after the tone.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user that may register at the carrier."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierSpec:
    """The simulated carrier. It takes calls from any program on this machine, and from nowhere else."""

    instance: Instance
    sounds: Path  #: folder of ``sounds.make_sounds`` with ``PHRASES``
    sip_port: int
    pbx_sip_port: int  #: where it calls us back
    mix: Mix
    accounts: tuple[Account, ...] = ()

    @property
    def sip(self) -> Sip:
        return Sip(host="127.0.0.1", port=self.sip_port)

    @property
    def calls_file(self) -> Path:
        """What ``carrier_log.read_events`` reads."""
        return self.instance.log / "calls.csv"

    def recording(self, number: str, attempt: int = 1) -> Path:
        """What a number that behaves as ``record`` heard; ``number`` as dialed."""
        digits = "".join(sign for sign in number if sign.isdigit())
        return self.instance.spool / "recording" / f"{digits}-{attempt}.wav"


def render_carrier(spec: CarrierSpec, program: Program) -> dict[str, str]:
    """File name to text of the carrier's whole configuration folder."""
    return render_instance(spec.instance, program, loaded=MODULES, region="us") | _TEMPLATES.render(
        _FILES,
        {
            "spec": spec,
            "mix": spec.mix,
            "times": spec.mix.times,
            "chances": CHANCES,
            "digits": HASH_DIGITS,
            "costly_number": COSTLY_NUMBER,
            "refusals": {behaviour.value: cause for behaviour, cause in REFUSALS.items()},
            "ringing_refusals": {behaviour.value: cause for behaviour, cause in RINGING_REFUSALS.items()},
            "phrases": sum(name.startswith("phrase-") for name in PHRASES),
        },
    )
