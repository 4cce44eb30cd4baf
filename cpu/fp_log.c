/* SPDX-License-Identifier: MIT
 * 2^x - 1 and the base-2 logarithms of the x87, by series in 128 bits; results err by little more than half an ulp. */
#include "cpu/fp.h"

#include "cpu/fp_quick.h"
#include "cpu/fp_wide.h"

static const struct fp_num ln_2 = WIDE(0xb17217f7d1cf79abull, 0xc9e3b39803f2f6afull, -1);
static const struct fp_num two_over_ln_2 = WIDE(0xb8aa3b295c17f0bbull, 0xbe87fed0691d3e88ull, 1);

/* ---- F2XM1 ---- */

/* (e^t - 1) / t = 1 + t/2 (1 + t/3 (1 + ...)) for |t| < 0.7, in units of 2^-126. */
static u128 exponential(u128 t, bool negative)
{
    const u128 one = (u128)1 << 126;
    u128 sum = one;

    for (unsigned k = 32; k >= 2; k--) {
        u128 term = u128_divide_small(fraction_mul(t, sum), k);

        term = term ? term : 1;
        sum = negative ? one - term : one + term;
    }
    return sum;
}

struct fp_num fp_exact_2xm1(struct fp_num a)
{
    struct fp_num t = wide_mul(a, ln_2);

    t = wide_mul(t, wide_of_fraction(exponential(fraction_of(t), a.sign), 2));
    t.sig |= 1;         /* never exact */
    return t;
}

/* Defined for |x| <= 1; beyond that the operand comes back, as the SDM leaves it open. */
struct fp_num fp_2xm1(struct fp_env *e, struct fp_num a)
{
    struct fp_num quick;

    if (fp_is_nan(a))
        return fp_nan1(e, a);
    if (a.kind == FP_KIND_INF && a.sign)
        return wide_negate(wide_one());
    if (a.kind != FP_KIND_FINITE)
        return a;
    fp_note_denormals(e, a, a);
    if (a.exp >= 0) {
        if (a.exp != 0 || a.sig != U128_TOP)
            e->flags |= FP_PE;
        else if (a.sign)
            a.exp = -1;         /* 2^-1 - 1; 2^1 - 1 is 1 */
        return a;
    }
    return fp_quick_2xm1(a, &quick) ? quick : fp_exact_2xm1(a);
}

/* ---- logarithms ---- */

/* 1 / (2k + 1) in units of 2^-127 */
#define INVERSE(k) U128_TOP / (2 * (k) + 1)
static const u128 inverse[23] = {
    INVERSE(0), INVERSE(1), INVERSE(2), INVERSE(3), INVERSE(4), INVERSE(5), INVERSE(6), INVERSE(7), INVERSE(8), INVERSE(9),
    INVERSE(10), INVERSE(11), INVERSE(12), INVERSE(13), INVERSE(14), INVERSE(15), INVERSE(16), INVERSE(17), INVERSE(18),
    INVERSE(19), INVERSE(20), INVERSE(21), INVERSE(22)
};

/* log2((1 + s) / (1 - s)) = 2/ln 2 * s * (1 + s^2/3 + s^4/5 + ...), |s| < 0.172; s not zero. */
static struct fp_num log2_ratio(struct fp_num s)
{
    u128 z = fraction_of(wide_mul(s, s)), sum = 0;

    for (unsigned k = 45; k >= 3; k -= 2)
        sum = fraction_mul(z, inverse[k / 2] + sum);
    sum = U128_TOP + (sum ? sum : 1);
    return wide_mul(wide_mul(s, two_over_ln_2), wide_of_fraction(sum, 1));
}

/* log2 of a finite positive number. */
static struct fp_num log2_finite(struct fp_num x)
{
    int32_t whole = x.exp;
    struct fp_num m = x, log, s;

    m.exp = 0;
    m.denormal = 0;
    if (fp_high(m) > 0xb504f333f9de6484ull) {       /* above the square root of two */
        m.exp = -1;
        whole++;
    }
    s = wide_add(m, wide_negate(wide_one()));
    if (s.kind == FP_KIND_ZERO)
        return fp_from_int(whole);
    log = log2_ratio(wide_div(s, wide_add(m, wide_one())));
    return whole ? wide_add(fp_from_int(whole), log) : log;
}

/* y times a logarithm that may be zero. */
static struct fp_num times_log(struct fp_num y, struct fp_num log)
{
    if (y.kind == FP_KIND_INF)
        return fp_infinity(y.sign ^ log.sign);
    if (y.kind == FP_KIND_ZERO || log.kind == FP_KIND_ZERO)
        return fp_zero(y.sign ^ log.sign);
    return wide_mul(y, log);
}

struct fp_num fp_exact_yl2x(struct fp_num y, struct fp_num x) { return times_log(y, log2_finite(x)); }

/* The sign and size of log2(x) for x > 0 without computing it. */
static struct fp_num log2_coarse(struct fp_num x)
{
    if (x.exp == 0 && x.sig == U128_TOP)
        return fp_zero(false);
    return x.exp < 0 ? wide_negate(wide_one()) : wide_one();
}

/* An exact product counts as inexact, and as underflow where it is denormal (seen on Emerald Rapids). */
static struct fp_num never_exact(struct fp_env *e, struct fp_num n)
{
    if (n.kind == FP_KIND_FINITE)
        e->flags |= n.exp < LEAST_NORMAL && (uint64_t)n.sig == 0 ? FP_UE | FP_PE : FP_PE;
    return n;
}

/* SDM 2A "FYL2X", table of results. */
struct fp_num fp_yl2x(struct fp_env *e, struct fp_num y, struct fp_num x)
{
    struct fp_num quick;

    if (fp_is_nan(x) || fp_is_nan(y))
        return fp_nan2(e, x, y);
    if (x.kind == FP_KIND_ZERO) {
        if (y.kind == FP_KIND_ZERO)
            return fp_invalid(e);
        if (y.kind == FP_KIND_FINITE)
            e->flags |= FP_ZE;
        return fp_infinity(!y.sign);
    }
    if (x.sign || (x.kind == FP_KIND_INF && y.kind == FP_KIND_ZERO))
        return fp_invalid(e);
    if (y.kind == FP_KIND_INF && x.kind == FP_KIND_FINITE && log2_coarse(x).kind == FP_KIND_ZERO)
        return fp_invalid(e);
    fp_note_denormals(e, x, y);
    if (x.kind == FP_KIND_INF)
        return fp_infinity(y.sign);
    if (y.kind != FP_KIND_FINITE)
        return times_log(y, log2_coarse(x));
    if (fp_quick_yl2x(y, x, &quick))
        return quick;
    return never_exact(e, fp_exact_yl2x(y, x));
}

/* log2(1 + x), |x| < 1 - sqrt(1/2) by s = x / (2 + x); beyond that range the SDM leaves the result open, here 1 + x is
 * formed. */
static struct fp_num log2_plus_one(struct fp_num x)
{
    struct fp_num two = wide_one(), sum;

    x.denormal = 0;
    two.exp = 1;
    if (x.exp < -2)
        return log2_ratio(wide_div(x, wide_add(two, x)));
    sum = wide_add(wide_one(), x);
    return log2_finite(sum);
}

struct fp_num fp_exact_yl2xp1(struct fp_num y, struct fp_num x) { return times_log(y, log2_plus_one(x)); }

struct fp_num fp_yl2xp1(struct fp_env *e, struct fp_num y, struct fp_num x)
{
    struct fp_num quick;

    if (fp_is_nan(x) || fp_is_nan(y))
        return fp_nan2(e, x, y);
    if (x.sign && x.kind != FP_KIND_ZERO && (x.kind == FP_KIND_INF || x.exp >= 0))      /* log2 of zero or less */
        return fp_invalid(e);
    if ((x.kind == FP_KIND_ZERO && y.kind == FP_KIND_INF) || (x.kind == FP_KIND_INF && y.kind == FP_KIND_ZERO))
        return fp_invalid(e);
    fp_note_denormals(e, x, y);
    if (x.kind == FP_KIND_INF)
        return fp_infinity(y.sign);
    if (x.kind == FP_KIND_ZERO || y.kind != FP_KIND_FINITE)
        return times_log(y, x);         /* the logarithm has the sign of x and is zero with it */
    return fp_quick_yl2xp1(y, x, &quick) ? quick : fp_exact_yl2xp1(y, x);
}
