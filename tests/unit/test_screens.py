# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put on the RM's screen before anybody is dialed: the script and the guidelines, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from foundation.testing import FakeClock
from offhook.screens import Dresser
from scripts_store.errors import BadFiles, MissingValue, NotFound


def snapshot(
    language: str | None = "en", script: str | None = "term-deposit", rm: str = "Ben"
) -> dict[str, Any]:
    return {
        "customer": {"first_name": "Ana", "language": language},
        "rm": {"name": f"{rm} Lee", "first_name": rm},
        "campaign": {"name": "spring", "script": script, "guidelines": ["tone", "objections"]},
        "call": {"id": "4F7K-2QX9"},
    }


@pytest.fixture
def dresser(tmp_path: Path) -> Dresser:
    return Dresser.of(Settings(company="Sample Bank", state_dir=tmp_path), FakeClock())


@pytest.mark.parametrize(
    ("language", "locale"), [("pt", "pt"), ("pt-BR", "pt"), ("en", "en"), ("es", "en"), (None, "en")]
)
def test_script_and_guidelines_come_in_one_language(
    dresser: Dresser, language: str | None, locale: str
) -> None:
    """The customer's where the script has it, else English; the guidelines as the script."""
    shown = dresser.dress(snapshot(language))
    assert shown["script"]["locale"] == locale
    assert [(one["id"], one["locale"]) for one in shown["guidelines"]] == [
        ("tone", locale),
        ("objections", locale),
    ]


def test_the_text_is_that_of_this_call(dresser: Dresser) -> None:
    """Customer, RM and company are in it; the snapshot itself stays as it was."""
    given = snapshot()
    opening = dresser.dress(given)["script"]["nodes"][0]["say"]
    assert "Ana" in opening
    assert "Ben" in opening
    assert "Sample Bank" in opening
    assert given == snapshot()


def test_a_campaign_without_a_script_has_none(dresser: Dresser) -> None:
    """Guidelines come all the same."""
    shown = dresser.dress(snapshot("pt", script=None))
    assert shown["script"] is None
    assert shown["guidelines"][0]["locale"] == "pt"


def test_a_script_that_cannot_be_rendered_is_an_error(dresser: Dresser) -> None:
    """The dialer then calls nobody and tells the RM."""
    with pytest.raises(NotFound, match="no-such"):
        dresser.dress(snapshot(script="no-such"))
    with pytest.raises(MissingValue, match=r"rm\.first_name"):
        dresser.dress(snapshot(rm=""))


def test_an_installation_has_scripts_of_its_own(tmp_path: Path) -> None:
    """The folder `scripts` in the state folder replaces the samples; a wrong file in it stops the start."""
    (tmp_path / "scripts").mkdir()
    settings = Settings(state_dir=tmp_path)
    with pytest.raises(NotFound):
        Dresser.of(settings, FakeClock()).dress(snapshot())
    (tmp_path / "scripts" / "mine.yaml").write_text("kind: script\n")
    with pytest.raises(BadFiles, match=r"mine\.yaml"):
        Dresser.of(settings, FakeClock())
