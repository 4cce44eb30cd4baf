# SPDX-License-Identifier: MIT
# Debian's 32-bit kernels, with two-level and with PAE paging, run a 32-bit shell, with and without Hv#1.
. "$top/tests/boot/lib.sh"
setup fetch_foreign i386 "$build/guest/i386" busybox-static
setup build_initramfs "$build/guest/i386/initramfs" "$build/guest/i386/bin/busybox"
for kernel in 686 686-pae; do setup fetch_kernel "linux-image-$kernel" "$build/guest/$kernel" i386; done
initramfs=$build/guest/i386/initramfs
script_initrd 'uname -m' 'cat /sys/devices/system/clocksource/clocksource0/current_clocksource' \
    'echo "processors: $(grep -c ^processor /proc/cpuinfo)"' 'echo the end'

# boots KERNEL PROCESSORS HV CLOCKSOURCE
boots() {
    local kernel=$1 out="$work/$1.out"
    timeout 400 "$PARTITA" run -m 512M -smp "$2" -hv "$3" -kernel "$build/guest/$kernel/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 panic=-1 cryptomgr.notests' -serial stdio -no-reboot </dev/null >"$out" 2>&1
    [ $? -eq 0 ] || { fail "$kernel, -smp $2, -hv $3: exit status"; tail -n 30 "$out"; }
    expect "$out" '^i686'
    expect "$out" "^$4"
    expect "$out" "^processors: $2"
    expect "$out" '^the end'
    refuse "$out" 'Oops|BUG:|Call Trace|stall|skew'
}
boots 686     1 off 'tsc'
boots 686-pae 2 on  'hyperv_clocksource_tsc_page'
finish
