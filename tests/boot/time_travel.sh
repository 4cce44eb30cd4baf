# SPDX-License-Identifier: MIT
# Types the session of docs/time-travel.md into stock gdb, forwards and backwards through a Linux boot and a program, and compares: with
# a live run and with a replay of its recording.
. "$top/tests/boot/lib.sh"
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
port=$((20000 + $$ % 20000))
script_initrd '/bin/overrun' 'exit 7'
mkdir -p "$work/programs/bin"
# at addresses where no other program has code
gcc -g -O0 -static -no-pie -fcf-protection=none -fno-stack-protector -fdebug-prefix-map="$top/tests/guest/=" -Wl,-Ttext-segment=0x10000000 \
    -o "$work/programs/bin/overrun" "$top/tests/guest/overrun.c" || { fail "cannot build the program"; finish; }
(cd "$work/programs" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >>"$work/initrd"

awk '/^```gdb$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$top/docs/time-travel.md" >"$work/wanted"
sed -n 's/^(gdb) \(.*\)/echo (gdb) \1\\n\n\1/p' "$work/wanted" >"$work/script"
# ... and what the guest says goes out once, however often it is gone through
printf '%s\n' delete continue "hbreak complain" reverse-continue delete continue kill >>"$work/script"

machine=(-m 256M -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' -no-reboot)

# session COMMAND OPTIONS...: all of it with a machine that partita makes so
session() {
    : >"$work/err"
    timeout 300 "$PARTITA" "$@" -gdb "tcp:127.0.0.1:$port" -S </dev/null 2>"$work/err" &
    until grep -q 'gdb: listening' "$work/err" || ! kill -0 $!; do sleep 0.1; done
    (cd "$top/tests/guest" && timeout 240 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' \
        -ex 'set print address off' -ex "file $work/programs/bin/overrun" -ex "target remote 127.0.0.1:$port" -x "$work/script") \
        >"$work/gdb" 2>&1 || fail "$1: gdb's status"
    wait $!
    sed -n '/^(gdb)/,$p' "$work/gdb" | grep -v '^$' | head -n "$(wc -l <"$work/wanted")" >"$work/got"
    [ "$(grep -c 'has lost its mind: 7825749' "$work/out")" -eq 1 ] || fail "$1: the guest's words came more than once, or never"
    [ "$(grep -c 'No more reverse-execution history' "$work/gdb")" -eq 2 ] || fail "$1: the end is no stop"
    diff "$work/wanted" "$work/got" || fail "$1: the session is another one than in docs/time-travel.md"
}

session run "${machine[@]}" -serial "file:$work/out"
timeout 300 "$PARTITA" record -o "$work/run.ptr" "${machine[@]}" -serial "file:$work/out" </dev/null 2>"$work/err" || fail "recording"
port=$((port + 1))
session replay "$work/run.ptr" --serial "$work/out"
finish
