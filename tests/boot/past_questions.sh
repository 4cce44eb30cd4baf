# SPDX-License-Identifier: MIT
# Questions to the past of a recorded Linux boot, by names of the kernel's symbols: the n-th time a function was reached, who had called
# it, registers that changed, events against what -trace hv and one another say, and one clear line for what cannot be asked.
. "$top/tests/boot/lib.sh"
names='__x64_sys_sethostname|do_syscall_64|entry_SYSCALL_64|entry_SYSCALL_64_after_hwframe|init_uts_ns|start_kernel|x64_sys_call|asm_exc_page_fault'
script_initrd "echo begin; grep -E ' ($names)\$' /proc/kallsyms; echo end" 'hostname one' 'hostname two' 'exit 7'
timeout 300 "$PARTITA" record -o "$work/run.ptr" -m 256M -smp 2 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
    -append 'console=ttyS0 quiet panic=-1 nokaslr' -no-reboot -serial "file:$work/out" </dev/null 2>"$work/err" || { fail "record"; cat "$work/err"; }
tr -d '\r' <"$work/out" | sed -n '/^begin/,/^end/p' | grep ' [tTdDbBrR] ' >"$work/symbols"
grep -q __x64_sys_sethostname "$work/symbols" || { fail "no symbols"; finish; }
past() { timeout 300 "$PARTITA" past "$work/run.ptr" --symbols "$work/symbols" "$@" || fail "past $*: status $?"; }
insns() { sed -n 's/^{"insns": \([0-9]*\).*/\1/p' "$1"; }

past reached:__x64_sys_sethostname --all >"$work/all"
[ "$(wc -l <"$work/all")" -eq 3 ] || fail "the boot's sethostname and ours: $(cat "$work/all")"
past reached:__x64_sys_sethostname --nth 2 >"$work/first"
past reached:__x64_sys_sethostname >"$work/last"
cmp -s <(cat "$work/first" "$work/last") <(tail -n 2 "$work/all") || fail "not in all: $(cat "$work/first" "$work/last")"
expect "$work/first" '"symbol": "__x64_sys_sethostname"'
past reached:__x64_sys_sethostname --nth 4 --from 2000000000 | grep -qx '{}' || fail "a fourth time"
at=$(insns "$work/first")

past stack --at "$at" >"$work/stack"
sed -n 1p "$work/stack" | grep -q '"here".*"symbol": "__x64_sys_sethostname"' || fail "stack: innermost: $(cat "$work/stack")"
expect "$work/stack" '"call".*"symbol": "do_syscall_64\+'
expect "$work/stack" '"call".*"function": "do_syscall_64"'
expect "$work/stack" '"syscall", "rip": "0x[0-9a-f]+", "callee": "0x[0-9a-f]+", "function": "entry_SYSCALL_64"'
sed -n '/"syscall"/,$p' "$work/stack" | grep -q '"call", "rip": "0x[0-9a-f]\{1,12\}"' || fail "stack: nothing of the program: $(cat "$work/stack")"

# who wrote the name, and who had it before
past write:init_uts_ns+400 --at "$(insns "$work/last")" --from "$at" >"$work/wrote"
expect "$work/wrote" '"wrote": true'

past changed:cr3 --all --from "$at" >"$work/changed"
past event:cr3 --all --from "$at" >"$work/loads"
[ "$(wc -l <"$work/changed")" -gt 4 ] || fail "CR3 hardly changed: $(wc -l <"$work/changed")"
awk -F'"' '{ for (k = 1; k < NF; k++) { if ($k == "old") o = $(k + 2); if ($k == "now") n = $(k + 2) } if (o != n) print $3 }' "$work/loads" >"$work/a"
awk -F'"' '{ print $3 }' "$work/changed" >"$work/b"
cmp "$work/a" "$work/b" || fail "CR3 changed at other instants than where it was loaded with another value"
past changed:lstar >"$work/lstar"
expect "$work/lstar" '"register": "lstar", "old": "0x0", "now": "0x[0-9a-f]+"'
grep -q "$(sed -n 's/.*"now": "0x\([0-9a-f]*\)".*/\1/p' "$work/lstar") . entry_SYSCALL_64\$" "$work/symbols" || fail "LSTAR is not entry_SYSCALL_64: $(cat "$work/lstar")"
past changed:msr=0xc0000082 --at "$(($(insns "$work/lstar") + 5000))" | sed 's/"msr"/"lstar"/' | cmp -s - "$work/lstar" || fail "LSTAR by its number is another"

past event:pagefault --all --limit 50 --from "$at" >"$work/faults"
[ "$(grep -c '"event": "pagefault", "vector": 14, "error": "0x[0-9a-f]*", "address": "0x' "$work/faults")" -eq 50 ] || fail "page faults"
past event:exception=14 --all --limit 50 --from "$at" | cmp -s - "$work/faults" || fail "exception 14 is not the page fault"
timeout 300 "$PARTITA" replay "$work/run.ptr" --serial /dev/null -trace "hv,file=$work/trace" 2>/dev/null
past event:hypercall,msr,message,page,timer --all >"$work/hv"
sed 's/^.\{22\}//' "$work/trace" >"$work/a"
sed 's/.*"text": "\(.*\)"}$/\1/' "$work/hv" >"$work/b"
[ "$(grep -c HvCall "$work/b")" -gt 5 ] || fail "hardly a hypercall"
cmp "$work/a" "$work/b" || { fail "not what -trace hv has"; diff "$work/a" "$work/b" | head; }

# ask_nonsense PATTERN WORDS...: refused, in one line that says why
ask_nonsense() {
    timeout 100 "$PARTITA" past "$work/run.ptr" "${@:2}" >/dev/null 2>"$work/err" && fail "past ${*:2} was taken"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "past ${*:2}: more or less than one line: $(cat "$work/err")"
    expect "$work/err" "$1"
}
ask_nonsense 'no such register' changed:cr9
ask_nonsense 'rip changes with every instruction' changed:rip
ask_nonsense "no event is 'fault'" event:cr3,fault
ask_nonsense 'vector is a number' event:interrupt=256
ask_nonsense 'one question at a time' stack reached:0x1000
ask_nonsense 'give an address or a symbol' reached:start_kernel
ask_nonsense 'no processor 2' stack --vp 2
ask_nonsense 'give a number' stack --at x
ask_nonsense 'give a number from 1 on' reached:0 --nth 0
ask_nonsense 'no symbols in' stack --symbols "$work/initrd"
finish
