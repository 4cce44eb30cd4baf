# SPDX-License-Identifier: MIT
# `partita past` about a recorded boot of Linux: the last write of a page is the last of all writes, and what it wrote is in memory then;
# a saved and loaded machine ends like the one that ran through.
. "$top/tests/boot/lib.sh"
run=(-m 128M -kernel "$build/guest/vmlinuz" -initrd "$build/guest/initramfs" -append 'console=ttyS0 quiet' -serial null)
"$PARTITA" record -o "$work/run.ptr" -checkpoints off "${run[@]}" -stop-at 400000000 >/dev/null 2>&1
"$PARTITA" past "$work/run.ptr" pwrite:0x1000000+8 >"$work/last" 2>"$work/err" || fail "past: status $?"
"$PARTITA" past "$work/run.ptr" pwrite:0x1000000+8 --all >"$work/all" || fail "past --all: status $?"
expect "$work/last" '"insns": [0-9]+, "vp": 0, "rip": "0x[0-9a-f]+", "physical": "0x1000000", "bytes": [1-8], "wrote": true'
[ "$(tail -n 1 "$work/all")" = "$(cat "$work/last")" ] || fail "the last answer is not the last of all: $(tail -n 1 "$work/all")"
"$PARTITA" past "$work/run.ptr" reached:0x100000 | grep -q '"insns": 0, "vp": 0, "rip": "0x100000"' || fail "the kernel's entry was not reached"
"$PARTITA" past "$work/run.ptr" pwrite:0x1000000+8 --at 0 | grep -qx '{}' || fail "something was found before the first instruction"
"$PARTITA" past "$work/run.ptr" pwrite:0x7ff0000+8 --at 1000 | grep -qx '{}' || fail "something was found before it was"

expect "$work/err" "^partita: '.*/run.ptr' has no checkpoints: "
[ "$(wc -l <"$work/err")" = 1 ] || fail "more than a hint: $(cat "$work/err")"

# with checkpoints, which say what was written between them, the answers are the same
cp "$work/run.ptr" "$work/with.ptr"
"$PARTITA" replay "$work/with.ptr" --checkpoints add,every=10000000 >/dev/null 2>&1 || [ $? -le 8 ] || fail "adding checkpoints"
for question in pwrite:0x1000000+8 pwrite:0x1000000+4096 pwrite:0x2a03000+8 pwrite:0x3000000+4096 pwrite:0x7ff0000+8 write:0xffffffff82a03000+8; do
    "$PARTITA" past "$work/run.ptr" $question >"$work/a"
    "$PARTITA" past "$work/with.ptr" $question >"$work/b" 2>"$work/err"
    refuse "$work/err" .
    cmp "$work/a" "$work/b" || { fail "$question: another answer with checkpoints"; cat "$work/a" "$work/b"; }
done

for smp in 1 4; do
    "$PARTITA" run "${run[@]}" -smp $smp -stop-at 500000000 -hash-at 500000000 -snapshot-save "$work/s",at=200000000 >/dev/null 2>"$work/one"
    "$PARTITA" run "${run[@]}" -smp $smp -stop-at 500000000 -hash-at 500000000 -snapshot-load "$work/s" >/dev/null 2>"$work/other"
    expect "$work/one" '^insns=500000000 hash='
    cmp -s "$work/one" "$work/other" || fail "smp $smp: the loaded machine goes another way: $(cat "$work/one" "$work/other")"
done
head -c 100000 "$work/s" >"$work/cut"
"$PARTITA" run "${run[@]}" -smp 4 -snapshot-load "$work/cut" >/dev/null 2>"$work/err"
[ $? -eq 2 ] || fail "a cut snapshot: status"
expect "$work/err" 'the snapshot is damaged'
[ "$(wc -l <"$work/err")" = 1 ] || fail "a cut snapshot: more than one line"
finish
