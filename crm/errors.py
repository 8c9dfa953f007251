# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of this room.

::

    CrmError
    ├── NoSuchCustomer       no customer, or no number, has this id
    ├── BadMapping           a mapping file is wrong; names file, line and key
    ├── ImportRefused        a file cannot be imported; nothing of it was taken over
    ├── ImportBusy           somebody imports, or undoes, the same file at the same time
    └── UndoRefused          an import cannot be undone any more; nothing was changed
"""

from __future__ import annotations


class CrmError(Exception):
    """Something about customers could not be done."""


class NoSuchCustomer(CrmError):
    """No customer, or no number, has this id."""


class BadMapping(CrmError):
    """A mapping file is wrong; nothing was read with it."""


class ImportRefused(CrmError):
    """A file cannot be imported; nothing of it was taken over."""


class ImportBusy(CrmError):
    """Somebody imports, or undoes, the same file at the same time; theirs goes on."""


class UndoRefused(CrmError):
    """An import cannot be undone any more; nothing was changed."""
