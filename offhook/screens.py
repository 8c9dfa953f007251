# SPDX-License-Identifier: GPL-3.0-or-later
"""What an RM's screen shows with a customer: the script and the guidelines, rendered before anybody is dialed."""

from __future__ import annotations

from typing import Any


class Dresser:
    """Renders a campaign's script into a snapshot."""

    def dress(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """The snapshot with ``script`` and ``guidelines`` added."""
        return snapshot | {"script": None, "guidelines": []}
