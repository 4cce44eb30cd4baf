# SPDX-License-Identifier: MIT
# Stock gdb on a Linux boot with four processors: hardware breakpoints and watchpoints, steps, registers, threads and memory, with
# the kernel's own symbols; and the debugged run ends as the undebugged one, with the same hashes on the way.
. "$top/tests/boot/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
symbols='__x64_sys_sethostname|do_syscall_64|init_uts_ns|start_kernel|entry_SYSCALL_64'
append='console=ttyS0 quiet panic=-1 nokaslr'
machine=(run -m 512M -smp 4 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" -no-reboot -serial stdio)
port=$((20000 + $$ % 20000))

script_initrd "grep -E ' ($symbols)\$' /proc/kallsyms" 'hostname partita' 'echo "named $(hostname)"' 'exit 7'
timeout 300 "$PARTITA" "${machine[@]}" -append "$append" -stats "$work/stats" </dev/null >"$work/plain" 2>"$work/err" || fail "plain run"
tr -d '\r' <"$work/plain" >"$work/text"
expect "$work/text" '^named partita'
end=$(sed -n 's/.*"insns": *\([0-9]*\).*/\1/p' "$work/stats" | head -n 1)

# an object file with nothing but these symbols, in a section where the kernel lies
base=0xffffffff81000000
printf '.section .kernel,"ax",@nobits\n.skip 0x6000000\n' >"$work/symbols.s"
{
    echo "SECTIONS { . = $base; .text : { *(.kernel)"
    sed -nE "s/^([0-9a-f]+) [A-Za-z] ([a-z_A-Z0-9]+)\$/\2 = 0x\1 - $base;/p" "$work/text"
    echo '} }'
} >"$work/symbols.ld"
gcc -c "$work/symbols.s" -o "$work/symbols.o" && ld -T "$work/symbols.ld" "$work/symbols.o" -o "$work/symbols" || fail "symbols"

cat >"$work/script" <<SCRIPT
set pagination off
set confirm off
set width 0
set architecture i386:x86-64
symbol-file $work/symbols
target remote 127.0.0.1:$port

info threads
hbreak *start_kernel
continue
p/x \$cs
p/x \$cr0
p/x \$efer
delete
hbreak *__x64_sys_sethostname
continue
info symbol \$pc
x/s *(char **)(\$rdi + 14 * 8)
bt 2
stepi
stepi
monitor insns
set \$nodename = (char *)&init_uts_ns + 65
watch *(char *)\$nodename
continue
x/s \$nodename
info threads
delete
rwatch *(char *)\$nodename
continue
delete
reverse-stepi
set scheduler-locking step
thread 1
reverse-stepi
set scheduler-locking off
hbreak *__x64_sys_sethostname
reverse-continue
monitor insns

delete
thread 2
info registers rip cr3 gs_base
monitor hash
detach
SCRIPT
timeout 300 "$PARTITA" "${machine[@]}" -append "$append" -gdb "tcp:127.0.0.1:$port" -S -hash-at "$((end - 1000000))" </dev/null >"$work/debugged" 2>"$work/err" &
until grep -q 'gdb: listening' "$work/err" || ! kill -0 $!; do sleep 0.1; done
timeout 240 gdb -nx -batch -x "$work/script" >"$work/gdb" 2>&1 || fail "gdb's status"
wait $! || fail "the debugged run's status"

expect "$work/gdb" 'Thread 4 \(processor 3, waits for SIPI\)'
expect "$work/gdb" 'Breakpoint 1, .* in start_kernel'
expect "$work/gdb" 'Breakpoint 2, .* in __x64_sys_sethostname'
expect "$work/gdb" '__x64_sys_sethostname in section'
expect "$work/gdb" '"partita'
expect "$work/gdb" 'Hardware watchpoint 3'
expect "$work/gdb" 'New value = 112 '
expect "$work/gdb" 'Hardware read watchpoint 4'
expect "$work/gdb" 'Switching to thread 1'
expect "$work/gdb" 'Breakpoint 5, .* in __x64_sys_sethostname'
[ "$(grep -cE '^[0-9]+$' "$work/gdb")" -eq 2 ] || fail 'insns'
expect "$work/gdb" 'Switching to thread 2'
expect "$work/gdb" 'insns=[0-9]+ hash='
expect "$work/gdb" 'detached'
cmp "$work/plain" "$work/debugged" || fail "the debugged guest said something else"
grep "^insns=" "$work/err" >"$work/hash"
timeout 300 "$PARTITA" "${machine[@]}" -append "$append" -hash-at "$((end - 1000000))" </dev/null 2>&1 >/dev/null | grep '^insns=' >"$work/hash_plain"
[ -s "$work/hash" ] && cmp "$work/hash" "$work/hash_plain" || fail "hashes differ"
finish
