# SPDX-License-Identifier: MIT
# The kernel checks itself: every algorithm of its crypto modules against its own test vectors at registration (testmgr; the
# SIMD drivers only load when CPUID offers their instructions), RAID 6 syndromes and XOR in every vector width.
. "$top/tests/boot/lib.sh"
setup fetch_kernel linux-image-amd64 "$build/guest/full" amd64
setup setup_guest
crypto=$(find "$build/guest/full/root" -path '*/arch/x86/crypto/*.ko' -o -path '*/kernel/crypto/*.ko' | xargs -n1 basename |
         sed 's/\.ko$//' | grep -vE '^(tcrypt|crypto_engine|async_|xor|drbg)' | sort)
script_initrd '. /modules/load 2>/modules/refused' 'dmesg | grep -E "raid6:|xor:|alg:|testmgr|tcrypt"' \
    'awk "/^driver/ { d = \$3 } /^selftest/ { print d, \$3 }" /proc/crypto | sort -u' 'echo "drivers $(grep -c ^driver /proc/crypto)"' \
    'grep -m1 ^flags /proc/cpuinfo' 'sed "s/^/not loaded: /" /modules/refused'
# shellcheck disable=SC2086
add_modules full cryptomgr $crypto drbg raid6_pq xor tcrypt
timeout 900 "$PARTITA" run -m 1G -cpu max -kernel "$build/guest/full/vmlinuz" -initrd "$work/initrd" \
    -append 'console=ttyS0 panic=-1 quiet' -serial stdio -no-reboot </dev/null >"$work/out" 2>&1 || fail "exit status"
expect "$work/out" '^drivers [0-9]{2,}'
expect "$work/out" 'raid6: using algorithm'
expect "$work/out" '^sha256-ni passed'
expect "$work/out" '^xts-aes-aesni passed'
expect "$work/out" 'tcrypt: (all tests passed|one or more tests failed)'
grep -vE 'alg: .*failed.* \(rc=-2\)|failed to allocate transform .*: -2' "$work/out" >"$work/known"  # algorithms this kernel has not
refuse "$work/known" 'alg: .*(failed|wrong)|^[a-z0-9_()-]+ unknown|Oops|BUG:|Call Trace'
cp "$work/out" "$build/selftest_kernel.txt"
finish
