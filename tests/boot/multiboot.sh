# SPDX-License-Identifier: MIT
# A Multiboot image through -kernel: command line, modules, memory map, exit status; the same hashes on every run.
. "$top/tests/boot/lib.sh"
guest hello
printf 'module one' >"$work/one"
head -c 100000 /dev/zero >"$work/two"
run() {
    timeout 60 "$PARTITA" run -m 64M -kernel "$work/hello.elf" -append 'a b=c' -initrd "$work/one first,$work/two" -serial stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot -hash-at 1000,20000,30000 "$@" </dev/null
}
run >"$work/out" 2>"$work/hashes"
[ $? -eq 1 ] || fail "exit status is not (0<<1)|1"
expect "$work/out" '^cmdline: .*/hello.elf a b=c'
expect "$work/out" '^module: .*/one first sum '
expect "$work/out" '^module: .*/two sum 0000000000000000'
expect "$work/out" '^ram: 000000000000003f|^ram: 0000000000000040'
expect "$work/out" '^PASS'
[ "$(grep -c ^insns= "$work/hashes")" -eq 3 ] || fail "three hashes expected"
run >/dev/null 2>"$work/again"
cmp "$work/hashes" "$work/again" || fail "two runs differ"
run -m 5000M >"$work/out" 2>/dev/null
expect "$work/out" '^ram: 00000000000013(8[78])'
finish
