# SPDX-License-Identifier: MIT
# SeaBIOS boots a floppy (GRUB in raw sectors, which loads a Multiboot guest from more raw sectors, past the first track) and a CD
# with ISOLINUX, which loads Debian's kernel.
. "$top/tests/boot/lib.sh"
command -v grub-mkimage >/dev/null && command -v xorriso >/dev/null || { echo "grub-mkimage or xorriso is not here"; exit 77; }
setup fetch_foreign amd64 "$build/guest/isolinux" isolinux syslinux-common
guest hello

cat >"$work/grub.cfg" <<G
multiboot (fd0)1000+$((($(stat -c %s "$work/hello.elf") + 511) / 512)) from a floppy
boot
G
grub-mkimage -O i386-pc -p '(fd0)' -c "$work/grub.cfg" -o "$work/core.img" biosdisk multiboot
truncate -s 1440K "$work/floppy.img"
dd if=/usr/lib/grub/i386-pc/boot.img of="$work/floppy.img" conv=notrunc status=none
dd if="$work/core.img" of="$work/floppy.img" bs=512 seek=1 conv=notrunc status=none
dd if="$work/hello.elf" of="$work/floppy.img" bs=512 seek=1000 conv=notrunc status=none
sha256sum "$work/floppy.img" >"$work/before"
timeout 200 "$PARTITA" run -m 32M -fda "$work/floppy.img" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot \
    </dev/null >"$work/out" 2>&1
[ $? -eq 1 ] || { fail "floppy: exit status"; tail -n 5 "$work/out"; }
expect "$work/out" 'from a floppy'
expect "$work/out" '^PASS'
sha256sum "$work/floppy.img" | cmp - "$work/before" || fail "the floppy image changed"

script_initrd 'uname -s' 'cat /proc/cmdline' 'exit 3'
mkdir -p "$work/cd/isolinux"
cp "$build/guest/isolinux/usr/lib/ISOLINUX/isolinux.bin" "$build/guest/isolinux/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/cd/isolinux/"
cp "$build/guest/vmlinuz" "$work/initrd" "$work/cd/isolinux/"
cat >"$work/cd/isolinux/isolinux.cfg" <<'I'
serial 0 115200
say loading from the CD
default linux
label linux
kernel vmlinuz
append initrd=initrd console=ttyS0 panic=-1 cryptomgr.notests by=isolinux
I
xorriso -as mkisofs -quiet -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -o "$work/cd.iso" "$work/cd" 2>"$work/log" || { cat "$work/log"; fail "xorriso"; finish; }
timeout 300 "$PARTITA" run -m 256M -cdrom "$work/cd.iso" -serial stdio -serial "file:$work/status" -no-reboot </dev/null >"$work/out" 2>&1
[ $? -eq 0 ] || { fail "CD: exit status"; tail -n 5 "$work/out"; }
[ "$(tr -dc 0-9 <"$work/status")" = 3 ] || fail "CD: the script's status"
expect "$work/out" 'ISOLINUX'
expect "$work/out" '^Linux'
expect "$work/out" 'by=isolinux'
finish
