# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as trunks want them, and callers' numbers back to E.164."""

from __future__ import annotations

import pytest

from ari_bridge.access import NumberFormat, TrunkLimits
from ari_bridge.errors import BadNumber
from ari_bridge.numbers import dialed, read_caller, written

PLUS = TrunkLimits(name="t")
BARE = TrunkLimits(name="t", number_format=NumberFormat.E164, prefix="9")
GERMAN = TrunkLimits(name="t", number_format=NumberFormat.NATIONAL, country="DE")
AMERICAN = TrunkLimits(name="t", number_format=NumberFormat.NATIONAL, country="US", prefix="0#")


@pytest.mark.parametrize(
    ("trunk", "number", "on_the_wire"),
    [
        (PLUS, "+4930123456", "+4930123456"),
        (BARE, "+4930123456", "94930123456"),
        (GERMAN, "+4930123456", "030123456"),
        (GERMAN, "+12025550199", "0012025550199"),
        (AMERICAN, "+12025550199", "0#2025550199"),
        (AMERICAN, "+4930123456", "0#0114930123456"),
    ],
)
def test_a_dialed_number_is_in_the_trunks_format(trunk: TrunkLimits, number: str, on_the_wire: str) -> None:
    """Plus, bare, or national with the way abroad; the prefix first."""
    assert dialed(number, trunk) == on_the_wire


def test_a_caller_id_has_the_format_and_no_prefix() -> None:
    """The prefix is for dialing; what is not E.164 goes out as the settings have it."""
    assert written("+12025550199", AMERICAN) == "2025550199"
    assert written("anonymous", AMERICAN) == "anonymous"


@pytest.mark.parametrize(
    "number",
    ["", "+", "4930123456", "+49 30 1", "+49301@trunk-b", "+1/n", "+1202&PJSIP/x", "+0123456", "+1\n2345"],
)
def test_a_number_cannot_break_out_of_the_dial_string(number: str) -> None:
    """Anything but E.164 with plus is refused: another endpoint could be dialed with the rest."""
    with pytest.raises(BadNumber):
        dialed(number, PLUS)


@pytest.mark.parametrize("caller_id", ["", "a b", '"x" <1>', "x,y", "x)y", "a\r\nVia: x"])
def test_a_caller_id_cannot_break_out_either(caller_id: str) -> None:
    """Letters, digits and a few signs; nothing that ends a variable or a header."""
    with pytest.raises(BadNumber):
        written(caller_id, PLUS)


def test_a_number_of_no_country_is_refused_by_a_national_trunk() -> None:
    """It cannot be written, so it is not dialed."""
    with pytest.raises(BadNumber):
        dialed("+999123456", GERMAN)


@pytest.mark.parametrize(
    ("trunk", "shown", "e164"),
    [
        (PLUS, "+12025550199", "+12025550199"),
        (BARE, "12025550199", "+12025550199"),
        (GERMAN, "030123456", "+4930123456"),
        (GERMAN, "0012025550199", "+12025550199"),
        (AMERICAN, "(202) 555-0199", "+12025550199"),
        (None, "12025550199", "+12025550199"),
        (PLUS, "", None),
        (PLUS, "anonymous", None),
        (PLUS, "+", None),
        (PLUS, "1", None),
    ],
)
def test_a_callers_number_is_read_back(trunk: TrunkLimits | None, shown: str, e164: str | None) -> None:
    """As the trunk writes it, or nothing when it is withheld or no number."""
    assert read_caller(shown, trunk) == e164
