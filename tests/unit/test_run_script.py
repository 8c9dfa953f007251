# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from nothing to running: `./run` and the set-up steps, without setting anything up."""

from __future__ import annotations

import ast
import configparser
import fcntl
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
STEPS = ROOT / "tools/setup"
SCRIPTS = ["run", ".ci/run", *sorted(str(path.relative_to(ROOT)) for path in STEPS.glob("*.sh"))]
ENTRY_POINTS = ["run", ".ci/run", "tools/setup/setup.sh", "tools/setup/lock.sh"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`./run ARGUMENTS` as a person's shell would start it."""
    return subprocess.run([ROOT / "run", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache folder."""
    return tmp_path / "cache"


def script(body: str) -> list[str]:
    """A command that has every set-up step at hand, none of them begun, and runs ``body``."""
    steps = "\n".join(
        f'. "{path}"' for path in sorted(STEPS.glob("*.sh")) if path.stem not in ("setup", "lock")
    )
    return ["sh", "-c", f'set -eu\nhere="{STEPS}"\n{steps}\n{body}']


def steps(cache: Path, body: str) -> subprocess.CompletedProcess[str]:
    """What ``body`` does with the set-up steps at hand and the cache at ``cache``."""
    return subprocess.run(
        script(body),
        env=os.environ | {"OFFHOOK_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def committed_files() -> list[Path]:
    """Every file of the repository that git keeps and that stands in the checkout."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in names.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_plain_posix_shell(name: str) -> None:
    """Debian's own sh, which knows no bash, can read every script."""
    first = (ROOT / name).read_text().splitlines()[0]
    assert first in ("#!/bin/sh", "# SPDX-License-Identifier: GPL-3.0-or-later")
    subprocess.run(["/bin/sh", "-n", ROOT / name], check=True)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    """No unquoted path, no unset variable, no bashism, in the entry points and what they source."""
    found = subprocess.run(
        ["shellcheck", "--shell=sh", "--external-sources", f"--source-path={STEPS}", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
    assert found.returncode == 0


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_points_can_be_started(name: str) -> None:
    """The scripts that people and CI start are executable in the repository, not only here."""
    mode = subprocess.run(
        ["git", "ls-files", "-s", name], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert mode.stdout.startswith("100755")


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_names_every_command(word: str) -> None:
    """Help is given at once, on standard output, and tells of each command of the script."""
    answer = run(word)
    assert (answer.returncode, answer.stderr) == (0, "")
    for command in ("setup", "test", "bench", "lock", "COMMAND"):
        assert f"./run {command}" in answer.stdout


def test_setup_takes_no_arguments() -> None:
    """A mistaken argument is a usage error, before anything is installed."""
    answer = run("setup", "everything")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "Usage: ./run" in answer.stderr


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("20.18.2", False),
        ("20.19.0", True),
        ("20.20.1", True),
        ("21.12.0", False),
        ("22.8.2", False),
        ("22.9.0", True),
        ("22.10.1", True),
        ("23.2.0", False),
        ("23.3.0", True),
        ("24.0.0", True),
        ("18.26.1", False),
        ("", False),
    ],
)
def test_old_asterisks_are_not_used(cache: Path, version: str, fits: bool) -> None:
    """The machine's own Asterisk serves from 20.19, 22.9 or 23.3 on; 21 and unknown ones never."""
    assert (steps(cache, f'new_enough "{version}"').returncode == 0) is fits


def test_the_version_is_read_from_what_asterisk_says(cache: Path, tmp_path: Path) -> None:
    """Distributions add their own marks behind the version."""
    program = tmp_path / "asterisk"
    program.write_text("#!/bin/sh\necho 'Asterisk 22.10.1+dfsg+~cs6.17.60671434-1'\n")
    program.chmod(0o755)
    assert steps(cache, f'asterisk_version "{program}"').stdout == "22.10.1\n"


def test_the_newest_cached_version_is_taken(cache: Path) -> None:
    """Versions are compared as numbers: 22.10 is newer than 22.9. What an older set-up made is left alone."""
    kind = steps(cache, "tree_kind").stdout
    for version in ("22.9.0", "22.10.1", "22.10.0"):
        (cache / f"asterisk-{version}-{kind}").mkdir(parents=True)
    (cache / "asterisk-22.11.0-made-another-way").mkdir()
    assert steps(cache, "cached_asterisk").stdout == f"{cache}/asterisk-22.10.1-{kind}\n"


def test_without_root_a_sentence_names_the_missing_packages(cache: Path) -> None:
    """Nobody is asked for a password: the command to run as root is said, and nothing is done."""
    answer = steps(
        cache, "missing_packages() { echo sip-tester; }; id() { echo 1000; }; install_system_packages"
    )
    assert answer.returncode == 1
    assert "run as root: apt-get install --no-install-recommends sip-tester" in answer.stderr


def test_without_apt_a_sentence_names_the_missing_packages(cache: Path, tmp_path: Path) -> None:
    """On a system of another kind the person learns what to install."""
    answer = steps(
        cache, f"missing_packages() {{ echo sip-tester; }}; PATH={tmp_path}; install_system_packages"
    )
    assert answer.returncode == 1
    assert "has no apt" in answer.stderr
    assert "sip-tester" in answer.stderr


def test_a_failing_step_shows_its_last_lines_and_its_log(cache: Path) -> None:
    """A failure stops the set-up at the very command that failed, and says where to read more."""
    answer = steps(
        cache,
        "begin_work\nmake() { echo cannot link; false; echo went on; }\nstep linking link make\necho on",
    )
    assert answer.returncode == 1
    assert "    | cannot link\n" in answer.stderr
    assert (
        f"linking failed (exit 1); its last lines stand above, all of them in {cache}/logs/link.log"
        in answer.stderr
    )
    assert "went on" not in (cache / "logs/link.log").read_text()
    assert answer.stdout == ""


def test_half_made_things_are_swept_away(cache: Path) -> None:
    """What a killed set-up left in its work folder is gone when the next one begins, and nothing stays at the end."""
    (cache / "work/asterisk").mkdir(parents=True)
    answer = steps(cache, 'begin_work; ls "$work" | wc -l')
    assert answer.stdout.strip() == "0"
    assert not (cache / "work").exists()


def test_an_interrupted_set_up_leaves_no_process_and_nothing_half_made(cache: Path) -> None:
    """Ctrl-C in a long step ends the step and the set-up, says so, and cleans up."""
    body = 'begin_work\nmake() { mkdir "$work/asterisk"; echo begun; exec sleep 300; }\nstep making make make'
    process = subprocess.Popen(
        # A test run started in the background hands down an ignored SIGINT, which no shell can take back.
        ["env", "--default-signal=INT", *script(body)],
        env=os.environ | {"OFFHOOK_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for_text(cache / "logs/make.log", "begun")
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Set-up interrupted." in said
    assert not (cache / "work").exists()


def test_a_second_set_up_waits_for_the_first(cache: Path) -> None:
    """Two set-ups with one cache run one after the other, and the second says that it waits."""
    cache.mkdir()
    with (cache / "setup.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = subprocess.Popen(
            script("begin_work; echo mine"),
            env=os.environ | {"OFFHOOK_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == f"Another set-up is at work in {cache}; waiting for it.\n"
        assert process.poll() is None
    said, _ = process.communicate(timeout=60)
    assert said == "mine\n"


def test_the_lock_holds_every_requirement() -> None:
    """Each requirement of setup.cfg stands in requirements.lock at a version that it allows; else: ./run lock."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + setup["options.extras_require"]["dev"]
    locked = dict(re.findall(r"^([\w.-]+)==(\S+) ", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert len(locked) > 20
    for requirement in map(Requirement, wanted.split()):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_every_import_is_locked() -> None:
    """No committed module lives from a package that somebody once put into this environment by hand."""
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    distributions = importlib.metadata.packages_distributions()
    own = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"benchmarks", "tests", "tools"}
    known = own | sys.stdlib_module_names | {"pjsua2"}  # pjsua2: a wheel that the set-up builds
    foreign = {
        (module, path)
        for path in committed_files()
        if path.suffix == ".py"
        for module in imported_modules(path)
        if module not in known and not (path.parent / f"{module}.py").exists()
    }
    assert foreign
    unlocked = [
        f"{path.relative_to(ROOT)}: {module}"
        for module, path in sorted(foreign)
        if locked.isdisjoint(canonicalize_name(name) for name in distributions.get(module, []))
    ]
    assert unlocked == []


def imported_modules(path: Path) -> set[str]:
    """The first words of what ``path`` imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def test_browser_packages_are_pinned_exactly() -> None:
    """No range in package.json: the same files reach every machine."""
    package = json.loads((ROOT / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


@pytest.mark.parametrize(
    "name", ["requirements.lock", "package-lock.json", "package.json", ".npmrc", *SCRIPTS]
)
def test_no_registry_or_mirror_is_named(name: str) -> None:
    """Whoever installs uses the registries that machine is set up for, so no address stands in what installs."""
    assert re.findall(r"\w+://\S+|--(?:extra-)?index-url|--find-links", (ROOT / name).read_text()) == []


def test_no_path_of_one_machine_is_committed() -> None:
    """The repository works wherever it is cloned."""
    machine_path = re.compile(r"/(?:work/(?:main|shared)|tmp/brief|root/|home/\w)")
    named = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in committed_files()
        if path != Path(__file__)
        for found in machine_path.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []


def wait_for_text(path: Path, text: str) -> None:
    """Return when ``path`` holds ``text``; fail after ten seconds."""
    found = subprocess.run(
        ["timeout", "10", "sh", "-c", f"until grep -q '{text}' '{path}' 2>/dev/null; do sleep 0.05; done"],
        check=False,
    )
    assert found.returncode == 0, f"{path} never said {text!r}"
