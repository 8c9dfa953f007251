# SPDX-License-Identifier: GPL-3.0-or-later
"""Which phone numbers may be kept, and which may be dialed.

Numbers are kept as E.164 with the plus sign, as the numbering plans of ``phonenumbers`` know them. Toll
fraud is a dialer's main loss, so dialing is by allow-list: a number must be of an ordinary kind *and*
begin with an allowed prefix; an empty list allows nobody. Short and emergency numbers have no E.164 form
and so are refused as numbers. Satellite and other global services (+881, +882, +979, ...) belong to no
country and are refused.

Samples use ranges that reach nobody, such as +999 (a country code ITU-T E.164 keeps in reserve). No
numbering plan knows them: they are taken only where a policy names them in ``sample_prefixes``, and are
dialed only where they are on the allow-list as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from lawful.errors import BadNumber, BadPolicy
from lawful.verdicts import ALLOWED, Reason, Verdict, refused

SAMPLE_PREFIX: Final = "+999"

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
#: What people write between the digits of a number.
_TYPOGRAPHY: Final = re.compile(r"[\s().\-/\u2010-\u2015\u00a0]")
#: The region ``phonenumbers`` gives numbers that belong to no country.
_NO_COUNTRY: Final = "001"

_ORDINARY: Final = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
        PhoneNumberType.TOLL_FREE,
    }
)
_KINDS: Final = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, charged like a premium one",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.UAN: "a company access number, whose cost is not known",
    PhoneNumberType.VOICEMAIL: "a voicemail access number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPolicy:
    """What may be dialed: E.164 prefixes with the plus sign. ``own_numbers`` are our caller IDs."""

    allowed_prefixes: tuple[str, ...] = ()
    sample_prefixes: tuple[str, ...] = ()
    own_numbers: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for prefix in (*self.allowed_prefixes, *self.sample_prefixes):
            if _PREFIX.fullmatch(prefix) is None:
                raise BadPolicy(f"{prefix!r} is not a prefix; write it like +351 or +35121.")


def parse(text: str, *, default_region: str | None = None, sample_prefixes: Collection[str] = ()) -> str:
    """Read a number as people write it; the answer is its E.164 form.

    Args:
        default_region: ISO 3166 country of numbers written without ``+``; None refuses those.
        sample_prefixes: reserved ranges to be taken although no numbering plan knows them.

    Raises:
        BadNumber: not a number, one with an extension, too short or long, or unknown to every plan.
    """
    bare = _TYPOGRAPHY.sub("", text)
    if _is_sample(bare, sample_prefixes):
        return bare
    if default_region is None and not bare.startswith("+"):
        raise BadNumber(Reason.NOT_A_NUMBER, "The number has no country code; begin it with + and the code.")
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException as error:
        raise BadNumber(Reason.NOT_A_NUMBER, _parse_sentence(error.error_type)) from None
    if number.extension:
        raise BadNumber(Reason.NOT_A_NUMBER, "The number has an extension; a dialer cannot press it.")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if _E164.fullmatch(e164) is None or not phonenumbers.is_valid_number(number):
        raise BadNumber(Reason.UNKNOWN_NUMBER, "No numbering plan knows this number.")
    return e164


def verdict(e164: str, policy: NumberPolicy) -> Verdict:
    """Whether a number may be dialed at all."""
    if _E164.fullmatch(e164) is None:
        return refused(Reason.NOT_A_NUMBER, "This is not a number in E.164 form, such as +351211234567.")
    if e164 in policy.own_numbers:
        return refused(Reason.OWN_NUMBER, "This is one of our own caller IDs.")
    if not _is_sample(e164, policy.sample_prefixes):
        objection = _kind_objection(e164)
        if objection is not None:
            return objection
    if not any(e164.startswith(prefix) for prefix in policy.allowed_prefixes):
        return refused(
            Reason.PREFIX_NOT_ALLOWED,
            "The number's prefix is not on the allow-list; an administrator sets it.",
        )
    return ALLOWED


def country_of(e164: str) -> str | None:
    """ISO 3166 country a number belongs to; None for samples, global services and unknown numbers."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(e164, None))
    except phonenumbers.NumberParseException:
        return None
    return None if region in (None, _NO_COUNTRY) else region


def masked(last2: str) -> str:
    """How a number is shown to those who may not see it."""
    return f"•••{last2}"


def _is_sample(e164: str, sample_prefixes: Collection[str]) -> bool:
    return _E164.fullmatch(e164) is not None and any(e164.startswith(prefix) for prefix in sample_prefixes)


def _kind_objection(e164: str) -> Verdict | None:
    number = _read(e164)
    if number is None or not phonenumbers.is_valid_number(number):
        return refused(Reason.UNKNOWN_NUMBER, "No numbering plan knows this number.")
    if phonenumbers.region_code_for_number(number) == _NO_COUNTRY:
        return refused(Reason.NOT_DIALABLE, "This is a satellite or global-service number.")
    kind = phonenumbers.number_type(number)
    if kind not in _ORDINARY:
        return refused(Reason.NOT_DIALABLE, f"This is {_KINDS.get(kind, 'a number of an unknown kind')}.")
    return None


def _read(e164: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return None


def _parse_sentence(error_type: int) -> str:
    match error_type:
        case phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            return "The number's country code does not exist."
        case phonenumbers.NumberParseException.TOO_LONG:
            return "The number has too many digits."
        case phonenumbers.NumberParseException.NOT_A_NUMBER:
            return "This is not a phone number."
        case _:
            return "The number has too few digits."
