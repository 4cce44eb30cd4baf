/* SPDX-License-Identifier: MIT
 * The functions of the x87 for nearly all operands. The argument is reduced to less than 2^-8 with tables of 128 bits; of the
 * series the leading terms are done in 128 bits, the rest, which is smaller by 2^-16, in 64.
 *
 * Fixed point throughout: "unit 2^-n" tells what one of a variable is worth. mul_high() of units 2^-m and 2^-n has the unit
 * 2^-(m + n - 64). Every truncation errs by less than one unit; the sums of these errors are in the comments. */
#include "cpu/fp_quick.h"

#include "cpu/fp_wide.h"

/* What a result may err by, in units of its last place of 128: 2^-75 of the least significand. The slow functions err by less
 * than 2^-110. A polynomial of 64 bits errs by three units or so by its roundings, its argument by another, which come to
 * 2^-77 of what they are added to; where the first table entry but one is met, half of that is taken away: 2^-76. The tangent
 * has two of them. tests/cpu/test_fp_quick.c measures it. */
#define ERROR ((uint64_t)1 << 52)

#define INDEX_BITS 7                /* tables are in steps of 2^-7 */
#define FIXED_BITS 71               /* unit of reduced arguments: half a step is 2^63 */
#define HALF_STEP  ((u128)1 << (FIXED_BITS - INDEX_BITS - 1))

static ALWAYS_INLINE uint64_t mul_high(uint64_t a, uint64_t b) { return (uint64_t)((u128)a * b >> 64); }

/* a * b / 2^64 */
static ALWAYS_INLINE u128 mul_wide(u128 a, uint64_t b)
{
    return (u128)(uint64_t)(a >> 64) * b + mul_high((uint64_t)a, b);
}

static ALWAYS_INLINE u128 shift_down(u128 v, unsigned n) { return n < 128 ? v >> n : 0; }
static ALWAYS_INLINE u128 add_signed(u128 a, u128 b, bool minus) { return minus ? a - b : a + b; }

/* Rounding changes where the lower 64 bits are 0 or 2^63. */
static ALWAYS_INLINE bool decided(struct fp_num n)
{
    return LIKELY(((uint64_t)n.sig + ERROR) << 1 > 4 * ERROR && n.exp > LEAST_NORMAL && n.exp < 16383);
}

static const struct { u128 sin, cos; } sines[] = {
#define SINE(sh, sl, ch, cl) { U128(sh, sl), U128(ch, cl) },
#include "cpu/fp_quick.def"
};

static const u128 atans[] = {
#define ATAN(high, low) U128(high, low),
#include "cpu/fp_quick.def"
};

static const u128 powers[] = {
#define EXP2(high, low) U128(high, low),
#include "cpu/fp_quick.def"
};

static const struct { u128 log; uint64_t c; uint64_t pad; } logs[] = {
#define LOG2(c, high, low) { U128(high, low), c, 0 },
#include "cpu/fp_quick.def"
};

/* |a| for a.exp < 0, in units of 2^-FIXED_BITS; exact from 2^-8 on. */
static ALWAYS_INLINE u128 fixed_of(struct fp_num a)
{
    const int up = a.exp + FIXED_BITS - 63;

    return up >= 0 ? (u128)fp_high(a) << up : shift_down(fp_high(a), (unsigned)-up);
}

/* ---- sine, cosine, tangent ---- */

#define PI_LOW      0x243f6a8885a308d3ull       /* pi * 2^64 is 3 * 2^64 and this: see fp_trig.c */
#define PI_66       U128(3, PI_LOW)
#define TWO_OVER_PI 0xa2f9836e4e441529ull       /* in units of 2^-64, rounded down, and 2^64 * 2 / PI_66 is not less */

/* The same argument as reduce() in fp_trig.c, in units of 2^-65, for 2^-2 <= |a| < 2^63. */
static ALWAYS_INLINE u128 reduce(struct fp_num a, unsigned *quadrant, bool *negative)
{
    uint64_t q = a.exp < 0 ? 0 : mul_high(fp_high(a), TWO_OVER_PI) >> (63 - a.exp);
    u128 rest = ((u128)fp_high(a) << (a.exp + 2)) - (u128)q * PI_LOW - ((u128)(3 * q) << 64);

    while (UNLIKELY(rest >= PI_66)) {       /* the estimate is low by little */
        rest -= PI_66;
        q++;
    }
    *negative = rest > PI_66 / 2;
    *quadrant = (unsigned)(q + *negative) & 3;
    return *negative ? PI_66 - rest : rest;
}

/* d^2 = z: d - sin d = d * w, 1 - cos d = v. */
struct series { uint64_t w, v; };       /* unit 2^-81 */

static ALWAYS_INLINE struct series series_of(uint64_t d)    /* unit 2^-71, at most 2^63 */
{
    const uint64_t z = (uint64_t)((u128)d * d >> 63);      /* unit 2^-79 */
    const uint64_t sixth = ((u128)1 << 66) / 6 - mul_high(z, (1ull << 51) / 120 - mul_high(z, (1ull << 36) / 5040));
    const uint64_t half = (1ull << 63) - mul_high(z, (1ull << 49) / 24 - mul_high(z, (1ull << 34) / 720 - mul_high(z, (1ull << 19) / 40320)));

    return (struct series){ mul_high(z, sixth), (uint64_t)((u128)z * half >> 62) };
}

/* r < 2^-8; `fixed` is r, too. */
static ALWAYS_INLINE bool sincos_small(struct fp_num r, uint64_t fixed, struct fp_num *sin, struct fp_num *cos)
{
    const struct series s = series_of(fixed);

    if (s.v == 0)
        return false;
    *sin = fp_normalise(false, r.exp, r.sig - ((u128)fp_high(r) * s.w >> 17));
    *cos = fp_finite(false, -1, -((u128)s.v << 47));
    return true;
}

/* sin(c + d) = sin c - sin c * v + cos c * (d - d * w); the cosine likewise. Unit 2^-128. */
static ALWAYS_INLINE void sincos_near(u128 r, unsigned k, struct fp_num *sin, struct fp_num *cos)
{
    const u128 s = sines[k].sin, c = sines[k].cos, step = (u128)k << (FIXED_BITS - INDEX_BITS);
    const bool minus = r < step;
    const uint64_t d = (uint64_t)(minus ? step - r : r - step);
    const struct series part = series_of(d);
    const u128 sd = mul_wide(s, d), cd = mul_wide(c, d);        /* unit 2^-135 */
    const u128 for_cos = (sd >> 7) - ((u128)mul_high((uint64_t)(sd >> 64), part.w) << 40);
    const u128 for_sin = (cd >> 7) - ((u128)mul_high((uint64_t)(cd >> 64), part.w) << 40);

    *sin = fp_normalise(false, -1, add_signed(s - (mul_wide(s, part.v) >> 17), for_sin, minus));
    *cos = fp_normalise(false, -1, add_signed(c - (mul_wide(c, part.v) >> 17), for_cos, !minus));
}

/* Not rounded, and of the reduced argument; *quadrant and *negative tell where that is. */
static ALWAYS_INLINE bool sincos_reduced(struct fp_num a, unsigned *quadrant, bool *negative, struct fp_num *sin, struct fp_num *cos)
{
    u128 r;
    unsigned k;

    *quadrant = 0;
    *negative = false;
    if (a.exp >= 63 || a.exp < -40)
        return false;
    if (a.exp < -8)
        return sincos_small(a, (uint64_t)fixed_of(a), sin, cos);
    r = a.exp < -2 ? fixed_of(a) : reduce(a, quadrant, negative) << (FIXED_BITS - 65);
    k = (unsigned)((r + HALF_STEP) >> (FIXED_BITS - INDEX_BITS));
    if (k != 0)
        sincos_near(r, k, sin, cos);
    else
        return r != 0 && sincos_small(fp_normalise(false, 127 - FIXED_BITS, r), (uint64_t)r, sin, cos);
    return true;
}

bool fp_quick_sincos(struct fp_num a, struct fp_num *sin, struct fp_num *cos)
{
    unsigned quadrant;
    bool negative;
    struct fp_num s, c;

    if (!sincos_reduced(a, &quadrant, &negative, &s, &c) || !decided(s) || !decided(c))
        return false;
    s.sign = negative;
    *sin = quadrant & 1 ? c : s;
    *cos = quadrant & 1 ? s : c;
    sin->sign ^= (uint8_t)(quadrant >> 1 ^ a.sign);
    cos->sign ^= quadrant == 1 || quadrant == 2;
    return true;
}

bool fp_quick_tan(struct fp_num a, struct fp_num *tan)
{
    unsigned quadrant;
    bool negative;
    struct fp_num s, c;

    if (!sincos_reduced(a, &quadrant, &negative, &s, &c))
        return false;
    *tan = quadrant & 1 ? wide_div(c, s) : wide_div(s, c);
    tan->sign = (uint8_t)(negative ^ (quadrant & 1) ^ a.sign);
    return decided(*tan);
}

/* ---- arc tangent ---- */

#define PI_126 U128(0xc90fdaa22168c234ull, 0xc4c6628b80dc1cd1ull)      /* unit 2^-126 */

/* t <= 2^-8 and next to nothing: t * (1 - w), w = t^2/3 - t^4/5 + ... */
static ALWAYS_INLINE u128 atan_small(struct fp_num t)
{
    const uint64_t fixed = (uint64_t)fixed_of(t), z = (uint64_t)((u128)fixed * fixed >> 63);     /* units 2^-71, 2^-79 */
    const uint64_t third = ((u128)1 << 65) / 3 -
                           mul_high(z, (1ull << 50) / 5 - mul_high(z, (1ull << 35) / 7 - mul_high(z, (1ull << 20) / 9)));

    return t.sig - ((u128)fp_high(t) * mul_high(z, third) >> 16);
}

/* atan(n / d) for n <= d; d's exponent is larger by `gap`. Near k / 128 it is atan(k / 128) + atan((128 n - k d) / (128 d + k n)).
 * */
static ALWAYS_INLINE struct fp_num atan_ratio(uint64_t n, uint64_t d, int gap)
{
    /* in 256ths, rounded down */
    const unsigned ratio = gap > 8 ? 0 : (unsigned)((n >> 32 << 8 >> gap) / (d >> 32)), k = (ratio + 1) / 2;
    struct fp_num t;
    u128 up, down, base;
    bool minus;

    if (k == 0) {
        t = wide_div(fp_finite(false, 0, (u128)n << 64), fp_finite(false, gap, (u128)d << 64));
        return fp_normalise(false, t.exp, atan_small(t));
    }
    base = atans[k];
    up = (u128)n << 7;
    down = ((u128)d << gap) * k;
    minus = up < down;
    up = minus ? down - up : up - down;
    if (up == 0)
        return fp_normalise(false, -1, base);
    down = ((u128)d << (7 + gap)) + (u128)n * k;
    t = wide_div(fp_normalise(false, 127, up), fp_normalise(false, 127, down));
    return fp_normalise(false, -1, add_signed(base, shift_down(atan_small(t), (unsigned)(-1 - t.exp)), minus));
}

bool fp_quick_atan2(struct fp_num y, struct fp_num x, struct fp_num *out)
{
    const bool steep = y.exp > x.exp || (y.exp == x.exp && y.sig > x.sig);
    struct fp_num a = steep ? atan_ratio(fp_high(x), fp_high(y), y.exp - x.exp) :
                              atan_ratio(fp_high(y), fp_high(x), x.exp - y.exp);

    if (steep || x.sign) {      /* unit 2^-126; pi's own error is less than one */
        const u128 part = shift_down(a.sig, (unsigned)(1 - a.exp));

        a = fp_normalise(false, 1, steep ? add_signed(PI_126 >> 1, part, !x.sign) : PI_126 - part);
    }
    a.sign = y.sign;
    *out = a;
    return decided(a);
}

/* ---- 2^x - 1 ---- */

#define LN_2 U128(0xb17217f7d1cf79abull, 0xc9e3b39803f2f6afull)         /* unit 2^-128 */

/* 2^d - 1 for d = n * 2^(exp - 63) <= 2^-8: t + t^2/2 + t^3/6 + ... for t = d * ln 2, in units of 2^(exp - 126). */
static ALWAYS_INLINE u128 power_small(uint64_t n, int exp, bool minus)
{
    const u128 t = mul_wide(LN_2, n);                       /* unit 2^(exp - 127) */
    const uint64_t high = (uint64_t)(t >> 64);              /* unit 2^(exp - 63) */
    const uint64_t fixed = exp <= -72 ? 0 : high >> (-8 - exp);              /* unit 2^-71 */
    const uint64_t u = (uint64_t)((u128)fixed * fixed >> 62);               /* t^2, unit 2^-80 */
    const u128 square = (u128)high * high + ((u128)mul_high(high, (uint64_t)t) << 1);   /* unit 2^(2 exp - 126) */
    /* t^3: 1/6 + t^2/120 + t^4/5040, and t/24 + t^3/720 + t^5/40320 with t's sign; unit 2^-66 */
    const uint64_t even = ((u128)1 << 66) / 6 + mul_high(u, (1ull << 50) / 120 + mul_high(u, (1ull << 34) / 5040));
    const uint64_t odd = mul_high(fixed, (1ull << 59) / 24 + mul_high(u, (1ull << 43) / 720 + mul_high(u, (1ull << 27) / 40320)));
    const uint64_t rest = mul_high(u, minus ? even - odd : even + odd);     /* t^2 * that; unit 2^-82 */

    return add_signed((t >> 1) + ((u128)high * rest >> 19), shift_down(square, (unsigned)(1 - exp)), minus);
}

/* 2^(k / 128 + d) - 1, twice that for what is below zero: x is 1 + x - 1 then. */
bool fp_quick_2xm1(struct fp_num a, struct fp_num *out)
{
    const u128 one = (u128)1 << (a.sign ? 127 : 126);
    u128 x, step, power;
    unsigned k;
    bool minus;

    if (a.exp >= 0)
        return false;
    if (a.exp < -8) {
        *out = fp_normalise(a.sign, a.exp + 1, power_small(fp_high(a), a.exp, a.sign));
        return decided(*out);
    }
    x = fixed_of(a);
    if (a.sign)
        x = ((u128)1 << FIXED_BITS) - x;
    k = (unsigned)((x + HALF_STEP) >> (FIXED_BITS - INDEX_BITS));
    step = (u128)k << (FIXED_BITS - INDEX_BITS);
    minus = x < step;
    power = fraction_mul(powers[k], power_small((uint64_t)(minus ? step - x : x - step), 63 - FIXED_BITS, minus));
    power = add_signed(powers[k], power >> 6, minus);
    power = a.sign ? one - power : power - one;
    if (power == 0)
        return false;
    *out = fp_normalise(a.sign, a.sign ? 0 : 1, power);
    return decided(*out);
}

/* ---- logarithms ---- */

#define INVERSE_LN_2 U128(0xb8aa3b295c17f0bbull, 0xbe87fed0691d3e88ull)        /* unit 2^-127 */

/* log(1 + r) for |r| = n * 2^(exp - 63) <= 2^-8: r - r^2/2 + r^3/3 - ..., its size in units of 2^(exp - 126). */
static ALWAYS_INLINE u128 log_small(uint64_t n, int exp, bool minus)
{
    const uint64_t fixed = exp <= -72 ? 0 : n >> (-8 - exp);                 /* unit 2^-71 */
    const uint64_t u = (uint64_t)((u128)fixed * fixed >> 63);               /* r^2, unit 2^-79 */
    /* 1/3 + r^2/5 + r^4/7 + r^6/9, and |r|/4 + |r|^3/6 + |r|^5/8 + |r|^7/10; unit 2^-64 */
    const uint64_t even = ((u128)1 << 64) / 3 + mul_high(u, (1ull << 49) / 5 + mul_high(u, (1ull << 34) / 7 +
                                                                                         mul_high(u, (1ull << 19) / 9)));
    const uint64_t odd = mul_high(fixed, (1ull << 57) / 4 + mul_high(u, (1ull << 42) / 6 + mul_high(u, (1ull << 27) / 8 +
                                                                                        mul_high(u, (1ull << 12) / 10))));
    const uint64_t rest = mul_high(u, minus ? even + odd : even - odd);     /* r^2 * that; unit 2^-79 */

    return add_signed(((u128)n << 63) + ((u128)n * rest >> 16), shift_down((u128)n * n, (unsigned)(1 - exp)), !minus);
}

/* log2(1 + r) for r as above. */
static ALWAYS_INLINE struct fp_num log2_small(uint64_t n, int exp, bool minus)
{
    return fp_normalise(minus, exp + 2, fraction_mul(log_small(n, exp, minus), INVERSE_LN_2));
}

/* log2(m * 2^whole), m with the unit 2^-(63 + extra): of a table's c and of m * c = 1 + r. False: a power of two. */
static ALWAYS_INLINE bool log2_near(u128 m, unsigned extra, int whole, struct fp_num *out)
{
    const unsigned k = (unsigned)(m >> (55 + extra)) & 255;
    const u128 product = m * logs[k].c, one = (u128)1 << (72 + extra);      /* unit 2^-(72 + extra) */
    const bool minus = product < one;
    const u128 r = minus ? one - product : product - one;
    const uint64_t n = (uint64_t)(r >> extra), tail = (uint64_t)r << (63 - extra) & ~(1ull << 63);   /* units 2^-72, 2^-135 */
    u128 log, sum;

    if (r == 0)
        return false;
    if (k == 0 ? whole == 0 : k == 255 && whole == -1) {        /* the rest is zero */
        *out = log2_small(n << __builtin_clzll(n), -9 - __builtin_clzll(n), minus);
        return true;
    }
    log = add_signed(log_small(n, -9, minus) + tail, mul_high(tail, n) >> 8, !minus);
    log = fraction_mul(log, INVERSE_LN_2) >> 22;                            /* unit 2^-112 */
    sum = add_signed(((u128)(__int128)whole << 112) + logs[k].log, log, minus);
    *out = sum >> 127 ? fp_normalise(true, 127 - 112, -sum) : fp_normalise(false, 127 - 112, sum);
    return true;
}

static ALWAYS_INLINE bool times(struct fp_num y, struct fp_num log, struct fp_num *out)
{
    *out = fp_normalise(y.sign ^ log.sign, y.exp + log.exp + 1, mul_wide(log.sig, fp_high(y)));
    return decided(*out);
}

bool fp_quick_yl2x(struct fp_num y, struct fp_num x, struct fp_num *out)
{
    struct fp_num log;

    return log2_near(fp_high(x), 0, x.exp, &log) && times(y, log, out);
}

bool fp_quick_yl2xp1(struct fp_num y, struct fp_num x, struct fp_num *out)
{
    const u128 one = (u128)1 << FIXED_BITS;
    struct fp_num log;
    u128 sum;

    if (x.exp >= -1)
        return false;
    if (x.exp < -8)
        return times(y, log2_small(fp_high(x), x.exp, x.sign), out);
    sum = add_signed(one, fixed_of(x), x.sign);
    if (!log2_near(sum < one ? sum << 1 : sum, FIXED_BITS - 63, sum < one ? -1 : 0, &log))
        return false;
    return times(y, log, out);
}
