# SPDX-License-Identifier: MIT
# Debian's own programs check themselves, and agree with the host, in a guest with all instruction sets: stress-ng's verifying
# stressors, OpenSSL's digests and ciphers, the compressors, the C library's mathematical functions.
. "$top/tests/boot/lib.sh"
[ "$(uname -m)" = x86_64 ] || { echo "needs an x86-64 host, whose programs it runs"; exit 77; }
setup install_debian stress-ng openssl xz-utils zstd bzip2
setup setup_guest
root=$work/root

gcc -O2 -fno-builtin "$top/tests/guest/libm_digest.c" -o "$work/libm_digest" -lquadmath -lm || fail "cannot build libm_digest"
program_tree "$root" "$work/libm_digest" /usr/bin/stress-ng /usr/bin/openssl /usr/bin/xz /usr/bin/zstd /usr/bin/bzip2 /usr/bin/gzip
mkdir -p "$root/checks" && cp "$work/libm_digest" "$root/checks/"
cp "$top/tests/guest/digests.sh" "$root/checks/"
head -c 200000 "$PARTITA" >"$root/checks/data"
(cd "$root/checks" && sh ./digests.sh) >"$work/host.txt" 2>&1

# All in one archive, in front of the usual one's script.
script_initrd 'export PATH=/usr/bin:/bin:/sbin' 'cd /checks' 'sh ./digests.sh >/checks/guest.txt 2>&1; sed "s/^/guest: /" /checks/guest.txt' \
    '/lib64/ld-linux-x86-64.so.2 --help | grep -A9 "Subdirectories of glibc-hwcaps" | sed "s/^/hwcaps: /"' \
    'stress-ng --cpu 1 --cpu-ops 90 --cpu-method all --verify --temp-path /tmp 2>&1 | sed "s/^/stress: /"' \
    'for s in vecmath vecfp vecshuf vecwide fp matrix crypt hash str qsort zlib bsearch tree regs rotate nop funccall memcpy; do
        stress-ng --$s 1 --$s-ops 2 --verify --temp-path /tmp >/tmp/out 2>&1 && echo "verified $s" || { echo "unverified $s"; cat /tmp/out; }
     done'
append_tree "$root"
timeout 1200 "$PARTITA" run -m 1G -cpu max -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
    -append 'console=ttyS0 panic=-1 quiet cryptomgr.notests' -serial stdio -no-reboot </dev/null >"$work/out" 2>&1 || fail "exit status"
tr -d '\r' <"$work/out" | sed -n 's/^guest: //p' >"$work/guest.txt"
cp "$work/out" "$build/selftest_programs.txt"
[ -s "$work/host.txt" ] || fail "the host's digests are empty"
# long double functions: as accurate as on the host, whose x87 rounds the last bit otherwise
for side in host guest; do grep '^error' "$work/$side.txt" >"$work/$side.errors"; sed -i '/^error/d' "$work/$side.txt"; done
paste "$work/host.errors" "$work/guest.errors" | awk '$5 != $2 || $6 > $3 + 300 { print; bad = 1 } END { exit bad || NR < 15 }' ||
    fail "long double functions less accurate than the host's (host's and ours in thousandths of the last place)"
diff "$work/host.txt" "$work/guest.txt" >"$work/diff" || { fail "host (<) and guest (>) differ"; head -n 40 "$work/diff"; }
expect "$work/out" '^hwcaps: .*x86-64-v4 [(]supported'
expect "$work/out" '^verified vecmath'
refuse "$work/out" '^unverified|stress: .*(fail|error)|Oops|BUG:|Call Trace|segfault|trap'
finish
