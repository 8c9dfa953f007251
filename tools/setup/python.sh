# SPDX-License-Identifier: GPL-3.0-or-later
# The Python environment in .venv, exactly as requirements.lock says, and the project in it (editable).

install_python_environment() {
    python=$(find_python)
    key="$root $("$python" -VV) $(checksum "$root/requirements.lock" "$root/setup.cfg")"
    ! holds "$facts/python.key" "$key" || "$venv/bin/python" -c '' 2>/dev/null || rm -f "$facts/python.key"
    holds "$facts/python.key" "$key" || step "Python packages" python make_python_environment
}

make_python_environment() {
    # An environment whose filling was cut short may hold half a package that pip takes for a whole one.
    if [ -e "$venv/.unfinished" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        mkdir -p "$venv"
        : >"$venv/.unfinished"
        "$python" -m venv --clear "$venv"
    fi
    mkdir -p "$facts"
    rm -f "$facts/python.key"
    : >"$venv/.unfinished"
    "$venv/bin/python" -m pip install -q --require-hashes -r "$root/requirements.lock"
    "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e "$root"
    printf '%s' "$key" >"$facts/python.key"
    rm -f "$venv/.unfinished"
}
