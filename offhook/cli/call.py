# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook call``: one real call to a number, for an RM, with its states as they come."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from offhook.cli.options import load_settings, settings_option
from offhook.cli.output import EXIT_FAILED
from vocabulary.outcomes import OUTCOME_RULES, Outcome

if TYPE_CHECKING:
    from config.settings import Settings
    from console.client import OperatorClient

CAMPAIGN: Final = "by-hand"
"""The manual campaign that calls by hand belong to; made when it is first needed."""
READY_WITHIN_S: Final = 30.0
_TALK_OVER: Final = ("ended", "wrapped_up", "not_connected")


@click.command()
@click.argument("number")
@click.option("--rm", "rm_name", required=True, help="Who talks; the phone must be registered.")
@click.option("--caller-id", help="One of our own numbers; left out: the first of the settings.")
@click.option("--zone", help="The called person's time zone, like Europe/Lisbon, where the number is new.")
@click.option(
    "--outcome",
    type=click.Choice([str(one) for one in Outcome if not OUTCOME_RULES[one].needs_callback_time]),
    help="How the talk went; left out: the RM says so on the own screen.",
)
@settings_option
def call(
    number: str,
    rm_name: str,
    caller_id: str | None,
    zone: str | None,
    outcome: str | None,
    settings_path: Path | None,
) -> None:
    """Call NUMBER for an RM; all checks apply. Exit code 0: they talked; 1: not connected. Ctrl-C hangs up."""
    settings = load_settings(settings_path)
    caller_id = _caller_id(settings, caller_id)
    talked = asyncio.run(_ByHand(settings, rm_name).call(number, caller_id, zone, outcome))
    if not talked:
        raise click.exceptions.Exit(EXIT_FAILED)


def _caller_id(settings: Settings, wanted: str | None) -> str:
    own = settings.pbx.caller_ids
    if not own:
        raise click.UsageError("There is no number to call from: set [pbx] caller_ids in the settings.")
    if wanted is not None and wanted not in own:
        raise click.UsageError(f"{wanted} is not one of our own numbers: {', '.join(own)}.")
    return wanted or own[0]


class _ByHand:
    """One call by hand, from the RM's shift to its one disposition."""

    def __init__(self, settings: Settings, rm_name: str) -> None:
        from console.client import OperatorClient
        from console.parts import operator_socket

        self._client: OperatorClient = OperatorClient(operator_socket(settings))
        self._desk = f"/api/v1/rms/{rm_name}"
        self._rm = rm_name
        self._call_id: str | None = None
        self._told = ""

    async def call(self, number: str, caller_id: str, zone: str | None, outcome: str | None) -> bool:
        """Whether they talked."""
        campaign = await self._campaign(caller_id)
        began_shift = await self._at_work(campaign["id"], campaign["name"])
        try:
            reply = await self._client.ask(
                "POST", f"{self._desk}/call", body={"number": number, "zone": zone}
            )
            self._call_id = str(reply["call_id"])
            click.echo(f"call ID {self._call_id}")
            talked = await self._follow()
            if talked and outcome is not None:
                await self._client.ask(
                    "POST", f"/api/v1/calls/{self._call_id}/outcome", body={"outcome": outcome}
                )
        except asyncio.CancelledError:
            await self._end()
            raise
        finally:
            if began_shift:
                await self._client.ask("DELETE", f"{self._desk}/shift")
        return talked

    async def _campaign(self, caller_id: str) -> dict[str, Any]:
        """The manual campaign for this caller ID, running."""
        known = (await self._client.ask("GET", "/api/v1/campaigns"))["campaigns"]
        ours = [one for one in known if one["name"].startswith(CAMPAIGN) and one["caller_id"] == caller_id]
        if ours:
            found: dict[str, Any] = ours[0]
        else:
            taken = any(one["name"] == CAMPAIGN for one in known)
            name = f"{CAMPAIGN}-{caller_id.lstrip('+')}" if taken else CAMPAIGN
            body = {"name": name, "title": "Calls by hand", "mode": "manual", "caller_id": caller_id}
            found = await self._client.ask("POST", "/api/v1/campaigns", body=body)
        if found["state"] != "running":
            await self._client.ask("POST", f"/api/v1/campaigns/{found['name']}/start", body={})
        return found

    async def _at_work(self, campaign_id: int, campaign: str) -> bool:
        """The RM is ready in the campaign; True if the shift was begun here."""
        desk = await self._client.ask("GET", self._desk)
        begins = bool(desk["state"] == "offline")
        if begins:
            await self._client.ask("POST", f"{self._desk}/shift", body={"campaign": campaign})
        elif desk["campaign_id"] != campaign_id:
            raise click.ClickException(
                f"{self._rm} is at work in another campaign; nobody was called. End that shift first."
            )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._until_ready()
        except TimeoutError:
            if begins:
                await self._client.ask("DELETE", f"{self._desk}/shift")
            raise click.ClickException(
                f"{self._rm} was not ready within {READY_WITHIN_S:.0f} s; nobody was called. {self._told}"
            ) from None
        return begins

    async def _until_ready(self) -> None:
        desk: dict[str, Any] = {}
        async for update in self._client.watch("rm", rm=self._rm):
            desk |= update["data"]
            self._tell(f"{self._rm}: {desk.get('state', '')} {desk.get('why_not', '')}")
            if desk.get("state") == "ready":
                return

    async def _follow(self) -> bool:
        """Print the call's steps as they come, until the talk is over."""
        printed = 0
        while True:
            story: dict[str, Any] = await self._client.ask("GET", f"/api/v1/calls/{self._call_id}")
            for step in story["steps"][printed:]:
                click.echo(f"{step['state'].replace('_', ' '):<14}{step['detail']}".rstrip())
            printed = len(story["steps"])
            if story["state"] in _TALK_OVER and story["disposition"] is not None:
                break
            await asyncio.sleep(0.2)
        click.echo(f"{story['disposition'].replace('_', ' ')}. {story['reason'] or ''}".rstrip())
        return story["bridged_at"] is not None

    async def _end(self) -> None:
        """Hang up, or cancel what is not answered: the call on the desk, also one we were not told of yet."""
        from console.errors import OperatorError

        call = (await self._client.ask("GET", self._desk))["call"]
        if call is None:
            return
        for act in ("cancel", "hang-up"):
            try:
                await self._client.ask("POST", f"/api/v1/calls/{call['call_id']}/{act}", body={})
            except OperatorError:
                continue  # one of the two fits, as far as the call has come

    def _tell(self, line: str) -> None:
        line = line.strip().replace("_", " ")
        if line != self._told:
            self._told = line
            click.echo(line)
