/* SPDX-License-Identifier: MIT
 * When the host's floating-point arithmetic on whole vectors has the bits and flags that the guest must see: fp_fast.h for
 * two doubles or four floats at once. */
#ifndef CPU_VEC_FAST_FP_H
#define CPU_VEC_FAST_FP_H

#include "cpu/fp_fast.h"
#include "cpu/vec.h"

typedef float   float4 __attribute__((vector_size(16)));
typedef double  double2 __attribute__((vector_size(16)));
typedef int32_t int4 __attribute__((vector_size(16)));
typedef int64_t long2 __attribute__((vector_size(16)));

/* ---- when ---- */

/* To nearest, with loss of precision masked and recorded before: nothing but results remains to be found. */
static ALWAYS_INLINE bool settled(const struct cpu *cpu)
{
    const uint32_t rounding = 3u << MXCSR_RC_SHIFT, masked = FP_PE << 7;

    return FP_FAST && LIKELY((cpu->s.mxcsr & (rounding | masked | FP_PE)) == (masked | FP_PE));
}

/* What fp_fast.h looks at. */
static ALWAYS_INLINE struct fp_env fast_env(const struct cpu *cpu)
{
    const uint32_t csr = cpu->s.mxcsr;

    return (struct fp_env){ .rounding = csr >> MXCSR_RC_SHIFT & 3, .masked = csr >> 7 & FP_ALL, .sticky = csr & FP_ALL };
}

static ALWAYS_INLINE bool none(long2 bad)
{
#if defined(__SSE2__)
    return LIKELY(_mm_movemask_epi8((__m128i)bad) == 0);
#else
    return LIKELY((bad[0] | bad[1]) == 0);
#endif
}

/* ---- whole vectors ---- */

/* tiny: denormal. beyond: infinite or NaN. small: perhaps rounded up to the least normal number, or zero. */
#define VECTORS(bits, vector, integers, sign, least, most)                                                  \
    static ALWAYS_INLINE vector vec_load##bits(const union vec *v)                                          \
    {                                                                                                       \
        vector x;                                                                                           \
                                                                                                            \
        memcpy(&x, v, 16);                                                                                  \
        return x;                                                                                           \
    }                                                                                                       \
    static ALWAYS_INLINE vector size_of##bits(vector v) { return (vector)((integers)v & ~(sign)); }         \
    static ALWAYS_INLINE long2 tiny##bits(vector v) { return (long2)((size_of##bits(v) < (least)) & (v != 0)); } \
    static ALWAYS_INLINE long2 beyond##bits(vector v) { return (long2)~(size_of##bits(v) <= (most)); }      \
    static ALWAYS_INLINE long2 small##bits(vector v) { return (long2)(size_of##bits(v) < 2 * (least)); }    \
    static ALWAYS_INLINE long2 zero##bits(vector v) { return (long2)(v == 0); }
VECTORS(32, float4, int4, INT32_MIN, FLT_MIN, FLT_MAX)
VECTORS(64, double2, long2, INT64_MIN, DBL_MIN, DBL_MAX)
#define LEAST32 FLT_MIN
#define LEAST64 DBL_MIN

#endif
