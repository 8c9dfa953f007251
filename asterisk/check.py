# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the PBX as it should be? Looks, and changes nothing."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from asterisk import modules
from asterisk.embedded import pbx_listeners, pbx_process
from asterisk.files import is_ours
from asterisk.ports import is_free
from asterisk.program import Program
from asterisk.render import lines_to_include, render
from asterisk.sounds import prompts
from asterisk.spec import PbxSpec

OLDEST: Final = {20: 19, 22: 9, 23: 3}
"""Oldest minor version of each branch that has a per-user ACL for ARI and tells the SIP code of an ended call."""

VERSION_TIMEOUT_S = 10


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  #: calls will fail, or secrets are open
    WARNING = "warning"  #: calls will be slow or late under load


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    severity: Severity
    what: str
    mend: str


def check(spec: PbxSpec, program: Program, *, hosts: Path, host_name: str) -> list[Finding]:
    """Everything wrong with the PBX that Offhook runs itself; ``hosts`` is ``/etc/hosts``."""
    return [
        *check_version(program),
        *_modules(program),
        *check_files(spec.instance.conf, render(spec, program)),
        *_folders(spec),
        *_sounds(spec),
        *_ports(spec, program),
        *check_host_name(hosts, host_name),
        *_priority(spec),
    ]


def check_included(folder: Path, files: Mapping[str, str]) -> list[Finding]:
    """Everything wrong with our files (``render.render_own``) in the folder of somebody else's Asterisk."""
    findings = check_files(folder, files)
    for name, line in lines_to_include().items():
        path = folder / name
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        if line not in (text.strip() for text in lines):
            findings.append(_error(f"{path} does not include our file.", f"Add the line {line} to it."))
    return findings


def check_files(folder: Path, files: Mapping[str, str]) -> list[Finding]:
    """Files that are missing, changed, another's, or open to others."""
    findings = []
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.exists():
            findings.append(_error(f"{path} is missing.", "Run offhook pbx render."))
            continue
        if not is_ours(path):
            findings.append(_error(f"{path} was not made by Offhook.", "Move it away and render again."))
        elif path.read_text(encoding="utf-8") != text:
            findings.append(_error(f"{path} is not what the settings say.", "Run offhook pbx render."))
        if path.stat().st_mode & 0o077:
            findings.append(
                _error(f"{path} can be read by others, and may hold passwords.", f"chmod 600 {path}")
            )
    return findings


def check_version(program: Program) -> list[Finding]:
    """An Asterisk that is too old, or does not even say its version."""
    try:
        done = subprocess.run(
            [program.path, "-V"], capture_output=True, timeout=VERSION_TIMEOUT_S, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [_error(f"{program.path} does not run: {error}.", "Run ./run setup.")]
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    if found and new_enough(int(found[1]), int(found[2])):
        return []
    oldest = ", ".join(f"{major}.{minor}" for major, minor in OLDEST.items())
    return [_error(f"{program.path} is {done.stdout.strip()}.", f"Asterisk must be {oldest} or newer.")]


def new_enough(major: int, minor: int) -> bool:
    """Whether an Asterisk of this version will do."""
    return minor >= OLDEST[major] if major in OLDEST else major > max(OLDEST)


def check_host_name(hosts: Path, host_name: str) -> list[Finding]:
    """Asterisk looks this machine's name up for every call: 20 to 30 s when only a dead DNS could know it."""
    try:
        lines = hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    if any(host_name in line.partition("#")[0].split()[1:] for line in lines):
        return []
    mend = f"Add the line 127.0.1.1 {host_name} to {hosts}."
    return [_warning(f"{hosts} does not have this machine's name, {host_name}: calls may stand still.", mend)]


def _modules(program: Program) -> list[Finding]:
    missing = [name for name in modules.PBX if not (program.modules / f"{name}.so").exists()]
    if not missing:
        return []
    return [_error(f"Asterisk has no {', '.join(missing)}.", "Install the whole package of your Asterisk.")]


def _folders(spec: PbxSpec) -> list[Finding]:
    findings = []
    for folder in spec.instance.every_folder():
        if not folder.is_dir():
            findings.append(_error(f"{folder} is missing.", "Run offhook pbx render."))
        elif folder.stat().st_mode & 0o077:
            findings.append(_error(f"{folder} can be entered by others.", f"chmod 700 {folder}"))
    return findings


def _sounds(spec: PbxSpec) -> list[Finding]:
    wanted = [f"{name}.wav" for name in prompts("")] + ["hold/music.wav"]
    missing = [name for name in wanted if not (spec.sounds / name).exists()]
    if not missing:
        return []
    return [_error(f"{spec.sounds} has no {', '.join(missing)}.", "Run offhook pbx render.")]


def _ports(spec: PbxSpec, program: Program) -> list[Finding]:
    running = pbx_process(spec, program).pid is not None
    findings = []
    for listener in pbx_listeners(spec):
        try:
            free = is_free(listener)
        except OSError as error:
            free = False
            port = f"{listener.host}:{listener.port} ({error.strerror})"
        else:
            port = f"{listener.protocol.upper()} port {listener.port} on {listener.host}"
        if running and free:
            findings.append(
                _error(f"The running PBX does not hold {port} for {listener.what}.", "Restart it.")
            )
        elif not running and not free:
            mend = "End the program that holds it, or choose another in the settings."
            findings.append(_error(f"{port}, for {listener.what}, cannot be had.", mend))
    return findings


def _priority(spec: PbxSpec) -> list[Finding]:
    allowed = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] != 0
    if allowed or not spec.instance.high_priority:
        return []
    return [
        _warning(
            "This user may not have real-time priority: on a busy machine answered customers wait.",
            "Give it with ulimit -r 10 or LimitRTPRIO=10, or set pbx.high_priority = false.",
        )
    ]


def _error(what: str, mend: str) -> Finding:
    return Finding(severity=Severity.ERROR, what=what, mend=mend)


def _warning(what: str, mend: str) -> Finding:
    return Finding(severity=Severity.WARNING, what=what, mend=mend)
