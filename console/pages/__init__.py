# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-rendered pages: everything a person does works as a plain form; one small script makes it live."""
