/* SPDX-License-Identifier: MIT
 * Taking numbers apart and putting them together: formats, rounding, overflow and underflow, NaN choice, integers.
 * The arithmetic in between is fp_arith.c's. */
#include "cpu/fp.h"

#include "cpu/fp_num.h"

#define QUIET_BIT ((u128)1 << 126)
#define X87_BIAS_WRAP 24576     /* SDM 1 "Numeric Overflow Exception": 3 * 2^13, added or subtracted when unmasked */

struct format {
    int emin, emax;         /* exponents of normal numbers */
    unsigned precision;     /* significand bits with the integer bit */
    bool extended;
};

static const struct format half = { -14, 15, 11, false };
static const struct format single = { -126, 127, 24, false };
static const struct format dbl = { -1022, 1023, 53, false };

/* ---- simple values ---- */

struct fp_num fp_zero(bool sign) { return (struct fp_num){ 0, 0, FP_KIND_ZERO, sign, 0, 0 }; }
struct fp_num fp_infinity(bool sign) { return (struct fp_num){ 0, 0, FP_KIND_INF, sign, 0, 0 }; }
struct fp_num fp_default_nan(void) { return (struct fp_num){ U128_TOP | QUIET_BIT, 0, FP_KIND_QNAN, 1, 0, 0 }; }

struct fp_num fp_invalid(struct fp_env *e)
{
    e->flags |= FP_IE;
    return fp_default_nan();
}

/* ---- unpacking ---- */

/* frac has `bits` fraction bits, field is the biased exponent of `exp_bits` bits. */
static ALWAYS_INLINE struct fp_num unpack(bool sign, unsigned field, uint64_t frac, unsigned bits, unsigned exp_bits,
                                          bool daz)
{
    int bias = (1 << (exp_bits - 1)) - 1;
    u128 top = (u128)frac << (127 - bits);
    struct fp_num n;

    if (LIKELY(field - 1 < (1u << exp_bits) - 2))
        return fp_finite(sign, (int)field - bias, U128_TOP | top);
    if (field == 0) {
        if (frac == 0 || daz)
            return fp_zero(sign);
        n = fp_normalise(sign, 1 - bias, top);
        n.denormal = 1;
        return n;
    }
    if (frac == 0)
        return fp_infinity(sign);
    return (struct fp_num){ U128_TOP | top, 0, top & QUIET_BIT ? FP_KIND_QNAN : FP_KIND_SNAN, sign, 0, 0 };
}

struct fp_num fp_from16(uint16_t v)
{
    return unpack(v >> 15, v >> 10 & 31, v & 0x3ff, 10, 5, false);
}

struct fp_num fp_from32(const struct fp_env *e, uint32_t v)
{
    return unpack(v >> 31, v >> 23 & 255, v & 0x7fffff, 23, 8, e->daz);
}

struct fp_num fp_from64(const struct fp_env *e, uint64_t v)
{
    return unpack(v >> 63, v >> 52 & 2047, v & 0xfffffffffffffull, 52, 11, e->daz);
}

/* SDM 1 "Unsupported Double Extended-Precision Floating-Point Encodings and Pseudo-Denormals": an exponent that is not zero
 * needs the integer bit; a zero exponent with it is a denormal of exponent 1. */
struct fp_num fp_from80(struct fp80 v)
{
    unsigned field = v.se & 0x7fff;
    bool sign = v.se >> 15;
    struct fp_num n;

    if (LIKELY(field != 0 && field != 0x7fff && v.mant >> 63))
        return fp_finite(sign, (int)field - 16383, (u128)v.mant << 64);
    if (field == 0) {
        if (v.mant == 0)
            return fp_zero(sign);
        n = fp_normalise(sign, -16382, (u128)v.mant << 64);
        n.denormal = 1;
        return n;
    }
    if (!(v.mant >> 63))
        return (struct fp_num){ 0, 0, FP_KIND_BAD, sign, 0, 0 };
    if (v.mant << 1 == 0)
        return fp_infinity(sign);
    return (struct fp_num){ (u128)v.mant << 64, 0, v.mant >> 62 & 1 ? FP_KIND_QNAN : FP_KIND_SNAN, sign, 0, 0 };
}

struct fp_num fp_from_uint(uint64_t v)
{
    return v ? fp_normalise(false, 127, v) : fp_zero(false);
}

struct fp_num fp_from_int(int64_t v)
{
    struct fp_num n = fp_from_uint(v < 0 ? -(uint64_t)v : (uint64_t)v);

    n.sign = v < 0;
    return n;
}

/* ---- rounding ---- */

/* Round *sig to its top `keep` bits (keep < 128). Returns the carry out of bit 127; *inexact and e->up say what happened. */
static ALWAYS_INLINE bool round_sig(struct fp_env *e, bool sign, u128 *sig, unsigned keep, bool *inexact)
{
    u128 ulp = (u128)1 << (128 - keep), rest = *sig & (ulp - 1), half_ulp = ulp >> 1;
    bool up = false;

    *inexact = rest != 0;
    *sig -= rest;
    if (e->rounding == FP_NEAREST)
        up = rest > half_ulp || (rest == half_ulp && (*sig & ulp));
    else if (e->rounding != FP_ZERO)
        up = rest != 0 && (e->rounding == FP_UP) != sign;
    e->up = up;
    if (!up)
        return false;
    *sig += ulp;
    return *sig == 0;
}

struct packed {
    uint64_t high;          /* significand from bit 63 down; below 2^63 for denormals */
    int exp;                /* emax + 1: infinity or NaN; emin with bit 63 clear: denormal or zero */
};

static struct packed overflowed(struct fp_env *e, const struct format *f, bool sign, unsigned precision)
{
    bool to_infinity = e->rounding == FP_NEAREST || (e->rounding != FP_ZERO && (e->rounding == FP_UP) != sign);

    e->flags |= FP_OE | FP_PE;
    e->up = to_infinity;
    if (to_infinity)
        return (struct packed){ 1ull << 63, f->emax + 1 };
    return (struct packed){ ~0ull << (64 - precision), f->emax };
}

/* SDM 1 "Numeric Underflow Exception": tiny after rounding with an unbounded exponent; masked, it is raised only when
 * inexact. */
static COLD struct packed underflowed(struct fp_env *e, const struct format *f, struct fp_num n, unsigned precision)
{
    u128 sig = n.sig;
    bool inexact, tiny = !round_sig(e, n.sign, &sig, precision, &inexact) || n.exp < f->emin - 1;

    if (tiny && !(e->masked & FP_UE)) {
        e->flags |= inexact ? FP_UE | FP_PE : FP_UE;
        n.exp += f->extended ? X87_BIAS_WRAP : 0;
        if (f->extended && n.exp < f->emin) {   /* FSCALE only: massive underflow */
            e->flags |= FP_PE;
            return (struct packed){ 0, f->emin };
        }
        if (sig == 0)
            return (struct packed){ 1ull << 63, n.exp + 1 };
        return (struct packed){ (uint64_t)(sig >> 64), n.exp };
    }
    if (tiny && e->ftz) {
        e->flags |= FP_UE | FP_PE;
        e->up = false;
        return (struct packed){ 0, f->emin };
    }
    sig = u128_shift_sticky(n.sig, (unsigned)(f->emin - n.exp));
    round_sig(e, n.sign, &sig, precision, &inexact);
    if (inexact)
        e->flags |= tiny ? FP_UE | FP_PE : FP_PE;
    return (struct packed){ (uint64_t)(sig >> 64), f->emin };
}

static ALWAYS_INLINE struct packed round_finite(struct fp_env *e, const struct format *f, struct fp_num n,
                                                unsigned precision)
{
    u128 sig = n.sig;
    bool inexact;
    int exp = n.exp;

    if (UNLIKELY(exp < f->emin))
        return underflowed(e, f, n, precision);
    if (round_sig(e, n.sign, &sig, precision, &inexact)) {
        sig = U128_TOP;
        exp++;
    }
    if (UNLIKELY(exp > f->emax)) {
        if (e->masked & FP_OE || !f->extended) {
            if (!(e->masked & FP_OE) && !inexact) {
                e->flags |= FP_OE;
                return (struct packed){ 1ull << 63, f->emax + 1 };
            }
            return overflowed(e, f, n.sign, precision);
        }
        e->flags |= FP_OE;
        exp -= X87_BIAS_WRAP;
        if (exp > f->emax) {    /* FSCALE only: massive overflow */
            e->flags |= FP_PE;
            e->up = true;
            return (struct packed){ 1ull << 63, f->emax + 1 };
        }
    }
    if (inexact)
        e->flags |= FP_PE;
    return (struct packed){ (uint64_t)(sig >> 64), exp };
}

/* Everything but extended: the fields, fraction without integer bit. */
static ALWAYS_INLINE uint64_t pack(struct fp_env *e, const struct format *f, struct fp_num n, unsigned exp_bits)
{
    unsigned frac_bits = f->precision - 1, width = frac_bits + exp_bits;
    uint64_t all_ones = (1ull << exp_bits) - 1, sign = (uint64_t)n.sign << width;
    struct packed p;

    e->up = false;
    switch (n.kind) {
    case FP_KIND_FINITE:
        p = round_finite(e, f, n, f->precision);
        if (p.exp > f->emax)
            return sign | all_ones << frac_bits;
        /* the integer bit adds one to an exponent field of emin's value less one; denormals lack it */
        return sign + ((uint64_t)(p.exp - f->emin) << frac_bits) + (p.high >> (64 - f->precision));
    case FP_KIND_ZERO:
        return sign;
    case FP_KIND_INF:
        return sign | all_ones << frac_bits;
    default:
        return sign | all_ones << frac_bits | ((uint64_t)(n.sig >> 64) << 1 >> (64 - frac_bits));
    }
}

/* SDM 2A "VCVTPS2PH": MXCSR.FTZ is ignored. */
uint16_t fp_to16(struct fp_env *e, struct fp_num n)
{
    bool ftz = e->ftz;
    uint16_t out;

    e->ftz = false;
    out = (uint16_t)pack(e, &half, n, 5);
    e->ftz = ftz;
    return out;
}

uint32_t fp_to32(struct fp_env *e, struct fp_num n) { return (uint32_t)pack(e, &single, n, 8); }
uint64_t fp_to64(struct fp_env *e, struct fp_num n) { return pack(e, &dbl, n, 11); }

struct fp80 fp_to80(struct fp_env *e, struct fp_num n)
{
    static const struct format extended = { -16382, 16383, 64, true };
    uint16_t sign = (uint16_t)(n.sign << 15);
    struct packed p;

    e->up = false;
    switch (n.kind) {
    case FP_KIND_FINITE:
        p = round_finite(e, &extended, n, e->precision);
        return (struct fp80){ p.high, (uint16_t)(sign | (p.exp + 16383 - (p.high >> 63 ? 0 : 1))) };
    case FP_KIND_ZERO:
        return (struct fp80){ 0, sign };
    case FP_KIND_INF:
        return (struct fp80){ 1ull << 63, sign | 0x7fff };
    default:
        return (struct fp80){ (uint64_t)(n.sig >> 64), sign | 0x7fff };
    }
}

/* ---- NaNs ---- */

static struct fp_num quiet(struct fp_num n)
{
    n.sig |= QUIET_BIT;
    n.kind = FP_KIND_QNAN;
    return n;
}

struct fp_num fp_nan1(struct fp_env *e, struct fp_num a)
{
    if (a.kind == FP_KIND_BAD)
        return fp_invalid(e);
    if (a.kind == FP_KIND_SNAN)
        e->flags |= FP_IE;
    return quiet(a);
}

/* SDM 1 "Operating on SNaNs and QNaNs", table "Rules for Handling NaNs": the x87 column. */
static struct fp_num x87_nan2(struct fp_num a, struct fp_num b)
{
    if (!fp_is_nan(b) || (fp_is_nan(a) && a.kind == FP_KIND_QNAN && b.kind == FP_KIND_SNAN))
        return quiet(a);
    if (!fp_is_nan(a) || (b.kind == FP_KIND_QNAN && a.kind == FP_KIND_SNAN))
        return quiet(b);
    if (a.sig != b.sig)
        return quiet(a.sig > b.sig ? a : b);
    return quiet(a.sign ? b : a);
}

struct fp_num fp_nan2(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (a.kind == FP_KIND_BAD || b.kind == FP_KIND_BAD)
        return fp_invalid(e);
    if (a.kind == FP_KIND_SNAN || b.kind == FP_KIND_SNAN)
        e->flags |= FP_IE;
    if (e->x87)
        return x87_nan2(a, b);
    return quiet(fp_is_nan(a) ? a : b);
}

struct fp_num fp_convert(struct fp_env *e, struct fp_num n, bool de)
{
    if (UNLIKELY(fp_is_nan(n)))
        return fp_nan1(e, n);
    if (de && n.denormal)
        e->flags |= FP_DE;
    return n;
}

/* ---- integers ---- */

/* The magnitude rounded to an integer; false when it needs more than 64 bits. */
static bool magnitude(struct fp_env *e, struct fp_num n, uint64_t *out, bool *inexact)
{
    u128 sig;

    *out = 0;
    *inexact = false;
    e->up = false;
    if (n.kind == FP_KIND_ZERO)
        return true;
    if (n.kind != FP_KIND_FINITE || n.exp > 63)
        return false;
    sig = u128_shift_sticky(n.sig, (unsigned)(63 - n.exp));     /* integer part in the upper half */
    if (round_sig(e, n.sign, &sig, 64, inexact))
        return false;
    *out = (uint64_t)(sig >> 64);
    return true;
}

int64_t fp_to_int(struct fp_env *e, struct fp_num n, unsigned bits)
{
    uint64_t mag, limit = 1ull << (bits - 1);
    bool inexact;

    if (!magnitude(e, n, &mag, &inexact) || mag > limit || (mag == limit && !n.sign)) {
        e->flags |= FP_IE;
        e->up = false;
        return -(int64_t)(limit - 1) - 1;
    }
    if (inexact)
        e->flags |= FP_PE;
    return (int64_t)(n.sign ? 0 - mag : mag);
}

uint64_t fp_to_uint(struct fp_env *e, struct fp_num n, unsigned bits)
{
    uint64_t mag, most = bits == 64 ? ~0ull : (1ull << bits) - 1;
    bool inexact;

    if (!magnitude(e, n, &mag, &inexact) || mag > most || (n.sign && mag != 0)) {
        e->flags |= FP_IE;
        return most;
    }
    if (inexact)
        e->flags |= FP_PE;
    return mag;
}

struct fp_num fp_rint(struct fp_env *e, struct fp_num a, bool inexact)
{
    uint64_t mag;
    bool changed;

    e->up = false;
    if (UNLIKELY(fp_is_nan(a)))
        return fp_nan1(e, a);
    if (e->x87 && a.denormal)
        e->flags |= FP_DE;
    if (a.kind != FP_KIND_FINITE || a.exp >= 63)
        return a;
    magnitude(e, a, &mag, &changed);
    if (changed && inexact)
        e->flags |= FP_PE;
    return mag ? fp_normalise(a.sign, 127, mag) : fp_zero(a.sign);
}
