# SPDX-License-Identifier: GPL-3.0-or-later
# System packages: what must be on the machine, and installing what is missing with apt.

# Programs that run or test Offhook, each with the Debian package it comes in.
programs="
    sipp:sip-tester
    baresip:baresip-core
    chromium:chromium
    espeak-ng:espeak-ng
    sox:sox
    tcpdump:tcpdump
    shellcheck:shellcheck
    git:git
    node:nodejs
    npm:npm
"
# Needed only to build the pjsua2 wheel; the libraries also bring what a cached wheel links to.
build_programs="
    gcc:gcc
    g++:g++
    make:make
    swig:swig
    xz:xz-utils
"
build_libraries="libgsm1-dev libspeex-dev libspeexdsp-dev libsrtp2-dev libopus-dev libssl-dev libasound2-dev libsamplerate0-dev uuid-dev"

# python_fits PROGRAM: at least 3.11, able to make virtual environments.
python_fits() {
    command -v "$1" >/dev/null &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${OFFHOOK_PYTHON-} python3.11 python3 python3.12 python3.13 python3.14; do
        if python_fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}

missing_programs() {
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || printf '%s ' "${pair#*:}"
    done
}

have_python_headers() {
    python=$(find_python)
    [ -n "$python" ] && "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

missing_libraries() {
    command -v dpkg-query >/dev/null || return 0
    for package in $build_libraries; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

missing_packages() {
    # shellcheck disable=SC2086 # the lists are words
    missing_programs $programs
    [ -n "$(find_python)" ] || printf 'python3 python3-venv '
    [ -e /etc/ssl/certs/ca-certificates.crt ] || printf 'ca-certificates '
    if [ -z "$(cached_wheel)" ]; then
        # shellcheck disable=SC2086
        missing_programs $build_programs
        missing_libraries
        have_python_headers || printf 'python3-dev '
    fi
    if [ -z "$(cached_asterisk)" ] && ! host_asterisk_fits && [ ! -e "$debian_keys" ]; then
        printf 'debian-archive-keyring '
    fi
}

install_system_packages() {
    packages=$(missing_packages)
    packages=${packages% }
    [ -n "$packages" ] || return 0
    command -v apt-get >/dev/null ||
        fail "this machine has no apt, and lacks what these Debian packages hold: $packages" \
            "install them with its own package manager and run this again"
    [ "$(id -u)" -eq 0 ] ||
        fail "packages are missing and only root can install them: $packages" \
            "run as root: apt-get install --no-install-recommends $packages"
    say "  missing system packages: $packages"
    # shellcheck disable=SC2086
    step "installing system packages" system apt_install $packages
}

apt_install() {
    # A run of dpkg cut short earlier (by anybody) makes apt refuse everything until this is done.
    [ -z "$(dpkg --audit)" ] || dpkg --configure -a
    apt_get install -y --no-install-recommends "$@" && return
    # Empty or old package lists. A broken foreign source must not stop us: the install below judges.
    apt_get update || true
    apt_get install -y --no-install-recommends "$@"
}

# Services that a package may start must not keep the set-up's lock (descriptor 9).
apt_get() { apt-get -q -o DPkg::Lock::Timeout=300 "$@" 9>&-; }

# A private apt: packages of Debian forky from the mirror this machine already uses, checked with Debian's keys,
# with lists and archives of its own. The machine's own package state is neither read nor changed; root is not needed.
suite=forky
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg

debian_mirror() {
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "main" && $3 !~ /-security/ { print $4; exit }'
}

private_apt() {
    if [ ! -e "$work/apt/apt.conf" ]; then
        mirror=${OFFHOOK_DEBIAN_MIRROR:-$(debian_mirror)}
        # Images often come with their package lists removed, and then apt cannot say whose packages a source holds.
        [ -n "$mirror" ] || [ "$(id -u)" -ne 0 ] || apt_get update || true
        mirror=${mirror:-$(debian_mirror)}
        [ -n "$mirror" ] || {
            echo "apt on this machine knows no Debian mirror: set OFFHOOK_DEBIAN_MIRROR to one"
            return 1
        }
        mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial"
        : >"$work/apt/status"
        for kind in deb deb-src; do
            echo "$kind [signed-by=$debian_keys] $mirror $suite main"
        done >"$work/apt/sources.list"
        cat >"$work/apt/apt.conf.new" <<END
Dir::State "$work/apt/state";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
END
        APT_CONFIG=$work/apt/apt.conf.new apt_get update
        mv "$work/apt/apt.conf.new" "$work/apt/apt.conf"
    fi
    APT_CONFIG=$work/apt/apt.conf apt_get "$@"
}
