/* SPDX-License-Identifier: MIT
 * Where the host's own float and double give the same bits and flags: operands and result are normal numbers (or zero where
 * that is exact), rounding is to nearest, and loss of precision is either excluded by a test or already recorded and masked.
 * IEEE 754 leaves such a result no freedom, so this holds on every host whose C types are its formats; others answer "no" to
 * everything.
 *
 * Each function: true and the result, or false: ask fp_arith.c. None raises anything. */
#ifndef CPU_FP_FAST_H
#define CPU_FP_FAST_H

#include <float.h>
#include <string.h>

#include "base/attrs.h"
#include "cpu/fp.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if FLT_EVAL_METHOD == 0 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53 && !defined(__FAST_MATH__)
#define FP_FAST 1
#else
#define FP_FAST 0
#endif

static ALWAYS_INLINE bool fast_allowed(const struct fp_env *e) { return FP_FAST && e->rounding == FP_NEAREST; }
static ALWAYS_INLINE bool fast_inexact(const struct fp_env *e) { return e->sticky & e->masked & FP_PE; }

#define FAST_TYPES(bits, type, frac_bits, top)                                                              \
    static ALWAYS_INLINE type fast_value##bits(uint##bits##_t v)                                            \
    {                                                                                                       \
        type x;                                                                                             \
                                                                                                            \
        memcpy(&x, &v, sizeof x);                                                                           \
        return x;                                                                                           \
    }                                                                                                       \
    static ALWAYS_INLINE uint##bits##_t fast_bits##bits(type x)                                             \
    {                                                                                                       \
        uint##bits##_t v;                                                                                   \
                                                                                                            \
        memcpy(&v, &x, sizeof v);                                                                           \
        return v;                                                                                           \
    }                                                                                                       \
    static ALWAYS_INLINE bool fast_is_zero##bits(uint##bits##_t v) { return (uint##bits##_t)(v << 1) == 0; }\
    static ALWAYS_INLINE bool fast_is_normal##bits(uint##bits##_t v)                                        \
    {                                                                                                       \
        return (unsigned)(v >> frac_bits & top) - 1u < top - 1u;                                            \
    }                                                                                                       \
    static ALWAYS_INLINE bool fast_operand##bits(uint##bits##_t v)                                          \
    {                                                                                                       \
        return fast_is_normal##bits(v) || fast_is_zero##bits(v);                                            \
    }                                                                                                       \
    /* not so small that it may have been rounded up to the least normal number: that would be an underflow */ \
    static ALWAYS_INLINE bool fast_result##bits(uint##bits##_t v)                                           \
    {                                                                                                       \
        return (unsigned)(v >> frac_bits & top) - 2u < top - 2u;                                            \
    }
FAST_TYPES(32, float, 23, 0xffu)
FAST_TYPES(64, double, 52, 0x7ffu)

/* ---- a + b: the error of the sum is a number too, and zero when the sum is exact ---- */

#define FAST_ADD(bits, type)                                                                                \
    static ALWAYS_INLINE bool fast_add##bits(const struct fp_env *e, uint##bits##_t a, uint##bits##_t b,    \
                                             uint##bits##_t *out)                                           \
    {                                                                                                       \
        type x, y, sum, part;                                                                               \
                                                                                                            \
        if (!fast_allowed(e) || !fast_operand##bits(a) || !fast_operand##bits(b))                           \
            return false;                                                                                   \
        x = fast_value##bits(a), y = fast_value##bits(b);                                                   \
        sum = x + y;                                                                                        \
        *out = fast_bits##bits(sum);                                                                        \
        if (!fast_result##bits(*out) && !fast_is_zero##bits(*out))                                          \
            return false;                                                                                   \
        if (fast_inexact(e))                                                                                \
            return true;                                                                                    \
        part = sum - x;                                                                                     \
        return (x - (sum - part)) + (y - part) == 0;                                                        \
    }
FAST_ADD(32, float)
FAST_ADD(64, double)

/* ---- products, quotients, roots: exact when the significands have few enough bits ---- */

static ALWAYS_INLINE unsigned fast_tail(uint64_t v)     /* zero bits at the end of a double's significand */
{
    return (unsigned)__builtin_ctzll(v | 1ull << 52);
}

static ALWAYS_INLINE bool fast_exact_mul32(uint32_t a, uint32_t b, uint32_t r)
{
    return (double)fast_value32(a) * (double)fast_value32(b) == (double)fast_value32(r);
}

static ALWAYS_INLINE bool fast_exact_mul64(uint64_t a, uint64_t b, uint64_t r)
{
    return fast_tail(a) + fast_tail(b) >= 53 && fast_value64(a) * fast_value64(b) == fast_value64(r);
}

#define FAST_MUL(bits)                                                                                      \
    static ALWAYS_INLINE bool fast_mul##bits(const struct fp_env *e, uint##bits##_t a, uint##bits##_t b,    \
                                             uint##bits##_t *out)                                           \
    {                                                                                                       \
        if (!fast_allowed(e) || !fast_operand##bits(a) || !fast_operand##bits(b))                           \
            return false;                                                                                   \
        *out = fast_bits##bits(fast_value##bits(a) * fast_value##bits(b));                                  \
        if (fast_is_zero##bits(a) || fast_is_zero##bits(b))                                                 \
            return true;                                                                                    \
        return fast_result##bits(*out) && (fast_inexact(e) || fast_exact_mul##bits(a, b, *out));            \
    }                                                                                                       \
    static ALWAYS_INLINE bool fast_div##bits(const struct fp_env *e, uint##bits##_t a, uint##bits##_t b,    \
                                             uint##bits##_t *out)                                           \
    {                                                                                                       \
        if (!fast_allowed(e) || !fast_operand##bits(a) || !fast_is_normal##bits(b))                         \
            return false;                                                                                   \
        *out = fast_bits##bits(fast_value##bits(a) / fast_value##bits(b));                                  \
        if (fast_is_zero##bits(a))                                                                          \
            return true;                                                                                    \
        return fast_result##bits(*out) && (fast_inexact(e) || fast_exact_mul##bits(*out, b, a));            \
    }
FAST_MUL(32)
FAST_MUL(64)

#if defined(__x86_64__)
static ALWAYS_INLINE float fast_root32(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }
static ALWAYS_INLINE double fast_root64(double x) { return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x))); }
#define FP_FAST_ROOT FP_FAST
#elif defined(__aarch64__)
static ALWAYS_INLINE float fast_root32(float x) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0); }
static ALWAYS_INLINE double fast_root64(double x) { return vget_lane_f64(vsqrt_f64(vdup_n_f64(x)), 0); }
#define FP_FAST_ROOT FP_FAST
#else
static ALWAYS_INLINE float fast_root32(float x) { return x; }
static ALWAYS_INLINE double fast_root64(double x) { return x; }
#define FP_FAST_ROOT 0
#endif

#define FAST_SQRT(bits)                                                                                     \
    static ALWAYS_INLINE bool fast_sqrt##bits(const struct fp_env *e, uint##bits##_t a, uint##bits##_t *out)\
    {                                                                                                       \
        if (!FP_FAST_ROOT || !fast_allowed(e) || !fast_is_normal##bits(a) || a >> (bits - 1))               \
            return false;                                                                                   \
        *out = fast_bits##bits(fast_root##bits(fast_value##bits(a)));                                       \
        return fast_inexact(e) || fast_exact_mul##bits(*out, *out, a);                                      \
    }
FAST_SQRT(32)
FAST_SQRT(64)

/* ---- comparison ---- */

#define FAST_COMPARE(bits)                                                                                  \
    static ALWAYS_INLINE bool fast_compare##bits(uint##bits##_t a, uint##bits##_t b, enum fp_order *out)    \
    {                                                                                                       \
        if (!FP_FAST || !fast_operand##bits(a) || !fast_operand##bits(b))                                   \
            return false;                                                                                   \
        *out = fast_value##bits(a) < fast_value##bits(b) ? FP_LESS                                          \
             : fast_value##bits(a) > fast_value##bits(b) ? FP_GREATER : FP_EQUAL;                           \
        return true;                                                                                        \
    }
FAST_COMPARE(32)
FAST_COMPARE(64)

/* ---- conversions ---- */

static ALWAYS_INLINE bool fast_widen(uint32_t a, uint64_t *out)
{
    if (!FP_FAST || !fast_operand32(a))
        return false;
    *out = fast_bits64((double)fast_value32(a));
    return true;
}

static ALWAYS_INLINE bool fast_narrow(const struct fp_env *e, uint64_t a, uint32_t *out)
{
    if (!fast_allowed(e) || !fast_operand64(a))
        return false;
    *out = fast_bits32((float)fast_value64(a));
    if (!fast_result32(*out) && !fast_is_zero64(a))
        return false;
    return fast_inexact(e) || (double)fast_value32(*out) == fast_value64(a);
}

#define FAST_FROM_INT(bits, type, exact_bits)                                                               \
    static ALWAYS_INLINE bool fast_from_int##bits(const struct fp_env *e, int64_t v, uint##bits##_t *out)   \
    {                                                                                                       \
        bool exact = v <= (int64_t)1 << exact_bits && v >= -((int64_t)1 << exact_bits);                     \
                                                                                                            \
        if (!FP_FAST || (!exact && !(fast_allowed(e) && fast_inexact(e))))                                  \
            return false;                                                                                   \
        *out = fast_bits##bits((type)v);                                                                    \
        return true;                                                                                        \
    }
FAST_FROM_INT(32, float, 24)
FAST_FROM_INT(64, double, 53)

/* To an integer below 2^51 in size, toward zero or to nearest even; *inexact is exact knowledge. */
static ALWAYS_INLINE bool fast_to_int(const struct fp_env *e, double x, int64_t *out, bool *inexact)
{
    const double limit = 2251799813685248.0, pull = 6755399441055744.0;     /* 2^51; 1.5 * 2^52: its ulp is 1 */

    if (!FP_FAST || !(x < limit && x > -limit))
        return false;
    if (e->rounding == FP_ZERO)
        *out = (int64_t)x;
    else if (e->rounding == FP_NEAREST)
        *out = (int64_t)((x + pull) - pull);
    else
        return false;
    *inexact = (double)*out != x;
    return true;
}

#endif
