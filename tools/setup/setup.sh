#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# From nothing to ready: system packages, Python environment, Asterisk, pjsua2, browser packages.
# Each step looks first, does only what is missing, and can be cut short anywhere. See README.md beside this file.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
. "$here/lib.sh"
. "$here/system.sh"
. "$here/python.sh"
. "$here/asterisk.sh"
. "$here/pjsua2.sh"
. "$here/browser.sh"

# Everything that decides what the set-up makes; the same text means the same result.
everything_key() {
    printf '%s %s %s ' "$root" "$cache" "${OFFHOOK_PJSUA2_ASSERTS-}"
    checksum "$root"/requirements.lock "$root"/setup.cfg "$root"/package-lock.json "$root"/.npmrc "$here"/*.sh
}

# all_there: the last set-up finished, was of this very kind, and nobody took its results away since.
# shellcheck disable=SC2086 # the list of programs is words
all_there() {
    holds "$facts/setup.key" "$(everything_key)" &&
        [ -x "$venv/bin/python" ] && [ -x "$venv/bin/offhook-asterisk" ] && [ -x "$root/node_modules/.bin/esbuild" ] &&
        [ -z "$(missing_programs $programs)" ]
}

! all_there || exit 0
begin_work
# Another set-up may have finished while this one waited.
! all_there || exit 0

begun=$(date +%s)
# Taken now: what changes while the set-up runs must make the next one look again.
key_at_begin=$(everything_key)
say "Setting up Offhook (made once, kept in $cache):"
install_system_packages
install_python_environment
install_asterisk
install_pjsua2
install_browser_packages
printf '%s' "$key_at_begin" >"$facts/setup.key"
say "Set-up complete in $(($(date +%s) - begun)) s."

if ! getent hosts "$(uname -n)" >/dev/null; then
    say "Warning: this machine's own name does not resolve, and Asterisk would wait 20 to 30 s for the DNS on every call."
    say "What to do: add the line '127.0.1.1 $(uname -n)' to /etc/hosts."
fi
