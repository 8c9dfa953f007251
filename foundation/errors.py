# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the foundation.

::

    FoundationError
    ├── DatabaseError            the database could not do a unit of work: nothing of it was written
    │   ├── DatabaseBusy         another process held the write lock for too long
    │   ├── DatabaseFull         no room on the disk
    │   ├── DatabaseFailed       input/output error, damaged file, or a unit that broke the transaction
    │   └── DatabaseClosed       asked after close
    ├── SecondInstance           another process owns this database
    ├── OwnerClosed              a task was given to an owner that is closed
    ├── CommandTimedOut          a command's outcome is unknown: ask, do not send it again as new
    ├── NoHandler                nobody handles commands of this kind
    ├── UnknownEvent             the outbox holds an event this version does not know
    ├── JobCancelled             a person stopped the job: its handler ends here
    ├── CannotOpen               a sealed field was not sealed for this place, or its key is missing
    ├── BadKeyRing               the key file cannot be used
    └── NothingWillHappen        under virtual time every task waits for something nobody will do
"""

from __future__ import annotations


class FoundationError(Exception):
    """Something in the ground gave way."""


class DatabaseError(FoundationError):
    """The database could not do a unit of work. Nothing of the unit was written."""


class DatabaseBusy(DatabaseError):
    """Another process held the write lock for too long. Nothing was written; try again."""


class DatabaseFull(DatabaseError):
    """The disk has no room. Nothing was written; free some space, then try again."""


class DatabaseFailed(DatabaseError):
    """The database could not be read or written. Nothing was written."""


class DatabaseClosed(DatabaseError):
    """The database is closed. Nothing was written."""


class SecondInstance(FoundationError):
    """Another process owns this database; this one changed nothing."""


class OwnerClosed(FoundationError):
    """A task was given to an owner that is closed; it was not started."""


class CommandTimedOut(FoundationError):
    """No reply came in time. Whether the command was done is unknown: ask again with the same key."""


class NoHandler(FoundationError):
    """Nobody handles commands of this kind; nothing was done."""


class UnknownEvent(FoundationError):
    """The outbox holds an event this version does not know; it is kept."""


class JobCancelled(FoundationError):
    """A person stopped the job; what it did until now stays."""


class CannotOpen(FoundationError):
    """A sealed field was not sealed for this table, column and row, or its key is missing."""


class BadKeyRing(FoundationError):
    """The key file cannot be used; nothing was sealed or opened with it."""


class NothingWillHappen(FoundationError):
    """Under virtual time every task waits for something that nobody will do."""
