# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample floor: invented customers, four RMs of whom three are simulated, and two campaigns of theirs.

Everything is made through the same doors that a real installation uses. Setting it up again does only what
is missing, so that a set-up that was interrupted is completed by the next start.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from accounts import accounts
from accounts.one_time import one_time_password
from accounts.passwords import SALT_BYTES, hash_password
from accounts.permissions import Role
from asterisk.carrier.mix_file import SAMPLE, read_mix
from asterisk.carrier.spec import CarrierSpec
from asterisk.files import write_whole
from asterisk.lab import lab_specs
from asterisk.spec import PbxSpec
from config.settings import Settings
from crm.imports.importer import run_import
from crm.imports.mapping import shipped
from crm.sample import PLACES, write_csv
from crm.tables import customer
from dialer.campaigns import Campaign, CampaignPolicy, create_campaign, list_campaigns, move_campaign
from foundation.clock import Clock
from foundation.ids import IdSource, SystemIds
from offhook.records import Records
from offhook.workers import JOBS_NICE, worker_pool
from profiler import rms
from profiler.building import build
from vocabulary.states import CampaignState, PacingMode

STATE: Final = Path("var/sample")
SETTINGS: Final = "offhook.toml"
COMPANY: Final = "Offhook Sample Bank"
CALLER_IDS: Final = ("+99900000001", "+99900000002")
CUSTOMERS: Final = 200
SEED: Final = 1

PERSON: Final = "anna"
"""The RM whom a person plays."""
ROBOTS: Final = ("ben", "carl", "dora")
RMS: Final = (PERSON, *ROBOTS)
OFFICE: Final = {"sam": Role.SUPERVISOR, "admin": Role.ADMIN}

DIALS_BY_ITSELF: Final = "sample"
BY_HAND: Final = "sample-preview"
_PREVIEW: Final = "preview"  #: the skill that keeps the preview campaign's customers with the person
_FOR_THE_PERSON: Final = 40  #: customers of the preview campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account that was made now; the password is told this once."""

    name: str
    role: Role
    one_time_password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFloor:
    """What a set-up found or made."""

    made: tuple[NewAccount, ...] = ()  #: accounts made now
    over: bool = False  #: every customer of the campaign that dials by itself was dealt with


def sample_specs(state: Path) -> tuple[PbxSpec, CarrierSpec]:
    """PBX and simulated carrier of the sample floor, on free ports, or on those where they run."""
    return lab_specs(
        state=state,
        rms=RMS,
        mix=read_mix(SAMPLE),
        randomness=SystemIds(),
        caller_ids=CALLER_IDS,
        company=COMPANY,
    )


def write_settings(state: Path, pbx: PbxSpec, carrier: CarrierSpec, host: str, port: int) -> Path:
    """The settings file of the sample floor, made anew at every start: the ports may have changed."""
    path = state / SETTINGS
    numbers = ", ".join(f'"{number}"' for number in CALLER_IDS)
    text = f"""\
# The sample floor's settings, written by `offhook up --sample` at every start: changes made here are lost.
profile = "sample"
company = "{COMPANY}"
state_dir = "."

[console]
host = "{host}"
port = {port}

[pbx]
ari_port = {pbx.ari.port}
sip_port = {pbx.sip.port}
rtp_start = {pbx.instance.rtp.first}
rtp_end = {pbx.instance.rtp.last}
caller_ids = [{numbers}]

[[trunks]]
name = "carrier"
host = "127.0.0.1"
port = {carrier.sip_port}

[law]
hours = {{ mon-sun = "00:00-24:00" }}
national_holidays = false

[logging]
file = "offhook.log"
"""
    write_whole(path, text.encode())
    return path


async def set_up(settings: Settings, clock: Clock, ids: IdSource) -> SampleFloor:
    """Customers, people and campaigns, as far as they are missing.

    Raises:
        SecondInstance: a process runs on this database.
    """
    records = Records.open(settings, clock, ids)
    try:
        campaigns = {one.name: one for one in await records.db.read(list_campaigns)}
        if BY_HAND in campaigns:
            state = campaigns[DIALS_BY_ITSELF].state
            return SampleFloor(over=state in (CampaignState.EXHAUSTED, CampaignState.STOPPED))
        await _take_in_customers(settings, records, clock)
        return SampleFloor(made=tuple(await records.db.write(_people_and_campaigns, clock.now(), ids)))
    finally:
        await records.close()


async def _take_in_customers(settings: Settings, records: Records, clock: Clock) -> None:
    work = settings.state_dir / "uploads"
    work.mkdir(exist_ok=True, mode=0o700)
    path = work / "sample-customers.csv"
    write_csv(path, CUSTOMERS, random.Random(SEED), clock.now().date())
    workers = worker_pool(JOBS_NICE)
    try:
        await run_import(
            records.db,
            records.ring,
            path,
            shipped("plain"),
            clock=clock,
            executor=workers,
            work_dir=work,
            errors_path=work / "sample-errors.csv",
        )
    finally:
        workers.shutdown()
        path.unlink()


def _people_and_campaigns(conn: Connection, now: datetime, ids: IdSource) -> list[NewAccount]:
    """One unit of work: either the whole floor is there, with passwords that are told, or nothing of it."""
    languages = sorted({place.language for place in PLACES})
    made = []
    for name in RMS:
        made.append(_account(conn, name, Role.RM, now, ids))
        found = accounts.find(conn, name)
        assert found is not None
        skills = (_PREVIEW,) if name == PERSON else ()
        rms.add(conn, name, name.title(), languages=languages, skills=skills, account_id=found.id)
    made += [_account(conn, name, role, now, ids) for name, role in OFFICE.items()]
    customers = list(conn.scalars(select(customer.c.id).order_by(customer.c.id)))
    by_itself = _campaign(conn, DIALS_BY_ITSELF, "Term deposit", PacingMode.PROGRESSIVE, CALLER_IDS[0], now)
    build(conn, by_itself.needs(), customers[_FOR_THE_PERSON:], now)
    by_hand = _campaign(conn, BY_HAND, "Term deposit, by hand", PacingMode.PREVIEW, CALLER_IDS[1], now)
    build(conn, by_hand.needs(), customers[:_FOR_THE_PERSON], now)
    return made


def _account(conn: Connection, name: str, role: Role, now: datetime, ids: IdSource) -> NewAccount:
    password = one_time_password(ids)
    kept = hash_password(password, ids.token_bytes(SALT_BYTES))
    accounts.add(conn, name=name, display_name=name.title(), role=role, password_hash=kept, now=now)
    return NewAccount(name=name, role=role, one_time_password=password)


def _campaign(
    conn: Connection, name: str, title: str, mode: PacingMode, caller_id: str, now: datetime
) -> Campaign:
    made = create_campaign(
        conn,
        name=name,
        title=title,
        mode=mode,
        caller_id=caller_id,
        policy=CampaignPolicy(
            script="term-deposit",
            guidelines=("tone", "objections", "data-protection"),
            skills=(_PREVIEW,) if mode is PacingMode.PREVIEW else (),
        ),
        now=now,
    )
    return move_campaign(conn, made.id, CampaignState.RUNNING, now)
