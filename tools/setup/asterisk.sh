# SPDX-License-Identifier: GPL-3.0-or-later
# Asterisk: the machine's own where it is new enough, else Debian's packages unpacked into a tree in the cache.
# README.md tells why the tree needs neither chroot nor root, and what the programs that start it must know.

host_asterisk_fits() {
    command -v asterisk >/dev/null && new_enough "$(asterisk_version asterisk)" &&
        host_modules_dir >/dev/null && host_data_dir >/dev/null
}

# new_enough VERSION: 20.19, 22.9, 23.3 or later; these have the ARI corrections that Offhook relies on.
new_enough() {
    major=${1%%.*} minor=${1#*.}
    minor=${minor%%.*}
    case $major in
    20) [ "$minor" -ge 19 ] ;;
    22) [ "$minor" -ge 9 ] ;;
    23) [ "$minor" -ge 3 ] ;;
    *) [ "${major:-0}" -gt 23 ] ;;
    esac
}

# asterisk_version PROGRAM: "22.10.1" out of "Asterisk 22.10.1+dfsg+~cs6...".
asterisk_version() { "$1" -V 2>/dev/null | sed -n 's/^Asterisk \([0-9][0-9.]*[0-9]\).*/\1/p'; }

host_modules_dir() {
    for folder in /usr/lib/*/asterisk/modules /usr/lib/asterisk/modules /usr/lib64/asterisk/modules; do
        if [ -e "$folder/res_ari_channels.so" ] && [ -e "$folder/chan_pjsip.so" ] && [ -e "$folder/res_srtp.so" ]; then
            printf '%s\n' "$folder"
            return
        fi
    done
    return 1
}

host_data_dir() {
    for folder in /usr/share/asterisk /var/lib/asterisk; do
        if [ -d "$folder/rest-api" ] && [ -d "$folder/sounds/en" ]; then
            printf '%s\n' "$folder"
            return
        fi
    done
    return 1
}

tree_kind() { printf '%s-%s' "$arch" "$(recipe asterisk.sh)"; }

cached_asterisk() { newest "$cache"/asterisk-[0-9]*-"$(tree_kind)"; }

install_asterisk() {
    if host_asterisk_fits; then
        program=$(command -v asterisk)
        write_pbx_facts "$program" "$(dirname "$program")" "$(host_modules_dir)" "$(host_data_dir)"
        return
    fi
    if [ -z "$(cached_asterisk)" ]; then
        command -v apt-get >/dev/null ||
            fail "this machine has no Asterisk >= 20.19, 22.9 or 23.3, and no apt to fetch one with" \
                "install such an Asterisk with its ARI, PJSIP and SRTP modules and English sounds, and run this again"
        step "unpacking Asterisk from Debian $suite" asterisk make_asterisk_tree
    fi
    tree=$(cached_asterisk)
    set -- "$tree"/usr/lib/*/asterisk/modules
    write_pbx_facts "$tree/bin/asterisk" "$tree/bin" "$1" "$tree/usr/share/asterisk"
}

make_asterisk_tree() {
    # wav holds signed linear: the cheapest prompt to play into a G.711 call, and the clearest.
    private_apt -y --download-only install asterisk asterisk-core-sounds-en-wav asterisk-moh-opsound-wav
    tree=$work/asterisk
    mkdir -p "$tree/bin"
    for package in "$work"/apt/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$tree"
    done
    rm -rf "$tree/var" "$tree/usr/share/man" "$tree/usr/share/locale" "$tree/usr/share/info" "$tree/usr/share/icons"
    # Debian links these to absolute places, which here would be the machine's own.
    find "$tree/usr/share/asterisk" -type l -lname '/*' -delete
    ln -s en_US_f_Allison "$tree/usr/share/asterisk/sounds/en"

    set -- "$tree"/usr/lib/*/ld-linux*.so.*
    loader=${1#"$tree/"}
    for program in asterisk astcanary; do
        write_launcher "$loader" >"$tree/bin/$program"
        chmod 755 "$tree/bin/$program"
    done
    version=$(asterisk_version "$tree/bin/asterisk")
    [ -n "$version" ] || {
        echo "the unpacked Asterisk does not start:"
        "$tree/bin/asterisk" -V
        return 1
    }
    mv "$tree" "$cache/asterisk-$version-$(tree_kind)"
}

# The tree's C library is newer than the machine's, so its programs are run by the tree's own dynamic loader.
# astcanary too: Asterisk starts it, and silently gives up real-time priority when it is not alive.
write_launcher() {
    cat <<END
#!/bin/sh
self=\$(readlink -f -- "\$0")
tree=\${self%/bin/*}
exec "\$tree/$1" --library-path "\$tree/${1%/*}" "\$tree/usr/sbin/\${self##*/}" "\$@"
END
}

# write_pbx_facts PROGRAM SBIN_DIR MODULES_DIR DATA_DIR: what the renderer of asterisk.conf must know.
write_pbx_facts() {
    cat >"$facts/pbx.json.new" <<END
{
  "program": "$1",
  "version": "$(asterisk_version "$1")",
  "sbin_dir": "$2",
  "modules_dir": "$3",
  "data_dir": "$4"
}
END
    mv "$facts/pbx.json.new" "$facts/pbx.json"
    ln -sfn "$1" "$venv/bin/offhook-asterisk"
}
