# SPDX-License-Identifier: MIT
# Linux with several processors, all of them under load (stress-ng: arithmetic, context switches, page protection, timers,
# semaphores), loses no timer and no interprocessor interrupt: a real-time thread on each processor wakes every 10 ms and
# interrupts the others (tests/guest/ticks.c). Both go by Hv#1: synthetic timers, hypercalls for IPIs and TLB flushes.
# LOAD_SECONDS=3600 LOAD_PROCESSORS="1 4 16" LOAD_IPS=50000000 LOAD_LATE_MS=2000: for as long as you like.
. "$top/tests/boot/lib.sh"
[ "$(uname -m)" = x86_64 ] || { echo "needs an x86-64 host, whose programs it runs"; exit 77; }
setup install_debian stress-ng
setup setup_guest
seconds=${LOAD_SECONDS:-20} ips=${LOAD_IPS:-100000000}
mkdir -p "$work/tree"
program_tree "$work/tree" /usr/bin/stress-ng
script_initrd 'n=$(grep -c ^processor /proc/cpuinfo)' "seconds=$seconds" 'export PATH=/usr/bin:/bin:/sbin' 'echo -1 >/proc/sys/kernel/sched_rt_runtime_us' \
    'stress-ng --cpu $n --cpu-method int64 --switch $n --mprotect $n --timer 1 --sem $n --timeout $((seconds + 3)) --temp-path /tmp --metrics-brief >/tmp/stress 2>&1 &' \
    "/bin/ticks \$seconds ${LOAD_LATE_MS:-400}; echo status \$?" 'wait; sed "s/^/stress: /" /tmp/stress' 'grep -E "HVS|CAL|TLB" /proc/interrupts' \
    'dmesg | grep -iE "lost|stall|lockup|skew|unstable|csd|clocksource: Sw" | sed "s/^/dmesg: /"' 'exit 7'
append_tree "$work/tree"
add_program ticks
for n in ${LOAD_PROCESSORS:-4}; do
    timeout "${LOAD_TIMEOUT:-900}" "$PARTITA" run -m 1G -smp "$n" -cpu max -clock "ips=$ips" -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial "file:$work/status" -stats "$work/stats" -no-reboot \
        </dev/null >"$work/out" 2>"$work/err" || { fail "smp $n: exit status"; cat "$work/err"; }
    tr -d '\r' <"$work/out" >"$work/text"
    { echo "== $n processors"; cat "$work/text" "$work/stats"; } >>"$work/all"
    [ "$(tr -dc 0-9 <"$work/status")" = 7 ] || fail "smp $n: the script's status"
    expect "$work/text" '^ticks: in time'
    [ "$(grep -c "^ticks: processor .* woke $((seconds * 100)) times" "$work/text")" = "$n" ] || fail "smp $n: wake-ups are missing"
    expect "$work/text" '^stress: .*successful run completed'
    expect "$work/stats" '"timer expirations": [1-9]'
    [ "$n" = 1 ] || expect "$work/stats" 'SendSyntheticClusterIpi'
    [ "$n" = 1 ] || expect "$work/stats" 'FlushVirtualAddressList'
    refuse "$work/text" 'Oops|BUG:|Call Trace|rcu.*stall|skew is too large|soft lockup|segfault|stress: .*fail'
done
cp "$work/all" "$build/linux_load.txt"
finish
