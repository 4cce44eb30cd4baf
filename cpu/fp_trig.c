/* SPDX-License-Identifier: MIT
 * Sine, cosine, tangent and arc tangent of the x87. Arguments are reduced by the 66-bit pi that the processors use (SDM 1
 * "Approximation of Pi"), exactly; then series in 128 bits. Results err by little more than half an ulp for that reduced
 * argument. */
#include "cpu/fp.h"

#include "cpu/fp_quick.h"
#include "cpu/fp_wide.h"

/* ---- argument reduction ---- */

#define PI_66 U128(0x3, 0x243f6a8885a308d3ull)      /* pi * 2^64; pi / 2 in units of 2^-65, pi / 4 in units of 2^-66 */

/* |a| = quadrant * pi/2 + reduced, reduced in [-pi/4, pi/4]. False: |a| >= 2^63. */
static bool reduce(struct fp_num a, unsigned *quadrant, struct fp_num *reduced)
{
    u128 units, rest;

    *quadrant = 0;
    *reduced = a;
    reduced->sign = reduced->denormal = 0;
    if (a.exp >= 63)
        return false;
    if (a.exp < -2)
        return true;
    units = (u128)fp_high(a) << (a.exp + 2);        /* in 2^-65: a is a 64-bit significand times 2^(exp - 63) */
    *quadrant = (unsigned)(units / PI_66) & 3;
    rest = units % PI_66;
    if (rest > PI_66 / 2) {
        *quadrant = (*quadrant + 1) & 3;
        *reduced = fp_normalise(true, 127 - 65, PI_66 - rest);
    } else
        *reduced = rest ? fp_normalise(false, 127 - 65, rest) : fp_zero(false);
    return true;
}

/* ---- series: 1 - z/(n(n+1)) * (1 - z/((n+2)(n+3)) * ...) for z = x^2 < 0.62, as a fraction; never quite 1 ---- */

static u128 alternating(u128 z, unsigned n)
{
    u128 sum = 0;       /* 1 - sum is the value */

    for (unsigned k = n + 28; k > n;) {
        k -= 2;
        sum = u128_divide_small(fraction_mul(z, ~sum), k * (k + 1));
        sum = sum ? sum : 1;
    }
    return ~sum;
}

static struct fp_num sine(struct fp_num x)
{
    if (x.kind == FP_KIND_ZERO)
        return x;
    return wide_mul(x, wide_of_fraction(alternating(fraction_of(wide_mul(x, x)), 2), 0));
}

static struct fp_num cosine(struct fp_num x)
{
    if (x.kind == FP_KIND_ZERO)
        return wide_one();
    return wide_of_fraction(alternating(fraction_of(wide_mul(x, x)), 1), 0);
}

/* ---- FSIN, FCOS, FSINCOS, FPTAN: but for zero none is ever exact, which the last bit says ---- */

static struct fp_num signed_by(struct fp_num n, bool negate)
{
    n.sign ^= negate;
    return n;
}

/* Below 2^-68 sine and tangent are the argument, inexact but not rounded, so that the least normal number does not underflow
 * (seen on Emerald Rapids). Denormals take the long way, which rounds. */
static bool tiny(struct fp_num a)
{
    return a.kind == FP_KIND_FINITE && a.exp < -68 && a.exp >= LEAST_NORMAL;
}

bool fp_exact_sincos(struct fp_num a, struct fp_num *sin, struct fp_num *cos)
{
    struct fp_num x, s, c;
    unsigned quadrant;

    *sin = *cos = a;
    if (!reduce(a, &quadrant, &x))
        return false;
    s = sine(x);
    c = cosine(x);
    s.sig |= 1;
    c.sig |= 1;
    *sin = signed_by(quadrant & 1 ? c : s, (quadrant >> 1) ^ a.sign);
    *cos = signed_by(quadrant & 1 ? s : c, quadrant == 1 || quadrant == 2);
    return true;
}

/* cos is never zero: no 64-bit argument is a multiple of half the 66-bit pi, which is odd in its last bit. */
bool fp_exact_tan(struct fp_num a, struct fp_num *tan)
{
    struct fp_num sin, cos;

    if (!fp_exact_sincos(a, &sin, &cos))
        return false;
    *tan = wide_div(sin, cos);
    tan->sig |= 1;
    return true;
}

/* NaNs, infinities, zeros: sine and cosine, and the sine is the tangent. */
static void sincos_special(struct fp_env *e, struct fp_num a, struct fp_num *sin, struct fp_num *cos)
{
    *sin = *cos = a;
    if (fp_is_nan(a))
        *sin = *cos = fp_nan1(e, a);
    else if (a.kind == FP_KIND_INF)
        *sin = *cos = fp_invalid(e);
    else
        *cos = wide_one();
}

bool fp_sincos(struct fp_env *e, struct fp_num a, struct fp_num *sin, struct fp_num *cos)
{
    if (a.kind != FP_KIND_FINITE) {
        sincos_special(e, a, sin, cos);
        return true;
    }
    if (!fp_quick_sincos(a, sin, cos) && !fp_exact_sincos(a, sin, cos))
        return false;
    fp_note_denormals(e, a, a);
    if (tiny(a)) {
        *sin = a;
        e->flags |= FP_PE;
    }
    return true;
}

bool fp_tan(struct fp_env *e, struct fp_num a, struct fp_num *tan)
{
    struct fp_num cos;

    if (a.kind != FP_KIND_FINITE || tiny(a))
        return fp_sincos(e, a, tan, &cos);
    if (!fp_quick_tan(a, tan) && !fp_exact_tan(a, tan))
        return false;
    fp_note_denormals(e, a, a);
    return true;
}

/* ---- FPATAN ---- */

static const struct fp_num pi = WIDE(0xc90fdaa22168c234ull, 0xc4c6628b80dc1cd1ull, 1);
static const struct fp_num half_pi = WIDE(0xc90fdaa22168c234ull, 0xc4c6628b80dc1cd1ull, 0);
static const struct fp_num quarter_pi = WIDE(0xc90fdaa22168c234ull, 0xc4c6628b80dc1cd1ull, -1);
static const struct fp_num three_quarters_pi = WIDE(0x96cbe3f9990e91a7ull, 0x9394c9e8a0a5159dull, 1);

/* atan(k / 8) */
static const struct fp_num atan_eighths[9] = {
    [1] = WIDE(0xfeadd4d5617b6e32ull, 0xc897989f3e888ef7ull, -4),
    [2] = WIDE(0xfadbafc96406eb15ull, 0x6dc79ef5f7a217e5ull, -3),
    [3] = WIDE(0xb7b0ca0f26f78473ull, 0x8aa32122dcfe4483ull, -2),
    [4] = WIDE(0xed63382b0dda7b45ull, 0x6fe445ecbc3a8d03ull, -2),
    [5] = WIDE(0x8f005d5ef7f59f9bull, 0x5c835e1665c43747ull, -1),
    [6] = WIDE(0xa4bc7d1934f70924ull, 0x19a87f2a457dac9eull, -1),
    [7] = WIDE(0xb8053e2bc2319e73ull, 0xcb2da55210a4443dull, -1),
    [8] = WIDE(0xc90fdaa22168c234ull, 0xc4c6628b80dc1cd1ull, -1),
};

/* 1 / (2k + 1) */
#define INVERSE(k) ~(u128)0 / (2 * (k) + 1)
static const u128 inverse[16] = {
    INVERSE(0), INVERSE(1), INVERSE(2), INVERSE(3), INVERSE(4), INVERSE(5), INVERSE(6), INVERSE(7), INVERSE(8), INVERSE(9),
    INVERSE(10), INVERSE(11), INVERSE(12), INVERSE(13), INVERSE(14), INVERSE(15)
};

/* |t| <= 1/16 and a little: t * (1 - z/3 + z^2/5 - ...), z = t^2. */
static struct fp_num atan_small(struct fp_num t)
{
    u128 z, sum = 0;

    if (t.kind == FP_KIND_ZERO)
        return t;
    z = fraction_of(wide_mul(t, t));
    for (unsigned k = 31; k >= 3; k -= 2) {
        sum = fraction_mul(z, inverse[k / 2] - sum);
        sum = sum ? sum : 1;
    }
    return wide_mul(t, wide_of_fraction(~sum, 0));
}

/* atan(y / x) for 0 < y <= x: near k/8 it is atan(k/8) + atan((y - kx/8) / (x + ky/8)). */
static struct fp_num atan_ratio(struct fp_num y, struct fp_num x)
{
    int32_t gap = x.exp - y.exp;
    /* y / x in sixteenths, rounded down */
    uint64_t ratio = gap > 5 ? 0 : (fp_high(y) >> 33 << 5 >> gap) / (fp_high(x) >> 32);
    unsigned k = (unsigned)(ratio + 1) / 2;
    struct fp_num eighths, t;

    if (k == 0)
        return atan_small(wide_div(y, x));
    eighths = fp_from_uint(k);
    eighths.exp -= 3;
    t = wide_add(y, wide_negate(wide_mul(x, eighths)));
    if (t.kind == FP_KIND_ZERO)
        return atan_eighths[k];
    t = wide_div(t, wide_add(x, wide_mul(y, eighths)));
    return wide_add(atan_eighths[k], atan_small(t));
}

struct fp_num fp_exact_atan2(struct fp_num y, struct fp_num x)
{
    bool negative = x.sign, sign = y.sign, steep = y.exp > x.exp || (y.exp == x.exp && y.sig > x.sig);
    struct fp_num a;

    y.sign = x.sign = 0;
    a = steep ? atan_ratio(x, y) : atan_ratio(y, x);
    if (steep)
        a = negative ? wide_add(half_pi, a) : wide_add(half_pi, wide_negate(a));
    else if (negative)
        a = wide_add(pi, wide_negate(a));
    return signed_by(a, sign);
}

/* SDM 2A "FPATAN", table of results for zeros and infinities. */
static struct fp_num atan2_special(struct fp_num y, struct fp_num x)
{
    if (y.kind == FP_KIND_INF && x.kind == FP_KIND_INF)
        return x.sign ? three_quarters_pi : quarter_pi;
    if (y.kind == FP_KIND_ZERO || x.kind == FP_KIND_INF)
        return x.sign ? pi : fp_zero(false);
    return half_pi;
}

struct fp_num fp_atan2(struct fp_env *e, struct fp_num y, struct fp_num x)
{
    struct fp_num quick;

    if (fp_is_nan(y) || fp_is_nan(x))
        return fp_nan2(e, x, y);
    fp_note_denormals(e, y, x);
    if (y.kind != FP_KIND_FINITE || x.kind != FP_KIND_FINITE)
        return signed_by(atan2_special(y, x), y.sign);
    return fp_quick_atan2(y, x, &quick) ? quick : fp_exact_atan2(y, x);
}
