# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample floor: whole or not there, and made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import func, select

from accounts import accounts
from accounts.passwords import password_fits
from asterisk.carrier.spec import CarrierSpec
from asterisk.spec import PbxSpec
from config.load import load
from config.settings import Settings
from crm.tables import customer
from dialer.campaigns import list_campaigns, move_campaign
from foundation.clock import SystemClock
from foundation.ids import SeededIds, SystemIds
from offhook import sample
from offhook.pbx import access_of
from offhook.records import Records
from profiler import rms
from profiler.tables import target_entry
from vocabulary.states import CampaignState, PacingMode

Specs = tuple[PbxSpec, CarrierSpec]


@pytest.fixture
def specs(tmp_path: Path) -> Specs:
    """PBX and carrier of a floor that does not run."""
    (tmp_path / "floor").mkdir()
    return sample.sample_specs(tmp_path / "floor")


@pytest.fixture
def settings(tmp_path: Path, specs: Specs) -> Settings:
    """As `offhook up --sample` writes and reads them."""
    pbx, carrier = specs
    path = sample.write_settings(tmp_path / "floor", pbx, carrier, "127.0.0.1", 8081)
    return load(path, {})


def test_the_settings_lead_to_the_simulated_carrier_alone(
    settings: Settings, specs: Specs, tmp_path: Path
) -> None:
    """The sample profile, everything in its own folder, the same ports as PBX and carrier."""
    pbx, carrier = specs
    assert settings.profile == "sample"
    assert settings.state_dir == tmp_path / "floor"
    assert [(trunk.host, trunk.port) for trunk in settings.trunks] == [("127.0.0.1", carrier.sip_port)]
    assert (settings.pbx.ari_port, settings.pbx.sip_port) == (pbx.ari.port, pbx.sip.port)
    assert access_of(settings).password == pbx.ari.password
    assert settings.console.port == 8081
    assert tuple(settings.pbx.caller_ids) == sample.CALLER_IDS
    assert settings.safety.allowed_prefixes == []
    assert os.stat(tmp_path / "floor" / sample.SETTINGS).st_mode & 0o077 == 0


async def test_it_is_made_once(settings: Settings) -> None:
    """Accounts with passwords that fit, customers in lists of their own, campaigns that run; then nothing more."""
    made = (await sample.set_up(settings, SystemClock(), SystemIds())).made
    assert [one.name for one in made] == [*sample.RMS, *sample.OFFICE]
    assert await sample.set_up(settings, SystemClock(), SystemIds()) == sample.SampleFloor()
    records = Records.open(settings, SystemClock(), SystemIds())
    for one in made:
        found = await records.db.read(accounts.find, one.name)
        assert found is not None
        assert found.password_must_change
        assert password_fits(await records.db.read(accounts.password_hash, found.id), one.one_time_password)
    campaigns = await records.db.read(list_campaigns)
    assert [(one.name, one.mode, one.state) for one in campaigns] == [
        ("sample", PacingMode.PROGRESSIVE, CampaignState.RUNNING),
        ("sample-preview", PacingMode.PREVIEW, CampaignState.RUNNING),
    ]
    anna = await records.db.read(rms.by_name, sample.PERSON)
    assert anna is not None
    owners = await records.db.read(
        lambda conn: {
            (row[0], row[1]): row[2]
            for row in conn.execute(
                select(target_entry.c.campaign_id, target_entry.c.rm_id, func.count()).group_by(
                    target_entry.c.campaign_id, target_entry.c.rm_id
                )
            )
        }
    )
    assert owners.pop((campaigns[1].id, anna.rm_id)) == 40
    assert {campaign_id for campaign_id, _ in owners} == {campaigns[0].id}
    assert sum(owners.values()) == 160
    await records.close()


async def test_a_floor_at_its_end_says_so(settings: Settings) -> None:
    """It starts, and would stand still: a newcomer is told how to have a new one."""
    await sample.set_up(settings, SystemClock(), SystemIds())
    records = Records.open(settings, SystemClock(), SystemIds())
    now = SystemClock().now()
    await records.db.write(move_campaign, 1, CampaignState.EXHAUSTED, now)
    await records.close()
    assert await sample.set_up(settings, SystemClock(), SystemIds()) == sample.SampleFloor(over=True)


async def test_a_set_up_that_was_cut_off_is_completed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Customers that are in already are not taken in twice; nobody's password was made in vain."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sample, "_people_and_campaigns", cut)
        with pytest.raises(KeyboardInterrupt):
            await sample.set_up(settings, SystemClock(), SeededIds(1))
    assert len((await sample.set_up(settings, SystemClock(), SystemIds())).made) == 6
    records = Records.open(settings, SystemClock(), SystemIds())
    count = await records.db.read(lambda conn: conn.scalar(select(func.count()).select_from(customer)))
    assert count == sample.CUSTOMERS
    await records.close()
