# SPDX-License-Identifier: GPL-3.0-or-later
# What every set-up step shares: places, what a person sees, logs, interruption.
# Sourced by setup.sh; sets root, cache, logs, work, arch and venv.

root=$(CDPATH='' cd -- "$here/../.." && pwd -P)
venv=$root/.venv
facts=$venv/share/offhook
home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${OFFHOOK_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/offhook}
logs=$cache/logs
# Everything is made here and renamed into place when whole: what has its final name is complete.
work=$cache/work
arch=$(uname -m)

export DEBIAN_FRONTEND=noninteractive
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_CACHE_DIR="$cache/pip"
export npm_config_cache="$cache/npm"

say() { printf '%s\n' "$*" >&2; }

# fail WHAT_HAPPENED WHAT_TO_DO
fail() {
    say "set-up stopped: $1"
    say "What to do: $2"
    exit 1
}

# step LABEL LOG COMMAND...: runs COMMAND with its output in LOG, with a sign of life and the time it took.
# Never call it in a condition: the shell would then ignore errors inside COMMAND.
step() {
    step_label=$1 step_log=$logs/$2.log
    shift 2
    step_begun=$(date +%s)
    show_progress &
    progress_pid=$!
    set +e
    (
        set -e
        "$@"
    ) >"$step_log" 2>&1 </dev/null
    step_status=$?
    set -e
    stop_progress
    if [ "$step_status" -ne 0 ]; then
        tail -n 15 "$step_log" | sed 's/^/    | /' >&2
        fail "$step_label failed (exit $step_status); its last lines stand above, all of them in $step_log" \
            "mend what they name and run this again; finished steps are kept"
    fi
    say "  $step_label: done in $(($(date +%s) - step_begun)) s"
}

# On a terminal the seconds count in place; elsewhere a line every 30 s says that it still works.
show_progress() {
    trap '' INT
    [ -t 2 ] || say "  $step_label ..."
    next_line=30
    while :; do
        elapsed=$(($(date +%s) - step_begun))
        if [ -t 2 ]; then
            printf '\r  %s ... %d s ' "$step_label" "$elapsed" >&2
        elif [ "$elapsed" -ge "$next_line" ]; then
            say "  $step_label ... $elapsed s"
            next_line=$((elapsed + 30))
        fi
        # Close what this helper inherited, so that an orphaned sleep holds nobody's pipe open.
        sleep 1 </dev/null >/dev/null 2>&1 9>&-
    done
}

stop_progress() {
    [ -n "${progress_pid-}" ] || return 0
    # KILL: between fork and its first command a subshell of dash loses any signal that this shell traps, and
    # the wait below would then never end.
    kill -KILL "$progress_pid" 2>/dev/null || true
    wait "$progress_pid" 2>/dev/null || true
    progress_pid=
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

begin_work() {
    mkdir -p "$logs" 2>/dev/null && [ -w "$cache" ] ||
        fail "the cache folder $cache cannot be written" "set OFFHOOK_CACHE to a folder of yours"
    exec 9>"$cache/setup.lock"
    if ! flock -n 9; then
        say "Another set-up is at work in $cache; waiting for it."
        flock 9
    fi
    trap 'stop_progress; rm -rf "$work"' EXIT
    trap 'stop_progress; say "Set-up interrupted. Nothing half-made is left; run it again to go on."; exit 130' INT TERM HUP
    rm -rf "$work"
    mkdir -p "$work"
}

# newest FOLDER... : the last of the existing folders in version order; nothing where none exists.
newest() {
    for candidate in "$@"; do
        [ ! -d "$candidate" ] || printf '%s\n' "$candidate"
    done | sort -V | tail -n 1
}

checksum() { cat "$@" | sha256sum | cut -d' ' -f1; }

# recipe SCRIPT: what tells results of one way of making from those of another; it stands in their folder's name,
# so that nobody gets an old result from the cache after the way has changed.
recipe() { checksum "$here/$1" | cut -c 1-8; }

# holds FILE TEXT: the stamp in FILE says exactly TEXT.
holds() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
