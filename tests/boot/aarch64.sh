# SPDX-License-Identifier: MIT
# The beginning of a boot: the AArch64 build, translating, under qemu-user goes through the same states as this host's
# interpreter.
. "$top/tests/boot/lib.sh"
command -v qemu-aarch64 >/dev/null || { echo "needs qemu-user"; exit 77; }
[ -x "$build-a64/partita" ] || { echo "needs the AArch64 build: ./check aarch64"; exit 77; }
sysroot=$build-a64/sysroot
libs=$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu
script_initrd 'md5sum /bin/busybox'
points=$(seq -s, 50000000 50000000 300000000)
# run OUT ENGINE PROGRAM...
run() {
    local out=$1 engine=$2
    shift 2
    timeout 600 "$@" run -accel "$engine" -m 256M -smp 2 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial "file:$work/status" -no-reboot \
        -hash-at "$points" -stop-at 300000001 </dev/null 2>&1 >"$out.out" | grep ^insns= >"$out"
}
run "$work/here" interp "$PARTITA"
run "$work/there" jit qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$libs" "$build-a64/partita"
[ "$(wc -l <"$work/here")" -eq 6 ] || fail "6 hashes expected, got $(wc -l <"$work/here")"
cmp "$work/here" "$work/there" || fail "AArch64 goes another way"
cmp "$work/here.out" "$work/there.out" || fail "the serial output differs"
finish
