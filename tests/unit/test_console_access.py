# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask what: every route by every role, against the table of rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accounts.permissions import Permission, Role, may
from console.access import RIGHTS, Open, check_table
from console.app import ROUTES
from console.errors import BadTable
from console.routes import Media, Route
from tests.console_site import OURS, Site, Visitor, open_site

#: Something that fits each part of a path; whether it is there does not matter: the right is asked first.
_PARTS = {
    "rm": "me",
    "account": "nobody",
    "customer_id": "1",
    "call_id": "00000000",
    "campaign": "1",
    "import_id": "1",
    "job": "1",
    "name": "console.css",
    "action": "ready",
    "move": "start",
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def ask(visitor: Visitor, route: Route) -> int:
    path = route.path.format(**_PARTS)
    headers = {"Sec-Fetch-Site": "same-origin"} | (OURS if route.is_api else {})
    answer = await visitor.client.request(
        route.method, path, headers=headers, allow_redirects=False, json={} if route.is_api else None
    )
    answer.release()
    if answer.status == 303 and answer.headers["Location"] == "/login":
        return 401
    return answer.status


async def test_every_route_has_one_right_and_every_right_a_route() -> None:
    """A route that nobody thought about keeps the console from starting."""
    check_table(ROUTES)
    with pytest.raises(BadTable, match="without a right"):
        check_table([*ROUTES, Route(**{**_fields(ROUTES[0]), "path": "/api/v1/forgotten"})])
    with pytest.raises(BadTable, match="rights without a route"):
        check_table(ROUTES[1:])
    with pytest.raises(BadTable, match="twice"):
        check_table([*ROUTES, ROUTES[0]])


def _fields(route: Route) -> dict[str, object]:
    return {name: getattr(route, name) for name in Route.__slots__}


@pytest.mark.parametrize("role", [*Role, None])
async def test_every_route_by_every_role(site: Site, role: Role | None) -> None:
    """Not logged in: 401. Not granted by the one table of permissions: 403. Granted: anything else."""
    visitor = await site.visitor() if role is None else await site.logged_in(role)
    for route in sorted(ROUTES, key=lambda route: "logout" in route.path):
        right = RIGHTS[route.name]
        if role is not None and "logout" in route.path:
            visitor = await site.logged_in(role)
        status = await ask(visitor, route)
        if role is None:
            allowed = right is Open.EVERYBODY
            # A login without name and password is refused as wrong input, not for want of a login.
            assert (status != 401) is allowed, (route.name, status)
        else:
            allowed = isinstance(right, Open) or any(may(role, permission) for permission in right)
            if route.name == "GET /" and not may(role, Permission.DESK) and status == 403:
                continue  # a role that has no page yet is told so
            assert (status != 403) is allowed, (route.name, role, status)
        assert status < 500, (route.name, role, status)


async def test_a_one_time_password_opens_nothing_but_its_own_change(site: Site) -> None:
    """Until it is changed every other route refuses, whatever the role."""
    await site.account(Role.SUPERVISOR, "fresh", must_change=True)
    visitor = await site.logged_in(Role.SUPERVISOR, "fresh")
    for route in ROUTES:
        right = RIGHTS[route.name]
        if right in (Open.EVERYBODY, Open.FIRST_LOGIN):
            continue
        status = await ask(visitor, route)
        assert status in ((403,) if route.is_api else (303,)), route.name
    answer = await visitor.get("/floor")
    assert answer.headers["Location"] == "/password"


def test_only_the_api_describes_itself_in_json() -> None:
    """Pages, files and sockets have no reply model; JSON routes have one, or are the description itself."""
    for route in ROUTES:
        json_model = route.reply is not None
        assert json_model == (route.media is Media.JSON and not route.path.endswith("openapi.json")), (
            route.name
        )


def test_every_route_says_what_it_does() -> None:
    """The first line of each handler's docstring is the summary in the description."""
    assert [route.name for route in ROUTES if not route.summary.endswith((".", ">"))] == []
