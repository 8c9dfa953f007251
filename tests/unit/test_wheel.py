# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel holds everything, and works where somebody else's packages have our names."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENV = Path(sys.prefix)
#: The interpreter without the environment's ``site``: an editable install of this checkout is not there then.
LAUNCHER = """
import sys
sys.prefix, sys.path[1:1] = {prefix!r}, [{installed!r}, *{environment!r}]
sys.argv = ["offhook", *sys.argv[1:]]
rooms = {rooms!r}
try:
    from offhook.cli import main
    main()
finally:
    strangers = sorted(
        name for name, module in sys.modules.items()
        if name.partition(".")[0] in rooms and not (module.__file__ or "").startswith({installed!r})
    )
    if strangers:
        sys.exit(f"not from the wheel: {{strangers}}")
"""


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it must succeed."""
    found = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=200)
    assert found.returncode == 0, found.stdout + found.stderr
    return found


def packages() -> list[str]:
    """The package list of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["options"]["packages"].split()


@pytest.fixture(scope="module")
def rooms() -> list[str]:
    """The top-level packages."""
    return sorted({package.partition(".")[0] for package in packages()})


@pytest.fixture(scope="module")
def sources(rooms: list[str]) -> set[str]:
    """Every file of the packages that git knows or would take."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *rooms).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, sources: set[str]) -> Path:
    """Built from a copy: the checkout gets no build folder, and an old one gives nothing to the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in [*sources, "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]:
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet",
        "--wheel-dir", folder / "out", folder / "source")  # fmt: skip
    (made,) = (folder / "out").glob("offhook-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--target",
        target,
        wheel,
    )
    return target


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody whose own packages are called like ours, and break when they are imported."""
    for name in ("config", "console", "foundation"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('a foreign package was imported')\n")
    return tmp_path


def offhook(installed: Path, rooms: list[str], cwd: Path, *arguments: str) -> str:
    """Run the command line with the wheel's packages and the environment's third-party ones alone."""
    environment = [path for path in sys.path if path.startswith(str(VENV)) and path.endswith("-packages")]
    code = LAUNCHER.format(
        prefix=str(VENV), installed=str(installed), environment=environment, rooms=frozenset(rooms)
    )
    return run(sys.executable, "-P", "-S", "-c", code, *arguments, cwd=cwd).stdout


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path, sources: set[str], rooms: list[str]) -> None:
    """Code, templates, mappings, schemas, samples, migrations, pages: nothing is left behind, nothing is added."""
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if name.partition("/")[0] in rooms}
    assert sources - held == set()
    assert held - sources == set()


def test_every_package_is_listed(sources: set[str]) -> None:
    """A new folder of code must be put into the list, or it would be missing in the wheel."""
    folders = {str(Path(name).parent).replace("/", ".") for name in sources if name.endswith("__init__.py")}
    assert folders == set(packages())


def test_the_command_starts(installed: Path, rooms: list[str], elsewhere: Path) -> None:
    """Its help names the commands, wherever it is started."""
    told = offhook(installed, rooms, elsewhere, "--help")
    assert all(f"  {command} " in told for command in ("up", "serve", "demo", "pbx", "campaign"))


def test_the_pbx_is_rendered(installed: Path, rooms: list[str], elsewhere: Path) -> None:
    """From the templates in the wheel, for a PBX of somebody's own."""
    offhook(installed, rooms, elsewhere, "pbx", "render", "--into", str(elsewhere / "asterisk"))
    rendered = {file.name: file.read_text() for file in sorted((elsewhere / "asterisk").iterdir())}
    assert "extensions_offhook.conf" in rendered
    assert "[offhook-failsafe]" in rendered["extensions_offhook.conf"]


def test_a_foreign_package_would_be_noticed(installed: Path, rooms: list[str], elsewhere: Path) -> None:
    """The check can fail: with the caller's folder first the foreign package is what is imported."""
    code = f"import sys; sys.path[:0] = [{str(elsewhere)!r}, {str(installed)!r}]; import config"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "a foreign package was imported" in found.stderr
