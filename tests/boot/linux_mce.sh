# SPDX-License-Identifier: MIT
# Machine checks on Debian 13's kernel: a corrected error is logged by the interrupt of its threshold, a fatal one reaches all
# processors and panics.
. "$top/tests/boot/lib.sh"
setup fetch_kernel linux-image-cloud-amd64 "$build/guest/trixie" amd64/trixie
script_initrd 'sleep 2' 'grep THR: /proc/interrupts' 'exit 7'
run() {
    timeout 300 "$PARTITA" run -m 256M -smp 2 -kernel "$build/guest/trixie/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 panic=-1' -serial stdio -serial "file:$work/status" -no-reboot "$@" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    tr -d '\r' <"$work/out" >"$work/text"
}
run -mce cpu=1,bank=3,status=0x9000000000000135,at=2100000000
[ "$status" -eq 0 ] || fail "corrected: exit status $status"
[ "$(tr -dc 0-9 <"$work/status")" = 7 ] || fail "corrected: the script's status"
expect "$work/text" 'mce: \[Hardware Error\]: CPU 1: Machine Check: 0 Bank 3: 9000004000000135'
expect "$work/text" 'THR: +0 +1 '
refuse "$work/text" 'Kernel panic|Call Trace'
run -mce cpu=1,bank=4,status=0xb200000000000400,at=2100000000
expect "$work/text" 'mce: \[Hardware Error\]: CPU 1: Machine Check Exception: 4 Bank 4: b200000000000400'
expect "$work/text" 'Kernel panic - not syncing: Fatal machine check'
refuse "$work/text" 'Not all CPUs entered'
"$PARTITA" run -cpu max,-mca -mce status=1,at=1 >"$work/out" 2>&1 && fail "no banks: accepted"
expect "$work/out" 'bank 0: the processor has 0'
finish
