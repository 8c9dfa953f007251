# SPDX-License-Identifier: GPL-3.0-or-later
"""What several subjects of the API answer with."""

from __future__ import annotations

from console.routes import Told
from vocabulary.call_id import show_call_id
from vocabulary.commands import Reply


class Refusal(Told):
    """Every answer that is not a success. ``reason`` is stable; ``sentence`` is for people."""

    reason: str
    sentence: str


class Done(Told):
    """It was done. ``call_id`` is the call it concerns, as people read it."""

    done: bool = True
    sentence: str = ""
    call_id: str | None = None

    @classmethod
    def of(cls, reply: Reply) -> Done:
        call_id = None if reply.call_id is None else show_call_id(reply.call_id)
        return cls(sentence=reply.sentence, call_id=call_id)


class Started(Told):
    """A job was begun; ask ``/api/v1/jobs/{job}`` how far it is."""

    job: int
