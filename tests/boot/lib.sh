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

# script LINES...: an initramfs that runs the lines, in $work/initrd
script_initrd() {
    printf '#!/bin/sh\n' >"$work/script"
    printf '%s\n' "$@" >>"$work/script"
    . "$top/tools/setup.sh"
    { cat "$build/guest/initramfs"; script_archive "$work/script"; } >"$work/initrd"
}
