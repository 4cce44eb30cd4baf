# SPDX-License-Identifier: MIT
# Debian's cloud kernel with 1, 2, 4 and 16 processors: Hv#1 is found and kept time by, all processors come up, idle by MWAIT
# only when that was asked for, nothing oopses or stalls, power-off ends the program with 0.
. "$top/tests/boot/lib.sh"
script_initrd 'dmesg' 'echo "processors $(grep -c ^processor /proc/cpuinfo)"' \
    'echo "clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"' 'grep HVS /proc/interrupts' \
    'a=$(date +%s)' 'sleep 30' 'b=$(date +%s)' 'echo "slept $((b - a))"' 'exit 7'
for n in 1 2 4 16; do
    cpu=max
    [ "$n" -ne 2 ] || cpu=max,+monitor
    timeout 300 "$PARTITA" run -m 512M -smp "$n" -cpu "$cpu" -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' \
        -serial stdio -serial "file:$work/status" -no-reboot </dev/null >"$work/out" 2>"$work/err" || fail "smp $n: exit status"
    tr -d '\r' <"$work/out" >"$work/text"
    [ "$(tr -dc 0-9 <"$work/status")" = 7 ] || fail "smp $n: the script's status"
    expect "$work/text" 'Hypervisor detected: Microsoft Hyper-V'
    expect "$work/text" '^clocksource hyperv_clocksource_tsc_page$'
    expect "$work/text" "^processors $n\$"
    if [ $cpu = max ]; then refuse "$work/text" 'using mwait'; else expect "$work/text" 'using mwait in idle threads'; fi
    expect "$work/text" '^slept 30$'
    refuse "$work/text" 'Oops|BUG:|Call Trace|rcu.*stall|skew is too large|soft lockup'
done
finish
