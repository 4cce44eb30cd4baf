# SPDX-License-Identifier: MIT
# What is recorded under the translator is replayed by the interpreter with equal hashes: a boot with 16 processors that work and
# sleep, programs above 4 GiB, and all workloads of bench/.
. "$top/tests/boot/lib.sh"
boot=(-kernel "$build/guest/vmlinuz" -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial null -no-reboot)

# both NAME OPTIONS...: $work/NAME.out is what the guest said
both() {
    local name=$1
    shift
    timeout 300 "$PARTITA" record -o "$work/$name.ptr" "${boot[@]}" -initrd "$work/initrd" -accel jit "$@" </dev/null >"$work/$name.out" 2>"$work/err" ||
        { fail "$name: recording"; tail -n 5 "$work/err"; }
    timeout 600 "$PARTITA" replay "$work/$name.ptr" -accel interp >"$work/out" 2>"$work/err" || { fail "$name: replaying"; tail -n 5 "$work/err"; }
    cmp "$work/$name.out" "$work/out" || fail "$name: the serial output differs"
    expect "$work/err" '^partita: replayed [0-9]+ instructions, [0-9]+ hashes equal$'
    echo "$name: $(tail -n 1 "$work/err")"
}

script_initrd 'grep -c ^processor /proc/cpuinfo' 'for k in 1 2 3 4 5 6 7 8; do (md5sum /bin/busybox; ls -lR /bin | md5sum) & done; wait' \
    'for k in 1 2 3; do sleep 1; done' 'echo "the end"'
both sixteen -m 512M -smp 16
expect "$work/sixteen.out" '^16'
expect "$work/sixteen.out" '^the end'

# Linux gives out memory from the top: the shell's code is there, as the frame's number says.
script_initrd 'ls -lR /bin | md5sum' 'a=$(grep -m 1 r-xp /proc/1/maps | cut -d- -f1)' \
    'dd if=/proc/1/pagemap bs=8 skip=$((0x$a / 4096)) count=1 2>/dev/null | od -A n -t x8 | sed "s/^/code at /"' 'echo "the end"'
both high -m 6G -smp 2
expect "$work/high.out" '^code at +a[0-9a-f]{8}0*1[0-9a-f]{5}'
expect "$work/high.out" '^the end'

# No libc of the guest's, as in bench/run; a fiftieth of its length. Each ends with a checksum.
mkdir -p "$work/tree/bench"
gcc -std=gnu11 -O2 -march=x86-64 -fno-tree-vectorize -fno-math-errno -static -o "$work/tree/bench/workloads" "$top"/bench/guest/{main,integer,integer_codec,calls,fp,packed,strings,memory,kernel,code,programs}.c &&
    gcc -O2 -static -nostdlib -o "$work/tree/bench/nothing" "$top/bench/guest/nothing.c" || fail "the workloads do not compile"
script_initrd '/bench/workloads --scale 0.02' 'echo "the end"'
append_tree "$work/tree"
both workloads -m 512M
for name in $("$work/tree/bench/workloads" --list | cut -d' ' -f2); do
    expect "$work/workloads.out" "^@end $name "
done
expect "$work/workloads.out" '^the end'
finish
