/* SPDX-License-Identifier: MIT
 * What AVX-512 does with one floating-point element beyond arithmetic, written once on numbers taken apart and packed for
 * each format; and binary16 arithmetic. */
#include "cpu/fp_avx512.h"

#include "cpu/fp_num.h"

#define FOR_ALL(MACRO) MACRO(16) MACRO(32) MACRO(64)
#define FOR_BOTH(MACRO) MACRO(32) MACRO(64)

/* The formats alike: DAZ does not apply to binary16. */
static ALWAYS_INLINE struct fp_num from16(const struct fp_env *e UNUSED, uint16_t v) { return fp_from16(v); }
static ALWAYS_INLINE struct fp_num from32(const struct fp_env *e, uint32_t v) { return fp_from32(e, v); }
static ALWAYS_INLINE struct fp_num from64(const struct fp_env *e, uint64_t v) { return fp_from64(e, v); }

static struct fp_num one(bool sign) { return fp_finite(sign, 0, U128_TOP); }

/* ---- exponent and significand ---- */

/* SDM 2C "VGETEXPPD", table "VGETEXPPD/SD Special Cases": no divide-by-zero for zeros. */
static struct fp_num getexp(struct fp_env *e, struct fp_num a)
{
    fp_note_denormals(e, a, a);
    switch (a.kind) {
    case FP_KIND_FINITE: return fp_from_int(a.exp);
    case FP_KIND_ZERO:   return fp_infinity(true);
    case FP_KIND_INF:    return fp_infinity(false);
    default:             return fp_nan1(e, a);
    }
}

/* SDM 2C "VGETMANTPD": imm[1:0] the interval, imm[3:2] the sign. */
static struct fp_num getmant(struct fp_env *e, struct fp_num a, unsigned imm)
{
    bool sign = !(imm & 4) && a.sign;

    if (fp_is_nan(a))
        return fp_nan1(e, a);
    if (a.kind == FP_KIND_ZERO)
        return one(sign);
    if (a.sign && (imm & 8))
        return fp_invalid(e);
    fp_note_denormals(e, a, a);
    if (a.kind == FP_KIND_INF)
        return one(sign);
    a.sign = sign;
    switch (imm & 3) {
    case 0:  a.exp = 0; break;                              /* [1, 2) */
    case 1:  a.exp = a.exp & 1 ? -1 : 0; break;             /* [1/2, 2) */
    case 2:  a.exp = -1; break;                             /* [1/2, 1) */
    default: a.exp = a.sig >> 126 & 1 ? -1 : 0; break;      /* [3/4, 3/2) */
    }
    return a;
}

/* ---- scaling ---- */

#define FAR_AWAY 65536      /* beyond every exponent */

/* Of a finite number. */
static int32_t floor_clamped(struct fp_num a)
{
    int32_t whole;

    if (a.exp < 0)
        return a.sign ? -1 : 0;
    if (a.exp > 15)
        return a.sign ? -FAR_AWAY : FAR_AWAY;
    whole = (int32_t)(a.sig >> (127 - a.exp));
    return !a.sign ? whole : a.sig << (a.exp + 1) ? -whole - 1 : -whole;
}

static struct fp_num scalef_special(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (b.kind == FP_KIND_INF && a.kind == FP_KIND_QNAN)
        return b.sign ? fp_zero(false) : fp_infinity(false);
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (b.kind != FP_KIND_INF) {        /* a is zero or infinite, or b zero */
        fp_note_denormals(e, a, a);
        return a;
    }
    if (a.kind == (b.sign ? FP_KIND_INF : FP_KIND_ZERO))
        return fp_invalid(e);
    fp_note_denormals(e, a, a);
    return b.sign ? fp_zero(a.sign) : fp_infinity(a.sign);
}

/* a * 2^floor(b): SDM 2C "VSCALEFPD". Processors say nothing of a denormal b. */
static struct fp_num scalef(struct fp_env *e, struct fp_num a, struct fp_num b)
{
    if (a.kind != FP_KIND_FINITE || b.kind != FP_KIND_FINITE)
        return scalef_special(e, a, b);
    fp_note_denormals(e, a, a);
    a.exp += floor_clamped(b);
    return a;
}

/* To a multiple of 2^-imm[7:4]: SDM 2C "VRNDSCALEPD". */
static struct fp_num rndscale(struct fp_env *e, struct fp_num a, unsigned imm)
{
    uint8_t rounding = e->rounding;
    int32_t places = imm >> 4 & 15;

    if (!(imm & 4))
        e->rounding = imm & 3;
    a.exp += places;
    a = fp_rint(e, a, !(imm & 8));
    a.exp -= places;
    e->rounding = rounding;
    return a;
}

uint32_t fp32_rndscale(struct fp_env *e, uint32_t a, unsigned imm) { return fp_to32(e, rndscale(e, from32(e, a), imm)); }
uint64_t fp64_rndscale(struct fp_env *e, uint64_t a, unsigned imm) { return fp_to64(e, rndscale(e, from64(e, a), imm)); }

/* 2^-15 is a denormal here, and an underflow when it is not exact, even where imm[3] hides the loss of precision. */
uint16_t fp16_rndscale(struct fp_env *e, uint16_t a, unsigned imm)
{
    uint16_t out = fp_to16(e, rndscale(e, fp_from16(a), imm));

    if ((out & 0x7fff) == 0x0200 && out != a)
        e->flags |= FP_UE;
    return out;
}

/* a less its rndscale: SDM 2C "VREDUCEPD". */
static struct fp_num reduce(struct fp_env *e, struct fp_num a, unsigned imm)
{
    struct fp_num whole = rndscale(e, a, imm | 8);

    if (fp_is_nan(a))
        return whole;
    a.denormal = 0;
    if (a.kind == FP_KIND_INF)
        return fp_zero(false);
    return fp_sub(e, a, whole);
}

/* hidden: what is not raised; no underflow but of binary16. Flushing to zero loses precision all the same. */
#define REDUCE(bits)                                                                                                 \
    uint##bits##_t fp##bits##_reduce(struct fp_env *e, uint##bits##_t a, unsigned imm)                               \
    {                                                                                                                \
        uint8_t rounding = e->rounding, flags = e->flags, hidden = (imm & 8 ? FP_PE : 0) | (bits != 16 ? FP_UE : 0);  \
        uint##bits##_t out;                                                                                          \
                                                                                                                     \
        if (!(imm & 4))                                                                                              \
            e->rounding = imm & 3;                                                                                   \
        out = fp_to##bits(e, reduce(e, from##bits(e, a), imm));                                                      \
        e->rounding = rounding;                                                                                      \
        e->flags = (uint8_t)((e->flags & ~hidden) | (flags & hidden));                                               \
        return out;                                                                                                  \
    }
FOR_ALL(REDUCE)

/* ---- packed ---- */

#define ONE_OPERAND(bits)                                                                                            \
    uint##bits##_t fp##bits##_getexp(struct fp_env *e, uint##bits##_t a)                                             \
    {                                                                                                                \
        return fp_to##bits(e, getexp(e, from##bits(e, a)));                                                          \
    }                                                                                                                \
    uint##bits##_t fp##bits##_getmant(struct fp_env *e, uint##bits##_t a, unsigned imm)                              \
    {                                                                                                                \
        return fp_to##bits(e, getmant(e, from##bits(e, a), imm));                                                    \
    }                                                                                                                \
    uint##bits##_t fp##bits##_scalef(struct fp_env *e, uint##bits##_t a, uint##bits##_t b)                           \
    {                                                                                                                \
        return fp_to##bits(e, scalef(e, from##bits(e, a), from##bits(e, b)));                                        \
    }                                                                                                                \
    uint64_t fp##bits##_to_uint(struct fp_env *e, uint##bits##_t a, unsigned width)                                  \
    {                                                                                                                \
        return fp_to_uint(e, from##bits(e, a), width);                                                               \
    }                                                                                                                \
    uint##bits##_t fp##bits##_from_uint(struct fp_env *e, uint64_t v) { return fp_to##bits(e, fp_from_uint(v)); }
FOR_ALL(ONE_OPERAND)

/* SDM 2C "VFPCLASSPD": one bit of imm for each class. */
static bool class_of(struct fp_num a, unsigned imm)
{
    switch (a.kind) {
    case FP_KIND_QNAN: return imm & 1;
    case FP_KIND_SNAN: return imm >> 7 & 1;
    case FP_KIND_ZERO: return imm >> (1 + a.sign) & 1;
    case FP_KIND_INF:  return imm >> (3 + a.sign) & 1;
    default:           return (a.denormal && (imm & 32)) || (a.sign && (imm & 64));
    }
}
#define CLASS(bits)                                                                                                  \
    bool fp##bits##_class(const struct fp_env *e, uint##bits##_t a, unsigned imm) { return class_of(from##bits(e, a), imm); }
FOR_ALL(CLASS)

/* ---- range (SDM 2C "VRANGEPD") ---- */

/* Is a the one to choose? imm[0]: the larger, imm[1]: by magnitude; of equal magnitudes the sign decides. */
static bool range_first(struct fp_num a, struct fp_num b, unsigned imm)
{
    struct fp_env none = { .rounding = FP_NEAREST };
    struct fp_num x = a, y = b;
    enum fp_order order;

    if (imm & 2)
        x.sign = y.sign = 0;
    order = fp_compare(&none, x, y, true);
    if (order == FP_EQUAL)
        return imm & 1 ? !a.sign : a.sign;
    return order == (imm & 1 ? FP_GREATER : FP_LESS);
}

#define RANGE(bits)                                                                                                  \
    uint##bits##_t fp##bits##_range(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, unsigned imm)              \
    {                                                                                                                \
        const uint##bits##_t sign = (uint##bits##_t)1 << (bits - 1);                                                 \
        struct fp_num x = from##bits(e, a), y = from##bits(e, b);                                                    \
        uint##bits##_t chosen;                                                                                       \
        bool first;                                                                                                  \
                                                                                                                     \
        if (x.kind == FP_KIND_SNAN || y.kind == FP_KIND_SNAN)                                                        \
            return fp_to##bits(e, fp_nan1(e, x.kind == FP_KIND_SNAN ? x : y));                                       \
        first = y.kind == FP_KIND_QNAN || (x.kind != FP_KIND_QNAN && range_first(x, y, imm));                        \
        if (!fp_is_nan(x) && !fp_is_nan(y))                                                                          \
            fp_note_denormals(e, x, y);                                                                              \
        chosen = first ? a : b;                                                                                      \
        if ((first ? x : y).kind == FP_KIND_ZERO)       /* DAZ */                                                    \
            chosen &= sign;                                                                                          \
        switch (imm >> 2 & 3) {                                                                                      \
        case 0:  return (chosen & (uint##bits##_t)~sign) | (a & sign);                                               \
        case 1:  return chosen;                                                                                      \
        case 2:  return chosen & (uint##bits##_t)~sign;                                                              \
        default: return chosen | sign;                                                                               \
        }                                                                                                            \
    }
FOR_BOTH(RANGE)

/* ---- fix-up (SDM 2C "VFIXUPIMMPD") ---- */

enum token { TOKEN_QNAN, TOKEN_SNAN, TOKEN_ZERO, TOKEN_ONE, TOKEN_NEG_INF, TOKEN_POS_INF, TOKEN_NEGATIVE, TOKEN_POSITIVE };

static enum token token_of(struct fp_num a)
{
    switch (a.kind) {
    case FP_KIND_QNAN: return TOKEN_QNAN;
    case FP_KIND_SNAN: return TOKEN_SNAN;
    case FP_KIND_ZERO: return TOKEN_ZERO;
    case FP_KIND_INF:  return a.sign ? TOKEN_NEG_INF : TOKEN_POS_INF;
    default:           return a.sign ? TOKEN_NEGATIVE : a.exp == 0 && a.sig == U128_TOP ? TOKEN_ONE : TOKEN_POSITIVE;
    }
}

/* imm asks for exceptions by token. */
static uint8_t fixup_flags(enum token token, unsigned imm)
{
    static const struct { uint8_t divide, invalid; } bits[] = {
        [TOKEN_ZERO] = { 1, 2 }, [TOKEN_ONE] = { 4, 8 }, [TOKEN_SNAN] = { 0, 16 }, [TOKEN_NEG_INF] = { 0, 32 },
        [TOKEN_NEGATIVE] = { 0, 64 }, [TOKEN_POS_INF] = { 0, 128 }, [TOKEN_POSITIVE] = { 0, 0 }
    };

    return (uint8_t)((imm & bits[token].divide ? FP_ZE : 0) | (imm & bits[token].invalid ? FP_IE : 0));
}

/* Responses 3 to 15 for a source of the given sign. pi/2 is the nearest of each format. */
#define FIXED(bits, exp_one, frac_bits, indefinite, ninety, half_pi)                                                 \
    static uint##bits##_t fixed##bits(unsigned response, bool negative)                                              \
    {                                                                                                                \
        const uint##bits##_t sign = (uint##bits##_t)1 << (bits - 1);                                                 \
        const uint##bits##_t inf = (uint##bits##_t)(2 * (exp_one) + 1) << frac_bits;                                 \
        const uint##bits##_t unity = (uint##bits##_t)(exp_one) << frac_bits;                                         \
        const uint##bits##_t values[16] = {                                                                          \
            [3] = (indefinite), [4] = sign | inf, [5] = inf, [6] = inf | (negative ? sign : 0), [7] = sign, [8] = 0, \
            [9] = sign | unity, [10] = unity, [11] = unity - ((uint##bits##_t)1 << frac_bits), [12] = (ninety),      \
            [13] = (half_pi), [14] = inf - 1, [15] = sign | (inf - 1)                                                \
        };                                                                                                           \
                                                                                                                     \
        return values[response];                                                                                     \
    }
FIXED(32, 127, 23, 0xffc00000u, 0x42b40000u, 0x3fc90fdbu)
FIXED(64, 1023, 52, 0xfff8000000000000ull, 0x4056800000000000ull, 0x3ff921fb54442d18ull)

#define FIXUP(bits, frac_bits)                                                                                       \
    uint##bits##_t fp##bits##_fixup(struct fp_env *e, uint##bits##_t old, uint##bits##_t a, uint32_t table,          \
                                    unsigned imm)                                                                    \
    {                                                                                                                \
        struct fp_num x = from##bits(e, a);                                                                          \
        enum token token = token_of(x);                                                                              \
        unsigned response = table >> (4 * token) & 15;                                                               \
                                                                                                                     \
        e->flags |= fixup_flags(token, imm);                                                                         \
        if (token == TOKEN_ZERO)        /* DAZ */                                                                    \
            a &= (uint##bits##_t)1 << (bits - 1);                                                                    \
        switch (response) {                                                                                          \
        case 0:  return old;                                                                                         \
        case 1:  return a;                                                                                           \
        case 2:  return a | (uint##bits##_t)((((uint##bits##_t)2 << (bits - 1 - frac_bits)) - 1) << (frac_bits - 1));\
        default: return fixed##bits(response, x.sign);                                                               \
        }                                                                                                            \
    }
FIXUP(32, 23)
FIXUP(64, 52)

/* ---- binary16 ---- */

#define BINARY16(op)                                                                                                 \
    uint16_t fp16_##op(struct fp_env *e, uint16_t a, uint16_t b)                                                     \
    {                                                                                                                \
        return fp_to16(e, fp_##op(e, fp_from16(a), fp_from16(b)));                                                   \
    }
BINARY16(add)
BINARY16(sub)
BINARY16(mul)
BINARY16(div)

enum fp_order fp16_compare(struct fp_env *e, uint16_t a, uint16_t b, bool quiet)
{
    return fp_compare(e, fp_from16(a), fp_from16(b), quiet);
}

uint16_t fp16_min(struct fp_env *e, uint16_t a, uint16_t b) { return fp16_compare(e, a, b, false) == FP_LESS ? a : b; }
uint16_t fp16_max(struct fp_env *e, uint16_t a, uint16_t b) { return fp16_compare(e, a, b, false) == FP_GREATER ? a : b; }
uint16_t fp16_sqrt(struct fp_env *e, uint16_t a) { return fp_to16(e, fp_sqrt(e, fp_from16(a))); }

uint16_t fp16_fma(struct fp_env *e, uint16_t a, uint16_t b, uint16_t c)
{
    return fp_to16(e, fp_fma(e, fp_from16(a), fp_from16(b), fp_from16(c)));
}

uint16_t fp16_from_int(struct fp_env *e, int64_t v) { return fp_to16(e, fp_from_int(v)); }
int64_t  fp16_to_int(struct fp_env *e, uint16_t a, unsigned width) { return fp_to_int(e, fp_from16(a), width); }
uint32_t fp16_to32(struct fp_env *e, uint16_t a) { return fp_to32(e, fp_convert(e, fp_from16(a), true)); }
uint64_t fp16_to64(struct fp_env *e, uint16_t a) { return fp_to64(e, fp_convert(e, fp_from16(a), true)); }
uint16_t fp32_to16(struct fp_env *e, uint32_t a) { return fp_to16(e, fp_convert(e, fp_from32(e, a), true)); }
uint16_t fp64_to16(struct fp_env *e, uint64_t a) { return fp_to16(e, fp_convert(e, fp_from64(e, a), true)); }

/* ---- bfloat16 ---- */

/* SDM 2C "VCVTNEPS2BF16": the pseudo code's convert_fp32_to_bfloat16. */
uint16_t fp_bf16_from32(uint32_t a)
{
    uint32_t magnitude = a & 0x7fffffff;

    if (magnitude < 0x00800000)
        return (uint16_t)(a >> 16 & 0x8000);
    if (magnitude > 0x7f800000)
        return (uint16_t)(a >> 16 | 0x40);
    return (uint16_t)((a + 0x7fff + (a >> 16 & 1)) >> 16);
}

/* SDM 2C "VDPBF16PS": the odd products first, each fused with its sum. */
uint32_t fp_bf16_dot(uint32_t sum, uint32_t a, uint32_t b)
{
    struct fp_env e = { .rounding = FP_NEAREST, .masked = FP_ALL, .precision = 64, .daz = true, .ftz = true };

    sum = fp32_fma(&e, a & 0xffff0000, b & 0xffff0000, sum);
    return fp32_fma(&e, a << 16, b << 16, sum);
}
