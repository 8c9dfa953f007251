# SPDX-License-Identifier: GPL-3.0-or-later
"""The customers of a demonstration: invented ones, or the first of a file; both through the real import."""

from __future__ import annotations

import csv
import gzip
import random
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from crm.imports.importer import run_import
from crm.imports.mapping import shipped
from crm.sample import COLUMNS, rows
from crm.tables import customer
from offhook.demo.plan import BadPlan, DemoPlan

if TYPE_CHECKING:
    from offhook.system import System


async def take_in_customers(system: System, plan: DemoPlan) -> list[int]:
    """Import them; their ids.

    Raises:
        BadPlan: the file cannot be read, or holds fewer customers than asked for.
        ImportRefused, BadMapping.
    """
    work = system.settings.state_dir / "import"
    work.mkdir(parents=True, exist_ok=True)
    if plan.customers_file is None:
        path, mapping = work / "sample.csv", "plain"
        _write_sample(path, plan, system.clock.now().date())
    else:
        path, mapping = work / "customers.csv", plan.mapping
        _copy_first(plan.customers_file, path, plan.customers)
    batch = await run_import(
        system.db,
        system.ring,
        path,
        shipped(mapping),
        clock=system.clock,
        executor=system.workers,
        work_dir=work,
        errors_path=work / "errors.csv",
    )
    if batch.refused:
        raise BadPlan(
            f"{batch.refused} lines of the customers' file were refused; see {work / 'errors.csv'}."
        )
    return await system.db.read(_all_customers)


def _write_sample(path: Path, plan: DemoPlan, today: date) -> None:
    """Invented customers without preferred hours: a demonstration runs at any hour and must come to its end."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows(plan.customers, random.Random(plan.seed), today):
            writer.writerow(row | {"preferred_from": "", "preferred_to": ""})


def _copy_first(source: Path, target: Path, count: int) -> None:
    """The header and the first ``count`` lines of a CSV file, plain or gzip."""
    opener = gzip.open if source.suffix == ".gz" else open
    try:
        with opener(source, "rb") as file:
            lines = list(islice(file, count + 1))
    except OSError as error:
        raise BadPlan(f"{source} cannot be read ({error.strerror}); nothing was started.") from None
    if len(lines) < count + 1:
        raise BadPlan(f"{source} holds {max(0, len(lines) - 1)} customers, not {count}.")
    target.write_bytes(b"".join(lines))


def _all_customers(conn: Connection) -> list[int]:
    return list(conn.scalars(select(customer.c.id).order_by(customer.c.id)))
