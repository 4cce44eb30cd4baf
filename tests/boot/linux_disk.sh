# SPDX-License-Identifier: MIT
# SeaBIOS and GRUB boot Debian's kernel from an ext2 partition of an IDE disk; ata_piix reads disk and CD by DMA and the floppy
# driver its floppy, every byte right; writes stay in memory with snapshot=on and reach the file without.
. "$top/tests/boot/lib.sh"
command -v grub-mkimage >/dev/null && command -v mke2fs >/dev/null || { echo "grub-mkimage or mke2fs is not here"; exit 77; }
setup fetch_kernel linux-image-amd64 "$build/guest/full" amd64
script_initrd '. /modules/load' 'sleep 1' 'dmesg | grep -E "ata[0-9]|sd |sr "' 'for d in sda sr0 fd0; do echo "sum $d $(sha256sum </dev/$d)"; done' \
    'for d in 1 2; do echo "mode $d $(cat /sys/class/ata_device/dev$d.0/xfer_mode)"; done' \
    'mkdir /cd; mount -t iso9660 /dev/sr0 /cd && cat /cd/hello' 'yes written | dd of=/dev/sda bs=512 seek=1024 count=512 iflag=fullblock conv=notrunc' \
    'sync; echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/sda bs=512 skip=1024 count=512 | sha256sum' 'exit 5'
add_modules full ata_piix sd_mod sr_mod isofs floppy

# A disk: boot sector and GRUB's core before a partition at 1 MiB with the kernel.
mkdir -p "$work/root/boot/grub" "$work/cd"
cp "$build/guest/full/vmlinuz" "$work/initrd" "$work/root/boot/"
cat >"$work/root/boot/grub/grub.cfg" <<'G'
linux /boot/vmlinuz console=ttyS0 panic=-1 cryptomgr.notests
initrd /boot/initrd
boot
G
grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" biosdisk part_msdos ext2 normal linux
truncate -s 40M "$work/disk.img"
mke2fs -q -t ext2 -d "$work/root" -E offset=1048576 "$work/disk.img" 39M 2>"$work/log" || { cat "$work/log"; fail "mke2fs"; finish; }
put() { dd of="$work/disk.img" bs=1 seek="$1" conv=notrunc status=none; }
head -c 440 /usr/lib/grub/i386-pc/boot.img | put 0
dd if="$work/core.img" of="$work/disk.img" bs=512 seek=1 conv=notrunc status=none
# active, Linux, from sector 2048, 79872 sectors
printf '\200\000\001\000\203\376\377\377\000\010\000\000\000\070\001\000' | put 446
printf '\125\252' | put 510
echo 'from the CD' >"$work/cd/hello"
head -c 5000000 /dev/urandom >"$work/cd/noise"
head -c 1474560 /dev/urandom >"$work/floppy.img"
xorriso -as mkisofs -quiet -o "$work/cd.iso" "$work/cd" 2>"$work/log" || { cat "$work/log"; fail "xorriso"; finish; }

sum() { sha256sum <"$1" | cut -d' ' -f1; }
run() {
    : >"$work/status"
    timeout 400 "$PARTITA" run -m 256M -drive "file=$work/disk.img,format=raw,$1" -cdrom "$work/cd.iso" -fda "$work/floppy.img" -boot c -serial stdio \
        -serial "file:$work/status" -no-reboot </dev/null >"$work/out" 2>&1
    [ $? -eq 0 ] || fail "$1: exit status"
    [ "$(tr -dc 0-9 <"$work/status")" = 5 ] || { fail "$1: the script's status"; tail -n 30 "$work/out"; }
    expect "$work/out" "^sum sda $before"
    expect "$work/out" "^sum sr0 $(sum "$work/cd.iso")"
    expect "$work/out" "^sum fd0 $(sum "$work/floppy.img")"
    expect "$work/out" '^from the CD'
    for d in 1 2; do expect "$work/out" "^mode $d XFER_(MW|U)_?DMA"; done
    expect "$work/out" "^$(yes written | head -c 262144 | sha256sum)"
    refuse "$work/out" 'Oops|BUG:|Call Trace|failed command|exception Emask'
}
before=$(sum "$work/disk.img")
cp "$work/disk.img" "$work/expected"
run snapshot=on
[ "$(sum "$work/disk.img")" = "$before" ] || fail "snapshot=on changed the image"
yes written | dd of="$work/expected" bs=512 seek=1024 count=512 iflag=fullblock conv=notrunc status=none 2>/dev/null
run snapshot=off
cmp "$work/disk.img" "$work/expected" || fail "the image is not what the guest wrote"
finish
