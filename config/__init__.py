# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings (typed, from TOML and the environment) and logging (structlog, personal data masked)."""
