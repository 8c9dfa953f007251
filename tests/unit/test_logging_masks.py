# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs say what happened and to which ids, never to whom."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from config.logging import configure_logging, mask
from config.settings import LoggingSettings


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Other tests keep their logging."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(settings: LoggingSettings | None = None, /, **values: object) -> dict[str, object]:
    """One event as its JSON line."""
    stream = io.StringIO()
    configure_logging(settings or LoggingSettings(format="json"), stream)
    structlog.get_logger("room").info("call_dialed", **values)
    line = json.loads(stream.getvalue())
    assert isinstance(line, dict)
    return line


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+351211234567", "***67"),
        ("+351 21 123-4567", "***67"),
        (351211234567, "***67"),
        ("Anna Meier", "***"),
        ("anna@example.org", "***"),
        ("12", "***"),
        (["+351211234567"], "***"),
        ({"name": "Anna"}, "***"),
    ],
)
def test_personal_values_are_masked(value: object, shown: str) -> None:
    """Two digits of a number remain, of anything else nothing, however deep it is packed."""
    assert mask(value) == shown
    assert logged(pii_value=value)["pii_value"] == shown
    assert logged(deep={"pii_value": value})["deep"] == {"pii_value": shown}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("sip:+351211234567@10.0.0.1", "sip:***67@10.0.0.1"),
        ("PJSIP/00351211234567@trunk-a", "PJSIP/***67@trunk-a"),
        (["+351211234567"], ["***67"]),
        (ValueError("bad number 0351211234567"), "ValueError('bad number ***67')"),
        ("c-pbx1-12345678-1", "c-pbx1-12345678-1"),
        ("01JD3V3X9Q12345678ABCDEFGH", "01JD3V3X9Q12345678ABCDEFGH"),
        (1234567890, 1234567890),
        ("room 123456", "room 123456"),
    ],
)
def test_long_numbers_are_masked_wherever_they_are(value: object, shown: object) -> None:
    """The safety net catches written-out numbers and leaves ids and counts alone."""
    assert logged(anything=value)["anything"] == shown


def test_a_call_id_of_digits_stays_readable() -> None:
    """It is the one thing every reader of a log searches for."""
    assert logged(call_id="12345678")["call_id"] == "12345678"


def test_a_traceback_is_masked_and_has_no_local_variables() -> None:
    """Errors are logged with their trace, without what the variables held."""
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    name_of_customer = "Anna Meier"
    try:
        raise ValueError("cannot dial +351211234567")
    except ValueError:
        structlog.get_logger("room").exception("dial_failed")
    written = stream.getvalue()
    assert "ValueError: cannot dial ***67" in written
    assert name_of_customer not in written
    assert "211234567" not in written


def test_other_libraries_log_through_the_same_mask() -> None:
    """The standard library's logging ends in the same lines."""
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="json"), stream)
    logging.getLogger("aiohttp.server").error("failed for %s", "+351211234567")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("failed for ***67", "error", "aiohttp.server")


def test_ids_bound_to_the_context_are_in_every_line() -> None:
    """``bind_contextvars(call_id=…)`` once, and every event of the call carries it."""
    structlog.contextvars.bind_contextvars(call_id="4F7K2QX9")
    line = logged()
    assert (line["call_id"], line["event"], line["level"], line["logger"]) == (
        "4F7K2QX9",
        "call_dialed",
        "info",
        "room",
    )


def test_personal_data_is_shown_only_when_the_settings_say_so() -> None:
    """For machines without real customers."""
    shown = logged(LoggingSettings(format="json", show_personal_data=True), pii_number="+351211234567")
    assert shown["pii_number"] == "+351211234567"


def test_events_below_the_level_are_not_written() -> None:
    """As settings say."""
    stream = io.StringIO()
    configure_logging(LoggingSettings(level="warning"), stream)
    structlog.get_logger("room").info("quiet")
    structlog.get_logger("room").warning("loud", pii_name="Anna")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert "Anna" not in stream.getvalue()
