# SPDX-License-Identifier: MIT
# A replay in stock gdb: stopped in the middle, its memory edited, it goes on as a run of its own that is recorded; the new recording
# replays to the bit, and ends otherwise than the old one. On the way: named snapshots, and questions to the past by `monitor past`.
. "$top/tests/boot/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
port=$((20000 + $$ % 20000))
script_initrd '/bin/overrun' 'echo "ended $?"' 'exit 7'
mkdir -p "$work/programs/bin"
gcc -g -O0 -static -no-pie -fcf-protection=none -fno-stack-protector -fdebug-prefix-map="$top/tests/guest/=" -Wl,-Ttext-segment=0x10000000 \
    -o "$work/programs/bin/overrun" "$top/tests/guest/overrun.c" || { fail "cannot build the program"; finish; }
(cd "$work/programs" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >>"$work/initrd"
timeout 300 "$PARTITA" record -o "$work/run.ptr" -m 256M -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
    -append 'console=ttyS0 quiet panic=-1' -no-reboot -serial "file:$work/out" </dev/null 2>"$work/err" || fail "recording"
grep -q 'has lost its mind: 7825749' "$work/out" || fail "what it says: $(cat "$work/out")"

cat >"$work/script" <<'SCRIPT'
hbreak deposit
ignore 1 3
continue
monitor savevm here FILE
monitor insns
print account.balance
monitor past stack --symbols PROGRAM --limit 2
eval "monitor past write:%p+8 --symbols PROGRAM", &account.balance
eval "monitor past write:%p+8 --all --limit 3 --symbols PROGRAM", &account.balance
monitor past changed:cr9
monitor past
set var account.balance = 1
print account.balance
monitor loadvm nowhere
stepi
monitor loadvm FILE
monitor insns
set var account.balance = 2
monitor loadvm here
maintenance flush register-cache
monitor insns
print account.balance
delete
set var account.balance = 152
monitor record RECORDING
monitor msr 0x174 1
continue
SCRIPT
sed -i "s,PROGRAM,$work/programs/bin/overrun,g; s,RECORDING,$work/live.ptr,; s,FILE,$work/saved," "$work/script"
timeout 300 "$PARTITA" replay "$work/run.ptr" --serial "$work/live" -gdb "tcp:127.0.0.1:$port" -S </dev/null 2>"$work/err" &
until grep -q 'gdb: listening' "$work/err" || ! kill -0 $!; do sleep 0.1; done
(cd "$top/tests/guest" && timeout 240 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' \
    -ex "file $work/programs/bin/overrun" -ex "target remote 127.0.0.1:$port" -x "$work/script") >"$work/gdb" 2>&1
wait $!
expect "$work/gdb" 'Breakpoint 1, deposit'
expect "$work/gdb" '\{"frame": 0, "by": "here", "rip": "0x[0-9a-f]*", "symbol": "deposit'
expect "$work/gdb" '\{"frame": 1, "by": "call", "rip": "0x[0-9a-f]*", "symbol": "main'
expect "$work/gdb" '"symbol": "rename_to.*"wrote": true'
expect "$work/gdb" "there is no such register"
expect "$work/gdb" 'QUESTION  write:ADDRESS'
expect "$work/gdb" '^\$2 = 1$'
[ "$(grep -cE '^[0-9]+$' "$work/gdb")" -eq 3 ] && [ "$(grep -E '^[0-9]+$' "$work/gdb" | uniq | wc -l)" -eq 1 ] || fail "loadvm went elsewhere"
[ "$(sed -n 's/^\$1 = //p' "$work/gdb")" = "$(sed -n 's/^\$3 = //p' "$work/gdb")" ] || fail "loadvm left what was edited"
expect "$work/gdb" 'nowhere'
expect "$work/gdb" 'from here on a run of its own, recorded'
expect "$work/gdb" '^refused'
[ "$failures" -eq 0 ] || cat "$work/gdb" "$work/err"
expect "$work/out" '^ended 1'
expect "$work/live" '^ended 0'
refuse "$work/live" 'lost its mind'
timeout 300 "$PARTITA" replay "$work/live.ptr" --serial "$work/again" 2>"$work/err" || { [ $? -eq 7 ] || fail "replaying: $(cat "$work/err")"; }
expect "$work/err" 'replayed [0-9]* instructions, [1-9][0-9]* hashes equal'
expect "$work/again" '^ended 0'
cmp "$work/again" <(tail -c "$(wc -c <"$work/again")" "$work/live") || fail "the new recording says something else: $(cat "$work/again")"
finish
