# SPDX-License-Identifier: MIT
# Set-up shared by ./demo and ./check; sourced. Uses $top and $build, and say, die of its caller. Everything it does is
# skipped when it is already there, so a second run is quick.

debian_tools='autoconf automake pkg-config gcc make libc6-dev libsdl2-dev libcapstone-dev zlib1g-dev libcmocka-dev seabios
              acpica-tools busybox-static cpio gzip'
debian_check_tools='clang libclang-rt-dev grub-pc-bin grub-common xorriso mtools libzydis-dev gdb'
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

# ---- packages of another architecture or suite; this system's own apt and dpkg are left as they are ----

# foreign ARCH[/SUITE] COMMAND...: apt-get or apt-cache with a state of its own. Without a suite it is this system's.
foreign() {
    local arch=${1%/*} suite=${1#*/} state command=$2
    case $1 in */*) ;; *) suite=$(. /etc/os-release; echo "${VERSION_CODENAME:-stable}") ;; esac
    shift 2
    state=$(readlink -f "$build")/apt/$arch-$suite
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts"
    [ -e "$state/status" ] || : >"$state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(sed -nE 's|^URIs: *([^ ]*/debian/?) *$|\1|p; s|^deb +(\[[^]]*\] +)?([^ ]*/debian/?) .*|\2|p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) $suite main" >"$state/sources.list"
    "$command" -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" \
        -o "Dir::Etc::sourcelist=$state/sources.list" -o "Dir::Etc::sourceparts=$state/parts" -o "APT::Architecture=$arch" \
        -o "APT::Architectures=$arch" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

foreign_updated=
foreign_update() {      # ARCH[/SUITE]
    case $foreign_updated in *" $1 "*) return ;; esac
    command -v apt-get >/dev/null || die "packages of $1 are fetched with apt-get, which is not here"
    say "asking for the package lists of $1"
    mkdir -p "$build"
    foreign "$1" apt-get -qq update || die "apt-get update for $1 failed"
    foreign_updated="$foreign_updated $1 "
}

# fetch_foreign ARCH[/SUITE] DIR PACKAGES...: unpacks these (and nothing they depend on) into DIR, then writes DIR/done.
fetch_foreign() {
    local where=$1 dir=$2 deb
    shift 2
    [ -e "$dir/done" ] && return
    foreign_update "$where"
    rm -rf "$dir.deb" && mkdir -p "$dir" "$dir.deb"
    (cd "$dir.deb" && foreign "$where" apt-get -qq download "$@" 2>&1) || die "could not fetch $*"
    for deb in "$dir.deb"/*.deb; do dpkg-deb -x "$deb" "$dir" || die "could not unpack $deb"; done
    rm -rf "$dir.deb"
    echo "$*" >"$dir/done"
}

# ---- the guest: Debian's kernel and a busybox initramfs, in $build/guest ----

# fetch_kernel META DIR [ARCH[/SUITE]]: the kernel a meta package stands for -> DIR/vmlinuz, DIR/version. Of another
# architecture or suite than this system's the modules are kept, in DIR/root.
fetch_kernel() {
    local meta=$1 dir=$2 where=${3:-} package binary root
    [ -s "$dir/vmlinuz" ] && return
    command -v apt-get >/dev/null || die "a Debian kernel is fetched with apt-get, which is not here; give your own with partita run -kernel"
    if [ -n "$where" ]; then foreign_update "$where"; else apt_update; fi
    package=$(${where:+foreign "$where"} apt-cache depends "$meta" 2>/dev/null |
              sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    package=${package:-$meta}
    binary=linux-binary-${package#linux-image-}         # from 7.2 on the image has a package of its own
    if ${where:+foreign "$where"} apt-cache show "$binary" >/dev/null 2>&1; then package=$binary; fi
    say "fetching $package"
    root=$dir/root
    rm -rf "$dir/deb" "$root" && mkdir -p "$dir/deb"
    (cd "$dir/deb" && ${where:+foreign "$where"} apt-get -qq download "$package" 2>&1) || die "could not fetch $package"
    dpkg-deb -x "$dir"/deb/*.deb "$root"
    find "$root" -path '*/modules/*' -prune -printf '%f\n' | head -n 1 >"$dir/version"
    find "$root" -name 'vmlinuz*' -type f -exec cp {} "$dir/vmlinuz.part" \;
    rm -rf "$dir/deb"
    [ -n "$where" ] || rm -rf "$root"
    mv "$dir/vmlinuz.part" "$dir/vmlinuz" || die "no kernel in $package"
}

# build_initramfs OUT [BUSYBOX]: a static busybox (this system's), a small tree, tools/guest-init as /init.
build_initramfs() {
    local out=$1 busybox=${2:-$(command -v busybox)} tree name
    [ -s "$out" ] && [ "$out" -nt "$top/tools/guest-init" ] && return
    tree=$(mktemp -d)
    mkdir -p "$tree"/{bin,sbin,dev,proc,sys,tmp,root,etc}
    cp "$busybox" "$tree/bin/busybox"
    for name in $(busybox --list); do
        [ "$name" = busybox ] || ln -s busybox "$tree/bin/$name"
    done
    cp "$top/tools/guest-init" "$tree/init"
    chmod 755 "$tree/init"
    # fixed times and order: the same tree gives the same archive, and so the same run
    find "$tree" -exec touch -h -d @0 {} +
    (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible | gzip -9n) >"$out.part"
    truncate -s %4 "$out.part"          # Linux finds an archive after this one at a multiple of four only
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
