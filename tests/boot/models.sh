# SPDX-License-Identifier: MIT
# Every named 64-bit model boots Debian's cloud kernel to a shell, and shows its name there; 32-bit ones the 686 kernel, for
# which a Pentium is too old: it wants CMOV.
. "$top/tests/boot/lib.sh"
setup fetch_foreign i386 "$build/guest/i386" busybox-static
setup build_initramfs "$build/guest/i386/initramfs" "$build/guest/i386/bin/busybox"
setup fetch_kernel linux-image-686 "$build/guest/686" i386

# boots MODEL KERNEL INITRAMFS NAME FLAG: NAME in the kernel's words, FLAG among its flags
boots() {
    local out="$work/$1.out" initramfs=$3
    script_initrd 'grep -m1 "^model name" /proc/cpuinfo' 'grep -m1 "^flags" /proc/cpuinfo' 'echo the end'
    timeout 300 "$PARTITA" run -m 256M -cpu "$1" -kernel "$2" -initrd "$work/initrd" \
        -append 'console=ttyS0 panic=-1 cryptomgr.notests' -serial stdio -no-reboot </dev/null >"$out" 2>&1
    [ $? -eq 0 ] || { fail "$1: exit status"; tail -n 30 "$out"; }
    expect "$out" "^model name.*$4"
    expect "$out" "^flags.* $5( |.?\$)"
    expect "$out" '^the end'
    refuse "$out" 'Oops|BUG:|Call Trace|stall|skew|unchecked MSR'
}
small="$build/guest/686/vmlinuz $build/guest/i386/initramfs"
large="$build/guest/vmlinuz $build/guest/initramfs"
boots pentium3       $small 'Pentium III \(Coppermine\)'        sse
boots core2duo       $large 'Core\(TM\)2 Duo CPU     T7700'     ssse3
boots x86-64-v1      $large 'Partita x86-64-v1'                 sse2
boots x86-64-v2      $large 'Partita x86-64-v2'                 sse4_2
boots x86-64-v3      $large 'Partita x86-64-v3'                 avx2
boots x86-64-v4      $large 'Partita x86-64-v4'                 avx2
boots Haswell-Server $large 'E5-2680 v3'                        invpcid
boots Skylake-Server $large 'Gold 6154'                         pku
boots SapphireRapids $large 'Platinum 8480\+'                   movdir64b
boots EPYC-Rome      $large 'AMD EPYC 7742'                     sse4a
boots EPYC-Milan     $large 'AMD EPYC 7763'                     pcid
boots EPYC-Genoa     $large 'AMD EPYC 9654'                     la57
finish
