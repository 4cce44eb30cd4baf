/* SPDX-License-Identifier: MIT
 * Operations only the x87 has that are exact or need no polynomial: FSCALE, FXTRACT, FPREM, FPREM1. */
#include "cpu/fp.h"

#include "cpu/fp_num.h"

/* Whole numbers beyond every exponent: enough to overflow or vanish whatever is scaled. */
#define SCALE_LIMIT 0x10000

static int32_t scale_of(struct fp_num b)
{
    int32_t n;

    if (b.kind == FP_KIND_ZERO || b.exp < 0)
        return 0;
    n = b.exp > 16 ? SCALE_LIMIT : (int32_t)(uint32_t)(b.sig >> (127 - b.exp));
    return b.sign ? -n : n;
}

struct fp_num fp_scale(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (b.kind == FP_KIND_INF) {
        if (a.kind == (b.sign ? FP_KIND_INF : FP_KIND_ZERO))
            return fp_invalid(e);
        fp_note_denormals(e, a, a);
        return b.sign ? fp_zero(a.sign) : fp_infinity(a.sign);
    }
    fp_note_denormals(e, a, b);
    if (b.kind == FP_KIND_ZERO)
        e->masked |= FP_UE;     /* what is not scaled does not underflow, but denormal (seen on Emerald Rapids) */
    else if (a.kind == FP_KIND_FINITE)
        a.exp += scale_of(b);
    return a;
}

void fp_extract(struct fp_env *e, struct fp_num a, struct fp_num *exponent, struct fp_num *significand)
{
    *significand = a;
    switch (a.kind) {
    case FP_KIND_ZERO:
        e->flags |= FP_ZE;
        *exponent = fp_infinity(true);
        break;
    case FP_KIND_INF:
        *exponent = fp_infinity(false);
        break;
    case FP_KIND_FINITE:
        fp_note_denormals(e, a, a);
        *exponent = fp_from_int(a.exp);
        significand->exp = 0;
        break;
    default:
        *exponent = *significand = fp_nan1(e, a);
        break;
    }
}

/* a's significand * 2^n divided by b's: the quotient is below 2^64 for n <= 63. The remainder's unit is 2^(a.exp - n - 63).
 * */
static uint64_t divide(struct fp_num a, struct fp_num b, unsigned n, uint64_t *rest)
{
    u128 dividend = (u128)fp_high(a) << n;

    return u128_divide((uint64_t)(dividend >> 64), (uint64_t)dividend, fp_high(b), rest);
}

static struct fp_num remainder_of(bool sign, u128 rest, int32_t unit)
{
    return rest ? fp_normalise(sign, unit + 127, rest) : fp_zero(sign);
}

/* FPREM1's last step: round the quotient to nearest even instead of down. */
static struct fp_num nearest_remainder(struct fp_num a, struct fp_num b, uint64_t rest, uint64_t *q)
{
    uint64_t divisor = fp_high(b), complement = divisor - rest;
    int32_t unit = b.exp - 63;

    if (rest > complement || (rest == complement && (*q & 1))) {
        ++*q;
        return remainder_of(!a.sign, complement, unit);
    }
    return remainder_of(a.sign, rest, unit);
}

/* |a| is below |b|, and their exponents differ. */
static struct fp_num small_remainder(struct fp_num a, struct fp_num b, bool nearest, uint64_t *q)
{
    *q = 0;
    if (!nearest || a.exp != b.exp - 1 || fp_high(a) <= fp_high(b))
        return a;
    *q = 1;
    return remainder_of(!a.sign, ((u128)fp_high(b) << 1) - fp_high(a), a.exp - 63);
}

static bool rem_finite(struct fp_num a, struct fp_num b, bool nearest, struct fp_num *out, uint64_t *q)
{
    int32_t distance = a.exp - b.exp;
    uint64_t rest;
    unsigned n;

    *q = 0;
    if (distance < 0) {
        *out = small_remainder(a, b, nearest, q);
        return true;
    }
    if (distance > 63) {
        n = 32 + ((unsigned)distance & 31);     /* SDM 2A "FPREM": between 32 and 63; what is left is a multiple of 32 */
        divide(a, b, n, &rest);
        *out = remainder_of(a.sign, rest, a.exp - (int32_t)n - 63);
        return false;
    }
    *q = divide(a, b, (unsigned)distance, &rest);
    *out = nearest ? nearest_remainder(a, b, rest, q) : remainder_of(a.sign, rest, b.exp - 63);
    return true;
}

bool fp_rem(struct fp_env *e, struct fp_num a, struct fp_num b, bool nearest, struct fp_num *out, unsigned *quotient)
{
    uint64_t q = 0;
    bool done = true;

    *quotient = 0;
    *out = a;
    if (fp_is_nan(a) || fp_is_nan(b))
        *out = fp_nan2(e, a, b);
    else if (a.kind == FP_KIND_INF || b.kind == FP_KIND_ZERO)
        *out = fp_invalid(e);
    else {
        fp_note_denormals(e, a, b);
        if (a.kind == FP_KIND_FINITE && b.kind == FP_KIND_FINITE)
            done = rem_finite(a, b, nearest, out, &q);
        else if (b.kind == FP_KIND_INF)
            e->masked |= FP_UE;         /* the dividend itself does not underflow, but denormal (seen on Emerald Rapids) */
    }
    *quotient = q & 7;
    return done;
}
