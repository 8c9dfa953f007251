# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Asterisk to run: the facts that the set-up left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from asterisk.errors import ProgramMissing

FACTS = "share/offhook/pbx.json"  #: below the Python environment; written by the set-up
OPUS_MODULES = ("codec_opus", "codec_opus_open_source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An Asterisk on this machine: a root of our own, or the host's."""

    path: Path
    version: str  #: as ``asterisk -V`` has it, without the word: ``22.10.1``
    modules: Path
    data: Path
    sbin: Path  #: where ``astcanary`` is: without it Asterisk gives up real-time priority after some minutes
    opus: str | None  #: the module that codes Opus, if there is one


def find_program(prefix: Path) -> Program:
    """The Asterisk that the set-up prepared for the Python environment ``prefix`` (``sys.prefix``).

    Raises:
        ProgramMissing: the set-up was not run, or what it made is gone.
    """
    facts = prefix / FACTS
    try:
        said = json.loads(facts.read_text(encoding="utf-8"))
        modules = Path(said["modules_dir"])
        opus = next((name for name in OPUS_MODULES if (modules / f"{name}.so").exists()), None)
        program = Program(
            path=Path(said["program"]),
            version=said["version"],
            modules=modules,
            data=Path(said["data_dir"]),
            sbin=Path(said["sbin_dir"]),
            opus=opus,
        )
    except FileNotFoundError:
        raise ProgramMissing(f"No Asterisk is set up here ({facts} is missing): run ./run setup.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ProgramMissing(f"{facts} cannot be read ({error!r}): run ./run setup again.") from error
    for path in (program.path, program.modules, program.data):
        if not path.exists():
            raise ProgramMissing(f"{path} is gone: run ./run setup again.")
    return program
