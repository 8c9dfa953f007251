# SPDX-License-Identifier: GPL-3.0-or-later
"""RMs' records."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from foundation.db.inline import Inline
from profiler import rms
from profiler.errors import BadRm, RmExists, UnknownRm
from profiler.rms import RmStanding
from profiler.testing import add_rm


async def test_an_rm_is_found_by_id_name_and_account(inline_db: Inline) -> None:
    """What was added is found again, with abilities in small letters and the house's endpoint."""
    anna = await inline_db.write(
        rms.add, "anna", "Anna Lund", languages=["EN", "pt "], skills=["Mortgage"], account_id=4
    )
    assert anna.endpoint == "PJSIP/rm-anna"
    assert anna.languages == {"en", "pt"}
    assert anna.skills == {"mortgage"}
    assert await inline_db.read(rms.find, anna.rm_id) == anna
    assert await inline_db.read(rms.by_name, "anna") == anna
    assert await inline_db.read(rms.by_account, 4) == anna
    assert await inline_db.read(rms.find, anna.rm_id + 1) is None


@pytest.mark.parametrize("name", ["", "a", "Anna", "1anna", "anna-b", "a" * 21, "ann\n"])
async def test_a_name_that_cannot_stand_in_a_channel_id_is_refused(inline_db: Inline, name: str) -> None:
    """An RM's name is part of SIP users and channel ids."""
    with pytest.raises(BadRm, match="cannot be an RM's name"):
        await inline_db.write(rms.add, name, "Somebody")
    assert await inline_db.read(rms.everybody, None) == []


async def test_a_name_is_used_once_even_after_its_rm_left(inline_db: Inline) -> None:
    """The calls of the past stay somebody's."""
    anna = await inline_db.write(add_rm, "anna")
    await inline_db.write(rms.set_standing, anna.rm_id, RmStanding.LEFT)
    with pytest.raises(RmExists, match="already an RM named anna"):
        await inline_db.write(add_rm, "anna")


async def test_everybody_lists_those_who_work_here_by_name(inline_db: Inline) -> None:
    """Who left is listed only when asked for."""

    def fill(conn: Connection) -> None:
        for name in ("carla", "anna", "ben"):
            add_rm(conn, name)
        ben = rms.by_name(conn, "ben")
        assert ben is not None
        rms.set_standing(conn, ben.rm_id, RmStanding.LEFT)

    await inline_db.write(fill)
    assert [rm.name for rm in await inline_db.read(rms.everybody)] == ["anna", "carla"]
    assert [rm.name for rm in await inline_db.read(rms.everybody, RmStanding.LEFT)] == ["ben"]
    assert [rm.name for rm in await inline_db.read(rms.everybody, None)] == ["anna", "ben", "carla"]


async def test_abilities_and_phone_change_one_by_one(inline_db: Inline) -> None:
    """What is not given stays."""
    anna = await inline_db.write(add_rm, "anna", ["en"], ["loans"], ["series7"])
    changed = await inline_db.write(rms.update_abilities, anna.rm_id, skills=["cards"], max_open_entries=5)
    assert (changed.languages, changed.skills, changed.licences) == ({"en"}, {"cards"}, {"series7"})
    assert changed.max_open_entries == 5
    moved = await inline_db.write(rms.set_endpoint, anna.rm_id, "PJSIP/desk-12", sends_audio=False)
    assert (moved.endpoint, moved.sends_audio) == ("PJSIP/desk-12", False)
    assert (await inline_db.write(rms.set_account, anna.rm_id, 9)).account_id == 9


async def test_changes_that_make_no_sense_are_refused(inline_db: Inline) -> None:
    """An unknown RM, an empty endpoint and a list of nobody."""
    with pytest.raises(UnknownRm, match="no RM with the id 99"):
        await inline_db.write(rms.update_abilities, 99, skills=["cards"])
    anna = await inline_db.write(add_rm)
    with pytest.raises(BadRm, match="cannot be empty"):
        await inline_db.write(rms.set_endpoint, anna.rm_id, " ")
    with pytest.raises(BadRm, match="at least one"):
        await inline_db.write(rms.update_abilities, anna.rm_id, max_open_entries=0)
    assert await inline_db.read(rms.find, anna.rm_id) == anna
