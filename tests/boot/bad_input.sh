# SPDX-License-Identifier: MIT
# Bad input: one clear line, exit status 2, and no image changes.
. "$top/tests/boot/lib.sh"

# refuses WORDS OPTIONS...: exits 2 and prints exactly one line, with these words
refuses() {
    local words=$1 status
    shift
    timeout 60 "$PARTITA" run "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ "$status" -eq 2 ] || fail "status $status, not 2: $*"
    [ "$(wc -l <"$work/err")" -eq 1 ] || { fail "not one line: $*"; cat "$work/err"; }
    expect "$work/err" "$words"
}
: >"$work/empty"
head -c 2560 /dev/urandom >"$work/random"
head -c 20000 "$build/guest/vmlinuz" >"$work/cut"
head -c 5120000 "$build/guest/vmlinuz" >"$work/cut2"
for file in missing empty random; do
    refuses "$file" -kernel "$work/$file"
    refuses "$file|sector|512|size" -bios "$work/$file"
done
refuses 'cut short' -kernel "$work/cut"
refuses 'cut short' -m 256M -kernel "$work/cut2"
refuses "missing" -m 256M -kernel "$build/guest/vmlinuz" -initrd "$work/missing"
refuses "empty" -m 256M -kernel "$build/guest/vmlinuz" -initrd "$work/empty"
refuses 'missing' -hda "$work/missing"
refuses 'empty' -hda "$work/empty"
refuses 'missing' -cdrom "$work/missing"
refuses 'floppy|format' -fda "$work/cut2"
refuses '-m' -m 0
refuses '-m' -m 12345678T
refuses '-m' -m -5
refuses '-m' -m abc
refuses 'too little' -m 8M -kernel "$build/guest/vmlinuz"
refuses '-smp' -smp 0
refuses '-smp' -smp 65
refuses '-smp' -smp two
refuses 'unknown option' -frobnicate
refuses 'needs a value' -kernel
refuses 'nosuchmodel' -cpu nosuchmodel
refuses 'nosuchfeature' -cpu max,+nosuchfeature
refuses 'interp' -accel fast
refuses 'guest, host' -d ir
refuses 'neither' -d at=4096
refuses 'address' -d host,at=x-y
refuses 'interpreter' -accel interp -d host
refuses 'missing/dump' -d "host,file=$work/missing/dump"
refuses 'qcow2' -drive "file=$work/random,format=qcow2"
refuses 'colour' -drive "file=$work/random,colour=red"
refuses 'file=' -drive format=raw
refuses 'isa-debug-exit' -device e1000
refuses 'serial' -serial nonsense:1
refuses 'hash-at' -hash-at 5,3
refuses 'hash-at' -hash-at x
refuses 'stop-at' -stop-at 0
finish
