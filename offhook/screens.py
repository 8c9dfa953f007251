# SPDX-License-Identifier: GPL-3.0-or-later
"""What an RM's screen shows with a customer: the script and the guidelines, rendered before anybody is dialed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import structlog

from config.settings import Settings
from foundation.clock import Clock
from scripts_store.store import SAMPLES, RenderedScript, Store

log = structlog.get_logger()

FALLBACK_LOCALE: Final = "en"


class Dresser:
    """Renders a campaign's script and guidelines into a snapshot."""

    def __init__(self, store: Store, *, company: str, clock: Clock) -> None:
        self._store = store
        self._company = company
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Self:
        """With the scripts in ``<state folder>/scripts``, or the shipped samples where there is no such folder.

        Raises:
            BadFiles: a script or guideline does not hold up; all problems are named.
        """
        own = settings.state_dir / "scripts"
        folder = own if own.is_dir() else SAMPLES
        store = Store.load(folder)
        log.info("scripts_loaded", folder=str(folder), digest=store.digest)
        return cls(store, company=settings.company, clock=clock)

    def dress(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """The snapshot with ``script`` (None where the campaign has none) and ``guidelines`` added, as JSON.

        Both come in the customer's language where the script has it, else in English, else in its first.

        Raises:
            NotFound: there is no such script or guideline.
            MissingValue: the script needs something that is not known of this call.
        """
        campaign = {**snapshot["campaign"], "company": self._company}
        script = self._script(campaign["script"], {**snapshot, "campaign": campaign})
        locale = snapshot["customer"].get("language") if script is None else script.locale
        today = self._clock.now().date()
        return snapshot | {
            "script": None if script is None else script.as_json(),
            "guidelines": [
                self._store.guideline(name, locale, today).as_json() for name in campaign["guidelines"]
            ],
        }

    def _script(self, script_id: str | None, known: Mapping[str, Any]) -> RenderedScript | None:
        if script_id is None:
            return None
        wanted = str(known["customer"].get("language") or "").lower()
        script = self._store.render(script_id, known, wanted)
        if script.locale.partition("-")[0] != wanted.partition("-")[0]:
            script = self._store.render(script_id, known, FALLBACK_LOCALE)
        return script
