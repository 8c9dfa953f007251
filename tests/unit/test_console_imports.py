# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports over the API, with the real runner of jobs: uploaded, followed, refused lines fetched, undone."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from accounts.permissions import Role
from console.jobs import uploads_folder
from tests.console_site import OURS, Site, Visitor, open_site
from tests.phones.eventually import eventually

MAPPING = """
[file]
source = "crm"

[numbers]
sample_prefixes = ["+999"]

[customer]
external_id = { column = "id" }
name = { column = "name" }
zone = { constant = "Europe/Lisbon" }
numbers = [ { column = "phone" } ]
"""
GOOD = b"id,name,phone\n1,Ana Silva,+99910000001\n2,Rui Lopes,+99910000002\n"
MIXED = GOOD + b"3,No Number,not a number\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "ours.toml").write_text(MAPPING)
    async with open_site(tmp_path) as opened:
        await opened.run_jobs()
        yield opened


async def upload(visitor: Visitor, data: bytes, mapping: str = "ours", name: str = "crm.csv") -> Any:
    return await visitor.client.post(
        "/api/v1/imports",
        params={"mapping": mapping, "name": name},
        data=data,
        headers={**OURS, "Content-Type": "text/csv"},
    )


async def finished(visitor: Visitor, answer: Any) -> dict[str, Any]:
    """The job an answer began, when it is over."""
    assert answer.status == 202, await answer.text()
    job = (await answer.json())["job"]
    shown: dict[str, Any] = {}

    async def over() -> bool:
        shown.update(await (await visitor.get(f"/api/v1/jobs/{job}")).json())
        return shown["state"] in ("done", "failed")

    await eventually(over)
    return shown


@pytest.mark.parametrize("data", [GOOD, gzip.compress(GOOD, mtime=0)], ids=["plain", "gzip"])
async def test_a_file_becomes_customers(site: Site, tmp_path: Path, data: bytes) -> None:
    """Plain or gzipped; the uploaded file, which holds customers in clear, is gone afterwards."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    job = await finished(visitor, await upload(visitor, data))
    assert (job["state"], job["progress"]["added"], job["progress"]["refused"]) == ("done", 2, 0)
    shown = await (await visitor.get(f"/api/v1/imports/{job['progress']['import_id']}")).json()
    assert (shown["state"], shown["file_name"], shown["added"]) == ("done", "crm.csv", 2)
    listed = await (await visitor.get("/api/v1/imports")).json()
    assert listed["imports"] == [shown]
    assert list(uploads_folder(tmp_path).iterdir()) == []


async def test_refused_lines_are_fetched_as_csv(site: Site) -> None:
    """Line, column, masked value and what is wrong; the others are customers."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    job = await finished(visitor, await upload(visitor, MIXED))
    assert (job["progress"]["added"], job["progress"]["refused"]) == (2, 1)
    answer = await visitor.get(f"/api/v1/imports/{job['progress']['import_id']}/errors")
    assert answer.content_type == "text/csv"
    header, line = (await answer.text()).splitlines()
    assert header == "line,column,value,message"
    assert line.startswith("4,phone,")
    assert "not a number" not in line


async def test_an_import_is_undone(site: Site) -> None:
    """Its customers are gone; undoing what is undone is refused in words."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    job = await finished(visitor, await upload(visitor, GOOD))
    address = f"/api/v1/imports/{job['progress']['import_id']}"
    undone = await finished(visitor, await visitor.post(f"{address}/undo"))
    assert undone["state"] == "done"
    assert (await (await visitor.get(address)).json())["state"] == "undone"
    hits = await (await visitor.post("/api/v1/customers/search", {"text": "Ana"})).json()
    assert hits["customers"] == []
    again = await finished(visitor, await visitor.post(f"{address}/undo"))
    assert again["state"] == "failed"
    assert "nothing to undo" in again["error"]


@pytest.mark.parametrize(
    ("data", "mapping", "status", "reason"),
    [
        (GOOD, "nosuch", 422, "bad_mapping"),
        (GOOD, "../keys", 422, "bad_mapping"),
        (b"", "ours", 422, "empty_file"),
    ],
)
async def test_what_cannot_be_imported_is_refused_at_once(
    site: Site, tmp_path: Path, data: bytes, mapping: str, status: int, reason: str
) -> None:
    """No job is begun and no file is left."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    answer = await upload(visitor, data, mapping)
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)
    folder = uploads_folder(tmp_path)
    assert not folder.exists() or list(folder.iterdir()) == []
    assert (await visitor.get("/api/v1/jobs/1")).status == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"id,name\n1,Ana\n", "phone"),
        ("id,name,phone\n1,Jo\xe3o,+99910000001\n".encode("latin-1"), "byte"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_its_job_in_words(
    site: Site, tmp_path: Path, data: bytes, words: str
) -> None:
    """The missing column, the byte of another encoding; nothing of it is applied and the file is gone."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    job = await finished(visitor, await upload(visitor, data))
    assert job["state"] == "failed"
    assert words in job["error"]
    assert list(uploads_folder(tmp_path).iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a b;c.csv", "..", "ünï.csv"])
async def test_a_files_name_is_no_path(site: Site, tmp_path: Path, name: str) -> None:
    """It is for the record: whatever it says, the file lands in the uploads folder under a plain name."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    job = await finished(visitor, await upload(visitor, GOOD, name=name))
    assert job["state"] == "done"
    shown = await (await visitor.get(f"/api/v1/imports/{job['progress']['import_id']}")).json()
    assert set(shown["file_name"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not shown["file_name"].startswith(".")


@pytest.mark.parametrize("path", ["imports/99", "imports/x", "imports/99/errors", "jobs/99", "jobs/x"])
async def test_what_is_not_there_is_said(site: Site, path: str) -> None:
    """By number or by nonsense."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    assert (await visitor.get(f"/api/v1/{path}")).status == 404
