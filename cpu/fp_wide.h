/* SPDX-License-Identifier: MIT
 * Arithmetic with 128-bit significands for the functions of the x87: finite struct fp_num values, truncated with a sticky
 * bit, so that each operation errs by less than 2^-126 of its result; and fractions of 128 bits for polynomials. */
#ifndef CPU_FP_WIDE_H
#define CPU_FP_WIDE_H

#include "cpu/fp_num.h"

#define U128(high, low) ((u128)(high) << 64 | (low))
#define LEAST_NORMAL    (-16382)        /* exponent of the extended format */
#define WIDE(high, low, exponent) { U128(high, low), exponent, FP_KIND_FINITE, 0, 0, 0 }

/* The upper half of a 256-bit product; *low says whether the lower half is zero. */
static inline u128 u128_mul_high(u128 a, u128 b, bool *exact)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a, b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    u128 p00 = (u128)a0 * b0, p01 = (u128)a0 * b1, p10 = (u128)a1 * b0, p11 = (u128)a1 * b1;
    u128 middle = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;

    *exact = !((uint64_t)p00 | (uint64_t)middle);
    return p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64);
}

static inline struct fp_num wide_mul(struct fp_num a, struct fp_num b)
{
    bool exact;
    u128 p = u128_mul_high(a.sig, b.sig, &exact);
    struct fp_num r = fp_normalise(a.sign ^ b.sign, a.exp + b.exp + 1, p);

    r.sig |= !exact;
    return r;
}

/* The next 64 bits of *rest / divisor for *rest < divisor with bit 127 set: estimated by the divisor's upper half, which is at
 * most two too many. */
static inline uint64_t wide_digit(u128 *rest, u128 divisor)
{
    const uint64_t upper = (uint64_t)(divisor >> 64), high = (uint64_t)(*rest >> 64);
    uint64_t digit = ~0ull, left;
    bool below;
    u128 part;

    if (LIKELY(high < upper)) {
        digit = u128_divide(high, (uint64_t)*rest, upper, &left);
        below = true;
    } else {            /* equal: the digit is all ones at most */
        left = (uint64_t)*rest + upper;
        below = left >= upper;      /* else it carried, and there is nothing to take back */
    }
    part = (u128)digit * (uint64_t)divisor;
    *rest = ((u128)left << 64) - part;
    below = below && (u128)left << 64 < part;
    while (below) {
        digit--;
        *rest += divisor;
        below = *rest >= divisor;
    }
    return digit;
}

static inline struct fp_num wide_div(struct fp_num a, struct fp_num b)
{
    bool below = a.sig < b.sig;
    u128 rest = below ? a.sig : a.sig - b.sig, q;

    q = (u128)wide_digit(&rest, b.sig) << 64;
    q |= wide_digit(&rest, b.sig);
    if (!below) {       /* the leading one, then 127 more */
        rest = rest != 0 || (q & 1);
        q = U128_TOP | q >> 1;
    }
    return fp_finite(a.sign ^ b.sign, a.exp - b.exp - below, q | (rest != 0));
}

/* a + b; both not zero. */
static inline struct fp_num wide_add(struct fp_num a, struct fp_num b)
{
    struct fp_env none = { .rounding = FP_NEAREST };

    return fp_add(&none, a, b);
}

static inline struct fp_num wide_negate(struct fp_num a)
{
    a.sign ^= 1;
    return a;
}

static inline struct fp_num wide_one(void) { return fp_finite(false, 0, U128_TOP); }

/* Fractions: v / 2^128. */
static inline u128 fraction_mul(u128 a, u128 b)
{
    bool exact;

    return u128_mul_high(a, b, &exact);
}

/* |a| < 1 as a fraction; what is below 2^-128 counts as 2^-128, so that it is never lost. */
static inline u128 fraction_of(struct fp_num a)
{
    unsigned down = (unsigned)(-1 - a.exp);
    u128 f = down < 128 ? a.sig >> down : 0;

    return f ? f : 1;
}

/* f / 2^(128 - whole): a number with `whole` bits before the point. */
static inline struct fp_num wide_of_fraction(u128 f, unsigned whole)
{
    return fp_normalise(false, (int32_t)whole - 1, f);
}

#endif
