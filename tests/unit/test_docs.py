# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation is true: made pages are current, names and commands in it exist, links lead somewhere."""

from __future__ import annotations

import configparser
import importlib
import re
import shlex
import shutil
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click
import pytest

from config.load import load
from config.settings import Settings
from dialer.campaigns import CampaignPolicy
from foundation.db.inline import Inline
from offhook.cli.main import offhook
from offhook.demo.facts import Outside, read_facts
from scripts_store.store import SAMPLES, Store
from tools.reference import PAGES, cli_contexts
from vocabulary import outcomes, states
from vocabulary.call_id import parse_call_id, show_call_id
from vocabulary.commands import COMMAND_TYPES
from vocabulary.dispositions import Disposition
from vocabulary.events import EVENT_TYPES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tools/setup/README.md"],
)
STATES = (
    states.CallState,
    states.RmState,
    states.CampaignState,
    states.PacingMode,
    states.EntryState,
    states.NumberState,
)
ADDRESS = re.compile(r"https?://(?!127\.0\.0\.1|localhost|www\.w3\.org)[^\s)>`\"']*")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def body(path: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


# --- pages made from the code ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    """`./run docs` would change nothing."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run ./run docs"


def words() -> Iterator[tuple[str, str]]:
    """Every page, with every word that must stand in it."""
    for name, setting in Settings.model_fields.items():
        inner = getattr(setting.annotation, "__args__", (setting.annotation,))[0]
        keys = getattr(inner, "model_fields", None)
        yield from (("settings.md", key) for key in (keys if keys else [name]))
    yield from (("campaign-policy.md", field.name) for field in fields(CampaignPolicy))
    yield from (("events.md", kind) for kind in EVENT_TYPES)
    yield from (("commands.md", kind) for kind in COMMAND_TYPES)
    yield from (("dispositions.md", value) for value in Disposition)
    yield from (("outcomes.md", value) for value in chain(outcomes.Outcome, outcomes.BreakReason))
    yield from (("states.md", value) for value in chain.from_iterable(STATES))
    yield from (("cli.md", context.command_path) for context in cli_contexts())


def test_everything_with_a_name_is_documented() -> None:
    """Every setting, event, command, disposition, outcome, state and CLI command stands in its page."""
    pages = {page: (REFERENCE / page).read_text(encoding="utf-8") for page, _ in words()}
    assert [(page, word) for page, word in words() if f"`{word}`" not in pages[page]] == []


async def test_every_key_of_the_report_is_documented(inline_db: Inline) -> None:
    """The keys of the demonstration's JSON report, and no others, stand in their page."""
    now = datetime(2026, 11, 16, tzinfo=UTC)
    facts = await inline_db.read(
        read_facts,
        campaign_id=1,
        started_at=now,
        ended_at=now,
        time_scale=1.0,
        consumers=["profiler"],
        outside=Outside(orphan_channels=0, carrier_invites=Counter(), lag_p99_ms=0.0, lag_max_ms=0.0),
    )
    page = (REFERENCE / "json-report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)) == set(key_paths(facts.json))


def key_paths(value: Mapping[str, object], before: str = "") -> Iterator[str]:
    """``a``, ``b.c``: the keys of a nested mapping; an empty one is a table whose keys are data."""
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from key_paths(inner, f"{before}{key}.")
        else:
            yield f"{before}{key}{'{}' if isinstance(inner, Mapping) else ''}"


# --- links -------------------------------------------------------------------------------------------


def links(path: Path) -> Iterator[str]:
    """Where a page's links lead."""
    yield from re.findall(r"\]\(([^)\s]+)\)", body(path))


def anchors(path: Path) -> set[str]:
    """What a link may name behind the hash sign."""
    titles = re.findall(r"^#+ (.+)$", body(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: Path) -> Iterator[str]:
    for link in links(path):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield link


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Files and headings; addresses outside are not asked."""
    assert list(broken_links(path)) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    """The check can fail."""
    path = tmp_path / "page.md"
    path.write_text("# Here\n[a](page.md#here) [b](page.md#there) [c](other.md)\n")
    assert list(broken_links(path)) == ["page.md#there", "other.md"]


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that no link leads to is read by nobody."""
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        ahead += [
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link
        ]
    assert {name_of(path) for path in DOCUMENTS} - {name_of(path) for path in reached} == set()


# --- commands ----------------------------------------------------------------------------------------

_FILE = re.compile(r"\.(md|toml|json|html|ya?ml|db|sock|log|sh|py|conf)$")
_COMMAND = re.compile(r"(?:^|`)\s*((?:\./run|offhook)(?= |`|$)[^`#\n]*)", re.MULTILINE)


def commands_in(text: str) -> Iterator[str]:
    """Every ``./run ...`` and ``offhook ...`` in code type or in a code block, ended by a comment or a pipe."""
    joined = text.replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"^```(?:sh|console)?\n(.*?)^```$", joined, re.DOTALL | re.MULTILINE))
    inline = "\n".join(re.findall(r"`((?:\./run|offhook)(?: [^`\n]*)?)`", joined))
    for line in f"{blocks}\n{inline}".splitlines():
        found = _COMMAND.match(line)
        if found:
            yield re.split(r"[|>&]|\s+\.\.\.", found[1])[0].strip()


def own_words_of_run() -> set[str]:
    """The first words that ``./run`` takes itself."""
    labels = re.findall(r"^([a-z |-]+)\)$", (ROOT / "run").read_text(), re.MULTILINE)
    return {word for label in labels for word in label.split(" | ")}


def wrong(command: str) -> str | None:
    """What is wrong with a command in the documentation; None: it can be typed."""
    program, *rest = shlex.split(command.replace("[", "").replace("]", ""))
    if program == "./run":
        if not rest or rest[0] in own_words_of_run():
            return None
        if rest[0].startswith("-"):
            rest = ["up", *rest]
    context = click.Context(offhook, info_name="offhook")
    while rest and isinstance(context.command, click.Group) and not rest[0].startswith("-"):
        if rest[0].isupper():
            return None
        command_found = context.command.get_command(context, rest[0])
        if command_found is None:
            return f"{context.command_path} has no command {rest[0]}"
        context = click.Context(command_found, info_name=rest.pop(0), parent=context)
    known = {option for parameter in context.command.get_params(context) for option in parameter.opts}
    known |= {"--help", "-h"}
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in known:
            return f"{context.command_path} has no option {word}"
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_command_in_the_documentation_exists(path: Path) -> None:
    """With its options."""
    text = path.read_text(encoding="utf-8")
    assert [found for command in commands_in(text) if (found := wrong(command))] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    """The check can fail."""
    text = (
        "```sh\n./run demo --rms 2   # four\n./run fly\noffhook demo --wings 2 | less\n```\nor `./run test`\n"
    )
    assert [wrong(command) for command in commands_in(text)] == [
        None,
        "offhook has no command fly",
        "offhook demo has no option --wings",
        None,
    ]


def test_every_call_id_in_the_documentation_is_one() -> None:
    """Whoever copies an example is told that there is no such call, not that this is no call ID."""
    shown = [
        found
        for path in DOCUMENTS
        for found in re.findall(r"\b([0-9A-Z]{4}-[0-9A-Z]{4})\b", path.read_text())
    ]
    assert shown
    assert {show_call_id(parse_call_id(call_id)) for call_id in shown} == set(shown)


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in one language, also those inside a list."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [textwrap.dedent(block) for _, block in found]


@pytest.mark.parametrize("path", sorted((ROOT / "docs/howto").glob("*.md")), ids=name_of)
def test_settings_that_are_shown_can_be_used(path: Path, tmp_path: Path) -> None:
    """Each example is a whole settings file."""
    for block in blocks(path, "toml"):
        (tmp_path / "offhook.toml").write_text(block)
        load(tmp_path / "offhook.toml", {})


def test_the_script_that_is_shown_can_be_used(tmp_path: Path) -> None:
    """It is sound beside the shipped samples, and newer than the one it was made from."""
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    (block,) = blocks(ROOT / "docs/howto/write-a-script.md", "yaml")
    (tmp_path / "mine.yaml").write_text(block)
    assert {script.version for script in Store.load(tmp_path).scripts()} == {2}


def said_by_programs() -> str:
    """All sources in one, sentences that are written over several lines joined."""
    sources = chain.from_iterable((ROOT / room).rglob("*.py") for room in rooms())
    texts = [path.read_text(encoding="utf-8") for path in chain(sources, (ROOT / "tools/setup").glob("*.sh"))]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


def sentences_in(readme: str) -> Iterator[str]:
    """What the troubleshooting table says that a person reads."""
    rows = readme.partition("## When something is in the way")[2].partition("\n## ")[0]
    yield from re.findall(r"^\| `([^`]+)` \|", rows, re.MULTILINE)


def test_the_troubles_of_the_readme_are_said_by_the_programs() -> None:
    """Word for word, so that a person finds the row; what differs each time stands as dots, capitals or digits."""
    said = said_by_programs()
    parts = {
        sentence: [
            part for part in re.split(r"\.\.\.|[A-Z]{4,}|[\d.]+|offhook\.toml", sentence) if len(part) > 14
        ]
        for sentence in sentences_in((ROOT / "README.md").read_text(encoding="utf-8"))
    }
    assert len(parts) >= 10
    assert {
        sentence: part for sentence, found in parts.items() for part in found if part.strip() not in said
    } == {}


# --- names of the code -------------------------------------------------------------------------------


def rooms() -> set[str]:
    """The packages at the root."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return {name.split(".")[0] for name in parser["options"]["packages"].split()}


def names_in(text: str) -> Iterator[str]:
    """``room.module.thing`` in code type; what stands in parentheses behind it is left out."""
    for name in re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)+)(?:\([^`]*)?`", text):
        if name.split(".")[0] in rooms() and not re.search(
            r"\.(md|toml|json|html|ya?ml|db|sock|log|sh|py|conf)$", name
        ):
            yield name


def exists(name: str) -> bool:
    """Whether a dotted name can be imported, its last parts as attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                annotations = getattr(found, "__annotations__", {})
                return part in annotations
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_name_of_the_code_exists(path: Path) -> None:
    """Modules, classes and functions that a page names by their full name."""
    assert [name for name in names_in(body(path)) if not exists(name)] == []


def test_a_name_that_does_not_exist_is_found() -> None:
    """The check can fail."""
    assert list(names_in("`dialer.claim.claim_next(conn)` and `dialer.fly` and `offhook.db`")) == [
        "dialer.claim.claim_next",
        "dialer.fly",
    ]
    assert exists("dialer.claim.claim_next")
    assert not exists("dialer.fly")


def test_the_architecture_names_every_room() -> None:
    """The floors of the page are those of the house."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    floors = page.partition("## Floors")[2].partition("## ")[0]
    assert {room for room in rooms() if f"{room}/" not in floors} == set()


def modules_listed(page: str) -> Iterator[str]:
    """``room.module`` from the first column of each room's table in the architecture."""
    for room, section in re.findall(r"^### (\w+)[^\n]*\n(.*?)(?=^##)", page, re.DOTALL | re.MULTILINE):
        for first in re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE):
            yield from (f"{room}.{name}" for name in re.findall(r"`([\w.]+)`", first))


def test_the_modules_that_the_architecture_lists_exist() -> None:
    """A module that was renamed or split is renamed there in the same commit."""
    listed = list(modules_listed((ROOT / "docs/architecture.md").read_text(encoding="utf-8")))
    assert "dialer.claim" in listed
    assert [name for name in listed if not exists(name)] == []


# --- what does not belong there ----------------------------------------------------------------------


def kept() -> list[Path]:
    """The texts that git keeps, lock files apart."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in names.stdout.split("\0") if name]
    return [path for path in paths if path.suffix not in (".lock", ".jsonl") and path.is_file()]


def test_no_page_leads_to_a_registry() -> None:
    """Whoever installs uses the registries their machine is set up for: pages name no address at all."""
    assert {
        name_of(path): found
        for path in DOCUMENTS
        if (found := ADDRESS.findall(path.read_text(encoding="utf-8")))
    } == {}


def licensed(path: Path) -> bool:
    return any(
        "SPDX-License-Identifier: GPL-3.0-or-later" in line for line in path.read_text().splitlines()[:3]
    )


def test_every_source_names_its_licence() -> None:
    """Scripts, style sheets and sample data that are read as sources; Python is held elsewhere, forms have none."""
    due = [
        path
        for path in kept()
        if path.suffix in (".sh", ".js", ".css", ".toml", ".yaml", ".xml")
        and path.name not in ("pyproject.toml", "ruff.toml")
    ]
    assert due
    assert [name_of(path) for path in [ROOT / "run", *due] if not licensed(path)] == []
