# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of accounts.

::

    AccountsError
    ├── BadName          not a name an account may have
    ├── NameTaken        another account has this name
    ├── NoSuchAccount    no account with this name or id
    ├── WeakPassword     a new password too easy to guess
    └── TooManyTries     wrong passwords came too often from there; wait
"""

from __future__ import annotations


class AccountsError(Exception):
    """Something about people who log in was refused; nothing was changed."""


class BadName(AccountsError):
    """An account's name has 2 to 40 small letters, digits, dots, hyphens or underscores, a letter first."""


class NameTaken(AccountsError):
    """Another account has this name."""


class NoSuchAccount(AccountsError):
    """There is no such account."""


class WeakPassword(AccountsError):
    """The new password is too easy to guess."""


class TooManyTries(AccountsError):
    """Wrong passwords came too often; nobody was logged in."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many wrong passwords. Try again in {max(1, wait_s // 60)} minutes.")
        self.wait_s = wait_s
