# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between a browser and a handler: the session cookie, the request's origin, the answer's headers.

After OWASP ASVS 5.0: 3.3 (cookies), 3.4 (headers), 3.5 (origin), 7 (sessions).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy import Connection

from accounts import sessions
from accounts.permissions import Role
from accounts.sessions import WebSession
from config.settings import is_loopback
from console.ask import Actor
from console.errors import Forged, NotPossible
from console.parts import ConsoleParts
from console.routes import Media, Route
from profiler import rms
from profiler.rms import Rm

#: Our own pages and programs send it; a page of another site cannot without our leave.
OUR_HEADER: Final = "X-Offhook"
NONCE: Final = web.RequestKey("nonce", str)

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers send the origin of a form as null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=()",
    "Server": "Offhook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """The session cookie fit for how the browser reached us."""

    name: str
    secure: bool

    @classmethod
    def of(cls, request: web.Request) -> Cookie:
        """``__Host-`` and Secure, but on plain http to this very machine, where neither would work."""
        if _is_https(request) or not _is_local(request):
            return cls(name="__Host-offhook", secure=True)
        return cls(name="offhook", secure=False)

    def set(self, response: web.StreamResponse, token: str, max_age_s: float) -> None:
        response.set_cookie(
            self.name,
            token,
            max_age=int(max_age_s),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Strict",
        )

    def clear(self, response: web.StreamResponse) -> None:
        response.del_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="Strict")


async def recognise(request: web.Request, parts: ConsoleParts) -> tuple[Actor | None, bool]:
    """Who sent a request, by the session cookie; and whether the session should be touched."""
    token = request.cookies.get(Cookie.of(request).name)
    if not token:
        return None, False
    now = parts.clock.now()
    session, rm = await parts.db.read(_whose, token, now, parts.settings.console.session_idle_s)
    if session is None:
        return None, False
    actor = Actor(
        name=session.account_name,
        role=Role(session.role),
        account_id=session.account_id,
        rm=rm,
        token=token,
        must_change_password=session.password_must_change,
    )
    return actor, session.needs_touch(now)


def _whose(conn: Connection, token: str, now: object, idle_s: float) -> tuple[WebSession | None, Rm | None]:
    session = sessions.find(conn, token, now, idle_s=idle_s)  # type: ignore[arg-type]
    return session, None if session is None else rms.by_account(conn, session.account_id)


def check_origin(route: Route, request: web.Request) -> None:
    """Refuse what another site's page makes a browser send.

    Browsers tell where a request comes from by ``Sec-Fetch-Site`` and ``Origin``. A form of ours always
    has one of them; programs have neither, and show by ``OUR_HEADER`` that no browser was tricked.

    Raises:
        Forged
    """
    if not route.unsafe and route.media is not Media.SOCKET:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    foreign = site not in (None, "same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.host
    )
    if foreign:
        raise Forged("This request came from another site's page, so nothing was done.")
    if route.media is Media.SOCKET:
        return
    if route.is_api and OUR_HEADER not in request.headers:
        raise Forged(f"Requests that change something need the header {OUR_HEADER}: 1; nothing was done.")
    if not route.is_api and site is None and origin is None:
        raise Forged("Your browser did not say where this form comes from, so nothing was done.")


def address_of(request: web.Request) -> str:
    """Where a request comes from, to brake guessing. A proxy on this machine says for whom it speaks."""
    peer = request.remote or ""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    # The last entry is the proxy's own word, those before it are the client's; nobody else is believed.
    return told[:45] if told and is_loopback(peer) else peer


def require_safe_line(request: web.Request) -> None:
    """No password over a line that others can read.

    Raises:
        NotPossible
    """
    if not _is_https(request) and not _is_local(request):
        raise NotPossible(
            "This page came over plain http from another machine: the password could be read on the way. "
            "Put a TLS proxy in front of the console and use https.",
            reason="needs_https",
        )


def new_nonce(request: web.Request, parts: ConsoleParts) -> str:
    """The mark by which this answer's own style and script are told from anybody else's."""
    nonce = urlsafe_b64encode(parts.ids.token_bytes(16)).decode()
    request[NONCE] = nonce
    return nonce


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer's headers (a signal of the application)."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Content-Security-Policy"] = _policy(request.get(NONCE))
    if _is_https(request):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def _policy(nonce: str | None) -> str:
    closed = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    if nonce is None:
        return closed
    return (
        f"{closed}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; connect-src 'self'"
    )


def _is_https(request: web.Request) -> bool:
    # A forged X-Forwarded-Proto only makes the sender's own cookie stricter.
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"


def _is_local(request: web.Request) -> bool:
    try:
        return is_loopback(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:
        return False
