# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as trunks want them, and back to E.164."""

from __future__ import annotations

import re

import phonenumbers

from ari_bridge.access import NumberFormat, TrunkLimits


def dialed(e164: str, trunk: TrunkLimits) -> str:
    """The user part of the INVITE: ``e164`` (with plus) in the trunk's format, after its prefix."""
    return trunk.prefix + written(e164, trunk)


def written(e164: str, trunk: TrunkLimits) -> str:
    """A number in the trunk's format. What is not E.164 with plus goes out as it stands."""
    if not e164.startswith("+"):
        return e164
    match trunk.number_format:
        case NumberFormat.E164_PLUS:
            return e164
        case NumberFormat.E164:
            return e164[1:]
        case NumberFormat.NATIONAL:
            parsed = phonenumbers.parse(e164)
            local = phonenumbers.format_out_of_country_calling_number(parsed, trunk.country)
            digits = re.sub(r"\D", "", local)
            # Within its own country code the library writes North American numbers with the leading 1.
            if phonenumbers.country_code_for_region(trunk.country) == parsed.country_code:
                national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
                digits = re.sub(r"\D", "", national)
            return digits


def read_caller(number: str, trunk: TrunkLimits | None) -> str | None:
    """A calling party as the trunk wrote it, as E.164 with plus; None when it is withheld or not a number."""
    digits = number if number.startswith("+") else re.sub(r"[^\d+]", "", number)
    if not digits or not digits.lstrip("+").isdigit():
        return None
    country = trunk.country if trunk is not None and trunk.number_format is NumberFormat.NATIONAL else None
    try:
        parsed = phonenumbers.parse(digits if country or digits.startswith("+") else f"+{digits}", country)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
