# SPDX-License-Identifier: GPL-3.0-or-later
# pjsua2, the RM phone's SIP stack: a wheel built once from the pjproject that Debian ships beside its Asterisk.
# OFFHOOK_PJSUA2_ASSERTS=1 builds and installs the variant that aborts on misuse, for hunting defects of ours.

# A wheel links to the distribution's own libraries and one Python, so its folder's name tells both.
wheel_kind() {
    python=$(find_python)
    [ -n "$python" ] || return 0
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    distribution=$(. /etc/os-release && printf '%s%s' "$ID" "${VERSION_ID-}")
    printf '%s-%s-%s-%s%s' "$tag" "$distribution" "$arch" "$(recipe pjsua2.sh)" "${OFFHOOK_PJSUA2_ASSERTS:+-asserts}"
}

cached_wheel() { newest "$cache"/wheels/pjsua2-*-"$(wheel_kind)"; }

pjsua2_key() { basename "$(cached_wheel)"; }

install_pjsua2() {
    if [ -z "$(cached_wheel)" ]; then
        command -v apt-get >/dev/null ||
            fail "the pjsua2 wheel is built from Debian's source package, and this machine has no apt" \
                "put a wheel of pjsua2 >= 2.17 into $cache/wheels/pjsua2-2.17-$(wheel_kind)/ and run this again"
        step "building the pjsua2 wheel (some 2 minutes)" pjsua2 build_pjsua2
    fi
    if ! holds "$facts/pjsua2.key" "$(pjsua2_key)" || ! pjsua2_works; then
        step "installing pjsua2" pjsua2-install put_pjsua2
    fi
}

pjsua2_works() { "$venv/bin/python" -c 'import pjsua2' 2>/dev/null; }

put_pjsua2() {
    rm -f "$facts/pjsua2.key"
    "$venv/bin/python" -m pip install -q --no-index --no-deps --force-reinstall "$(cached_wheel)"/pjsua2-*.whl
    "$venv/bin/python" -c 'import pjsua2'
    pjsua2_key >"$facts/pjsua2.key"
}

build_pjsua2() {
    mkdir -p "$work/pjsua2"
    cd "$work/pjsua2"
    private_apt --download-only source asterisk
    tar -xf asterisk_*.orig-Xpjproject.tar.xz
    cd pjsip-pjproject-*
    # Debian takes this driver's source out and leaves its name in the makefile.
    sed -i 's/ bdimad_dev\.o//' pjmedia/build/Makefile
    # The default 64 handles abort the program after some 32 calls in quick succession; the default 8 accounts
    # and 4 calls would not hold a floor of phones in one process.
    cat >pjlib/include/pj/config_site.h <<END
#define PJ_IOQUEUE_MAX_HANDLES 1024
#define PJSUA_MAX_ACC 64
#define PJSUA_MAX_CALLS 64
#define PJ_HAS_IPV6 1
END
    flags="-O2 -g0 -fPIC"
    [ -n "${OFFHOOK_PJSUA2_ASSERTS-}" ] || flags="$flags -DNDEBUG"
    export CFLAGS="$flags" CXXFLAGS="$flags"
    # The bundled copies of these libraries and codecs are not in Debian's source: its own packages, or none.
    ./configure --with-external-gsm --with-external-speex --with-external-srtp --enable-libsamplerate \
        --disable-ilbc-codec --disable-g7221-codec --disable-libwebrtc --disable-video
    # Not `make dep`: it stops at the files that Debian removed. Its absence costs a first build nothing.
    make lib
    cd pjsip-apps/src/swig/python
    make pjsua2_wrap.cpp PYTHON_EXE="$venv/bin/python"
    "$venv/bin/python" -m pip wheel -q --no-index --no-deps --no-build-isolation --wheel-dir "$work/wheel" .
    set -- "$work"/wheel/pjsua2-*.whl
    version=${1##*/pjsua2-}
    mkdir -p "$cache/wheels"
    mv "$work/wheel" "$cache/wheels/pjsua2-${version%%-*}-$(wheel_kind)"
}
