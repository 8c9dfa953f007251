# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging, set up once: events with bound ids, for people or as JSON, personal data masked.

Personal data stands only in keys that begin with ``pii_``; their values are masked here. Should a number
slip into another value, runs of seven digits and more are masked too: a safety net, not a licence.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import LoggingSettings

MASK: Final = "***"
_NUMBER: Final = re.compile(r"\+?[\d\s().\-/]{5,}")
#: Not next to letters or hyphens: ids hold such runs, written-out numbers do not.
_LONG_NUMBER: Final = re.compile(r"(?<![\w-])\+?\d{7,}(?![\w-])")
#: A call ID may happen to be all digits.
_IDS: Final = frozenset({"call_id", "event_id", "timestamp"})


def mask(value: Any) -> str:
    """What remains of a personal value: the last two digits of a number, nothing of anything else."""
    text = str(value) if isinstance(value, str | int) else ""
    if _NUMBER.fullmatch(text):
        return MASK + re.sub(r"\D", "", text)[-2:]
    return MASK


def mask_personal_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The structlog processor."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if key.startswith("pii_"):
        return None if value is None else mask(value)
    if key in _IDS:
        return value
    if isinstance(value, str):
        return _LONG_NUMBER.sub(lambda found: mask(found[0]), value)
    if isinstance(value, dict):
        return {inner: _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(key, item) for item in value]
    if isinstance(value, BaseException):
        return _LONG_NUMBER.sub(lambda found: mask(found[0]), repr(value))
    return value


def configure_logging(settings: LoggingSettings, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging to write to the same place, in the same form.

    Raises:
        OSError: the log file cannot be opened.
    """
    handler: logging.Handler
    if settings.file is not None and stream is None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.file, encoding="utf-8")
    else:
        handler = logging.StreamHandler(stream or sys.stderr)
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=_last(settings, handler))
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _last(settings: LoggingSettings, handler: logging.Handler) -> list[Processor]:
    """From an event to a line. Tracebacks come without local variables: those hold personal data."""
    masking: list[Processor] = [] if settings.show_personal_data else [mask_personal_data]
    common: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        *masking,
    ]
    if settings.format == "json":
        return [*common, structlog.processors.JSONRenderer(default=str)]
    return [*common, structlog.dev.ConsoleRenderer(colors=_is_terminal(handler))]


def _is_terminal(handler: logging.Handler) -> bool:
    isatty: Callable[[], bool] | None = getattr(getattr(handler, "stream", None), "isatty", None)
    return bool(isatty and isatty())
