# SPDX-License-Identifier: GPL-3.0-or-later
"""The RM's SIP phone: a program of its own on the RM's machine."""
