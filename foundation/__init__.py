# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground: database seam, outbox, buses, jobs, audit, field encryption, clock and ids. Knows no business noun."""
