# SPDX-License-Identifier: GPL-3.0-or-later
"""What exists on the PBX: found after a restart of the dialer, taken over, or swept when it is nobody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ari_bridge.fake_pbx import FakeBridge
from ari_bridge.gc import sweep
from ari_bridge.messages import Bridge, Channel, Dialplan
from ari_bridge.survey import Stock, our_legs
from ari_bridge.testing import Answer, Script, answers, refuses
from dialer.telephony import (
    LegAnswered,
    LegEnded,
    LegRinging,
    StrangerHungUp,
    SurveyedState,
    Unknown,
)
from tests.bridge_floor import FAST, make_bridge
from tests.fake_floor import fake_floor
from vocabulary.dispositions import Disposition, EndedBy, decide

# --- survey and adoption ------------------------------------------------------------------------------


async def test_a_new_life_finds_its_legs_and_takes_them_over() -> None:
    """After a restart of the dialer: listed with state and bridge; adopted, they have events again."""
    async with fake_floor(FAST) as floor:
        rm, bridge = await floor.connect()
        talking = await floor.dial(bridge, answers(0.01))
        ringing = await floor.dial(bridge, Script(), number="+12025550111")
        await floor.wait_for(LegAnswered, talking)
        await floor.wait_for(LegRinging, ringing)
        await floor.stop()
        access = floor.pbx.access
        floor.telephony = make_bridge(
            access.url, access.user, access.password, replace(FAST, gc_every_s=60.0)
        )
        floor.events = []
        await floor.start()
        legs = {leg.leg: leg for leg in await floor.telephony.survey()}
        assert {leg: (found.state, found.bridge) for leg, found in legs.items()} == {
            rm: (SurveyedState.UP, bridge),
            talking: (SurveyedState.UP, bridge),
            ringing: (SurveyedState.RINGING, bridge),
        }
        assert list(legs) == sorted(legs, key=lambda leg: leg.id)
        for leg in legs:
            await floor.telephony.adopt(leg, customer=leg != rm, bridge=bridge)
        assert floor.events == []
        floor.pbx.world.channels[rm.id].script = answers(sends_audio=False)
        for leg in (talking, ringing):
            floor.pbx.world.far_hang_up(leg.id)
        assert decide((await floor.ended(talking)).end) is Disposition.ANSWERED
        assert decide((await floor.ended(ringing)).end) is Disposition.NO_ANSWER


async def test_what_changed_between_survey_and_adoption_is_told() -> None:
    """Answered or gone in between: an event, so that nothing is missed."""
    async with fake_floor(FAST) as floor:
        _, bridge = await floor.connect()
        answers_now, goes_now = [
            await floor.dial(bridge, Script(), number=number) for number in ("+12025550111", "+12025550112")
        ]
        await floor.wait_for(LegRinging, goes_now)
        await floor.stop()
        access = floor.pbx.access
        floor.telephony = make_bridge(
            access.url, access.user, access.password, replace(FAST, gc_every_s=60.0)
        )
        floor.events = []
        await floor.start()
        await floor.telephony.survey()
        floor.pbx.world.answer(answers_now.id)
        floor.pbx.world.far_hang_up(goes_now.id)
        for leg in (answers_now, goes_now):
            await floor.telephony.adopt(leg, customer=True, bridge=bridge)
        await floor.wait_for(LegAnswered, answers_now)
        assert (await floor.ended(goes_now)).end.ended_by is EndedBy.EVENTS_LOST


async def test_a_survey_nobody_answers_is_unknown() -> None:
    """It never says that there is nothing when it does not know."""
    async with fake_floor(FAST) as floor:
        floor.pbx.next_answer("GET", "/bridges", Answer.SERVER_ERROR)
        with pytest.raises(Unknown):
            await floor.telephony.survey()


def test_a_leg_that_may_have_been_dialed_counts_as_ringing() -> None:
    """Down in a bridge: its INVITE may be out. Down in none, in our application: made and not dialed."""
    stasis = Dialplan(app_name="Stasis", app_data="offhook,customer,X")
    made = "2026-11-21T10:00:00.000+0000"
    stock = Stock(
        channels={
            "c-pbx1-A-1": Channel("c-pbx1-A-1", state="Down", dialplan=stasis, creationtime=made),
            "c-pbx1-B-1": Channel("c-pbx1-B-1", state="Down", dialplan=stasis, creationtime=made),
            "c-pbx1-C-1": Channel("c-pbx1-C-1", state="Down", creationtime=made),
            "other": Channel("other", state="Up", creationtime=made),
        },
        bridges={
            "b-pbx1-x": Bridge("b-pbx1-x", channels=("c-pbx1-B-1",)),
            "hidden": Bridge("hidden", channels=("c-pbx1-A-1",)),
        },
        life="",
    )
    assert [(leg.leg.id, leg.state) for leg in our_legs(stock, "pbx1", "offhook")] == [
        ("c-pbx1-A-1", SurveyedState.DOWN),
        ("c-pbx1-B-1", SurveyedState.RINGING),
        ("c-pbx1-C-1", SurveyedState.RINGING),
    ]


# --- orphans ------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def test_orphans_are_ours_unknown_and_not_new() -> None:
    """Channels found twice; bridges that are empty, old and nobody's. Asterisk's own bridges stay."""
    old, new = written(NOW - timedelta(seconds=61)), written(NOW - timedelta(seconds=59))
    inbound = Dialplan(app_name="Stasis", app_data="offhook,inbound,+1,t")
    stock = Stock(
        channels={
            id_: Channel(id_, dialplan=plan, creationtime=old)
            for id_, plan in {
                "c-pbx1-KNOWN-1": Dialplan(),
                "c-pbx1-TWICE-1": Dialplan(),
                "c-pbx1-ONCE-1": Dialplan(),
                "1795.1": inbound,
                "1795.2": Dialplan(app_name="Dial"),
            }.items()
        },
        bridges={
            "b-pbx1-old": Bridge("b-pbx1-old", creationtime=old),
            "b-pbx1-new": Bridge("b-pbx1-new", creationtime=new),
            "b-pbx1-known": Bridge("b-pbx1-known", creationtime=old),
            "b-pbx1-full": Bridge("b-pbx1-full", channels=("x",), creationtime=old),
            "hidden-holding": Bridge("hidden-holding", bridge_type="holding", creationtime=old),
        },
        life="",
    )
    found = sweep(
        stock,
        node="pbx1",
        app="offhook",
        leg_known={"c-pbx1-KNOWN-1"}.__contains__,
        bridge_known={"b-pbx1-known"}.__contains__,
        suspects=frozenset({"c-pbx1-TWICE-1", "1795.1", "1795.2", "c-pbx1-KNOWN-1"}),
        now=NOW,
        bridge_age_s=60.0,
    )
    assert found.channels == ["1795.1", "c-pbx1-TWICE-1"]
    assert found.bridges == ["b-pbx1-old"]
    assert found.suspects == {"c-pbx1-TWICE-1", "c-pbx1-ONCE-1", "1795.1"}


async def test_orphans_are_swept_from_the_pbx() -> None:
    """What an earlier life left and nobody claimed is hung up and deleted; what is registered stays."""
    async with fake_floor(replace(FAST, bridge_age_s=0.0)) as floor:
        rm, bridge = await floor.connect()
        world = floor.pbx.world
        orphan = world.make("PJSIP/+1@trunk-carrier", "c-pbx1-00000000-1", {"appArgs": "customer,x"})
        world.bridges["b-pbx1-left-1-1"] = FakeBridge(id="b-pbx1-left-1-1", created=datetime.now(UTC))
        world.bridges["hidden"] = FakeBridge(id="hidden", created=datetime.now(UTC))
        await floor.until(lambda: orphan.gone and "b-pbx1-left-1-1" not in world.bridges, "swept")
        assert sorted(world.bridges) == sorted([bridge.id, "hidden"])
        assert not floor.all_of(LegEnded, rm)


async def test_a_leg_of_an_earlier_life_is_not_taken_for_a_stranger() -> None:
    """It answers after our restart: left alone for adoption, no alarm."""
    async with fake_floor(replace(FAST, gc_every_s=60.0)) as floor:
        channel = floor.pbx.world.make(
            "PJSIP/+1@trunk-carrier", "c-pbx1-00000000-1", {"context": "offhook-failsafe"}
        )
        channel.script = answers(0.0)
        floor.pbx.world.dial(channel, 30)
        await floor.until(lambda: channel.in_application, "in the application")
        await floor.dial(None, refuses(486))
        await floor.until(lambda: floor.all_of(LegEnded), "a later event")
        assert not floor.all_of(StrangerHungUp)
        assert not channel.gone
