# SPDX-License-Identifier: GPL-3.0-or-later
"""A number an RM asks for by hand: it becomes a customer and an entry of the RM's list, and every check applies."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from crm.customers import add
from crm.numbers import customers_of
from crm.records import NewCustomer, number_blind
from dialer.campaigns import Campaign
from dialer.rules import DialingRules
from foundation import audit
from lawful.errors import BadNumber
from lawful.numbers import country_of, parse, verdict
from profiler.building import add_customer
from profiler.tables import ENTRY_IS_OPEN, target_entry
from vocabulary.commands import PlaceCall

SOURCE = "by hand"


def prepare_by_hand(
    conn: Connection, command: PlaceCall, campaign: Campaign, now: datetime, rules: DialingRules
) -> int | str:
    """The customer to call, open in the RM's list; or why it may not be, in words. What is done is audited."""
    try:
        e164 = parse(command.pii_number, sample_prefixes=rules.numbers.sample_prefixes)
    except BadNumber as error:
        return str(error)
    allowed = verdict(e164, rules.numbers)
    if not allowed.allowed:
        return allowed.sentence
    blind = number_blind(rules.cipher, e164)
    known = customers_of(conn, blind)
    if known:
        customer_id = known[0]
    else:
        customer_id = add(
            conn,
            rules.cipher,
            NewCustomer(
                source=SOURCE,
                external_id=blind[:32],
                name="(not known)",
                numbers=(e164,),
                zone=command.zone,
                country=country_of(e164),
            ),
            now,
        )
    owner = conn.execute(
        select(target_entry.c.rm_id, target_entry.c.campaign_id).where(
            ENTRY_IS_OPEN, target_entry.c.customer_id == customer_id
        )
    ).first()
    if owner is None:
        add_customer(conn, campaign.needs(), customer_id, now, command.rm_id)
    elif (owner.rm_id, owner.campaign_id) != (command.rm_id, campaign.id):
        return "This customer is open in another list; nobody may be called twice."
    # The number itself is the customer's, whose record is named.
    audit.record(
        conn,
        now,
        actor=command.by,
        action=command.kind,
        subject=f"customer:{customer_id}",
        detail={"rm": command.rm_id, "campaign": campaign.name},
    )
    return customer_id
