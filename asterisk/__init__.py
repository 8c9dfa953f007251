# SPDX-License-Identifier: GPL-3.0-or-later
"""The PBX: configuration templates, their renderer, and the simulated carrier."""
