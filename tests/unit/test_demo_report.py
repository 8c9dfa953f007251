# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a demonstration: its figures from rows, its stable keys, its page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from asterisk.carrier.mix import Behaviour, Mix
from dialer.calls import insert_call
from dialer.tables import call, rm_move
from foundation.db.inline import Inline
from foundation.testing import MONDAY_TEN
from offhook.demo.facts import Facts, Outside, broken_promises, read_facts
from offhook.demo.plan import BadPlan, DemoPlan, demo_policy, demo_settings
from offhook.demo.report import page, write_report
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition, EndedBy
from vocabulary.states import CallState, PacingMode, RmState

CLEAN = Outside(orphan_channels=0, carrier_invites=None, lag_p99_ms=1.0, lag_max_ms=2.0)
PLAN = DemoPlan(
    customers=10, rms=2, mode=PacingMode.PROGRESSIVE, seed=1, mix=Mix(chance={Behaviour.ANSWER: 1})
)


def _a_call(conn: Connection, number: int, **values: Any) -> None:
    call_id = CallId(f"{number:08d}")
    start = MONDAY_TEN + timedelta(seconds=values.pop("after_s", 10 * number))
    insert_call(
        conn,
        call_id,
        start,
        campaign_id=1,
        customer_id=number,
        number_id=number,
        number_blind=values.pop("blind", f"n{number}"),
        entry_id=number,
        rm_id=None,
        mode="progressive",
        caller_id="+99900000001",
        zone="Europe/Lisbon",
    )
    conn.execute(
        call.update()
        .where(call.c.call_id == call_id)
        .values(
            **(
                {
                    "state": CallState.NOT_CONNECTED,
                    "dialed_at": start,
                    "ended_at": start + timedelta(seconds=5),
                    "disposition": Disposition.BUSY,
                    "ended_by": EndedBy.NETWORK,
                    "connect_ms": 5000.0,
                    "confirm_to_invite_ms": 10.0 * number,
                }
                | values
            )
        )
    )


def _facts(conn: Connection, outside: Outside = CLEAN, time_scale: float = 1.0) -> Facts:
    return read_facts(
        conn,
        campaign_id=1,
        started_at=MONDAY_TEN,
        ended_at=MONDAY_TEN + timedelta(seconds=100),
        time_scale=time_scale,
        consumers=["profiler"],
        outside=outside,
    )


async def test_the_keys_of_the_report_are_kept_stable(inline_db: Inline) -> None:
    """Other programs read them."""
    facts = await inline_db.read(_facts)
    assert set(facts.json) >= {
        "customers", "calls", "dispositions", "outcomes", "promise", "overhead_ms", "abandonment", "talk_share",
        "occupancy", "orphan_channels", "undelivered_events", "duplicate_dials", "loop_lag_ms",
    }  # fmt: skip
    assert set(facts.json["promise"]) == {
        "answered_within_30s", "definite_within_30s", "cut_while_ringing", "failed_fast",
    }  # fmt: skip
    assert set(facts.json["overhead_ms"]["answer_to_bridge"]) == {"p50", "p95", "p99", "max"}
    assert set(facts.json["abandonment"]) >= {"live_answers", "abandoned", "rate"}
    assert set(facts.json["loop_lag_ms"]) == {"p99", "max"}


async def test_a_demonstration_that_called_nobody_kept_no_promise(inline_db: Inline) -> None:
    """An empty report must not look like a success."""
    assert broken_promises(await inline_db.read(_facts)) == ["nobody was called"]


async def test_percentiles_are_nearest_rank(inline_db: Inline) -> None:
    """Of 10, 20, ..., 100 ms the median is 50 and the 99th percentile is 100."""
    for number in range(1, 11):
        await inline_db.write(_a_call, number)
    facts = await inline_db.read(_facts)
    assert facts.json["overhead_ms"]["confirm_to_invite"] == {"p50": 50.0, "p99": 100.0}


@pytest.mark.parametrize(
    ("rang_s", "ended_by", "scale", "cut"),
    [
        (14.0, EndedBy.RING_TIMER, 1.0, 1),
        (15.0, EndedBy.RING_TIMER, 1.0, 0),
        (14.0, EndedBy.NETWORK, 1.0, 0),
        (14.0, EndedBy.RM, 1.0, 0),
        (3.1, EndedBy.RING_TIMER, 0.2, 0),
        (2.9, EndedBy.RING_TIMER, 0.2, 1),
    ],
)
async def test_a_call_we_cut_while_ringing_too_soon_is_counted(
    inline_db: Inline, rang_s: float, ended_by: EndedBy, scale: float, cut: int
) -> None:
    """Only our own timers and the campaign can cut; the limit scales with the timers."""
    ringing = MONDAY_TEN + timedelta(seconds=11)
    ended = ringing + timedelta(seconds=rang_s)
    await inline_db.write(_a_call, 1, ringing_at=ringing, ended_at=ended, ended_by=ended_by)
    facts = await inline_db.read(_facts, CLEAN, scale)
    assert facts.json["promise"]["cut_while_ringing"] == cut


async def test_two_dials_to_one_phone_at_a_time_are_duplicates(inline_db: Inline) -> None:
    """Two customers who share a phone included; one after the other is fine."""
    await inline_db.write(_a_call, 1, after_s=0, blind="same")
    await inline_db.write(_a_call, 2, after_s=4, blind="same")
    await inline_db.write(_a_call, 3, after_s=30, blind="same")
    facts = await inline_db.read(_facts)
    assert facts.json["duplicate_dials"] == 1


async def test_an_invite_without_a_call_row_is_a_duplicate(inline_db: Inline) -> None:
    """The carrier is the witness: it saw one more call than was decided on."""
    await inline_db.write(_a_call, 1)
    seen = replace(CLEAN, carrier_invites=Counter({"9991": 2}))
    facts = await inline_db.read(_facts, seen)
    assert facts.json["duplicate_dials"] == 1
    assert "1 dials were made that nobody decided on" in broken_promises(facts)


async def test_occupancy_is_talk_and_wrap_up_of_the_staffed_time(inline_db: Inline) -> None:
    """A break is not staffed time."""

    def day(conn: Connection) -> None:
        for after_s, state in (
            (0, RmState.READY),
            (20, RmState.TALKING),
            (50, RmState.WRAP_UP),
            (60, RmState.BREAK),
        ):
            conn.execute(
                insert(rm_move).values(
                    shift_id=1, rm_id=1, at=MONDAY_TEN + timedelta(seconds=after_s), state=state, reason=""
                )
            )

    await inline_db.write(day)
    facts = await inline_db.read(_facts)
    assert facts.json["occupancy"] == pytest.approx(40 / 60)
    assert facts.json["talk_share"] == pytest.approx(30 / 60)


async def test_the_page_stands_alone(inline_db: Inline, tmp_path: Path) -> None:
    """No script, no file beside it, nothing fetched; four plots; the JSON is the same figures."""
    await inline_db.write(_a_call, 1)
    facts = await inline_db.read(_facts)
    json_path, page_path = write_report(facts, tmp_path / "sub" / "report")
    html = page_path.read_text()
    assert html.count("<svg") == 4
    for fetching in ("<script", "<link", "src=", "@import", "url(http"):
        assert fetching not in html
    assert json.loads(json_path.read_text()) == facts.json


async def test_the_page_escapes_what_it_shows(inline_db: Inline) -> None:
    """Whatever stands in a row stays text."""
    await inline_db.write(_a_call, 1, disposition="<b>bold</b>")
    assert "<b>bold</b>" not in page(await inline_db.read(_facts)).replace("&lt;b&gt;", "")


@pytest.mark.parametrize(
    "trunk", ["127.0.0.1:5060", "sip:127.0.0.1", "tel:+99900000001", "sip:", "sip:127.0.0.1:notaport"]
)
def test_a_trunk_that_is_none_is_refused(trunk: str) -> None:
    """With a sentence that shows how to write one."""
    with pytest.raises(BadPlan, match=r"sip:127\.0\.0\.1:5080"):
        replace(PLAN, trunk=trunk)


@pytest.mark.parametrize("host", ["192.0.2.7", "carrier.example.com"])
def test_a_trunk_on_another_machine_is_refused_before_anything_starts(host: str) -> None:
    """Invented customers have numbers that belong to nobody here, and perhaps to somebody there."""
    with pytest.raises(BadPlan, match="another machine"):
        replace(PLAN, trunk=f"sip:{host}:5060")


def test_a_trunk_elsewhere_is_refused_by_the_sample_profile(tmp_path: Path) -> None:
    """A demonstration cannot call the world."""
    with pytest.raises(ValueError, match="sample profile"):
        demo_settings(PLAN, tmp_path, "192.0.2.7", 5060)


def test_every_customer_of_a_demonstration_comes_to_an_end() -> None:
    """No disposition waits for another day."""
    waits = demo_policy().retry_s
    assert all(wait is None or wait <= 60 for wait in waits.values())
    assert set(waits) == set(Disposition) - {Disposition.ANSWERED}


@pytest.mark.parametrize("wrong", [{"rms": 0}, {"rms": 21}, {"customers": 0}])
def test_a_plan_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    """Before anything is started."""
    with pytest.raises(BadPlan):
        replace(PLAN, **wrong)  # type: ignore[arg-type]
