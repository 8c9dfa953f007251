# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per migration, in the order of their numbers."""
