# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated customer calls one of our numbers."""

from __future__ import annotations

import re

from asterisk.errors import BadSpec
from asterisk.process import AsteriskProcess

_NUMBER = re.compile(r"\+?[0-9]{3,15}")


async def call_back(carrier: AsteriskProcess, *, customer: str, called: str) -> None:
    """Let ``customer`` call ``called`` and talk for ever; returns when the call is on its way.

    Raises:
        BadSpec: one of them is not a number.
        CommandFailed: the carrier does not run.
    """
    for number in (customer, called):
        if not _NUMBER.fullmatch(number):
            raise BadSpec(f"{number!r} is no number to call or to call from.")
    await carrier.command(f"channel originate Local/{customer}-{called}@call-back extension s@caller")
