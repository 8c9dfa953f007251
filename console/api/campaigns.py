# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns: making them, starting, pausing and stopping them, filling their lists."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import datetime
from typing import Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Connection

from console import queries
from console.api.models import Done, Started
from console.ask import Ask
from console.errors import WrongInput
from console.jobs import BUILD_LISTS
from console.routes import Asked, Routes, Told
from dialer.campaigns import Campaign, CampaignPolicy, create_campaign, find_campaign, list_campaigns
from foundation import jobs
from profiler.lists import counts
from vocabulary import commands as c
from vocabulary.states import CampaignState, EntryState, PacingMode

routes = Routes("campaigns")


def _policy_model() -> type[BaseModel]:
    """The policy as it is sent to us: the same fields, and no others."""
    hints = get_type_hints(CampaignPolicy)
    shape: dict[str, Any] = {
        field.name: (
            hints[field.name],
            Field(default=field.default)
            if field.default is not MISSING
            else Field(default_factory=field.default_factory),  # type: ignore[arg-type]
        )
        for field in fields(CampaignPolicy)
    }
    return create_model(
        "Policy",
        __config__=ConfigDict(extra="forbid", frozen=True),
        __doc__="What a campaign decides for itself; what is null is left to the settings.",
        **shape,
    )


Policy: Final = _policy_model()


class CampaignAsked(Asked):
    """A new campaign. It begins as a draft and dials nobody until it is started."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{1,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    mode: PacingMode
    caller_id: str = Field(description="One of our own numbers, as in the settings.")
    policy: Policy = Field(default_factory=Policy)  # type: ignore[valid-type]


class CampaignShown(Told):
    """A campaign as it stands."""

    id: int
    name: str
    title: str
    mode: PacingMode
    state: CampaignState
    caller_id: str


class CampaignsShown(Told):
    """All campaigns, oldest first."""

    campaigns: list[CampaignShown]


class CampaignDetail(CampaignShown):
    """A campaign with its policy, its lists and how its calls ended."""

    policy: Policy  # type: ignore[valid-type]
    lists: dict[int, dict[EntryState, int]] = Field(
        description="Customers by RM's number and state of the entry."
    )
    dispositions: dict[str, int]


class ListsAsked(Asked):
    """Which customers to put into lists; those already open in a list stay where they are."""

    segment: str | None = Field(default=None, description="Only customers of this segment.")
    import_id: int | None = Field(default=None, description="Only customers of this import.")


@routes.get("/campaigns", reply=CampaignsShown)
async def campaigns(ask: Ask) -> CampaignsShown:
    """All campaigns."""
    found = await ask.read(list_campaigns)
    return CampaignsShown(campaigns=[CampaignShown(**_shown(one)) for one in found])


@routes.post("/campaigns", body=CampaignAsked, reply=CampaignShown, status=201)
async def create(ask: Ask, body: CampaignAsked) -> CampaignShown:
    """Make a campaign, in draft."""
    settings = ask.parts.settings
    if body.caller_id not in settings.pbx.caller_ids:
        raise WrongInput(
            f"{body.caller_id} is not one of our own numbers ([pbx] caller_ids in the settings), "
            "so a customer could not call it back. No campaign was made.",
            reason="bad_caller_id",
        )
    policy = CampaignPolicy(**{name: getattr(body.policy, name) for name in Policy.model_fields})
    made = await ask.write(_create, ask, body, policy, ask.parts.clock.now())
    return CampaignShown(**_shown(made))


@routes.get("/campaigns/{campaign}", reply=CampaignDetail)
async def show(ask: Ask) -> CampaignDetail:
    """One campaign, by number or name."""
    found = await ask.read(find_campaign, which(ask.path("campaign")))
    return CampaignDetail(
        **_shown(found),
        policy=Policy(**{field.name: getattr(found.policy, field.name) for field in fields(found.policy)}),
        lists={rm: dict(states) for rm, states in (await ask.read(counts, found.id)).items()},
        dispositions=dict(await ask.read(queries.dispositions, found.id)),
    )


@routes.post("/campaigns/{campaign}/start", reply=Done)
async def start(ask: Ask) -> Done:
    """Begin or resume dialing."""
    found = await ask.read(find_campaign, which(ask.path("campaign")))
    return Done.of(await ask.send(c.StartCampaign(campaign_id=found.id)))


@routes.post("/campaigns/{campaign}/pause", reply=Done)
async def pause(ask: Ask) -> Done:
    """No new calls; calls in progress go on."""
    found = await ask.read(find_campaign, which(ask.path("campaign")))
    return Done.of(await ask.send(c.PauseCampaign(campaign_id=found.id)))


@routes.post("/campaigns/{campaign}/stop", reply=Done)
async def stop(ask: Ask) -> Done:
    """End it for good."""
    found = await ask.read(find_campaign, which(ask.path("campaign")))
    return Done.of(await ask.send(c.StopCampaign(campaign_id=found.id)))


@routes.post("/campaigns/{campaign}/lists", body=ListsAsked, reply=Started, status=202)
async def build_lists(ask: Ask, body: ListsAsked) -> Started:
    """Match customers to RMs and put them into the RMs' lists, as a job."""
    found = await ask.read(find_campaign, which(ask.path("campaign")))
    job_id = await ask.write(_enqueue_build, ask, found, body, ask.parts.clock.now())
    ask.parts.wake_jobs()
    return Started(job=job_id)


def which(text: str) -> int | str:
    """A campaign's number or its name; names begin with a letter."""
    return int(text) if text.isdecimal() else text


def _create(
    conn: Connection, ask: Ask, body: CampaignAsked, policy: CampaignPolicy, now: datetime
) -> Campaign:
    made = create_campaign(
        conn,
        name=body.name,
        title=body.title,
        mode=body.mode,
        caller_id=body.caller_id,
        policy=policy,
        now=now,
    )
    ask.record(conn, "campaign.create", f"campaign:{made.name}", detail={"mode": made.mode})
    return made


def _enqueue_build(conn: Connection, ask: Ask, campaign: Campaign, body: ListsAsked, now: datetime) -> int:
    ask.record(conn, "campaign.lists", f"campaign:{campaign.name}", detail=body.model_dump())
    payload = {"campaign_id": campaign.id, **body.model_dump()}
    return jobs.enqueue(conn, BUILD_LISTS, payload, now)


def _shown(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "title": campaign.title,
        "mode": campaign.mode,
        "state": campaign.state,
        "caller_id": campaign.caller_id,
    }
