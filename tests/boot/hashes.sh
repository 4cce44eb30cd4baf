# SPDX-License-Identifier: MIT
# Two runs from reset to power-off go through the same states: equal hashes at 20 points, for both
# engines, and for builds by gcc and by clang.
. "$top/tests/boot/lib.sh"
script_initrd 'md5sum /bin/busybox' 'for k in 1 2 3; do sleep 1; done' 'ls -l /bin | md5sum'
points=$(seq -s, 60000000 60000000 1200000000)
# run PARTITA OUT [OPTION...]
run() {
    local partita=$1 out=$2
    shift 2
    timeout 300 "$partita" run "$@" -m 256M -smp 2 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' \
        -serial stdio -serial "file:$work/status" -no-reboot -hash-at "$points" </dev/null 2>&1 >"$out.out" | grep ^insns= >"$out"
}
run "$PARTITA" "$work/one"
run "$PARTITA" "$work/two"
[ "$(wc -l <"$work/one")" -eq 20 ] || fail "20 hashes expected, got $(wc -l <"$work/one")"
cmp "$work/one" "$work/two" || fail "two runs differ"
cmp "$work/one.out" "$work/two.out" || fail "the serial output of two runs differs"
run "$PARTITA" "$work/interpreted" -accel interp
cmp "$work/one" "$work/interpreted" || fail "the two engines differ"
cmp "$work/one.out" "$work/interpreted.out" || fail "the serial output of the two engines differs"
if [ -x "$build-clang/partita" ]; then
    run "$build-clang/partita" "$work/clang"
    cmp "$work/one" "$work/clang" || fail "gcc and clang builds differ"
fi
finish
