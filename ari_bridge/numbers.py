# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as trunks want them, and back to E.164."""

from __future__ import annotations

import re

import phonenumbers

from ari_bridge.access import NumberFormat, TrunkLimits
from ari_bridge.errors import BadNumber

# What goes into a dial string must not be able to end it: a slash or an at-sign there dials another endpoint.
_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_OTHER_CALLER_ID = re.compile(r"[A-Za-z0-9*#._-]{1,32}")


def dialed(e164: str, trunk: TrunkLimits) -> str:
    """The user part of the INVITE: ``e164`` (with plus) in the trunk's format, after its prefix.

    Raises:
        BadNumber: it is not E.164 with a plus sign.
    """
    if not _E164.fullmatch(e164):
        raise BadNumber("The number is not E.164 with a plus sign; nothing was dialed.")
    return trunk.prefix + written(e164, trunk)


def written(caller_id: str, trunk: TrunkLimits) -> str:
    """A number in the trunk's format; what is not E.164 with plus goes out as it stands.

    Raises:
        BadNumber: it has signs that neither a number nor a name of a caller has.
    """
    if not _E164.fullmatch(caller_id):
        if not _OTHER_CALLER_ID.fullmatch(caller_id):
            raise BadNumber("The caller ID is neither E.164 nor letters and digits; nothing was dialed.")
        return caller_id
    e164 = caller_id
    match trunk.number_format:
        case NumberFormat.E164_PLUS:
            return e164
        case NumberFormat.E164:
            return e164[1:]
        case NumberFormat.NATIONAL:
            parsed = _parse(e164)
            local = phonenumbers.format_out_of_country_calling_number(parsed, trunk.country)
            digits = re.sub(r"\D", "", local)
            # Within its own country code the library writes North American numbers with the leading 1.
            if phonenumbers.country_code_for_region(trunk.country) == parsed.country_code:
                national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
                digits = re.sub(r"\D", "", national)
            return digits


def _parse(e164: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        raise BadNumber("The number belongs to no country; nothing was dialed.") from None


def read_caller(number: str, trunk: TrunkLimits | None) -> str | None:
    """A calling party as the trunk wrote it, as E.164 with plus; None when it is withheld or not a number."""
    digits = number if number.startswith("+") else re.sub(r"[^\d+]", "", number)
    if not digits or not digits.lstrip("+").isdigit():
        return None
    country = trunk.country if trunk is not None and trunk.number_format is NumberFormat.NATIONAL else None
    text = digits if country or digits.startswith("+") else f"+{digits}"
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        # No numbering plan knows it, as with sample numbers: E.164 by its shape is still somebody's number.
        return text if _E164.fullmatch(text) else None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
