# SPDX-License-Identifier: GPL-3.0-or-later
"""What the score needs to know of customers, read from their records and profiles: nothing that names a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, func, select

from crm.customers import ACTIVE
from crm.tables import customer, purchase
from profiler import profiles
from profiler.score import CustomerFeatures


def read_features(conn: Connection, customer_ids: Collection[int]) -> Mapping[int, CustomerFeatures]:
    """The features of some hundred customers at once; ids of nobody, or of an erased customer, are left out."""
    bought: dict[int, set[str]] = {}
    for customer_id, product in conn.execute(
        select(purchase.c.customer_id, purchase.c.product)
        .where(purchase.c.customer_id.in_(customer_ids))
        .distinct()
        .order_by(purchase.c.customer_id, purchase.c.product)
    ):
        bought.setdefault(customer_id, set()).add(product.lower())
    purchases = {
        row.customer_id: row
        for row in conn.execute(
            select(purchase.c.customer_id, func.count().label("n"), func.max(purchase.c.at).label("last_at"))
            .where(purchase.c.customer_id.in_(customer_ids))
            .group_by(purchase.c.customer_id)
            .order_by(purchase.c.customer_id)
        )
    }
    known = profiles.of_customers(conn, customer_ids)
    found = {}
    for row in conn.execute(
        select(customer.c.id, customer.c.language, customer.c.zone, customer.c.segment)
        .where(customer.c.id.in_(customer_ids), customer.c.state == ACTIVE)
        .order_by(customer.c.id)
    ):
        profile, money = known[row.id], purchases.get(row.id)
        found[row.id] = CustomerFeatures(
            customer_id=row.id,
            language=row.language and row.language.lower(),
            zone=row.zone,
            topics=frozenset(bought.get(row.id, ())) | ({row.segment.lower()} if row.segment else set()),
            purchases=0 if money is None else money.n,
            last_purchase_at=None if money is None else money.last_at,
            attempts=profile.attempts,
            answers=profile.answers,
            last_rm_id=profile.last_rm_id,
            last_disposition=profile.last_disposition,
            last_outcome=profile.last_outcome,
            reach=profile.reach,
        )
    return found
