/* SPDX-License-Identifier: MIT
 * Add, subtract, multiply, divide, square root, fused multiply-add and compare on numbers taken apart. Results are exact or
 * carry a sticky bit; rounding is the packer's (fp.c). */
#include "cpu/fp.h"

#include "cpu/fp_num.h"

/* An exact zero from x - x: +0, but -0 when rounding down (IEEE 754 6.3). */
static struct fp_num cancelled(const struct fp_env *e) { return fp_zero(e->rounding == FP_DOWN); }

/* |a| + |b|, sign given; a is not the smaller in exponent. */
static ALWAYS_INLINE struct fp_num add_magnitudes(struct fp_num a, struct fp_num b, bool sign)
{
    u128 sum = (a.sig >> 1 | (a.sig & 1)) + u128_shift_sticky(b.sig, (unsigned)(a.exp - b.exp) + 1);

    return fp_normalise(sign, a.exp + 1, sum);
}

/* |a| - |b| with a the larger. One spare bit is kept below, so a sticky bit never decides the leading digits. */
static ALWAYS_INLINE struct fp_num sub_magnitudes(struct fp_num a, struct fp_num b)
{
    u128 difference = a.sig - u128_shift_sticky(b.sig, (unsigned)(a.exp - b.exp));

    return fp_normalise(a.sign, a.exp, difference);
}

static ALWAYS_INLINE struct fp_num add_finite(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct fp_num t = a;

        a = b;
        b = t;
    }
    if (a.sign == b.sign)
        return add_magnitudes(a, b, a.sign);
    if (a.exp == b.exp && a.sig == b.sig)
        return cancelled(e);
    return sub_magnitudes(a, b);
}

static COLD struct fp_num add_special(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (a.kind == FP_KIND_INF && b.kind == FP_KIND_INF && a.sign != b.sign)
        return fp_invalid(e);
    fp_note_denormals(e, a, b);
    if (a.kind == FP_KIND_INF || b.kind == FP_KIND_INF)
        return fp_infinity(a.kind == FP_KIND_INF ? a.sign : b.sign);
    if (a.kind == FP_KIND_ZERO && b.kind == FP_KIND_ZERO)
        return a.sign == b.sign ? a : cancelled(e);
    return a.kind == FP_KIND_ZERO ? b : a;
}

struct fp_num fp_add(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (UNLIKELY(a.kind != FP_KIND_FINITE || b.kind != FP_KIND_FINITE))
        return add_special(e, a, b);
    fp_note_denormals(e, a, b);
    return add_finite(e, a, b);
}

struct fp_num fp_sub(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (!fp_is_nan(b))
        b.sign ^= 1;
    return fp_add(e, a, b);
}

static COLD struct fp_num mul_special(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    bool sign = a.sign ^ b.sign;

    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if ((a.kind == FP_KIND_INF && b.kind == FP_KIND_ZERO) || (a.kind == FP_KIND_ZERO && b.kind == FP_KIND_INF))
        return fp_invalid(e);
    fp_note_denormals(e, a, b);
    if (a.kind == FP_KIND_INF || b.kind == FP_KIND_INF)
        return fp_infinity(sign);
    return fp_zero(sign);
}

static ALWAYS_INLINE struct fp_num mul_finite(struct fp_num a, struct fp_num b)
{
    return fp_normalise(a.sign ^ b.sign, a.exp + b.exp + 1, (u128)fp_high(a) * fp_high(b));
}

struct fp_num fp_mul(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (UNLIKELY(a.kind != FP_KIND_FINITE || b.kind != FP_KIND_FINITE))
        return mul_special(e, a, b);
    fp_note_denormals(e, a, b);
    return mul_finite(a, b);
}

static COLD struct fp_num div_special(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    bool sign = a.sign ^ b.sign;

    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (a.kind == b.kind)       /* inf / inf, 0 / 0 */
        return fp_invalid(e);
    if (b.kind == FP_KIND_ZERO && a.kind != FP_KIND_INF) {
        e->flags |= FP_ZE;      /* goes before a denormal dividend */
        return fp_infinity(sign);
    }
    fp_note_denormals(e, a, b);
    return a.kind == FP_KIND_INF ? fp_infinity(sign) : fp_zero(sign);
}

struct fp_num fp_div(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    u128 dividend, rest;
    uint64_t high, low;

    if (UNLIKELY(a.kind != FP_KIND_FINITE || b.kind != FP_KIND_FINITE))
        return div_special(e, a, b);
    fp_note_denormals(e, a, b);
    dividend = a.sig >> 1;
    high = (uint64_t)(dividend / fp_high(b));
    rest = (dividend % fp_high(b)) << 64;
    low = (uint64_t)(rest / fp_high(b));
    return fp_normalise(a.sign ^ b.sign, a.exp - b.exp, (u128)high << 64 | low | (rest % fp_high(b) != 0));
}

/* Floor of the square root of v, 2^62 <= v: digit by digit. */
static uint32_t root32(uint64_t v)
{
    uint64_t root = 0, rest = 0;

    for (int k = 0; k < 32; k++) {
        uint64_t trial = root << 2 | 1;

        rest = rest << 2 | v >> 62;
        v <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    return (uint32_t)root;
}

/* Floor of the square root of v >= 2^126 and what is left: half the root by digits, the other half by one division. */
static uint64_t root64(u128 v, u128 *rest)
{
    uint64_t upper = (uint64_t)(v >> 64), half = root32(upper);
    u128 left = (u128)(upper - half * half) << 32 | (uint32_t)((uint64_t)v >> 32);
    u128 q = left / (2 * half), root = ((u128)half << 32) + q;

    while (root >> 64 || root * root > v)
        root--;
    *rest = v - root * root;
    return (uint64_t)root;
}

struct fp_num fp_sqrt(struct fp_env *e, struct fp_num a)
{
    u128 rest, root;

    if (fp_is_nan(a))
        return fp_nan1(e, a);
    if (a.kind == FP_KIND_ZERO)
        return a;
    if (a.sign)
        return fp_invalid(e);
    fp_note_denormals(e, a, a);
    if (a.kind == FP_KIND_INF)
        return a;
    root = root64(a.exp & 1 ? a.sig : a.sig >> 1, &rest);
    for (int k = 0; k < 2; k++) {       /* a guard bit and one more; below that a sticky bit is enough */
        u128 trial = root << 2 | 1;

        rest <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    return fp_finite(false, a.exp >> 1, root << 62 | (rest != 0));
}

/* ---- fused multiply-add ---- */

/* NaNs in the order of the operands; infinity times zero is invalid unless the addend is already a quiet NaN. */
static COLD struct fp_num fma_nan(struct fp_env *e, struct fp_num a, struct fp_num b, struct fp_num c)
{
    if (a.kind == FP_KIND_SNAN || b.kind == FP_KIND_SNAN || c.kind == FP_KIND_SNAN)
        e->flags |= FP_IE;
    a = fp_is_nan(a) ? a : fp_is_nan(b) ? b : c;
    a.kind = FP_KIND_QNAN;
    a.sig |= (u128)1 << 126;
    return a;
}

static COLD struct fp_num fma_special(struct fp_env *e, struct fp_num a, struct fp_num b, struct fp_num c)
{
    struct fp_env quiet = *e;
    struct fp_num product;

    if (fp_is_nan(a) || fp_is_nan(b) || fp_is_nan(c))
        return fma_nan(e, a, b, c);
    quiet.flags = 0;
    product = fp_mul(&quiet, a, b);     /* infinity or zero, or finite with c special: its own rounding never matters */
    if (quiet.flags & FP_IE)
        return fp_invalid(e);
    if (product.kind == FP_KIND_INF && c.kind == FP_KIND_INF && product.sign != c.sign)
        return fp_invalid(e);
    fp_note_denormals(e, a, b);
    fp_note_denormals(e, c, c);
    product.denormal = c.denormal = 0;
    return fp_add(e, product, c);
}

struct fp_num fp_fma(struct fp_env *e, struct fp_num a, struct fp_num b, struct fp_num c)
{
    if (UNLIKELY(a.kind != FP_KIND_FINITE || b.kind != FP_KIND_FINITE || c.kind != FP_KIND_FINITE))
        return fma_special(e, a, b, c);
    fp_note_denormals(e, a, b);
    fp_note_denormals(e, c, c);
    return add_finite(e, mul_finite(a, b), c);
}

/* ---- compare ---- */

static enum fp_order compare_magnitudes(struct fp_num a, struct fp_num b)
{
    if (a.kind != b.kind)       /* zero < finite < infinity */
        return a.kind < b.kind ? FP_LESS : FP_GREATER;
    if (a.kind != FP_KIND_FINITE)
        return FP_EQUAL;
    if (a.exp != b.exp)
        return a.exp < b.exp ? FP_LESS : FP_GREATER;
    return a.sig == b.sig ? FP_EQUAL : a.sig < b.sig ? FP_LESS : FP_GREATER;
}

enum fp_order fp_compare(struct fp_env *e, struct fp_num a, struct fp_num b, bool quiet)
{
    if (UNLIKELY(fp_is_nan(a) || fp_is_nan(b))) {
        if (!quiet || a.kind > FP_KIND_QNAN || b.kind > FP_KIND_QNAN)
            e->flags |= FP_IE;
        return FP_UNORDERED;
    }
    fp_note_denormals(e, a, b);
    if (a.kind == FP_KIND_ZERO && b.kind == FP_KIND_ZERO)
        return FP_EQUAL;
    if (a.sign != b.sign)
        return a.sign ? FP_LESS : FP_GREATER;
    return a.sign ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}
