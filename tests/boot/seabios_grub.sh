# SPDX-License-Identifier: MIT
# SeaBIOS boots GRUB from CD, disk and floppy, and GRUB a Multiboot guest; the images never change; hashes repeat.
. "$top/tests/boot/lib.sh"
command -v grub-mkrescue >/dev/null && command -v xorriso >/dev/null || { echo "grub-mkrescue or xorriso is not here"; exit 77; }
guest hello
mkdir -p "$work/iso/boot/grub"
cp "$work/hello.elf" "$work/iso/boot/"
cat >"$work/iso/boot/grub/grub.cfg" <<'G'
set timeout=0
multiboot /boot/hello.elf from grub
boot
G
grub-mkrescue -o "$work/cd.iso" "$work/iso" >"$work/mkrescue.log" 2>&1 || { cat "$work/mkrescue.log"; fail "grub-mkrescue"; finish; }
cp "$work/cd.iso" "$work/disk.img"           # a hybrid image: boots as a disk too
sums() { sha256sum "$work/cd.iso" "$work/disk.img"; }
sums >"$work/before"

run() {
    timeout 200 "$PARTITA" run -m 64M -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot "$@" </dev/null
}
run -cdrom "$work/cd.iso" -hash-at 10000000,30000000 >"$work/cd.out" 2>"$work/cd.hash"
[ $? -eq 1 ] || fail "CD: exit status"
expect "$work/cd.out" 'from grub'
expect "$work/cd.out" '^PASS'
run -cdrom "$work/cd.iso" -hash-at 10000000,30000000 -stats "$work/stats" >/dev/null 2>"$work/cd.hash2"
grep -q ^insns= "$work/cd.hash" || fail "no hashes"
cmp "$work/cd.hash" "$work/cd.hash2" || fail "two runs differ"
refuse "$work/stats" '"smis": 0,$'             # SeaBIOS moves SMBASE, and calls itself through SMM
run -cdrom "$work/cd.iso" -smm off -stats "$work/stats" >"$work/cd.out" 2>&1
[ $? -eq 1 ] || fail "CD without SMM: exit status"
expect "$work/stats" '"smis": 0,$'
for mode in readonly=on snapshot=on; do
    run -drive "file=$work/disk.img,format=raw,$mode" >"$work/disk.out" 2>&1
    [ $? -eq 1 ] || { fail "disk, $mode: exit status"; tail -n 5 "$work/disk.out"; }
    expect "$work/disk.out" '^PASS'
done
sums >"$work/after"
cmp "$work/before" "$work/after" || fail "an image changed"
finish
