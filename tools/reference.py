# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of ``docs/reference`` that are made from the code: ``./run docs`` writes them.

``tests/unit/test_docs.py`` holds that they are current. A value without a ``#:`` comment, or a class without a
docstring, has no meaning to print: making the page fails.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import click

from accounts.permissions import Permission, Role, may
from ari_bridge.link import LinkState
from config.reference import reference as settings_page
from console.access import RIGHTS, Open, Right
from console.app import ROUTES
from dialer.campaigns import CampaignPolicy
from dialer.desk import PhoneState, Wish
from dialer.recovery import Fate
from offhook.cli.main import offhook as root_command
from tools.markdown import code, enum_section, meaning, meanings, page, prose, span, table
from vocabulary.commands import COMMAND_TYPES, Reply
from vocabulary.dispositions import RULES, Blame, EndedBy, LegEnd, decide
from vocabulary.events import EVENT_TYPES
from vocabulary.outcomes import OUTCOME_RULES, BreakReason, Outcome
from vocabulary.states import (
    CALL_MOVES,
    CAMPAIGN_MOVES,
    RM_MOVES,
    CallState,
    CampaignState,
    EntryState,
    NumberState,
    PacingMode,
    RmState,
)

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"
HELP_WIDTH: Final = 100

_OPEN_TO: Final = {
    Open.EVERYBODY: "everybody",
    Open.LOGGED_IN: "whoever is logged in",
    Open.FIRST_LOGIN: "whoever is logged in, also before the one-time password is changed",
}
#: SIP final responses a carrier may send, in the order of the page.
_SIP_CODES: Final = (
    302, 401, 402, 403, 404, 407, 408, 410, 429, 480, 484, 486, 487, 488, 500, 502, 503, 504, 600, 603, 604,
    607, 608,
)  # fmt: skip


def events() -> str:
    """What happened, as the outbox delivers it."""
    return page(
        "Events",
        "What happened, written to the outbox in the same transaction as the change, delivered at least once and "
        "in order to each consumer, handled once in effect. Every event has `at`, an aware time. Events carry "
        "ids and facts, never names or numbers.",
        *(_message(kind, cls) for kind, cls in EVENT_TYPES.items()),
    )


def commands() -> str:
    """What somebody may ask the dialer to do."""
    return page(
        "Commands",
        "What somebody asks the dialer to do: request and reply over the command bus, with an idempotency key and "
        "a deadline. The console, the command line and the demonstration's simulated RMs use the same ones.",
        *(_message(kind, cls) for kind, cls in COMMAND_TYPES.items()),
        _message("The answer", Reply, quoted=False),
    )


def _message(kind: str, cls: type, *, quoted: bool = True) -> Iterator[str]:
    yield from (f"## `{kind}`" if quoted else f"## {kind}", "", prose(cls), "")
    notes = meanings(cls)
    rows = [
        (f"`{field.name}`", f"`{field.type}`", notes.get(field.name, ""))
        for field in fields(cls)
        if field.name != "at"
    ]
    if rows:
        yield from table(("field", "type", "note"), rows)


def dispositions() -> str:
    """How calls end, and what decides it."""
    return page(
        "Dispositions",
        "What the network said: every call that was dialed ends in exactly one disposition, decided by "
        "`vocabulary.dispositions.decide` from the facts of the customer's leg. An RM's outcome may correct it "
        "([outcomes](outcomes.md)).",
        _what_follows(),
        _by_sip(),
        _by_ourselves(),
        _answered(),
        enum_section("Who ended the call", EndedBy),
        enum_section("Whose record it touches", Blame),
    )


def _what_follows() -> Iterator[str]:
    yield from ("## What each means", "")
    yield from table(
        ("disposition", "meaning", "touches", "an attempt", "next try after", "alarm", "what an RM reads"),
        (
            (
                f"`{disposition}`",
                meaning(disposition),
                str(rule.blame),
                "yes" if rule.counts_as_attempt else "no",
                span(rule.retry_after_s),
                "yes" if rule.alarm else "",
                rule.sentence,
            )
            for disposition, rule in RULES.items()
        ),
    )
    yield from (
        "A campaign may set its own waits (`retry_s`). What was cancelled counts as an attempt once it had rung. "
        "After `no_answer` and `machine` another hour of the day is chosen, the one that suits the customer best. "
        "Dials that never rang are three a day at most, and come to an end.",
        "",
    )


def _by_sip() -> Iterator[str]:
    yield from ("## The network ended it before the answer", "")
    yield from (
        "By the SIP code of the last response. *Rang* means that Ringing or Progress was seen.",
        "",
    )
    yield from table(
        ("SIP", "rang", "did not ring"),
        (
            (str(sip), *(_decided(EndedBy.NETWORK, rang=rang, tech_cause=sip) for rang in (True, False)))
            for sip in _SIP_CODES
        ),
    )


def _by_ourselves() -> Iterator[str]:
    yield from ("## We ended it before the answer", "")
    ours = (by for by in EndedBy if by not in (EndedBy.NETWORK, EndedBy.ABANDON_TIMER, EndedBy.SCREENING))
    yield from table(
        ("ended by", "rang", "did not ring"),
        ((f"`{by}`", *(_decided(by, rang=rang) for rang in (True, False))) for by in ours),
    )


def _answered() -> Iterator[str]:
    yield from ("## It was answered", "")
    network = EndedBy.NETWORK
    cases = (
        ("joined to an RM", LegEnd(ended_by=network, was_up=True, bridged=True)),
        (
            "joined, but no usable audio came",
            LegEnd(ended_by=network, was_up=True, bridged=True, media_failed=True),
        ),
        ("no common codec (cause 127, SIP 406 or 488)", LegEnd(ended_by=network, was_up=True, cause=127)),
        ("the customer hung up within 2 s, before the join", LegEnd(ended_by=network, was_up=True, up_s=0.5)),
        (
            "the customer hung up later, with nobody joined",
            LegEnd(ended_by=network, was_up=True, rang=True, up_s=3),
        ),
        ("no RM within 2 s", LegEnd(ended_by=EndedBy.ABANDON_TIMER, was_up=True, up_s=2)),
        ("the detector said machine", LegEnd(ended_by=EndedBy.SCREENING, was_up=True)),
        ("not joined, and its end was missed", LegEnd(ended_by=EndedBy.EVENTS_LOST, was_up=True)),
    )
    yield from table(("what happened", "disposition"), ((what, f"`{decide(end)}`") for what, end in cases))


def _decided(by: EndedBy, *, rang: bool, tech_cause: int | None = None) -> str:
    return f"`{decide(LegEnd(ended_by=by, rang=rang, tech_cause=tech_cause))}`"


def outcomes() -> str:
    """What RMs say of calls."""
    return page(
        "Outcomes",
        "What the RM said of a call that was connected. A campaign chooses which of them its RMs are offered; "
        "`no_outcome` is the system's own.",
        table(
            ("outcome", "button", "meaning", "what follows"),
            (
                (f"`{outcome}`", OUTCOME_RULES[outcome].sentence, meaning(outcome), _follows(outcome))
                for outcome in Outcome
            ),
        ),
        enum_section("Break reasons", BreakReason),
    )


def _follows(outcome: Outcome) -> str:
    rule = OUTCOME_RULES[outcome]
    said = ["leaves the list"] if rule.closes_entry else []
    if rule.needs_callback_time:
        said.append("is called at the time the customer asked for")
    elif not rule.closes_entry:
        said.append(
            f"next try after {span(rule.retry_after_s)}" if rule.retry_after_s else "next try at once"
        )
    if rule.corrects_to is not None:
        said.append(f"disposition becomes `{rule.corrects_to}`")
    if rule.suppresses:
        said.append("customer and number are suppressed")
    if rule.marks_number:
        said.append("the number is marked `invalid` and suppressed")
    return "; ".join(said)


def states() -> str:
    """Every state machine with its legal moves."""
    return page(
        "States",
        "Every state and every legal move. One function makes and logs each transition; a move that is not here "
        "raises `IllegalMove` and changes nothing.",
        _machine("Calls", CallState, CALL_MOVES),
        _machine("RMs", RmState, RM_MOVES),
        _machine("Campaigns", CampaignState, CAMPAIGN_MOVES),
        enum_section("Pacing modes", PacingMode),
        enum_section("Target-list entries", EntryState),
        enum_section("Phone numbers of customers", NumberState),
        enum_section("An RM's phone", PhoneState),
        enum_section("An RM's wish", Wish),
        enum_section("The link to a PBX", LinkState),
        enum_section("Open calls after a restart", Fate),
    )


def _machine(title: str, cls: type[StrEnum], moves: Mapping[Any, frozenset[Any]]) -> Iterator[str]:
    yield from (f"## {title}", "", prose(cls), "")
    yield from table(
        ("state", "meaning", "goes to"),
        (
            (f"`{state}`", meaning(state), code(other for other in cls if other in moves[state]))
            for state in cls
        ),
    )


def campaign_policy() -> str:
    """What a campaign may decide for itself."""
    notes = meanings(CampaignPolicy)
    return page(
        "Campaign policy",
        "What a campaign may decide for itself: the keys of the TOML file of `offhook campaign create --policy FILE` "
        "and of `policy` in the API; what is left out is left to the settings. Hours and caps narrow the rules of the "
        "settings and never widen them.",
        table(
            ("key", "type", "default", "meaning"),
            (
                (f"`{field.name}`", _plain(str(field.type)), _default(field), notes[field.name])
                for field in fields(CampaignPolicy)
            ),
        ),
        (
            "```toml",
            'hours = { mon = ["09:00-12:30", "14:00-18:00"], tue = ["09:00-18:00"] }',
            "max_attempts = 4",
            "retry_s = { busy = 600, no_answer = 14400 }",
            'outcomes = ["sale", "interested", "callback", "not_interested", "do_not_call", "wrong_person", "machine"]',
            "```",
        ),
    )


def _plain(annotation: str) -> str:
    """A type as people write it: ``tuple[str, ...] | None`` is a list of ``str``."""
    return re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", annotation.removesuffix(" | None"))


def _default(field: Any) -> str:
    if field.default is MISSING:
        return "none"
    if isinstance(field.default, tuple):
        return "all" if field.default else "none"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def permissions() -> str:
    """Who may do what."""
    return page(
        "Roles and permissions",
        "An account has one role. What is not ticked is forbidden. The operator's socket, which only the user who "
        "runs Offhook can open, may do everything.",
        table(("role", "for"), ((f"`{role}`", meaning(role)) for role in Role)),
        table(
            ("permission", "allows", *Role),
            (
                (
                    f"`{permission}`",
                    meaning(permission),
                    *("✓" if may(role, permission) else "" for role in Role),
                )
                for permission in Permission
            ),
        ),
    )


def http_api() -> str:
    """Every operation of the API with who may ask for it."""
    return page(
        "HTTP API",
        "JSON over HTTP below `/api/v1`. Bodies, answers and errors are described by the console itself: "
        "`/api/v1/openapi.json` (OpenAPI 3.1). Log in by `POST /api/v1/login`; the answer sets the session cookie. "
        "Requests that change something need the header `X-Offhook: 1`; with an `Idempotency-Key` a command is done "
        "once, however often it is sent. A refusal has `reason`, stable, and `sentence`, for people. The operator's "
        "socket answers the same operations without a login.",
        table(
            ("operation", "does", "who may"),
            (
                (f"`{route.name}`", route.summary, _right(RIGHTS[route.name]))
                for route in ROUTES
                if route.is_api
            ),
        ),
    )


def _right(right: Right) -> str:
    return _OPEN_TO[right] if isinstance(right, Open) else code(sorted(right))


def cli() -> str:
    """Every command's own help."""
    return page(
        "Command line",
        "`./run COMMAND...` sets up what is missing and then runs `offhook COMMAND...`. Exit codes: 0 done, 1 failed, "
        "2 wrong usage, 3 degraded, 130 interrupted. What a command prints on failure is one sentence; "
        "`OFFHOOK_TRACEBACK=1` shows where it came from.",
        *(
            (f"## `{context.command_path}`", "", "```text", context.get_help(), "```", "")
            for context in cli_contexts()
        ),
    )


def cli_contexts() -> Iterator[click.Context]:
    """A context for every command, groups before their commands."""
    root = click.Context(
        root_command,
        info_name="offhook",
        **{**root_command.context_settings, "terminal_width": HELP_WIDTH, "color": False},
    )
    yield from _walk(root)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _walk(click.Context(command, info_name=name, parent=context))


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "events.md": events,
    "commands.md": commands,
    "dispositions.md": dispositions,
    "outcomes.md": outcomes,
    "states.md": states,
    "campaign-policy.md": campaign_policy,
    "permissions.md": permissions,
    "cli.md": cli,
    "http-api.md": http_api,
}
"""Every page made from the code, and what makes it."""


def main() -> int:
    """Write every page; tell which changed."""
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
