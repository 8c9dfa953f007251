# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers and what is known of them: numbers, consent, suppression, interactions, imports."""
