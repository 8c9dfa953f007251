# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the profiler.

::

    ProfilerError
    ├── BadRm          an RM's record would not make sense
    ├── RmExists       the name is taken
    ├── UnknownRm      there is no such RM
    ├── NotPlaced      a customer cannot be put into a list
    ├── BadWeights     a campaign's score weights name no term or are out of range
    └── BadPolicy      a campaign's retry policy contradicts itself
"""

from __future__ import annotations


class ProfilerError(Exception):
    """The profiler cannot do what was asked; nothing was changed."""


class BadRm(ProfilerError):
    """An RM's record would not make sense; nothing was written."""


class RmExists(ProfilerError):
    """The name is taken by another RM, perhaps one who left; nothing was written."""


class UnknownRm(ProfilerError):
    """There is no such RM; nothing was written."""


class NotPlaced(ProfilerError):
    """A customer cannot be put into a list; no list was changed."""


class BadWeights(ProfilerError):
    """A campaign's score weights name no term or are out of range; the old ones stay."""


class BadPolicy(ProfilerError):
    """A campaign's retry policy contradicts itself; the old one stays."""
