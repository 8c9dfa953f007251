# SPDX-License-Identifier: GPL-3.0-or-later
"""People who log in: accounts, permissions, passwords, sessions, and the brake on guessing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, func, select

from accounts import accounts, logins, passwords, sessions
from accounts.accounts import Account, AccountState
from accounts.errors import BadName, NameTaken, NoSuchAccount, TooManyTries, WeakPassword
from accounts.one_time import one_time_password
from accounts.permissions import Permission, Role, may
from accounts.tables import login_tries
from foundation.db.testing import create_tables
from foundation.ids import SeededIds
from foundation.testing import MONDAY_TEN

IDLE_S, MAX_S = 1800, 43_200
GOOD = "seven blue horses"
HASH = passwords.hash_password(GOOD, b"s" * 16, passwords.TESTS_ONLY)


@pytest.fixture
def conn() -> Iterator[Connection]:
    """An empty database."""
    with create_engine("sqlite://").connect() as conn:
        create_tables(conn)
        yield conn


@pytest.fixture
def anna(conn: Connection) -> Account:
    """An RM's account."""
    return add(conn, "anna")


def add(conn: Connection, name: str, role: Role = Role.RM) -> Account:
    return accounts.add(
        conn, name=name, display_name=name.title(), role=role, password_hash=HASH, now=MONDAY_TEN
    )


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


# --- accounts ---------------------------------------------------------------------------------------


def test_an_account_is_found_by_its_name_and_says_no_hash(conn: Connection, anna: Account) -> None:
    """What code passes around holds nothing to steal."""
    assert accounts.find(conn, "anna") == anna
    assert accounts.find(conn, "ben") is None
    assert anna.password_must_change
    assert "argon2" not in repr(anna)
    assert accounts.password_hash(conn, anna.id) == HASH


def test_names_are_plain_and_unique(conn: Connection, anna: Account) -> None:
    """They appear in logs, addresses and channel names."""
    for name in ("Anna", "a", "1st", "anna maria", "x" * 41, "änna"):
        with pytest.raises(BadName):
            add(conn, name)
    with pytest.raises(NameTaken):
        add(conn, "anna")
    assert [account.name for account in accounts.every(conn)] == ["anna"]


def test_changing_role_state_or_password_ends_sessions(conn: Connection, anna: Account) -> None:
    """Nobody goes on with rights they no longer have."""
    ids = SeededIds(1)

    def session() -> str:
        return sessions.create(conn, ids, anna.id, MONDAY_TEN, max_s=MAX_S)

    def alive(token: str) -> bool:
        return sessions.find(conn, token, MONDAY_TEN, idle_s=IDLE_S) is not None

    first, mine = session(), session()
    accounts.set_password(conn, anna.id, "new hash", must_change=False, keep_token=mine)
    assert (alive(first), alive(mine)) == (False, True)
    accounts.set_role(conn, anna.id, Role.SUPERVISOR)
    assert not alive(mine)
    last = session()
    accounts.set_state(conn, anna.id, AccountState.DISABLED)
    assert not alive(last)
    with pytest.raises(NoSuchAccount):
        accounts.set_role(conn, 999, Role.ADMIN)


# --- permissions ------------------------------------------------------------------------------------

MATRIX = {
    Role.RM: "desk",
    Role.SUPERVISOR: "floor.watch floor.halt campaign.control campaign.edit customer.search customer.import "
    "customer.suppress rm.manage report.read",
    Role.ADMIN: "floor.watch floor.halt account.manage pbx.manage",
    Role.STEWARD: "customer.search customer.reveal customer.import customer.suppress",
    Role.AUDITOR: "floor.watch report.read audit.read",
}


@pytest.mark.parametrize("role", Role)
def test_each_role_may_exactly_this(role: Role) -> None:
    """The table, read the other way round."""
    assert {permission for permission in Permission if may(role, permission)} == set(MATRIX[role].split())


# --- passwords --------------------------------------------------------------------------------------


def test_a_password_fits_its_own_hash_only() -> None:
    """Whatever the cost it was hashed at; a damaged hash fits nothing."""
    assert passwords.password_fits(HASH, GOOD)
    assert not passwords.password_fits(HASH, "seven blue horse")
    assert not passwords.password_fits("no hash at all", GOOD)
    assert not passwords.password_fits(passwords.NOBODYS_HASH, "nobody")
    assert HASH.startswith("$argon2id$")


def test_a_hash_made_at_another_cost_is_outdated() -> None:
    """It is made anew when the password is next known."""
    assert passwords.outdated(HASH)
    assert not passwords.outdated(HASH, passwords.TESTS_ONLY)
    assert not passwords.outdated(passwords.NOBODYS_HASH)


@pytest.mark.parametrize("password", ["short", "x" * 129, "my name is Anna", "abababababab"])
def test_passwords_easy_to_guess_are_refused(password: str) -> None:
    """Too short, too long, the own name, a few symbols repeated."""
    with pytest.raises(WeakPassword):
        passwords.check_new_password(password, "anna")


def test_a_long_sentence_is_a_good_password() -> None:
    """No rule about kinds of symbols."""
    passwords.check_new_password(GOOD, "anna")


def test_one_time_passwords_are_readable_and_differ() -> None:
    """Four groups of four without symbols to mistake."""
    ids = SeededIds(3)
    made = {one_time_password(ids) for _ in range(100)}
    assert len(made) == 100
    for password in made:
        assert [len(group) for group in password.split("-")] == [4, 4, 4, 4]
        assert not set(password) & set("01iloIOuvUV")
        passwords.check_new_password(password, "anna")


# --- sessions ---------------------------------------------------------------------------------------


def test_a_session_ends_by_idleness_and_by_age(conn: Connection, anna: Account) -> None:
    """Being seen keeps it, but not for ever."""
    token = sessions.create(conn, SeededIds(1), anna.id, MONDAY_TEN, max_s=MAX_S)

    def alive(seconds: float) -> bool:
        return sessions.find(conn, token, MONDAY_TEN + after(seconds), idle_s=IDLE_S) is not None

    assert (alive(IDLE_S - 1), alive(IDLE_S)) == (True, False)
    sessions.touch(conn, token, MONDAY_TEN + after(MAX_S - 10))
    assert (alive(MAX_S - 1), alive(MAX_S)) == (True, False)


def test_a_session_says_whose_it_is(conn: Connection, anna: Account) -> None:
    """With the role as it is now, and whether being seen should be written."""
    token = sessions.create(conn, SeededIds(1), anna.id, MONDAY_TEN, max_s=MAX_S)
    session = sessions.find(conn, token, MONDAY_TEN, idle_s=IDLE_S)
    assert session is not None
    assert (session.account_id, session.account_name, session.role) == (anna.id, "anna", Role.RM)
    assert not session.needs_touch(MONDAY_TEN + after(59))
    assert session.needs_touch(MONDAY_TEN + after(60))


def test_the_database_does_not_hold_the_token(conn: Connection, anna: Account) -> None:
    """A stolen copy logs nobody in."""
    token = sessions.create(conn, SeededIds(1), anna.id, MONDAY_TEN, max_s=MAX_S)
    kept = conn.exec_driver_sql("SELECT token_hash FROM web_session").scalar_one()
    assert token not in kept
    assert sessions.find(conn, kept, MONDAY_TEN, idle_s=IDLE_S) is None


def test_sessions_are_revoked_and_forgotten(conn: Connection, anna: Account) -> None:
    """Log-out ends one, and those that are over are removed."""
    ids = SeededIds(1)
    first, second = (sessions.create(conn, ids, anna.id, MONDAY_TEN, max_s=MAX_S) for _ in range(2))
    sessions.revoke(conn, first)
    assert sessions.find(conn, first, MONDAY_TEN, idle_s=IDLE_S) is None
    assert sessions.find(conn, second, MONDAY_TEN, idle_s=IDLE_S) is not None
    assert sessions.expire(conn, MONDAY_TEN + after(IDLE_S - 1), idle_s=IDLE_S) == 0
    assert sessions.expire(conn, MONDAY_TEN + after(IDLE_S), idle_s=IDLE_S) == 1


# --- logins -----------------------------------------------------------------------------------------


def log_in(conn: Connection, name: str, password: str, address: str = "10.0.0.1", at: float = 0) -> bool:
    """What the console does, without the worker."""
    login = logins.begin(conn, name, address, MONDAY_TEN + after(at))
    return passwords.password_fits(login.password_hash, password) and logins.succeed(conn, login) is not None


def test_the_right_password_logs_in_and_clears_the_count(conn: Connection, anna: Account) -> None:
    """A person who mistypes four times and then succeeds starts again from nothing."""
    for _ in range(3):
        assert [log_in(conn, "anna", "wrong") for _ in range(4)] == [False] * 4
        assert log_in(conn, "anna", GOOD)


def test_a_whole_floor_may_log_in_from_one_address(conn: Connection, anna: Account) -> None:
    """Behind one router everybody has the same; logins that succeed do not count."""
    assert all(log_in(conn, "anna", GOOD) for _ in range(2 * logins.PER_NAME))


def test_five_wrong_passwords_make_one_address_wait(conn: Connection, anna: Account) -> None:
    """Even with the right one; elsewhere the person still gets in; later all is forgiven."""
    for _ in range(logins.PER_NAME_AND_ADDRESS):
        log_in(conn, "anna", "wrong")
    with pytest.raises(TooManyTries, match="minutes") as caught:
        log_in(conn, "anna", GOOD, at=60)
    assert caught.value.wait_s == logins.SPAN_S - 60
    assert log_in(conn, "anna", GOOD, address="10.0.0.2", at=60)
    assert log_in(conn, "anna", GOOD, at=logins.SPAN_S)


def test_one_address_cannot_try_one_password_on_every_name(conn: Connection) -> None:
    """Names that do not exist count as well."""
    for number in range(logins.PER_ADDRESS):
        log_in(conn, f"name{number}", "password1234")
    with pytest.raises(TooManyTries):
        log_in(conn, "another", "password1234")


def test_many_addresses_cannot_guess_at_one_name_without_end(conn: Connection, anna: Account) -> None:
    """A wider limit, so that it is hard to lock somebody out."""
    for number in range(logins.PER_NAME):
        log_in(conn, "anna", "wrong", address=f"10.0.1.{number}")
    with pytest.raises(TooManyTries):
        log_in(conn, "anna", GOOD, address="10.0.2.1")


def test_unknown_and_disabled_names_get_a_hash_that_fits_nothing(conn: Connection, anna: Account) -> None:
    """The answer and its time say nothing about who exists."""
    accounts.set_state(conn, anna.id, AccountState.DISABLED)
    for name in ("anna", "nobody"):
        login = logins.begin(conn, name, "10.0.0.1", MONDAY_TEN)
        assert login.password_hash == passwords.NOBODYS_HASH
        assert logins.succeed(conn, login) is None


def test_old_tries_are_forgotten(conn: Connection) -> None:
    """The table does not grow for ever."""
    log_in(conn, "anna", "wrong")
    assert logins.forget_old_tries(conn, MONDAY_TEN + after(logins.SPAN_S - 1)) == 0
    assert logins.forget_old_tries(conn, MONDAY_TEN + after(logins.SPAN_S)) == 3
    assert conn.execute(select(func.count()).select_from(login_tries)).scalar_one() == 0
