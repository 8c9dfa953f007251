#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes requirements.lock and package-lock.json anew from setup.cfg and package.json; arguments go to pip-compile.
# No registry's address may stand in either: whoever installs uses the registry that machine is set up for.
set -eu

cd "$(dirname -- "$0")/../.."
CUSTOM_COMPILE_COMMAND='./run lock' .venv/bin/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev --output-file requirements.lock "$@" setup.cfg
npm install --package-lock-only
