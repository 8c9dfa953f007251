# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a report, as SVG text: calls over time, dispositions, time to connect, occupancy."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from offhook.demo.facts import Facts
from vocabulary.states import RmState

mpl.use("svg")
# Text stays text: it can be read aloud, searched and copied; no date makes two equal reports differ.
mpl.rcParams |= {
    "svg.fonttype": "none",
    "svg.hashsalt": "offhook",
    "font.family": "sans-serif",
    "font.size": 10,
}

_BLUE, _GREEN, _AMBER, _GREY, _RED = "#2563a8", "#2f855a", "#b7791f", "#a0aec0", "#c53030"
_STATE_COLOURS = {
    RmState.TALKING: _GREEN,
    RmState.WRAP_UP: _AMBER,
    RmState.DIALING: _BLUE,
    RmState.READY: _GREY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot with what it shows, in words."""

    title: str
    words: str
    svg: str


def all_plots(facts: Facts) -> list[Plot]:
    """The four plots; none when nobody was called."""
    if not facts.calls:
        return []
    return [
        _plot("Calls over time", "Calls under way and talks at each moment.", _over_time, facts),
        _plot("How the calls ended", "Calls by disposition.", _dispositions, facts),
        _plot(
            "Time to connect against the promise",
            "Share of calls connected, or definitely not connected, within so many seconds.",
            _promise,
            facts,
        ),
        _plot("What the RMs did", "Share of the staffed time in each state, by RM.", _occupancy, facts),
    ]


def _plot(title: str, words: str, draw: Callable[[Axes, Facts], None], facts: Facts) -> Plot:
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes, facts)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    return Plot(title=title, words=words, svg=text[text.index("<svg") :])


def _over_time(axes: Axes, facts: Facts) -> None:
    for label, colour, chosen in (
        ("under way", _BLUE, facts.calls),
        ("talking", _GREEN, [call for call in facts.calls if call.bridged]),
    ):
        steps = []
        for call in chosen:
            start = (call.dialed_at - facts.started_at).total_seconds()
            if label == "talking":
                start += call.connect_s or 0.0
            end = ((call.ended_at or facts.ended_at) - facts.started_at).total_seconds()
            steps += [(start, 1), (max(end, start), -1)]
        times, counts, now = [0.0], [0], 0
        for moment, change in sorted(steps):
            now += change
            times.append(moment)
            counts.append(now)
        axes.step(times, counts, where="post", color=colour, label=label, linewidth=1.4)
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("calls")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="upper right")


def _dispositions(axes: Axes, facts: Facts) -> None:
    counted = Counter(call.disposition for call in facts.calls).most_common()
    names = [name.replace("_", " ") for name, _ in reversed(counted)]
    values = [count for _, count in reversed(counted)]
    bars = axes.barh(names, values, color=_BLUE)
    axes.bar_label(bars, padding=3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("calls")


def _promise(axes: Axes, facts: Facts) -> None:
    for label, colour, chosen in (
        ("connected", _GREEN, [call for call in facts.calls if call.answered]),
        ("not connected", _GREY, [call for call in facts.calls if not call.answered]),
    ):
        waits = sorted(call.connect_s for call in chosen if call.connect_s is not None)
        if waits:
            shares = [(index + 1) / len(waits) for index in range(len(waits))]
            axes.step([0.0, *waits], [0.0, *shares], where="post", color=colour, label=label)
    axes.axvline(facts.promise_s, color=_RED, linestyle="--", linewidth=1, label="promise")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("seconds since the decision")
    axes.set_ylabel("share of calls")
    axes.legend(frameon=False, loc="lower right")


def _occupancy(axes: Axes, facts: Facts) -> None:
    rms = sorted({span.rm_id for span in facts.spans})
    totals = {
        rm: sum(span.seconds for span in facts.spans if span.rm_id == rm and span.state in _STATE_COLOURS)
        or 1.0
        for rm in rms
    }
    left = dict.fromkeys(rms, 0.0)
    for state, colour in _STATE_COLOURS.items():
        shares = [
            sum(span.seconds for span in facts.spans if span.rm_id == rm and span.state is state) / totals[rm]
            for rm in rms
        ]
        axes.barh(
            [f"RM {rm}" for rm in rms],
            shares,
            left=[left[rm] for rm in rms],
            color=colour,
            label=str(state).replace("_", " "),
        )
        for rm, share in zip(rms, shares, strict=True):
            left[rm] += share
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the time at work")
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.16))
