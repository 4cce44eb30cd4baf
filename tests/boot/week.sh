# SPDX-License-Identifier: MIT
# long: three million timer interrupts
# A week of virtual time in which Linux sleeps: it is over when the guest's clocks say so, to the second, and nothing stalls or wraps
# meanwhile. Six hours of it go through the same states in either engine.
. "$top/tests/boot/lib.sh"
boot=(-m 256M -kernel "$build/guest/vmlinuz" -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial null -no-reboot -clock virtual)

# sleeper SECONDS
sleeper() {
    script_initrd 'a=$(date +%s)' 'cut -d. -f1 /proc/uptime' "sleep $1" 'b=$(date +%s)' 'echo "slept $((b - a))"' 'cut -d. -f1 /proc/uptime' \
        'dmesg | grep -iE "stall|lockup|skew|unstable"' 'md5sum /bin/busybox' 'echo "the end"'
}

sleeper 604800
timeout 900 "$PARTITA" run "${boot[@]}" -initrd "$work/initrd" -stats "$work/stats" </dev/null >"$work/out" 2>"$work/err" || fail "a week: status"
tr -d '\r' <"$work/out" >"$work/text"
expect "$work/text" '^slept 604800$'
expect "$work/text" '^60480[12]$'
expect "$work/text" '^the end$'
refuse "$work/text" 'stall|lockup|skew|Oops|BUG:'
expect "$work/stats" '"virtual_ns": 60480[0-9]{10}'

sleeper 21600
timeout 900 "$PARTITA" record -o "$work/hours.ptr" "${boot[@]}" -smp 2 -accel jit -initrd "$work/initrd" </dev/null >"$work/hours" 2>"$work/err" || fail "six hours: recording"
timeout 900 "$PARTITA" replay "$work/hours.ptr" -accel interp >"$work/out" 2>"$work/err" || { fail "six hours: replaying"; cat "$work/err"; }
cmp "$work/hours" "$work/out" || fail "six hours: the serial output differs"
expect "$work/err" '^partita: replayed [0-9]+ instructions, [0-9]+ hashes equal$'
expect "$work/out" '^slept 21600'
finish
