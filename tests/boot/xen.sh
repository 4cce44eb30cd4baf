# SPDX-License-Identifier: MIT
# Xen with Debian's kernel as its dom0 comes up to a shell and powers the machine off: given with -kernel as a Multiboot image,
# and by SeaBIOS and GRUB as Multiboot 2 with two processors.
. "$top/tests/boot/lib.sh"
command -v grub-mkrescue >/dev/null && command -v xorriso >/dev/null || { echo "grub-mkrescue or xorriso is not here"; exit 77; }
setup fetch_foreign amd64 "$build/guest/xen" xen-hypervisor-4.17-amd64
setup fetch_kernel linux-image-amd64 "$build/guest/full" amd64
script_initrd 'dmesg | grep -i "xen version"' 'cat /sys/hypervisor/type' 'echo "processors: $(grep -c ^processor /proc/cpuinfo)"' \
    'cat /sys/devices/system/clocksource/clocksource0/current_clocksource' 'echo the end'
# Xen takes the ELF kernel inside the bzImage too; unpacking here saves it two thirds of its work.
kernel=$build/guest/full/vmlinuz
number() { od -An -v -t "u$2" -j "$1" -N "$2" "$kernel" | tr -d ' '; }
tail -c +$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4) + 1)) "$kernel" | head -c $(($(number 0x24c 4) - 4)) | xz -dc >"$work/vmlinux" ||
    { echo "the kernel is not packed by xz"; exit 77; }
xen='console=com1 com1=115200,8n1 noreboot'
dom0='console=hvc0 panic=-1 cryptomgr.notests'

# boots PROCESSORS OPTIONS...
boots() {
    local n=$1
    shift
    timeout 500 "$PARTITA" run -m 768M -clock ips=200000000 -smp "$n" -serial stdio -no-reboot "$@" </dev/null >"$work/out" 2>&1
    [ $? -eq 0 ] || { fail "-smp $n: exit status"; tail -n 30 "$work/out"; }
    expect "$work/out" "\(XEN\) Brought up $n CPUs"
    expect "$work/out" '^xen'
    expect "$work/out" "^processors: $n"
    expect "$work/out" '^the end'
    expect "$work/out" '\(XEN\) Entering ACPI S5 state'
    refuse "$work/out" 'Oops|BUG:|Call Trace|rcu.*stall|\(XEN\) .*(FATAL|WARN_ON|Unhandled)'
}
zcat "$build"/guest/xen/boot/xen-*-amd64.gz >"$work/xen"
# with a shadow stack of its own; for that it wants IBRS instead of retpolines
boots 1 -cpu max,+spec_ctrl,+stibp -kernel "$work/xen" -append "$xen no-real-mode cet=shstk" -initrd "$work/vmlinux $dom0,$work/initrd"
expect "$work/out" 'Enabling Supervisor Shadow Stacks'

mkdir -p "$work/iso/boot/grub"
cp "$work/xen" "$work/vmlinux" "$work/initrd" "$work/iso/boot/"
cat >"$work/iso/boot/grub/grub.cfg" <<G
multiboot2 /boot/xen $xen
module2 /boot/vmlinux $dom0
module2 --nounzip /boot/initrd
boot
G
grub-mkrescue -o "$work/cd.iso" "$work/iso" >"$work/log" 2>&1 || { cat "$work/log"; fail "grub-mkrescue"; finish; }
boots 2 -cdrom "$work/cd.iso"
finish
