/* SPDX-License-Identifier: MIT
 * Arithmetic, logic and shifts, element by element, of AVX-512 and AVX-VNNI. What SSE and AVX have too is in
 * exec_vec_int.c, and so are shifts by an immediate. */
#include "cpu/exec_avx512.h"

/* ---- logic ---- */

/* Bit n of the immediate is the result where destination, first and second source have the bits of n: y chooses between the
 * bits of each pair, x between pairs, z between those. */
WIDE_HEAD(VPTERNLOG)
{
    uint64_t bit[8];

    for (unsigned n = 0; n < 8; n++)
        bit[n] = 0 - (uint64_t)(imm >> n & 1);
    for (unsigned k = 0; k < 8; k++) {
        const uint64_t z = d->u64[k], x = a->u64[k], y = b->u64[k];
        const uint64_t p0 = (y & bit[1]) | (~y & bit[0]), p1 = (y & bit[3]) | (~y & bit[2]);
        const uint64_t p2 = (y & bit[5]) | (~y & bit[4]), p3 = (y & bit[7]) | (~y & bit[6]);

        d->u64[k] = (z & ((x & p3) | (~x & p2))) | (~z & ((x & p1) | (~x & p0)));
    }
}
WIDE_BINARY(VPTERNLOG)

/* ---- arithmetic ---- */

WIDE(VPMAXSQ, s64, x > y ? x : y)
WIDE(VPMAXUQ, u64, x > y ? x : y)
WIDE(VPMINSQ, s64, x < y ? x : y)
WIDE(VPMINUQ, u64, x < y ? x : y)
WIDE1(VPABSQ, s64, y < 0 ? 0u - (uint64_t)y : (uint64_t)y)
WIDE(VPMULLQ, u64, x * y)

#define LOW52   ((1ull << 52) - 1)
WIDE(VPMADD52LUQ, u64, z + ((x & LOW52) * (y & LOW52) & LOW52))
WIDE(VPMADD52HUQ, u64, z + (uint64_t)((unsigned __int128)(x & LOW52) * (y & LOW52) >> 52))

WIDE1(VPLZCNTD, u32, y ? (unsigned)__builtin_clz(y) : 32)
WIDE1(VPLZCNTQ, u64, y ? (unsigned)__builtin_clzll(y) : 64)
WIDE1(VPOPCNTB, u8,  bits_count(y))
WIDE1(VPOPCNTW, u16, bits_count(y))
WIDE1(VPOPCNTD, u32, bits_count(y))
WIDE1(VPOPCNTQ, u64, bits_count(y))

/* For each element the set of lower ones that equal it. */
#define CONFLICT(NAME, field)                                                                   \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            d->field[k] = 0;                                                                    \
            for (unsigned n = 0; n < k; n++)                                                    \
                d->field[k] |= (__typeof__(d->field[0]))(b->field[n] == b->field[k]) << n;      \
        }                                                                                       \
    }                                                                                           \
    WIDE_UNARY(NAME)

CONFLICT(VPCONFLICTD, u32)
CONFLICT(VPCONFLICTQ, u64)

static ALWAYS_INLINE unsigned differences(const uint8_t *x, const uint8_t *y)
{
    unsigned sum = 0;

    for (unsigned k = 0; k < 4; k++)
        sum += x[k] > y[k] ? (unsigned)(x[k] - y[k]) : (unsigned)(y[k] - x[k]);
    return sum;
}

/* In each quadword four sums: a half of the first source against the second, shuffled by the immediate and sliding. */
LANES_IMM_HEAD(VDBPSADBW)
{
    union vec s;

    for (unsigned k = 0; k < 4; k++)
        s.u32[k] = b->u32[imm >> (2 * k) & 3];
    for (unsigned k = 0; k < 8; k++)
        d->u16[k] = (uint16_t)differences(&a->u8[4 * (k / 2)], &s.u8[8 * (k / 4) + (k & 3)]);
}
VEC_BINARY_IMM(VDBPSADBW)

/* Bytes of the first source say where in the second source's quadword eight bits start; they wrap around. */
WIDE_HEAD(VPMULTISHIFTQB)
{
    for (unsigned k = 0; k < bytes; k++) {
        const unsigned n = a->u8[k] & 63;
        const uint64_t q = b->u64[k / 8];

        d->u8[k] = (uint8_t)(q >> n | q << (-n & 63));
    }
}
WIDE_BINARY(VPMULTISHIFTQB)

/* ---- dot products: EVEX and VEX ---- */

static ALWAYS_INLINE int64_t dot_bytes(const union wide *a, const union wide *b, unsigned k)
{
    int64_t sum = 0;

    for (unsigned n = 4 * k; n < 4 * k + 4; n++)
        sum += a->u8[n] * b->s8[n];
    return sum;
}

static ALWAYS_INLINE int64_t dot_words(const union wide *a, const union wide *b, unsigned k)
{
    return (int64_t)(a->s16[2 * k] * b->s16[2 * k]) + a->s16[2 * k + 1] * b->s16[2 * k + 1];
}

static ALWAYS_INLINE int32_t sat_s32(int64_t v)
{
    return (int32_t)(v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : v);
}

WIDE(VPDPBUSD,  s32, (uint32_t)(z + dot_bytes(a, b, k)))
WIDE(VPDPBUSDS, s32, sat_s32(z + dot_bytes(a, b, k)))
WIDE(VPDPWSSD,  s32, (uint32_t)(z + dot_words(a, b, k)))
WIDE(VPDPWSSDS, s32, sat_s32(z + dot_words(a, b, k)))

/* ---- shifts and rotations by a count per element ---- */

WIDE(VPSLLVW, u16, y < 16 ? (uint32_t)x << (y & 15) : 0)
WIDE(VPSRLVW, u16, y < 16 ? x >> (y & 15) : 0)
WIDE(VPSRAVW, s16, x >> ((uint16_t)y < 16 ? y : 15))
WIDE(VPSRAVQ, s64, x >> ((uint64_t)y < 64 ? y : 63))
WIDE(VPROLVD, u32, x << (y & 31) | x >> (-y & 31))
WIDE(VPROLVQ, u64, x << (y & 63) | x >> (-y & 63))
WIDE(VPRORVD, u32, x >> (y & 31) | x << (-y & 31))
WIDE(VPRORVQ, u64, x >> (y & 63) | x << (-y & 63))

/* Two elements side by side, shifted: of the left ones `high` goes out on top and `low` follows. */
static ALWAYS_INLINE uint16_t funnel16(uint16_t high, uint16_t low, unsigned n)
{
    return (uint16_t)(((uint32_t)high << 16 | low) << (n & 15) >> 16);
}

static ALWAYS_INLINE uint32_t funnel32(uint32_t high, uint32_t low, unsigned n)
{
    return (uint32_t)(((uint64_t)high << 32 | low) << (n & 31) >> 32);
}

static ALWAYS_INLINE uint64_t funnel64(uint64_t high, uint64_t low, unsigned n)
{
    return n & 63 ? high << (n & 63) | low >> (-n & 63) : high;
}

/* The same to the right: of `low`, and `high` follows. */
static ALWAYS_INLINE uint16_t funnel_right16(uint16_t low, uint16_t high, unsigned n)
{
    return (uint16_t)(((uint32_t)high << 16 | low) >> (n & 15));
}

static ALWAYS_INLINE uint32_t funnel_right32(uint32_t low, uint32_t high, unsigned n)
{
    return (uint32_t)(((uint64_t)high << 32 | low) >> (n & 31));
}

static ALWAYS_INLINE uint64_t funnel_right64(uint64_t low, uint64_t high, unsigned n)
{
    return n & 63 ? low >> (n & 63) | high << (-n & 63) : low;
}

WIDE(VPSHLDW, u16, funnel16(x, y, n))
WIDE(VPSHLDD, u32, funnel32(x, y, n))
WIDE(VPSHLDQ, u64, funnel64(x, y, n))
WIDE(VPSHRDW, u16, funnel_right16(x, y, n))
WIDE(VPSHRDD, u32, funnel_right32(x, y, n))
WIDE(VPSHRDQ, u64, funnel_right64(x, y, n))
WIDE(VPSHLDVW, u16, funnel16(z, x, y))
WIDE(VPSHLDVD, u32, funnel32(z, x, y))
WIDE(VPSHLDVQ, u64, funnel64(z, x, (unsigned)y))
WIDE(VPSHRDVW, u16, funnel_right16(z, x, y))
WIDE(VPSHRDVD, u32, funnel_right32(z, x, y))
WIDE(VPSHRDVQ, u64, funnel_right64(z, x, (unsigned)y))
