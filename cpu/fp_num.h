/* SPDX-License-Identifier: MIT
 * Wide-integer helpers of the fp_*.c files. */
#ifndef CPU_FP_NUM_H
#define CPU_FP_NUM_H

#include "base/attrs.h"
#include "cpu/fp.h"

#define U128_TOP ((u128)1 << 127)

static ALWAYS_INLINE unsigned u128_clz(u128 v)          /* v != 0 */
{
    uint64_t high = (uint64_t)(v >> 64);

    return high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)v);
}

/* Shift right; what falls out stays visible in bit 0. */
static ALWAYS_INLINE u128 u128_shift_sticky(u128 v, unsigned n)
{
    if (n == 0)
        return v;
    if (n >= 128)
        return v != 0;
    return v >> n | ((v << (128 - n)) != 0);
}

static ALWAYS_INLINE uint64_t fp_high(struct fp_num n) { return (uint64_t)(n.sig >> 64); }

static ALWAYS_INLINE struct fp_num fp_finite(bool sign, int32_t exp, u128 sig)
{
    return (struct fp_num){ sig, exp, FP_KIND_FINITE, sign, 0, 0 };
}

/* Bring the highest set bit to bit 127; sig != 0. */
static ALWAYS_INLINE struct fp_num fp_normalise(bool sign, int32_t exp, u128 sig)
{
    unsigned up = u128_clz(sig);

    return fp_finite(sign, exp - (int32_t)up, sig << up);
}

static ALWAYS_INLINE void fp_note_denormals(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (UNLIKELY(a.denormal | b.denormal))
        e->flags |= FP_DE;
}

/* (high:low) / divisor for high < divisor; *rest what is left. */
static ALWAYS_INLINE uint64_t u128_divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *rest)
{
#if defined(__x86_64__)
    uint64_t quotient;

    __asm__("divq %4" : "=a"(quotient), "=d"(*rest) : "a"(low), "d"(high), "r"(divisor) : "cc");
    return quotient;
#else
    u128 dividend = (u128)high << 64 | low;

    *rest = (uint64_t)(dividend % divisor);
    return (uint64_t)(dividend / divisor);
#endif
}

/* v / divisor, rounded down. */
static ALWAYS_INLINE u128 u128_divide_small(u128 v, uint64_t divisor)
{
    uint64_t high = (uint64_t)(v >> 64), rest = high % divisor;

    return (u128)(high / divisor) << 64 | u128_divide(rest, (uint64_t)v, divisor, &rest);
}

#endif
