# SPDX-License-Identifier: MIT
# Linux with lines typed at moments that the host chooses: recorded, and replayed to the bit under both engines, with one and
# with four processors, on the virtual and on the host's clock; recorders that are killed; how long logs are; damaged files.
. "$top/tests/boot/lib.sh"
script_initrd 'for k in 1 2 3; do echo "ready $k"; read line </dev/console; echo "got $line"; done' 'md5sum /bin/busybox' \
    'date +%N' 'ls -lR /bin | md5sum' 'echo "the end"'
boot=(-m 256M -kernel "$build/guest/vmlinuz" -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial null -no-reboot)

# wait_for PATTERN FILE: until it appears, two minutes at most
wait_for() {
    for _ in $(seq 1200); do
        grep -q "$1" "$2" && return
        sleep 0.1
    done
    fail "no '$1'"
}

# type_lines FILE: answers each prompt in it, on standard output, which stays open meanwhile
type_lines() {
    for k in 1 2 3; do
        wait_for "ready $k" "$1"
        printf 'line %s of some letters\n' "$k"
    done
    wait_for 'the end' "$1"
}

# records NAME OPTIONS...: with typed lines
records() {
    local name=$1
    shift
    : >"$work/$name.out"
    type_lines "$work/$name.out" | timeout 300 "$PARTITA" record -o "$work/$name.ptr" "${boot[@]}" -initrd "$work/initrd" "$@" >"$work/$name.out" 2>"$work/$name.err"
    [ "${PIPESTATUS[1]}" -eq 0 ] || { fail "$name: recording"; cat "$work/$name.err"; }
    for k in 1 2 3; do expect "$work/$name.out" "got line $k of some letters"; done
}

# replays NAME OPTIONS...
replays() {
    local name=$1
    shift
    timeout 300 "$PARTITA" replay "$work/$name.ptr" "$@" >"$work/out" 2>"$work/err"
    [ $? -eq 0 ] || { fail "$name, $*: status"; cat "$work/err"; }
    cmp "$work/$name.out" "$work/out" || fail "$name, $*: the serial output differs"
    expect "$work/err" '^partita: replayed [0-9]+ instructions, [0-9]+ hashes equal$'
}

for smp in 1 4; do
    for clock in virtual host; do
        records "$smp-$clock" -smp $smp -clock $clock
        replays "$smp-$clock" -accel jit
        replays "$smp-$clock" -accel interp
    done
done
records interpreted -smp 2 -accel interp
replays interpreted -accel jit
if [ -x "$build-clang/partita" ]; then
    PARTITA=$build-clang/partita replays 4-host
fi

# On the way: to a point and to a text, with pictures; hashes there are the same whichever way one comes.
at() { timeout 300 "$PARTITA" replay "$work/4-host.ptr" --serial "$work/part" "$@" >"$work/out" 2>"$work/err" || { fail "$*"; cat "$work/err"; }; }
at --until 'serial=ready 2'
expect "$work/err" '^partita: at instruction [0-9]+, '
[ "$(tail -c 7 "$work/part")" = 'ready 2' ] || fail "--until serial: $(tail -n 2 "$work/part")"
n=$(sed -n 's/^partita: at instruction \([0-9]*\),.*/\1/p' "$work/err")
cp "$work/err" "$work/there"
cp "$work/part" "$work/until_there"
at --goto "$n" --screenshot-at "$((n / 2))=$work/half.ppm" -accel interp
cmp "$work/there" "$work/err" || fail "--goto $n leads elsewhere"
[ "$(head -c 2 "$work/half.ppm")" = P6 ] || fail "no picture"
at --until "rip=0x$(sed 's/.* //' "$work/there")"
[ "$(sed -n 's/^partita: at instruction \([0-9]*\),.*/\1/p' "$work/err")" -le "$n" ] || fail "--until rip is late"
[ "$(sed 's/.* //' "$work/there")" = "$(sed 's/.* //' "$work/err")" ] || fail "--until rip stops elsewhere"

# Checkpoints that are added later: the same place, found from one of them; the recording stays what it was.
cp "$work/4-host.ptr" "$work/added.ptr"
timeout 300 "$PARTITA" replay "$work/added.ptr" --checkpoints add,every=100000000 >"$work/out" 2>"$work/err" || { fail "--checkpoints add"; cat "$work/err"; }
cmp "$work/4-host.out" "$work/out" || fail "--checkpoints add: the serial output differs"
cmp -n "$(stat -c %s "$work/4-host.ptr")" "$work/4-host.ptr" "$work/added.ptr" || fail "--checkpoints add changed what was there"
timeout 300 "$PARTITA" replay "$work/added.ptr" --goto "$n" >"$work/out" 2>"$work/err" || fail "--goto $n from a checkpoint"
cmp "$work/there" "$work/err" || fail "--goto $n from a checkpoint leads elsewhere"
[ ! -s "$work/out" ] || [ "$(stat -c %s "$work/out")" -lt "$(stat -c %s "$work/until_there")" ] || fail "--goto $n did not begin at a checkpoint"
timeout 300 "$PARTITA" replay "$work/added.ptr" --checkpoints add >/dev/null 2>"$work/err"
[ $? -eq 2 ] || fail "--checkpoints add, twice: status"
expect "$work/err" 'has all its checkpoints already'

# A recorder that is killed: what it had written replays, and what the guest had sent until then is the same.
for moment in 'ready 1' 'ready 2'; do
    : >"$work/killed.out"
    mkfifo "$work/fifo"
    type_lines "$work/killed.out" >"$work/fifo" &
    typist=$!
    "$PARTITA" run -record "$work/killed.ptr" "${boot[@]}" -initrd "$work/initrd" -smp 2 -clock host <"$work/fifo" >"$work/killed.out" 2>/dev/null &
    recorder=$!
    wait_for "$moment" "$work/killed.out"
    kill -9 $recorder
    wait $recorder 2>/dev/null
    kill $typist 2>/dev/null
    wait $typist 2>/dev/null
    rm "$work/fifo"
    timeout 300 "$PARTITA" replay "$work/killed.ptr" >"$work/out" 2>"$work/err"
    [ $? -eq 16 ] || { fail "a killed recorder: status"; cat "$work/err"; }
    expect "$work/err" '^partita: the recording is cut short here, at instruction [0-9]+'
    cmp -n "$(stat -c %s "$work/out")" "$work/killed.out" "$work/out" || fail "a killed recorder: the serial output differs"
done

# Sizes: a boot without a user at most 4 kB, an idle second at most 32 bytes.
for seconds in 1 101; do
    script_initrd "sleep $seconds"
    timeout 300 "$PARTITA" record -o "$work/idle-$seconds.ptr" "${boot[@]}" -initrd "$work/initrd" -smp 4 </dev/null >"$work/out" 2>&1 || fail "idle: status"
done
boot_bytes=$(stat -c %s "$work/idle-1.ptr") idle_bytes=$(($(stat -c %s "$work/idle-101.ptr") - $(stat -c %s "$work/idle-1.ptr")))
echo "log of a boot: $boot_bytes bytes, of 100 idle seconds: $idle_bytes"
[ "$boot_bytes" -le 4096 ] || fail "the log of a boot has $boot_bytes bytes"
[ "$idle_bytes" -le 3200 ] || fail "100 idle seconds make $idle_bytes bytes of log"

# refuses WORDS FILE: one line, status 2
refuses() {
    timeout 60 "$PARTITA" replay "$2" >/dev/null 2>"$work/err"
    [ $? -eq 2 ] || fail "$1: status"
    [ "$(wc -l <"$work/err")" -eq 1 ] || { fail "$1: not one line"; cat "$work/err"; }
    expect "$work/err" "$1"
}
refuses 'missing.ptr' "$work/missing.ptr"
refuses 'no recording' "$build/guest/vmlinuz"
head -c 300 "$work/1-host.ptr" >"$work/cut.ptr"
refuses 'cut short' "$work/cut.ptr"
{ head -c 1200 "$work/1-host.ptr"; printf 'x'; tail -c +1202 "$work/1-host.ptr"; } >"$work/damaged.ptr"
refuses 'damaged' "$work/damaged.ptr"
# Where two replays part: nowhere between engines; at a CPUID between models.
timeout 300 "$PARTITA" diverge "$work/idle-101.ptr" >"$work/out" 2>&1 || { fail "diverge between engines"; cat "$work/out"; }
expect "$work/out" '^no difference in [0-9]+ instructions$'
timeout 300 "$PARTITA" diverge "$work/idle-101.ptr" -- -cpu max,-avx2 >"$work/out" 2>&1
[ $? -eq 18 ] || fail "diverge between models: status"
expect "$work/out" '^equal until instruction [0-9]+; different after 1 more$'
expect "$work/out" '^processor 0, [0-9a-f]+: 0f a2 '
expect "$work/out" '^cpu.0: gpr'
refuses "initrd.*differ" "$work/1-host.ptr"         # script_initrd wrote another one since
finish
