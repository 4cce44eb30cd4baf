# SPDX-License-Identifier: MIT
# The race of docs/race.md: the ordinary schedule hides it, a seed finds it, and the session typed into stock gdb explains the recording.
. "$top/tests/boot/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
port=$((20000 + $$ % 20000))
script_initrd '/bin/lost' 'echo "ended $?"' 'exit 7'
mkdir -p "$work/programs/bin"
# nothing of where and when it is built may show: a kernel that unpacks another byte has another schedule
(cd "$top/tests/guest" && gcc -g -O0 -static -no-pie -pthread -fcf-protection=none -fno-stack-protector -fdebug-prefix-map="$top/tests/guest=." \
    -Wl,-Ttext-segment=0x10000000 -Wl,--build-id=none -o "$work/programs/bin/lost" lost.c) || { fail "cannot build the program"; finish; }
append_tree "$work/programs"
machine=(-m 256M -smp 2 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' -no-reboot)

timeout 300 "$PARTITA" run "${machine[@]}" -serial "file:$work/out" </dev/null 2>"$work/err" || fail "the ordinary run: status $?"
expect "$work/out" '^ended 0'
for seed in $(seq 32); do
    timeout 300 "$PARTITA" record -o "$work/run.ptr" -schedule seed=$seed "${machine[@]}" -serial "file:$work/out" </dev/null 2>"$work/err" || fail "seed $seed: status $?"
    lost=$(sed -n 's/^\([0-9]*\) deposits are lost.*/\1/p' "$work/out")
    [ -z "$lost" ] || break
done
[ -n "$lost" ] || { fail "no seed finds the race"; finish; }
# With another kernel or compiler it is another seed, and another story: then the found race must be explained, not told alike.
grep -q "With seed $seed the program says \`$lost deposits are lost\`" "$top/docs/race.md" && alike=yes || alike=

awk '/^```gdb$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$top/docs/race.md" >"$work/wanted"
sed -n 's/^(gdb) \(.*\)/echo (gdb) \1\\n\n\1/p' "$work/wanted" >"$work/script"
timeout 300 "$PARTITA" replay "$work/run.ptr" --serial "$work/again" -gdb "tcp:127.0.0.1:$port" -S </dev/null 2>"$work/err" &
until grep -q 'gdb: listening' "$work/err" || ! kill -0 $!; do sleep 0.1; done
(cd "$top/tests/guest" && timeout 240 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' \
    -ex 'set print address off' -ex "file $work/programs/bin/lost" -ex "target remote 127.0.0.1:$port" -x "$work/script" -ex kill) >"$work/gdb" 2>&1 || fail "gdb's status"
wait $!
sed -n '/^(gdb)/,$p' "$work/gdb" | grep -v '^$' | head -n "$(wc -l <"$work/wanted")" >"$work/got"
if [ -n "$alike" ]; then
    diff "$work/wanted" "$work/got" || fail "the session is another one than in docs/race.md"
else
    echo "seed $seed, $lost lost: not the schedule of docs/race.md"
    # $1 when all is over; $3 what a teller saw, $4 what was there when it wrote
    value() { sed -n "s/^\\\$$1 = \([0-9]*\)\$/\1/p" "$work/got"; }
    [ "$(value 1)" = $((200 - lost)) ] || fail "the balance is not what the program says"
    [ "$(value 3)" -ne "$(value 4)" ] || fail "no lost deposit was found backwards"
fi
finish
