# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask what: one table from route to right. A route that is not in it keeps the application from starting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from accounts.permissions import Permission as P
from console.ask import Actor
from console.errors import BadTable, NotAllowed, NotLoggedIn
from console.routes import Route


class Open(StrEnum):
    """Rights that no role gives."""

    EVERYBODY = "everybody"  #: also without a login
    LOGGED_IN = "logged_in"  #: everybody with an account, whatever the role
    FIRST_LOGIN = "first_login"  #: the same, and also who must first change the password


#: A set of permissions means: any one of them.
Right = Open | frozenset[P]


def _any_of(*permissions: P) -> frozenset[P]:
    return frozenset(permissions)


_DESK: Final = _any_of(P.DESK)
_SEE_CAMPAIGNS: Final = _any_of(P.DESK, P.FLOOR_WATCH, P.CAMPAIGN_CONTROL, P.CAMPAIGN_EDIT)

RIGHTS: Final[Mapping[str, Right]] = {
    # the API
    "GET /api/v1/health": Open.EVERYBODY,
    "GET /api/v1/openapi.json": Open.EVERYBODY,
    "POST /api/v1/login": Open.EVERYBODY,
    "POST /api/v1/logout": Open.FIRST_LOGIN,
    "GET /api/v1/me": Open.FIRST_LOGIN,
    "POST /api/v1/password": Open.FIRST_LOGIN,
    "GET /api/v1/live": _any_of(P.DESK, P.FLOOR_WATCH),
    "GET /api/v1/rms": _any_of(P.RM_MANAGE, P.FLOOR_WATCH),
    "POST /api/v1/rms": _any_of(P.RM_MANAGE),
    "POST /api/v1/rms/{rm}": _any_of(P.RM_MANAGE),
    "GET /api/v1/accounts": _any_of(P.ACCOUNT_MANAGE),
    "POST /api/v1/accounts": _any_of(P.ACCOUNT_MANAGE),
    "POST /api/v1/accounts/{account}": _any_of(P.ACCOUNT_MANAGE),
    "POST /api/v1/accounts/{account}/reset": _any_of(P.ACCOUNT_MANAGE),
    "GET /api/v1/trunks": _any_of(P.PBX_MANAGE, P.FLOOR_WATCH),
    "GET /api/v1/calls": _any_of(P.FLOOR_WATCH),
    "GET /api/v1/rms/{rm}": _DESK,
    "POST /api/v1/rms/{rm}/shift": _DESK,
    "DELETE /api/v1/rms/{rm}/shift": _DESK,
    "POST /api/v1/rms/{rm}/ready": _DESK,
    "POST /api/v1/rms/{rm}/break": _DESK,
    "POST /api/v1/rms/{rm}/next": _DESK,
    "POST /api/v1/rms/{rm}/more-time": _DESK,
    "POST /api/v1/rms/{rm}/call": _any_of(P.PBX_MANAGE),
    "GET /api/v1/rms/{rm}/list": _DESK,
    "POST /api/v1/calls/{call_id}/confirm": _DESK,
    "POST /api/v1/calls/{call_id}/cancel": _DESK,
    "POST /api/v1/calls/{call_id}/skip": _DESK,
    "POST /api/v1/calls/{call_id}/again": _DESK,
    "POST /api/v1/calls/{call_id}/hang-up": _DESK,
    "POST /api/v1/calls/{call_id}/outcome": _DESK,
    "GET /api/v1/calls/{call_id}": _any_of(P.DESK, P.FLOOR_WATCH),
    "GET /api/v1/campaigns": _SEE_CAMPAIGNS,
    "POST /api/v1/campaigns": _any_of(P.CAMPAIGN_EDIT),
    "GET /api/v1/campaigns/{campaign}": _SEE_CAMPAIGNS,
    "POST /api/v1/campaigns/{campaign}/start": _any_of(P.CAMPAIGN_CONTROL),
    "POST /api/v1/campaigns/{campaign}/pause": _any_of(P.CAMPAIGN_CONTROL),
    "POST /api/v1/campaigns/{campaign}/stop": _any_of(P.CAMPAIGN_CONTROL),
    "POST /api/v1/campaigns/{campaign}/lists": _any_of(P.CAMPAIGN_EDIT),
    "GET /api/v1/customers/{customer_id}": _any_of(P.CUSTOMER_SEARCH),
    "POST /api/v1/customers/search": _any_of(P.CUSTOMER_SEARCH),
    "POST /api/v1/customers/{customer_id}/reveal": _any_of(P.CUSTOMER_REVEAL),
    "GET /api/v1/customers/{customer_id}/suppressions": _any_of(P.CUSTOMER_SEARCH),
    "POST /api/v1/customers/{customer_id}/suppress": _any_of(P.CUSTOMER_SUPPRESS),
    "POST /api/v1/customers/{customer_id}/lift": _any_of(P.CUSTOMER_SUPPRESS),
    "GET /api/v1/imports": _any_of(P.CUSTOMER_IMPORT),
    "POST /api/v1/imports": _any_of(P.CUSTOMER_IMPORT),
    "GET /api/v1/imports/{import_id}": _any_of(P.CUSTOMER_IMPORT),
    "GET /api/v1/imports/{import_id}/errors": _any_of(P.CUSTOMER_IMPORT),
    "POST /api/v1/imports/{import_id}/undo": _any_of(P.CUSTOMER_IMPORT),
    "GET /api/v1/jobs/{job}": _any_of(P.CUSTOMER_IMPORT, P.CAMPAIGN_EDIT),
    "GET /api/v1/alarms": _any_of(P.FLOOR_WATCH),
    "GET /api/v1/audit": _any_of(P.AUDIT_READ),
    "GET /api/v1/floor": _any_of(P.FLOOR_WATCH),
    "POST /api/v1/floor/halt": _any_of(P.FLOOR_HALT),
    "POST /api/v1/floor/lift": _any_of(P.FLOOR_HALT),
    # the pages
    "GET /static/{name}": Open.EVERYBODY,
    "GET /login": Open.EVERYBODY,
    "POST /login": Open.EVERYBODY,
    "POST /logout": Open.FIRST_LOGIN,
    "GET /password": Open.FIRST_LOGIN,
    "POST /password": Open.FIRST_LOGIN,
    "GET /": Open.LOGGED_IN,
    "GET /call": _DESK,
    "GET /call/{action}": _DESK,
    "POST /call/{action}": _DESK,
    "GET /floor": _any_of(P.FLOOR_WATCH),
    "POST /floor/halt": _any_of(P.FLOOR_HALT),
    "POST /floor/lift": _any_of(P.FLOOR_HALT),
    "POST /floor/{campaign}/{move}": _any_of(P.CAMPAIGN_CONTROL),
}


def check_table(routes: Iterable[Route]) -> None:
    """Hold routes and rights against each other.

    Raises:
        BadTable: a route without a right, a right without a route, or two routes of one name.
    """
    names = [route.name for route in routes]
    twice = sorted({name for name in names if names.count(name) > 1})
    without = sorted(set(names) - RIGHTS.keys())
    idle = sorted(RIGHTS.keys() - set(names))
    if twice or without or idle:
        raise BadTable(f"Routes twice: {twice}; without a right: {without}; rights without a route: {idle}.")


def admit(route: Route, actor: Actor | None) -> None:
    """Let somebody pass, or say why not.

    Raises:
        NotLoggedIn, NotAllowed
    """
    right = RIGHTS[route.name]
    if right is Open.EVERYBODY:
        return
    if actor is None:
        raise NotLoggedIn("Please log in. Your session is over, or there was none.")
    if right is Open.FIRST_LOGIN:
        return
    if actor.must_change_password:
        raise NotAllowed("Choose a password of your own first.", reason="password_must_change")
    if right is Open.LOGGED_IN:
        return
    assert not isinstance(right, Open)
    if not any(actor.may(permission) for permission in right):
        raise NotAllowed(f"The role {actor.role} may not do this.")
