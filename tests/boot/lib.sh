# SPDX-License-Identifier: MIT
# Shared by the scripts of tests/boot; ./check runs them with $top, $build and $PARTITA set.
set -u
: "${top:?run this through ./check boot}" "${build:?}" "${PARTITA:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
finish() { [ "$failures" -eq 0 ] && echo "all good"; exit $((failures > 0)); }

# expect FILE PATTERN: an extended regular expression somewhere in the file
expect() { grep -qE -- "$2" "$1" || { fail "no '$2' in:"; tail -n 30 "$1"; }; }
refuse() { if grep -E -- "$2" "$1"; then fail "'$2' must not appear"; fi; }

# guest NAME: builds tests/guest/NAME.c into $work/NAME.elf
guest() {
    gcc -m32 -march=i686 -O1 -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -nostdlib -static -no-pie \
        -Wl,-T,"$top/tests/guest/guest.ld" -Wl,--build-id=none -Wl,-m,elf_i386 \
        "$top/tests/guest/start.S" "$top/tests/guest/$1.c" -o "$work/$1.elf" || { fail "cannot build guest $1"; finish; }
}

# alone COMMAND...: what all scripts share ($build/guest, this system's packages) is changed by one of them at a time.
alone() {
    if command -v flock >/dev/null; then ( flock 9; "$@" 9>&- ) 9>"$build/boot.lock"; else "$@"; fi
}

# setup FUNCTION...: one of tools/setup.sh; what cannot be fetched here is no failure of ours, so the test is skipped.
setup() { alone set_up "$@"; [ $? -ne 77 ] || exit 77; }
set_up() {
    ( say() { echo "$*"; }; die() { echo "$*"; exit 77; }; . "$top/tools/setup.sh"; "$@" )
}

# script_initrd LINES...: an initramfs ($initramfs if set) that runs the lines, in $work/initrd
script_initrd() {
    printf '#!/bin/sh\n' >"$work/script"
    printf '%s\n' "$@" >>"$work/script"
    . "$top/tools/setup.sh"
    { cat "${initramfs:-$build/guest/initramfs}"; script_archive "$work/script"; } >"$work/initrd"
}

# program_tree DIRECTORY PROGRAM...: the host's programs and the libraries they are linked with, into a directory;
# append_tree DIRECTORY: its files into $work/initrd
program_tree() {
    local file root=$1
    shift
    for file in "$@" $(ldd "$@" 2>/dev/null | grep -o '/[^ :]*' | sort -u) /lib64/ld-linux-x86-64.so.2; do
        mkdir -p "$root/$(dirname "$file")"
        cp -L "$file" "$root/$file"
    done
}
append_tree() {
    (cd "$1" && find . -exec touch -h -d @0 {} + && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >>"$work/initrd"
}

# add_program NAME: tests/guest/NAME.c as a static program of Linux, /bin/NAME in $work/initrd
add_program() {
    mkdir -p "$work/programs/bin"
    gcc -static -O1 -fcf-protection=none -o "$work/programs/bin/$1" "$top/tests/guest/$1.c" || { fail "cannot build program $1"; finish; }
    (cd "$work/programs" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >>"$work/initrd"
}

dependencies() { [ -s "$1/root/lib/modules/$2/modules.dep" ] || busybox depmod -b "$(readlink -f "$1/root")" "$2"; }

# add_modules KERNEL NAMES...: appends these modules of $build/guest/KERNEL and what they need to $work/initrd; in the guest
# `. /modules/load` loads them.
add_modules() {
    local kernel=$build/guest/$1 root name file version
    version=$(cat "$kernel/version")
    root=$kernel/root/lib/modules/$version
    alone dependencies "$kernel" "$version" || { fail "depmod"; finish; }
    shift
    mkdir -p "$work/tree/modules"
    for name in "$@"; do
        for file in $(sed -n "s,^\(.*/$name\.ko\):\(.*\),\1 \2,p" "$root/modules.dep" | tr ' ' '\n' | tac); do
            cp "$root/$file" "$work/tree/modules/"
            echo "[ -d /sys/module/$(basename "$file" .ko | tr - _) ] || insmod /modules/$(basename "$file")" >>"$work/tree/modules/load"
        done
    done
    find "$work/tree" -exec touch -h -d @0 {} +
    (cd "$work/tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >>"$work/initrd"
}
