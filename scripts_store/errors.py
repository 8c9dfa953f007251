# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the scripts' store.

::

    ScriptsError
    ├── BadFiles       some files do not hold up: all their problems at once
    ├── BadCondition   a condition is not one of the operators known
    ├── NotFound       no published script or guideline of that name
    └── MissingValue   a variable the script requires has no value
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one file. ``key`` is the way to it, as ``nodes[2].next[0].go``."""

    file: str
    line: int
    key: str
    sentence: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.sentence}" if self.key else f"{where}: {self.sentence}"


class ScriptsError(Exception):
    """The scripts' store cannot do what was asked."""


class BadFiles(ScriptsError):
    """Some files do not hold up; nothing of the folder was loaded, a store loaded before stays as it is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"{count} in scripts or guidelines; none were loaded:\n" + "\n".join(map(str, self.problems))
        )


class BadCondition(ScriptsError):
    """A condition uses something else than the operators known, or uses one wrongly."""


class NotFound(ScriptsError):
    """No published script or guideline of that name."""


class MissingValue(ScriptsError):
    """A variable the script requires has no value; the script was not rendered, do not dial."""
