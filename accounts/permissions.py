# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: one table. Whatever is not in it is forbidden."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is here for. An account has one role."""

    RM = "rm"  #: talks with the customers of the own list
    SUPERVISOR = "supervisor"  #: runs campaigns and the floor
    ADMIN = "admin"  #: looks after PBX, trunks, accounts and settings; sees no customer
    STEWARD = "steward"  #: keeps customer records right and answers privacy requests
    AUDITOR = "auditor"  #: reads everything that was done, changes nothing


class Permission(StrEnum):
    """One thing a person may do."""

    DESK = "desk"  #: work at a desk: next customer, confirm, hang up, outcome; own list and own line only
    FLOOR_WATCH = "floor.watch"  #: see desks, calls and campaigns live
    FLOOR_HALT = "floor.halt"  #: stop everything, and allow dialing again
    CAMPAIGN_CONTROL = "campaign.control"  #: start, pause and stop campaigns
    CAMPAIGN_EDIT = "campaign.edit"  #: make campaigns and their lists
    CUSTOMER_SEARCH = "customer.search"  #: find customers, names and numbers masked
    CUSTOMER_REVEAL = "customer.reveal"  #: see names and numbers of any customer; asks a reason, audited
    CUSTOMER_IMPORT = "customer.import"  #: import customers, and undo an import
    CUSTOMER_SUPPRESS = "customer.suppress"  #: record that somebody may not be called
    RM_MANAGE = "rm.manage"  #: skills, languages and phones of RMs
    REPORT_READ = "report.read"  #: reports, no customer named
    ACCOUNT_MANAGE = "account.manage"  #: accounts, roles, one-time passwords
    PBX_MANAGE = "pbx.manage"  #: PBX, trunks and settings
    AUDIT_READ = "audit.read"  #: read and verify the audit


_GRANTED: Final[dict[Permission, frozenset[Role]]] = {
    Permission.DESK: frozenset({Role.RM}),
    Permission.FLOOR_WATCH: frozenset({Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}),
    Permission.FLOOR_HALT: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    Permission.CAMPAIGN_CONTROL: frozenset({Role.SUPERVISOR}),
    Permission.CAMPAIGN_EDIT: frozenset({Role.SUPERVISOR}),
    Permission.CUSTOMER_SEARCH: frozenset({Role.SUPERVISOR, Role.STEWARD}),
    Permission.CUSTOMER_REVEAL: frozenset({Role.STEWARD}),
    Permission.CUSTOMER_IMPORT: frozenset({Role.SUPERVISOR, Role.STEWARD}),
    # An RM says so by the outcome of a call, and of nobody else.
    Permission.CUSTOMER_SUPPRESS: frozenset({Role.SUPERVISOR, Role.STEWARD}),
    Permission.RM_MANAGE: frozenset({Role.SUPERVISOR}),
    Permission.REPORT_READ: frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    Permission.ACCOUNT_MANAGE: frozenset({Role.ADMIN}),
    Permission.PBX_MANAGE: frozenset({Role.ADMIN}),
    Permission.AUDIT_READ: frozenset({Role.AUDITOR}),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether a role has a permission."""
    return role in _GRANTED[permission]
