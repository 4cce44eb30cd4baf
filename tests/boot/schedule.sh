# SPDX-License-Identifier: MIT
# A racy program: schedule seeds bring out different results, each seed always the same one; a recording keeps its schedule.
. "$top/tests/boot/lib.sh"
script_initrd 'race' 'race'
add_program race
run() {
    timeout 300 "$PARTITA" "$@" -m 256M -smp 2 -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial null -no-reboot </dev/null 2>"$work/err" || { fail "$*"; cat "$work/err"; }
}
for seed in 1 2 3 4; do
    run run -schedule seed=$seed >"$work/out.$seed"
    [ "$(grep -c '^lost [0-9]* updates' "$work/out.$seed")" -eq 2 ] || { fail "seed $seed"; tail "$work/out.$seed"; }
done
[ "$(cat "$work"/out.? | grep '^lost' | sort -u | wc -l)" -ge 3 ] || { fail "seeds make no difference"; grep -h '^lost' "$work"/out.?; }
grep -h '^lost' "$work"/out.? | tr '\n' ' '; echo
run record -o "$work/race.ptr" -schedule seed=3 -accel interp >"$work/recorded"
cmp "$work/out.3" "$work/recorded" || fail "the same seed, another run"
timeout 300 "$PARTITA" replay "$work/race.ptr" >"$work/replayed" 2>"$work/err" || { fail "replay"; cat "$work/err"; }
cmp "$work/out.3" "$work/replayed" || fail "the replay differs"
finish
