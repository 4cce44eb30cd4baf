# SPDX-License-Identifier: MIT
# System-management mode on the whole board, with each format of the state-save area, and none where it is off.
. "$top/tests/boot/lib.sh"
guest smm
run() {
    timeout 60 "$PARTITA" run -m 16M -kernel "$work/smm.elf" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot \
        "$@" </dev/null >"$work/out" 2>&1
    [ $? -eq 1 ] && expect "$work/out" '^PASS' || { fail "$*"; tail -n 5 "$work/out"; }
}
run
run -hv off -smp 2
run -smm intel64
run -cpu pentium3 -hv off
"$PARTITA" run -m 16M -kernel "$work/smm.elf" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot -smm off \
    </dev/null >"$work/out" 2>&1
expect "$work/out" '^no SMI'
finish
