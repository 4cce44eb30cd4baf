#!/bin/bash
# SPDX-License-Identifier: MIT
# A whole boot of Linux, to power-off, recorded on this host and replayed by the AArch64 build under qemu-user, interpreted and translated, with
# one processor and with four: every hash and all output must be equal. Some minutes. usage: tests/replay/aarch64.sh, after ./check has built.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${build:-$top/build}
there=${THERE:-$build-a64} sysroot=${SYSROOT:-$build-a64/sysroot}
[ -x "$there/partita" ] || { echo "needs the AArch64 build: ./check aarch64"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$top/tools/setup.sh"
printf '#!/bin/sh\nmd5sum /bin/busybox\nexit 7\n' >"$work/script"
{ cat "$build/guest/initramfs"; script_archive "$work/script"; } >"$work/initrd"
libs=$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu
bad=0
for smp in 1 4; do
    "$build/partita" record -o "$work/run.ptr" -m 256M -smp $smp -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -no-reboot -serial stdio -serial null </dev/null >"$work/out" 2>"$work/err" || { cat "$work/err"; exit 1; }
    for engine in jit interp; do
        qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$libs" "$there/partita" replay "$work/run.ptr" -accel $engine >"$work/again" 2>"$work/err" &&
            cmp "$work/out" "$work/again" && grep -q 'hashes equal' "$work/err" || bad=$((bad + 1))
        echo "-smp $smp, $engine on AArch64: $(tail -n 1 "$work/err")"
    done
done
exit $((bad > 0))
