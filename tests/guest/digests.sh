# SPDX-License-Identifier: MIT
# Run on the host and in the guest, in a directory with `data` and `libm_digest`; both must print the same.
for d in md5 sha1 sha224 sha256 sha384 sha512 sha3-256 blake2b512 blake2s256 sm3 ripemd160; do openssl dgst -$d -r data; done
for c in aes-128-cbc aes-256-cbc aes-128-ctr aes-256-ctr aes-128-ofb aes-256-xts camellia-256-cbc chacha20 aria-128-ctr sm4-cbc des-ede3-cbc; do
    key=00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    bits=$(printf %s "$c" | grep -o -- '-[0-9]*' | tr -d -- -)
    case $c in chacha20) bits=256 ;; *xts) bits=512 ;; sm4*) bits=128 ;; des*) bits=192 ;; esac
    key=$(printf %s "$key" | cut -c1-$((${bits:-128} / 4)))
    iv=0f0e0d0c0b0a09080706050403020100
    case $c in des*) iv=0f0e0d0c0b0a0908 ;; esac
    openssl enc -$c -K "$key" -iv $iv -in data -out data.enc && openssl enc -d -$c -K "$key" -iv $iv -in data.enc -out data.dec
    cmp data data.dec && echo "$c $(openssl dgst -sha256 -r data.enc)"
done
openssl prime 170141183460469231731687303715884105727
echo '-----' | openssl dgst -sha256 -hmac key -r
for z in '/usr/bin/xz -1' '/usr/bin/xz -6' '/usr/bin/zstd -q -3' '/usr/bin/zstd -q -19' '/usr/bin/bzip2 -9' '/usr/bin/gzip -9n'; do
    set -- $z
    "$@" -c data >data.z && "$1" -dc data.z | cmp - data && echo "$z restored"
    "$1" -q -t data.z || echo "$z: test fails"
    openssl dgst -md5 -r data.z
done
./libm_digest 3000
