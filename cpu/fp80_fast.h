/* SPDX-License-Identifier: MIT
 * Extended precision by plain integers for the usual case: normal operands and results, 64-bit significands, to nearest.
 * Same bits as fp_arith.c and fp.c give. Each function: true and the result, or false: ask those. */
#ifndef CPU_FP80_FAST_H
#define CPU_FP80_FAST_H

#include "base/attrs.h"
#include "cpu/fp_num.h"

#define FAST80_BIAS 16383
#define FAST80_TOP  (1ull << 63)

struct fast80 {
    struct fp80 v;
    uint8_t inexact, up;        /* FP_PE and C1 */
};

static ALWAYS_INLINE bool fast80_normal(struct fp80 v)
{
    return (v.se & 0x7fffu) - 1u < 0x7ffeu && v.mant >> 63;
}

/* sig = high:low with bit 127 set, biased exponent exp of it. */
static ALWAYS_INLINE bool fast80_round(unsigned sign, int exp, u128 sig, struct fast80 *out)
{
    uint64_t high = (uint64_t)(sig >> 64), low = (uint64_t)sig;
    bool up = low > FAST80_TOP || (low == FAST80_TOP && (high & 1));

    high += up;
    if (UNLIKELY(high == 0)) {      /* carried out: the significand was all ones */
        high = FAST80_TOP;
        exp++;
    }
    out->v = (struct fp80){ high, (uint16_t)(sign << 15 | (unsigned)exp) };
    out->inexact = low ? FP_PE : 0;
    out->up = up;
    return LIKELY(exp > 0 && exp < 0x7fff);
}

/* a + b, with b's sign flipped by `minus`. */
static ALWAYS_INLINE bool fast80_add(struct fp80 a, struct fp80 b, unsigned minus, struct fast80 *out)
{
    u128 x, y;
    unsigned gap, zeros;
    int exp;

    if (!LIKELY(fast80_normal(a) && fast80_normal(b)))
        return false;
    b.se ^= (uint16_t)(minus << 15);
    if ((a.se & 0x7fff) < (b.se & 0x7fff) || ((a.se & 0x7fff) == (b.se & 0x7fff) && a.mant < b.mant)) {
        struct fp80 t = a;

        a = b;
        b = t;
    }
    exp = a.se & 0x7fff;
    gap = (unsigned)exp - (b.se & 0x7fffu);
    x = (u128)a.mant << 63;
    y = (u128)b.mant << 63;
    y = gap < 64 ? y >> gap : gap < 127 ? y >> gap | ((y << (128 - gap)) != 0) : 1;
    x = (a.se ^ b.se) >> 15 ? x - y : x + y;
    if (UNLIKELY(x == 0))
        return false;
    zeros = x >> 64 ? (unsigned)__builtin_clzll((uint64_t)(x >> 64)) : 64 + (unsigned)__builtin_clzll((uint64_t)x);
    return fast80_round(a.se >> 15, exp + 1 - (int)zeros, x << zeros, out);
}

static ALWAYS_INLINE bool fast80_mul(struct fp80 a, struct fp80 b, struct fast80 *out)
{
    u128 product = (u128)a.mant * b.mant;
    int exp = (a.se & 0x7fff) + (b.se & 0x7fff) - FAST80_BIAS;

    if (!LIKELY(fast80_normal(a) && fast80_normal(b)))
        return false;
    if (product >> 127)
        exp++;
    else
        product <<= 1;
    return fast80_round((a.se ^ b.se) >> 15, exp, product, out);
}

static ALWAYS_INLINE bool fast80_div(struct fp80 a, struct fp80 b, struct fast80 *out)
{
    int exp = (a.se & 0x7fff) - (b.se & 0x7fff) + FAST80_BIAS;
    uint64_t quotient, rest;
    bool below = a.mant < b.mant;

    if (!LIKELY(fast80_normal(a) && fast80_normal(b)))
        return false;
    quotient = below ? u128_divide(a.mant, 0, b.mant, &rest) : u128_divide(a.mant >> 1, a.mant << 63, b.mant, &rest);
    /* what is left, as a fraction of the divisor: below, at or above a half */
    return fast80_round((a.se ^ b.se) >> 15, exp - below,
                        (u128)quotient << 64 | (rest == 0 ? 0 : rest > b.mant - rest ? FAST80_TOP + 1 :
                                                rest == b.mant - rest ? FAST80_TOP : 1), out);
}

/* ---- formats ---- */

static ALWAYS_INLINE bool fast80_from32(uint32_t v, struct fp80 *out)
{
    unsigned field = v >> 23 & 255;

    *out = (struct fp80){ FAST80_TOP | (uint64_t)(v & 0x7fffff) << 40,
                          (uint16_t)(v >> 31 << 15 | (field + FAST80_BIAS - 127)) };
    if (LIKELY(field - 1 < 254))
        return true;
    *out = (struct fp80){ 0, (uint16_t)(v >> 31 << 15) };
    return v << 1 == 0;
}

static ALWAYS_INLINE bool fast80_from64(uint64_t v, struct fp80 *out)
{
    unsigned field = v >> 52 & 2047;

    *out = (struct fp80){ FAST80_TOP | v << 11, (uint16_t)(v >> 63 << 15 | (field + FAST80_BIAS - 1023)) };
    if (LIKELY(field - 1 < 2046))
        return true;
    *out = (struct fp80){ 0, (uint16_t)(v >> 63 << 15) };
    return v << 1 == 0;
}

static ALWAYS_INLINE struct fp80 fast80_from_int(int64_t v)
{
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    unsigned zeros = size ? (unsigned)__builtin_clzll(size) : 0;

    if (size == 0)
        return (struct fp80){ 0, 0 };
    return (struct fp80){ size << zeros, (uint16_t)((v < 0) << 15 | (FAST80_BIAS + 63 - zeros)) };
}

/* To a format of `frac` fraction bits and an exponent field of `top` at most; zeros too. */
static ALWAYS_INLINE bool fast80_narrow(struct fp80 v, unsigned frac, unsigned top, uint64_t *out, struct fast80 *how)
{
    const unsigned drop = 63 - frac, sign = v.se >> 15;
    const uint64_t half = 1ull << (drop - 1), rest = v.mant & (2 * half - 1);
    const int field = (v.se & 0x7fff) - FAST80_BIAS + (int)(top >> 1);
    uint64_t kept = v.mant >> drop;

    how->inexact = how->up = 0;
    *out = 0;
    if (v.mant == 0 && (v.se & 0x7fff) == 0) {
        *out = (uint64_t)sign << (frac + (top == 255 ? 8 : 11));
        return true;
    }
    if (!LIKELY(fast80_normal(v)) || field < 1 || field >= (int)top - 1)      /* room for a carry */
        return false;
    how->up = rest > half || (rest == half && (kept & 1));
    how->inexact = rest ? FP_PE : 0;
    kept += how->up;
    /* the integer bit adds one to the field */
    *out = ((uint64_t)sign << (frac + (top == 255 ? 8 : 11))) + ((uint64_t)(field - 1) << frac) + kept;
    return true;
}

/* ---- comparison of normal numbers and zeros ---- */

static ALWAYS_INLINE bool fast80_compare(struct fp80 a, struct fp80 b, enum fp_order *order)
{
    const unsigned ea = a.se & 0x7fff, eb = b.se & 0x7fff;
    bool less;

    if (!LIKELY((fast80_normal(a) || (ea | a.mant) == 0) && (fast80_normal(b) || (eb | b.mant) == 0)))
        return false;
    if (ea == eb && a.mant == b.mant && (a.se == b.se || a.mant == 0)) {
        *order = FP_EQUAL;
        return true;
    }
    if ((a.se ^ b.se) >> 15)
        less = a.se >> 15;
    else
        less = (ea != eb ? ea < eb : a.mant < b.mant) != (bool)(a.se >> 15);
    *order = less ? FP_LESS : FP_GREATER;
    return true;
}

#endif
