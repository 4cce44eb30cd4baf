/* SPDX-License-Identifier: MIT
 * AES rounds, carry-less multiply, SHA and CRC32. Written for exactness from the standards, with no use of the host's own
 * instructions: the same on every host. */
#include "cpu/vec.h"

/* ---- AES: FIPS 197 5.1 and 5.3; the state's byte [row + 4 * column] is byte row + 4 * column of the register ---- */

static const uint8_t sub_byte[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

static const uint8_t unsub_byte[256] = {
    0x52, 0x09, 0x6a, 0xd5, 0x30, 0x36, 0xa5, 0x38, 0xbf, 0x40, 0xa3, 0x9e, 0x81, 0xf3, 0xd7, 0xfb,
    0x7c, 0xe3, 0x39, 0x82, 0x9b, 0x2f, 0xff, 0x87, 0x34, 0x8e, 0x43, 0x44, 0xc4, 0xde, 0xe9, 0xcb,
    0x54, 0x7b, 0x94, 0x32, 0xa6, 0xc2, 0x23, 0x3d, 0xee, 0x4c, 0x95, 0x0b, 0x42, 0xfa, 0xc3, 0x4e,
    0x08, 0x2e, 0xa1, 0x66, 0x28, 0xd9, 0x24, 0xb2, 0x76, 0x5b, 0xa2, 0x49, 0x6d, 0x8b, 0xd1, 0x25,
    0x72, 0xf8, 0xf6, 0x64, 0x86, 0x68, 0x98, 0x16, 0xd4, 0xa4, 0x5c, 0xcc, 0x5d, 0x65, 0xb6, 0x92,
    0x6c, 0x70, 0x48, 0x50, 0xfd, 0xed, 0xb9, 0xda, 0x5e, 0x15, 0x46, 0x57, 0xa7, 0x8d, 0x9d, 0x84,
    0x90, 0xd8, 0xab, 0x00, 0x8c, 0xbc, 0xd3, 0x0a, 0xf7, 0xe4, 0x58, 0x05, 0xb8, 0xb3, 0x45, 0x06,
    0xd0, 0x2c, 0x1e, 0x8f, 0xca, 0x3f, 0x0f, 0x02, 0xc1, 0xaf, 0xbd, 0x03, 0x01, 0x13, 0x8a, 0x6b,
    0x3a, 0x91, 0x11, 0x41, 0x4f, 0x67, 0xdc, 0xea, 0x97, 0xf2, 0xcf, 0xce, 0xf0, 0xb4, 0xe6, 0x73,
    0x96, 0xac, 0x74, 0x22, 0xe7, 0xad, 0x35, 0x85, 0xe2, 0xf9, 0x37, 0xe8, 0x1c, 0x75, 0xdf, 0x6e,
    0x47, 0xf1, 0x1a, 0x71, 0x1d, 0x29, 0xc5, 0x89, 0x6f, 0xb7, 0x62, 0x0e, 0xaa, 0x18, 0xbe, 0x1b,
    0xfc, 0x56, 0x3e, 0x4b, 0xc6, 0xd2, 0x79, 0x20, 0x9a, 0xdb, 0xc0, 0xfe, 0x78, 0xcd, 0x5a, 0xf4,
    0x1f, 0xdd, 0xa8, 0x33, 0x88, 0x07, 0xc7, 0x31, 0xb1, 0x12, 0x10, 0x59, 0x27, 0x80, 0xec, 0x5f,
    0x60, 0x51, 0x7f, 0xa9, 0x19, 0xb5, 0x4a, 0x0d, 0x2d, 0xe5, 0x7a, 0x9f, 0x93, 0xc9, 0x9c, 0xef,
    0xa0, 0xe0, 0x3b, 0x4d, 0xae, 0x2a, 0xf5, 0xb0, 0xc8, 0xeb, 0xbb, 0x3c, 0x83, 0x53, 0x99, 0x61,
    0x17, 0x2b, 0x04, 0x7e, 0xba, 0x77, 0xd6, 0x26, 0xe1, 0x69, 0x14, 0x63, 0x55, 0x21, 0x0c, 0x7d,
};

/* v times x in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1. */
static ALWAYS_INLINE uint8_t times2(uint8_t v)
{
    return (uint8_t)(v << 1 ^ (v & 0x80 ? 0x1b : 0));
}

/* ShiftRows and SubBytes; they commute. */
static ALWAYS_INLINE void sub_and_shift(union vec *d, const union vec *s)
{
    for (unsigned k = 0; k < 16; k++)
        d->u8[k] = sub_byte[s->u8[(k + 4 * (k & 3)) & 15]];
}

static ALWAYS_INLINE void unsub_and_unshift(union vec *d, const union vec *s)
{
    for (unsigned k = 0; k < 16; k++)
        d->u8[k] = unsub_byte[s->u8[(k - 4 * (k & 3)) & 15]];
}

static ALWAYS_INLINE void mix_columns(union vec *v)
{
    for (unsigned k = 0; k < 16; k += 4) {
        const uint8_t *c = &v->u8[k], c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
        const uint8_t all = c0 ^ c1 ^ c2 ^ c3;

        v->u8[k]     = c0 ^ all ^ times2(c0 ^ c1);
        v->u8[k + 1] = c1 ^ all ^ times2(c1 ^ c2);
        v->u8[k + 2] = c2 ^ all ^ times2(c2 ^ c3);
        v->u8[k + 3] = c3 ^ all ^ times2(c3 ^ c0);
    }
}

/* The inverse is MixColumns after adding 4(c0+c2) to the even and 4(c1+c3) to the odd bytes of each column. */
static ALWAYS_INLINE void unmix_columns(union vec *v)
{
    for (unsigned k = 0; k < 16; k += 4) {
        const uint8_t even = times2(times2(v->u8[k] ^ v->u8[k + 2]));
        const uint8_t odd = times2(times2(v->u8[k + 1] ^ v->u8[k + 3]));

        v->u8[k] ^= even;
        v->u8[k + 1] ^= odd;
        v->u8[k + 2] ^= even;
        v->u8[k + 3] ^= odd;
    }
    mix_columns(v);
}

static ALWAYS_INLINE void add_key(union vec *d, const union vec *key)
{
    d->u64[0] ^= key->u64[0];
    d->u64[1] ^= key->u64[1];
}

LANES_HEAD(AESENC)
{
    sub_and_shift(d, a);
    mix_columns(d);
    add_key(d, b);
}
VEC_BINARY(AESENC)

LANES_HEAD(AESENCLAST)
{
    sub_and_shift(d, a);
    add_key(d, b);
}
VEC_BINARY(AESENCLAST)

LANES_HEAD(AESDEC)
{
    unsub_and_unshift(d, a);
    unmix_columns(d);
    add_key(d, b);
}
VEC_BINARY(AESDEC)

LANES_HEAD(AESDECLAST)
{
    unsub_and_unshift(d, a);
    add_key(d, b);
}
VEC_BINARY(AESDECLAST)

LANES_HEAD(AESIMC)
{
    *d = *b;
    unmix_columns(d);
}
VEC_UNARY(AESIMC)

static ALWAYS_INLINE uint32_t sub_word(uint32_t v)
{
    return (uint32_t)sub_byte[v & 0xff] | (uint32_t)sub_byte[(v >> 8) & 0xff] << 8 |
           (uint32_t)sub_byte[(v >> 16) & 0xff] << 16 | (uint32_t)sub_byte[v >> 24] << 24;
}

static ALWAYS_INLINE uint32_t rotate_right(uint32_t v, unsigned n) { return v >> n | v << (32 - n); }
static ALWAYS_INLINE uint32_t rotate_left(uint32_t v, unsigned n) { return v << n | v >> (32 - n); }

LANES_IMM_HEAD(AESKEYGENASSIST)
{
    d->u32[0] = sub_word(b->u32[1]);
    d->u32[1] = rotate_right(d->u32[0], 8) ^ imm;
    d->u32[2] = sub_word(b->u32[3]);
    d->u32[3] = rotate_right(d->u32[2], 8) ^ imm;
}
VEC_UNARY_IMM(AESKEYGENASSIST)

/* ---- polynomials over GF(2) ---- */

/* Four bits of y at a time, from the top: the sum moves up, and that multiple of x is added. */
LANES_IMM_HEAD(PCLMULQDQ)
{
    const uint64_t x = a->u64[imm & 1], y = b->u64[(imm >> 4) & 1];
    unsigned __int128 multiple[16] = { 0, x }, sum = 0;

    for (unsigned k = 2; k < 16; k++)
        multiple[k] = multiple[k / 2] << 1 ^ multiple[k & 1];
    for (unsigned k = 64; k > 0; k -= 4)
        sum = sum << 4 ^ multiple[y >> (k - 4) & 15];
    d->u64[0] = (uint64_t)sum;
    d->u64[1] = (uint64_t)(sum >> 64);
}
VEC_BINARY_IMM(PCLMULQDQ)

/* CRC32C: polynomial 11EDC6F41h with bits reflected, four bits at a time. */
static const uint32_t crc32c_nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc32c(uint32_t crc, uint64_t v, unsigned bytes)
{
    for (unsigned k = 0; k < 2 * bytes; k++)
        crc = crc >> 4 ^ crc32c_nibble[(crc ^ (uint32_t)(v >> (4 * k))) & 15];
    return crc;
}

/* The upper half of the destination is zero whatever its size. */
static bool crc32(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, bytes, &v))
        return false;
    reg_set(cpu, i->o[0], 8, crc32c((uint32_t)reg_get(cpu, i->o[0], 4), v, bytes));
    return true;
}

EXEC(CRC32_B) { RUN(crc32(cpu, i, 1)); }

/* insn.width is the destination's (4 or 8), so the operand size is worked out again. */
EXEC(CRC32)
{
    const bool word = !(i->flags & INSN_OPSIZE) == ((cpu->mode & MODE_DECODE) == DECODE_16);

    RUN(crc32(cpu, i, i->flags & INSN_REXW ? 8 : word ? 2 : 4));
}

/* ---- SHA: FIPS 180-4; the SDM numbers words from the top of the register ---- */

static ALWAYS_INLINE uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (~x & z); }
static ALWAYS_INLINE uint32_t majority(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (x & z) ^ (y & z); }

static ALWAYS_INLINE uint32_t sha1_function(unsigned which, uint32_t x, uint32_t y, uint32_t z)
{
    return which == 0 ? choose(x, y, z) : which == 2 ? majority(x, y, z) : x ^ y ^ z;
}

/* Four rounds; E of the first is already in the first word. */
LANES_IMM_HEAD(SHA1RNDS4)
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    const unsigned which = imm & 3;
    uint32_t ra = a->u32[3], rb = a->u32[2], rc = a->u32[1], rd = a->u32[0], re = 0;

    for (unsigned k = 0; k < 4; k++) {
        const uint32_t next = sha1_function(which, rb, rc, rd) + rotate_left(ra, 5) + b->u32[3 - k] + re + constants[which];

        re = rd;
        rd = rc;
        rc = rotate_left(rb, 30);
        rb = ra;
        ra = next;
    }
    d->u32[3] = ra;
    d->u32[2] = rb;
    d->u32[1] = rc;
    d->u32[0] = rd;
}
VEC_BINARY_IMM(SHA1RNDS4)

LANES_HEAD(SHA1NEXTE)
{
    *d = *b;
    d->u32[3] += rotate_left(a->u32[3], 30);
}
VEC_BINARY(SHA1NEXTE)

LANES_HEAD(SHA1MSG1)
{
    d->u32[3] = a->u32[1] ^ a->u32[3];
    d->u32[2] = a->u32[0] ^ a->u32[2];
    d->u32[1] = b->u32[3] ^ a->u32[1];
    d->u32[0] = b->u32[2] ^ a->u32[0];
}
VEC_BINARY(SHA1MSG1)

LANES_HEAD(SHA1MSG2)
{
    d->u32[3] = rotate_left(a->u32[3] ^ b->u32[2], 1);
    d->u32[2] = rotate_left(a->u32[2] ^ b->u32[1], 1);
    d->u32[1] = rotate_left(a->u32[1] ^ b->u32[0], 1);
    d->u32[0] = rotate_left(a->u32[0] ^ d->u32[3], 1);
}
VEC_BINARY(SHA1MSG2)

static ALWAYS_INLINE uint32_t rotations(uint32_t v, unsigned n1, unsigned n2, unsigned n3)
{
    return rotate_right(v, n1) ^ rotate_right(v, n2) ^ rotate_right(v, n3);
}

static ALWAYS_INLINE uint32_t schedule0(uint32_t v) { return rotate_right(v, 7) ^ rotate_right(v, 18) ^ v >> 3; }
static ALWAYS_INLINE uint32_t schedule1(uint32_t v) { return rotate_right(v, 17) ^ rotate_right(v, 19) ^ v >> 10; }

/* Two rounds: C D G H in the destination, A B E F in the second operand, two words plus constants in XMM0. */
static bool sha256_rounds(struct cpu *cpu, const struct insn *i)
{
    union vec a, b, words;
    uint32_t r[8], sum;

    if (!sse_check(cpu, i) || !vec_load(cpu, i, 1, &b, 16))
        return false;
    vec_get(cpu, i->o[0], &a, 16);
    vec_get(cpu, 0, &words, 16);
    r[0] = b.u32[3], r[1] = b.u32[2], r[2] = a.u32[3], r[3] = a.u32[2];
    r[4] = b.u32[1], r[5] = b.u32[0], r[6] = a.u32[1], r[7] = a.u32[0];
    for (unsigned k = 0; k < 2; k++) {
        sum = r[7] + rotations(r[4], 6, 11, 25) + choose(r[4], r[5], r[6]) + words.u32[k];
        memmove(&r[1], &r[0], 7 * sizeof r[0]);
        r[0] = sum + rotations(r[1], 2, 13, 22) + majority(r[1], r[2], r[3]);
        r[4] += sum;
    }
    a.u32[3] = r[0], a.u32[2] = r[1], a.u32[1] = r[4], a.u32[0] = r[5];
    vec_put(cpu, i, i->o[0], &a, 16);
    return true;
}

EXEC(SHA256RNDS2) { RUN(sha256_rounds(cpu, i)); }

LANES_HEAD(SHA256MSG1)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = a->u32[k] + schedule0(k < 3 ? a->u32[(k + 1) & 3] : b->u32[0]);
}
VEC_BINARY(SHA256MSG1)

LANES_HEAD(SHA256MSG2)
{
    d->u32[0] = a->u32[0] + schedule1(b->u32[2]);
    d->u32[1] = a->u32[1] + schedule1(b->u32[3]);
    d->u32[2] = a->u32[2] + schedule1(d->u32[0]);
    d->u32[3] = a->u32[3] + schedule1(d->u32[1]);
}
VEC_BINARY(SHA256MSG2)
