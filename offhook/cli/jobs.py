# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a job of the running system, with its progress on the screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from offhook.cli.output import shown

if TYPE_CHECKING:
    from console.client import OperatorClient

LOOK_EVERY_S: Final = 0.3
_OVER: Final = ("done", "failed", "cancelled")


def wait_for_job(client: OperatorClient, job: int) -> dict[str, Any]:
    """The job's last progress, once it is done. A Ctrl-C ends the waiting, not the job.

    Raises:
        click.ClickException: it failed or was cancelled; says why.
    """
    told = ""
    while True:
        found = client.get(f"/api/v1/jobs/{job}")
        progress: dict[str, Any] = found["progress"]
        if found["state"] in _OVER:
            break
        if progress and (line := shown(progress)) != told:
            told = line
            click.echo(line, err=True)
        time.sleep(LOOK_EVERY_S)
    if found["state"] != "done":
        # Jobs keep the kind of their error for developers; people want the sentence.
        sentence = (found["error"] or "").partition(": ")[2] or f"Job {job} was {found['state']}."
        raise click.ClickException(sentence)
    return progress
