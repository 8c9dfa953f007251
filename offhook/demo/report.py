# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a demonstration: a table for the terminal, JSON, and one self-contained page with plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Group
from rich.table import Table
from rich.text import Text

from offhook.demo.facts import Facts, broken_promises
from offhook.demo.plots import all_plots


def write_report(facts: Facts, path: Path) -> tuple[Path, Path]:
    """``path`` with ``.json`` and with ``.html``; returns both."""
    json_path, page_path = path.with_suffix(".json"), path.with_suffix(".html")
    path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(facts.json, indent=2, sort_keys=False) + "\n", encoding="utf-8")
    page_path.write_text(page(facts), encoding="utf-8")
    return json_path, page_path


def page(facts: Facts) -> str:
    """The page: no script, no file beside it, no address in it."""
    environment = Environment(
        loader=PackageLoader("offhook.demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        facts=facts,
        rows=rows(facts),
        broken=broken_promises(facts),
        plots=all_plots(facts),
        dispositions=facts.json["dispositions"],
        outcomes=facts.json["outcomes"],
    )


def rows(facts: Facts) -> list[tuple[str, str]]:
    """The figures in words and numbers."""
    found = facts.json
    promise, overhead = found["promise"], found["overhead_ms"]
    return [
        ("Customers", str(found["customers"])),
        ("Calls dialed", str(found["calls"])),
        ("Answered calls bridged within 30 s", _percent(promise["answered_within_30s"])),
        ("Calls with a definite end within 30 s", _percent(promise["definite_within_30s"])),
        ("Cut by us while ringing, before 15 s", str(promise["cut_while_ringing"])),
        ("Ended fast because the trunk was slow", str(promise["failed_fast"])),
        ("Confirm to INVITE, p50 / p99", _ms(overhead["confirm_to_invite"], "p50", "p99")),
        ("Answer to bridge, p50 / p99 / max", _ms(overhead["answer_to_bridge"], "p50", "p99", "max")),
        (
            "Abandoned of live answers",
            f"{found['abandonment']['abandoned']} of {found['abandonment']['live_answers']}",
        ),
        ("Talk share", _percent(found["talk_share"])),
        ("Occupancy", _percent(found["occupancy"])),
        ("Orphan channels", str(found["orphan_channels"])),
        ("Undelivered events", str(found["undelivered_events"])),
        ("Duplicate dials", str(found["duplicate_dials"])),
        ("Loop lag, p99 / max", _ms(found["loop_lag_ms"], "p99", "max")),
    ]


def terminal(facts: Facts) -> Group:
    """The same for the terminal."""
    table = Table(title="The campaign in figures", show_header=False)
    for name, value in rows(facts):
        table.add_row(name, value)
    ends = Table(title="How the calls ended", show_header=False)
    for name, count in sorted(facts.json["dispositions"].items(), key=lambda item: -item[1]):
        ends.add_row(name, str(count))
    broken = broken_promises(facts)
    verdict = (
        Text("Every promise was kept.", style="green")
        if not broken
        else Text("Not kept: " + "; ".join(broken) + ".", style="bold red")
    )
    return Group(table, ends, verdict)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _ms(figures: dict[str, Any], *keys: str) -> str:
    return " / ".join("-" if figures[key] is None else f"{figures[key]:.1f}" for key in keys) + " ms"
