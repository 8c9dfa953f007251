# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON API under ``/api/v1``, one module per subject."""
