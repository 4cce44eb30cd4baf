/* SPDX-License-Identifier: MIT */
/* The two longer integer workloads: SHA-256 (FIPS 180-4) and an LZ77 coder with its decoder. */
#include <string.h>

#include "workload.h"

uint64_t run_sha256(uint64_t units), run_lz(uint64_t units);
void prepare_sha256(void), prepare_lz(void);

/* ---- SHA-256; the round constants are computed, as the standard defines them, from the cube roots of primes ---- */

static uint32_t round_constant[64], first_hash[8];

/* The first 32 bits of the fractional part of the n-th root of p, by bisection on integers. */
static uint32_t root_fraction(unsigned p, int n)
{
    uint64_t lo = 0, hi = (uint64_t)20 << 32;

    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        unsigned __int128 square = (unsigned __int128)mid * mid;

        if (n == 2 ? square >= (unsigned __int128)p << 64 : square * mid >= (unsigned __int128)p << 96)
            hi = mid;
        else
            lo = mid;
    }
    return (uint32_t)lo;
}

void prepare_sha256(void)
{
    int found = 0;

    for (unsigned p = 2; found < 64; p++) {
        unsigned d = 2;

        while (d * d <= p && p % d != 0)
            d++;
        if (d * d <= p)
            continue;
        if (found < 8)
            first_hash[found] = root_fraction(p, 2);
        round_constant[found++] = root_fraction(p, 3);
    }
    text_fill(scratch, 65536, 9);
}

static inline uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static OPAQUE void sha256_block(uint32_t *hash, const uint8_t *in)
{
    uint32_t w[64], s[8];

    for (int k = 0; k < 16; k++)
        w[k] = (uint32_t)in[4 * k] << 24 | (uint32_t)in[4 * k + 1] << 16 | (uint32_t)in[4 * k + 2] << 8 | in[4 * k + 3];
    for (int k = 16; k < 64; k++) {
        uint32_t a = w[k - 15], b = w[k - 2];

        w[k] = w[k - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[k - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (int k = 0; k < 8; k++)
        s[k] = hash[k];
    for (int k = 0; k < 64; k++) {
        uint32_t e = s[4], a = s[0];
        uint32_t choice = (e & s[5]) ^ (~e & s[6]);
        uint32_t t1 = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + round_constant[k] + w[k];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = t1 + t2;
    }
    for (int k = 0; k < 8; k++)
        hash[k] += s[k];
}

uint64_t run_sha256(uint64_t units)
{
    uint32_t hash[8];

    for (int k = 0; k < 8; k++)
        hash[k] = first_hash[k];
    for (; units != 0; units--)
        for (int k = 0; k < 65536; k += 64)
            sha256_block(hash, scratch + k);
    return (uint64_t)hash[0] << 32 | hash[7];
}

/* ---- LZ77: control byte 0..127 = that many literals less one; 128.. = match of length+4, then a 16-bit distance ---- */

#define LZ_BYTES 65536

static uint32_t lz_head[4096];
static uint8_t *const lz_in = scratch, *const lz_out = scratch + 2 * LZ_BYTES, *const lz_back = scratch + 5 * LZ_BYTES;

void prepare_lz(void)
{
    text_fill(lz_in, LZ_BYTES, 21);
}

static inline uint32_t load4(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static uint8_t *put_literals(uint8_t *out, const uint8_t *from, size_t count)
{
    while (count != 0) {
        size_t run = count < 128 ? count : 128;

        *out++ = (uint8_t)(run - 1);
        for (size_t k = 0; k < run; k++)
            *out++ = *from++;
        count -= run;
    }
    return out;
}

static OPAQUE size_t lz_compress(uint8_t *out, const uint8_t *in, size_t len)
{
    uint8_t *to = out;
    size_t at = 0, plain = 0;

    for (size_t k = 0; k < 4096; k++)
        lz_head[k] = 0;
    while (at + 4 <= len) {
        uint32_t *head = &lz_head[load4(in + at) * 2654435761u >> 20];
        size_t seen = *head, run = 4;

        *head = (uint32_t)at + 1;
        if (seen == 0 || at + 1 - seen > 65535 || load4(in + seen - 1) != load4(in + at)) {
            at++;
            continue;
        }
        while (at + run < len && run < 131 && in[seen - 1 + run] == in[at + run])
            run++;
        to = put_literals(to, in + plain, at - plain);
        *to++ = (uint8_t)(128 + run - 4);
        *to++ = (uint8_t)(at + 1 - seen);
        *to++ = (uint8_t)((at + 1 - seen) >> 8);
        at += run;
        plain = at;
    }
    return (size_t)(put_literals(to, in + plain, len - plain) - out);
}

static OPAQUE size_t lz_expand(uint8_t *out, const uint8_t *in, size_t len)
{
    const uint8_t *end = in + len;
    uint8_t *to = out;

    while (in < end) {
        unsigned control = *in++;

        if (control < 128) {
            for (unsigned k = 0; k <= control; k++)
                *to++ = *in++;
        } else {
            const uint8_t *from = to - (in[0] | in[1] << 8);

            in += 2;
            for (unsigned k = 0; k < control - 124; k++)
                *to++ = *from++;
        }
    }
    return (size_t)(to - out);
}

uint64_t run_lz(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        size_t packed = lz_compress(lz_out, lz_in, LZ_BYTES), plain = lz_expand(lz_back, lz_out, packed), same = 0;

        while (same < LZ_BYTES && lz_in[same] == lz_back[same])
            same++;
        sum = mix(sum, packed << 40 ^ plain << 20 ^ same);
        lz_in[sum % LZ_BYTES] ^= 1;
    }
    return sum;
}
