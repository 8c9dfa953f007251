# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and guidelines: YAML files with a published schema, rendered with python-liquid."""
