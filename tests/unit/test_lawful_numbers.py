# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that may be kept, and numbers that may be dialed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lawful.errors import BadNumber, BadPolicy
from lawful.numbers import NumberPolicy, country_of, masked, parse, verdict
from lawful.verdicts import Reason

EVERYWHERE = NumberPolicy(allowed_prefixes=tuple(f"+{digit}" for digit in range(1, 10)))


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+351 21 123 4567", None, "+351211234567"),
        ("(212) 555-0142", "US", "+12125550142"),
        ("00 351 211 234 567", "DE", "+351211234567"),
        ("0171 1234567", "DE", "+491711234567"),
        ("\u00a0+44\u00a020\u00a07946\u00a00123 ", None, "+442079460123"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, region: str | None, e164: str) -> None:
    """Blanks, brackets, hyphens and national forms all give one E.164 number."""
    assert parse(text, default_region=region) == e164


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.NOT_A_NUMBER),
        ("ask reception", Reason.NOT_A_NUMBER),
        ("211234567", Reason.NOT_A_NUMBER),
        ("+351 21 123 4567 ext. 12", Reason.NOT_A_NUMBER),
        ("+351 21", Reason.UNKNOWN_NUMBER),
        ("+999 1 2345678", Reason.NOT_A_NUMBER),
        ("112", Reason.NOT_A_NUMBER),
        ("+112", Reason.UNKNOWN_NUMBER),
        ("+44 7700 900123", Reason.UNKNOWN_NUMBER),
    ],
)
def test_what_is_no_number_is_refused(text: str, reason: Reason) -> None:
    """The refusal has a reason and a sentence that does not repeat the text."""
    with pytest.raises(BadNumber) as refusal:
        parse(text)
    assert refusal.value.reason is reason
    assert not text or text not in refusal.value.sentence


@given(st.text(max_size=40))
def test_reading_never_fails_in_another_way(text: str) -> None:
    """Whatever is typed: a number that reads as itself again, or ``BadNumber``."""
    try:
        e164 = parse(text, default_region="PT", sample_prefixes=("+999",))
    except BadNumber:
        return
    assert parse(e164, sample_prefixes=("+999",)) == e164


@pytest.mark.parametrize(
    ("e164", "reason"),
    [
        ("+351211234567", Reason.ALLOWED),
        ("+351912345678", Reason.ALLOWED),
        ("+19005551234", Reason.NOT_DIALABLE),  # premium
        ("+448431234567", Reason.NOT_DIALABLE),  # shared cost
        ("+447012345678", Reason.NOT_DIALABLE),  # personal number
        ("+881612345678", Reason.NOT_DIALABLE),  # satellite
        ("+80012345678", Reason.NOT_DIALABLE),  # international freephone: no country
        ("+979123456789", Reason.NOT_DIALABLE),  # international premium
        ("+99971234567", Reason.UNKNOWN_NUMBER),
        ("112", Reason.NOT_A_NUMBER),
        ("00351211234567", Reason.NOT_A_NUMBER),
        ("+351211234567;ext=9", Reason.NOT_A_NUMBER),
        ("+351211234567\r\nX: y", Reason.NOT_A_NUMBER),
        ("+٣٥١٢١١٢٣٤٥٦٧", Reason.NOT_A_NUMBER),
    ],
)
def test_only_ordinary_numbers_are_dialed(e164: str, reason: Reason) -> None:
    """Premium, shared-cost, satellite, short and unknown numbers are refused even with everything allowed."""
    assert verdict(e164, EVERYWHERE).reason is reason


def test_an_empty_allow_list_allows_nobody() -> None:
    """A fresh installation can call no one outside."""
    assert verdict("+351211234567", NumberPolicy()).reason is Reason.PREFIX_NOT_ALLOWED


@pytest.mark.parametrize(("prefix", "allowed"), [("+351", True), ("+35121", True), ("+35122", False)])
def test_the_prefix_must_be_allowed(prefix: str, allowed: bool) -> None:
    """A number is dialed only under an allowed prefix."""
    assert verdict("+351211234567", NumberPolicy(allowed_prefixes=(prefix,))).allowed is allowed


@pytest.mark.parametrize(
    ("allowed", "samples", "reason"),
    [
        (("+999",), ("+999",), Reason.ALLOWED),
        ((), ("+999",), Reason.PREFIX_NOT_ALLOWED),
        (("+999",), (), Reason.UNKNOWN_NUMBER),
        (("+351",), ("+999",), Reason.PREFIX_NOT_ALLOWED),
    ],
)
def test_samples_need_the_policy_and_the_allow_list(
    allowed: tuple[str, ...], samples: tuple[str, ...], reason: Reason
) -> None:
    """Reserved ranges are dialed only where both name them."""
    policy = NumberPolicy(allowed_prefixes=allowed, sample_prefixes=samples)
    assert verdict("+999700000001", policy).reason is reason


def test_own_numbers_are_refused() -> None:
    """Our own caller ID in a list is nobody to call."""
    policy = NumberPolicy(allowed_prefixes=("+351",), own_numbers=frozenset({"+351211234567"}))
    assert verdict("+351211234567", policy).reason is Reason.OWN_NUMBER


@pytest.mark.parametrize("prefix", ["", "+", "351", "00351", "+0", "+35x", "+351 21"])
def test_a_wrong_prefix_is_refused(prefix: str) -> None:
    """An allow-list entry that could match by accident is not taken: ``""`` would allow everybody."""
    with pytest.raises(BadPolicy):
        NumberPolicy(allowed_prefixes=(prefix,))


@pytest.mark.parametrize(
    ("e164", "country"),
    [("+351211234567", "PT"), ("+18765550123", "JM"), ("+99971234567", None), ("+80012345678", None)],
)
def test_a_number_belongs_to_a_country_or_to_none(e164: str, country: str | None) -> None:
    """Global services and samples have no country."""
    assert country_of(e164) == country


def test_a_masked_number_keeps_two_digits() -> None:
    """Enough for a person to recognise, too little to dial."""
    assert masked("67") == "•••67"
