# SPDX-License-Identifier: GPL-3.0-or-later
"""Events and commands keep their meaning on the wire: stable kinds, and nothing lost between writing and reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import UnknownEvent
from foundation.outbox import decode
from vocabulary.commands import COMMAND_TYPES, Command, RmCommand
from vocabulary.dispositions import Disposition
from vocabulary.events import EVENT_TYPES, CallEvent, Event
from vocabulary.outcomes import OUTCOME_RULES, Outcome

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
SECONDS = st.floats(min_value=0, max_value=86_400)


def _kinds_below(base: Any) -> set[str]:
    return {kind for sub in base.__subclasses__() for kind in {sub.kind, *_kinds_below(sub)}}


def _facts(event_type: type[Event]) -> dict[str, Any]:
    """What an event may say, field by field, where its type alone says too much."""
    ways = {datetime: st.datetimes(timezones=st.just(UTC)), float: SECONDS, str: TEXTS}
    return {name: ways[hint] for name, hint in get_type_hints(event_type).items() if hint in ways}


@settings(max_examples=20)
@given(st.data())
@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda event_type: event_type.kind)
def test_an_event_is_read_as_it_was_written(event_type: type[Event], data: st.DataObject) -> None:
    """Whatever an event says comes out of the outbox unchanged, times in UTC and enums as enums."""
    event = data.draw(st.builds(event_type, **_facts(event_type)))
    body = msgspec.json.encode(event).decode()
    assert decode(event.kind, body) == event


def test_every_event_and_command_is_registered_once() -> None:
    """Kinds are unique, and no type was forgotten in its register."""
    assert _kinds_below(Event) - {CallEvent.kind} == set(EVENT_TYPES)
    assert _kinds_below(Command) - {RmCommand.kind} == set(COMMAND_TYPES)
    assert all(kind == event_type.kind for kind, event_type in EVENT_TYPES.items())
    assert all(kind == command_type.kind for kind, command_type in COMMAND_TYPES.items())


def test_an_event_of_another_version_is_named_and_kept() -> None:
    """An unknown kind or content is an error of its own, not a crash."""
    with pytest.raises(UnknownEvent, match=r"call\.vanished"):
        decode("call.vanished", "{}")
    with pytest.raises(UnknownEvent, match="does not fit"):
        decode("call.ended", "{}")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_rule_that_makes_sense(outcome: Outcome) -> None:
    """Who is never to be called again leaves the list; who is tried again does not; a correction is another fact."""
    rule = OUTCOME_RULES[outcome]
    assert rule.sentence
    assert rule.closes_entry or not rule.suppresses
    assert not (rule.closes_entry and (rule.retry_after_s or rule.needs_callback_time))
    assert rule.corrects_to is not Disposition.ANSWERED
