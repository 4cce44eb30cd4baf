# SPDX-License-Identifier: MIT
# Set-up shared by ./demo and ./check; sourced. Uses $top and $build, and say, die of its caller. Everything it does is
# skipped when it is already there, so a second run is quick.

debian_tools='autoconf automake pkg-config gcc make libc6-dev libsdl2-dev libcapstone-dev zlib1g-dev libcmocka-dev seabios
              acpica-tools busybox-static cpio gzip'
debian_check_tools='clang grub-pc-bin grub-common xorriso mtools libzydis-dev'
brew_tools='autoconf automake pkg-config sdl2 capstone cmocka acpica cpio'

missing_debian() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | cut -c1-2)" = ii ] || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        die "root rights are needed for: $*"; fi
}

apt_updated=
apt_update() {
    [ -n "$apt_updated" ] && return
    say "asking for the current package lists"
    as_root apt-get -qq update || die "apt-get update failed"
    apt_updated=1
}

install_debian() {
    local missing
    missing=$(missing_debian "$@")
    [ -z "$missing" ] && return
    apt_update
    say "installing: $missing"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >/dev/null ||
        die "could not install: $missing"
}

install_brew() {
    local tool missing=
    for tool in "$@"; do brew list --formula "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
    [ -z "$missing" ] && return
    say "installing:$missing"
    # shellcheck disable=SC2086
    brew install $missing || die "could not install:$missing"
}

list_missing() {
    local tool missing=
    for tool in autoconf automake pkg-config cc make iasl cpio gzip; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    for tool in zlib capstone cmocka sdl2; do
        pkg-config --exists "$tool" 2>/dev/null || missing="$missing lib$tool"
    done
    [ -z "$missing" ] || die "this system is neither Debian nor macOS with Homebrew; please install:$missing"
}

setup_tools() {
    if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086
        install_debian $debian_tools "$@"
    elif command -v brew >/dev/null; then
        # shellcheck disable=SC2086
        install_brew $brew_tools
    else
        list_missing
    fi
}

# build_in DIRECTORY [configure arguments]: out-of-tree; configures once per set of arguments.
build_in() {
    local dir=$1
    shift
    if [ ! -x "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
        say "generating the build system"
        (cd "$top" && autoreconf -fi >"${TMPDIR:-/tmp}/partita-autoreconf.log" 2>&1) ||
            { cat "${TMPDIR:-/tmp}/partita-autoreconf.log" >&2; die "autoreconf failed"; }
    fi
    mkdir -p "$dir"
    if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/.arguments" 2>/dev/null)" != "$*" ]; then
        say "configuring in ${dir#"$top"/}"
        (cd "$dir" && "$top/configure" -q "$@" >configure.out 2>&1) || { tail -n 20 "$dir/configure.out" >&2; die "configure failed"; }
        printf '%s\n' "$*" >"$dir/.arguments"
    fi
    make -s -C "$dir" -j"$(cpus)" all || die "the build failed"
}

cpus() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1; }

build_partita() { build_in "$build"; }

# ---- the guest: Debian's kernel and a busybox initramfs, in $build/guest ----

fetch_kernel() {        # package of a kernel (meta package or image) -> $2/vmlinuz, $2/version
    local meta=$1 dir=$2 package deb
    [ -s "$dir/vmlinuz" ] && return
    command -v apt-get >/dev/null || die "a Debian kernel is fetched with apt-get, which is not here; give your own with partita run -kernel"
    apt_update
    package=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    say "fetching ${package:=$meta}"
    rm -rf "$dir/deb" && mkdir -p "$dir/deb"
    (cd "$dir/deb" && apt-get -qq download "$package" 2>&1) || die "could not fetch $package"
    deb=$(ls "$dir"/deb/*.deb)
    dpkg-deb -x "$deb" "$dir/deb/root"
    cp "$dir"/deb/root/boot/vmlinuz-* "$dir/vmlinuz.part"
    basename "$(ls "$dir"/deb/root/boot/vmlinuz-*)" | sed 's/^vmlinuz-//' >"$dir/version"
    rm -rf "$dir/deb"
    mv "$dir/vmlinuz.part" "$dir/vmlinuz"
}

# The busybox of this system, statically linked; a small tree; tests/guest/init as /init.
build_initramfs() {
    local out=$1 tree name
    [ -s "$out" ] && [ "$out" -nt "$top/tools/guest-init" ] && return
    tree=$(mktemp -d)
    mkdir -p "$tree"/{bin,sbin,dev,proc,sys,tmp,root,etc}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    for name in $("$tree/bin/busybox" --list); do
        [ "$name" = busybox ] || ln -s busybox "$tree/bin/$name"
    done
    cp "$top/tools/guest-init" "$tree/init"
    chmod 755 "$tree/init"
    # fixed times and order: the same tree gives the same archive, and so the same run
    find "$tree" -exec touch -h -d @0 {} +
    (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible | gzip -9n) >"$out.part"
    rm -rf "$tree"
    mv "$out.part" "$out"
}

# A cpio archive with FILE as /script, to be appended to the initramfs.
script_archive() {
    local tree
    tree=$(mktemp -d)
    cp "$1" "$tree/script"
    chmod 755 "$tree/script"
    touch -d @0 "$tree/script"
    (cd "$tree" && echo script | cpio --quiet -o -H newc -R 0:0 --reproducible)
    rm -rf "$tree"
}

setup_guest() {
    mkdir -p "$build/guest"
    fetch_kernel linux-image-cloud-amd64 "$build/guest"
    build_initramfs "$build/guest/initramfs"
}
