# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded messages customers may hear, as media the PBX can play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """Media URIs, such as ``sound:/var/lib/offhook/sounds/call_back``."""

    identification: str  #: who had called, to an answered customer whom no RM can take
    call_back: str  #: who had called and which key ends all calls, to somebody who calls back
    nobody_available: str  #: no RM can take a call-back now
    opted_out: str  #: the opt-out is recorded

    @classmethod
    def in_folder(cls, folder: PurePath) -> Self:
        """The messages as the PBX room makes them (``asterisk.sounds.prompts``)."""
        return cls(
            identification=f"sound:{folder / 'identification'}",
            call_back=f"sound:{folder / 'call_back'}",
            nobody_available=f"sound:{folder / 'nobody_available'}",
            opted_out=f"sound:{folder / 'opted_out'}",
        )
