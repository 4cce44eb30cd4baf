# SPDX-License-Identifier: MIT
# A newer kernel than the one every other test boots: Debian 13's 6.12, with four processors, with and without Hv#1. It tracks
# indirect branches, and gives a program a shadow stack.
. "$top/tests/boot/lib.sh"
setup fetch_kernel linux-image-cloud-amd64 "$build/guest/trixie" amd64/trixie
script_initrd 'echo "release $(uname -r)"' 'echo "clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"' \
    'echo "processors $(grep -c ^processor /proc/cpuinfo)"' 'shadow_stack' 'sleep 3' 'exit 9'
add_program shadow_stack
for hv in on off; do
    timeout 300 "$PARTITA" run -m 512M -smp 4 -hv $hv -kernel "$build/guest/trixie/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 panic=-1' \
        -serial stdio -serial "file:$work/status" -no-reboot </dev/null >"$work/out" 2>&1 || fail "-hv $hv: exit status"
    [ "$(tr -dc 0-9 <"$work/status")" = 9 ] || fail "-hv $hv: the script's status"
    expect "$work/out" '^release 6\.12\.'
    expect "$work/out" "^clocksource $([ $hv = on ] && echo hyperv_clocksource_tsc_page || echo tsc)"
    expect "$work/out" '^processors 4'
    expect "$work/out" 'CET detected: Indirect Branch Tracking enabled'
    expect "$work/out" '^shadow stack on'
    expect "$work/out" '^pivot and back'
    expect "$work/out" '^SIGSEGV si_code 10 \(SEGV_CPERR\)'
    expect "$work/out" '^survived nothing'
    refuse "$work/out" 'Oops|BUG:|Call Trace|rcu.*stall|skew|soft lockup'
done
finish
