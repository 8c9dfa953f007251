# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the PBX room. Each says what happened, what was lost (nothing) and what to do.

::

    PbxError
    ├── BadSpec             a value cannot go into a PBX configuration
    ├── NotOurs             a file that we did not write stands where ours should go
    ├── ProgramMissing      there is no Asterisk to run
    ├── PortTaken           another program holds a port
    ├── DidNotStart         Asterisk ended, or was not ready in time
    └── CommandFailed       a console command had no answer
"""

from __future__ import annotations


class PbxError(Exception):
    """Something about the PBX or its configuration went wrong."""


class BadSpec(PbxError):
    """A value cannot go into a PBX configuration; nothing was written."""


class NotOurs(PbxError):
    """A file that we did not write stands where ours should go; nothing was written."""


class ProgramMissing(PbxError):
    """There is no Asterisk to run."""


class PortTaken(PbxError):
    """Another program holds a port; Asterisk was not started."""


class DidNotStart(PbxError):
    """Asterisk ended, or was not ready in time; what was started has been ended."""


class CommandFailed(PbxError):
    """A console command had no answer; it may have been carried out."""
