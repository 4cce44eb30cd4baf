/* SPDX-License-Identifier: MIT
 * Whole operations on packed single and double values: unpack, compute, pack, unless the host may do it (fp_fast.h). */
#include "cpu/fp.h"

#include "cpu/fp_fast.h"

#define FOR_BOTH(MACRO) MACRO(32) MACRO(64)

#define SIGN(bits) ((uint##bits##_t)1 << (bits - 1))

/* fast_x: fast_add for both sums, the sign of the second operand being part of it; only numbers get that far. */
#define BINARY(bits, op, fast_call)                                                          \
    uint##bits##_t fp##bits##_##op(struct fp_env *e, uint##bits##_t a, uint##bits##_t b)     \
    {                                                                                        \
        uint##bits##_t out;                                                                  \
                                                                                             \
        if (LIKELY(fast_call))                                                               \
            return out;                                                                      \
        return fp_to##bits(e, fp_##op(e, fp_from##bits(e, a), fp_from##bits(e, b)));         \
    }
#define BINARIES(bits)                                                                       \
    BINARY(bits, add, fast_add##bits(e, a, b, &out))                                         \
    BINARY(bits, sub, fast_add##bits(e, a, b ^ SIGN(bits), &out))                            \
    BINARY(bits, mul, fast_mul##bits(e, a, b, &out))                                         \
    BINARY(bits, div, fast_div##bits(e, a, b, &out))
FOR_BOTH(BINARIES)

#define COMPARE(bits)                                                                        \
    enum fp_order fp##bits##_compare(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, bool quiet) \
    {                                                                                        \
        enum fp_order order;                                                                 \
                                                                                             \
        if (LIKELY(fast_compare##bits(a, b, &order)))                                        \
            return order;                                                                    \
        return fp_compare(e, fp_from##bits(e, a), fp_from##bits(e, b), quiet);               \
    }
FOR_BOTH(COMPARE)

/* SDM 2A "MINPS": the second operand comes back unchanged, SNaNs too, when the comparison does not decide; a denormal read
 * as zero (DAZ) comes back as that zero. */
#define EXTREME(bits, op, wanted)                                                            \
    uint##bits##_t fp##bits##_##op(struct fp_env *e, uint##bits##_t a, uint##bits##_t b)     \
    {                                                                                        \
        uint##bits##_t chosen = fp##bits##_compare(e, a, b, false) == (wanted) ? a : b;      \
                                                                                             \
        return e->daz && fp_from##bits(e, chosen).kind == FP_KIND_ZERO ? chosen & SIGN(bits) : chosen; \
    }
#define EXTREMES(bits) EXTREME(bits, min, FP_LESS) EXTREME(bits, max, FP_GREATER)
FOR_BOTH(EXTREMES)

#define OTHERS(bits)                                                                         \
    uint##bits##_t fp##bits##_sqrt(struct fp_env *e, uint##bits##_t a)                       \
    {                                                                                        \
        uint##bits##_t out;                                                                  \
                                                                                             \
        if (LIKELY(fast_sqrt##bits(e, a, &out)))                                             \
            return out;                                                                      \
        return fp_to##bits(e, fp_sqrt(e, fp_from##bits(e, a)));                              \
    }                                                                                        \
    uint##bits##_t fp##bits##_fma(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, uint##bits##_t c) \
    {                                                                                        \
        return fp_to##bits(e, fp_fma(e, fp_from##bits(e, a), fp_from##bits(e, b), fp_from##bits(e, c))); \
    }                                                                                        \
    uint##bits##_t fp##bits##_rint(struct fp_env *e, uint##bits##_t a, bool inexact)         \
    {                                                                                        \
        return fp_to##bits(e, fp_rint(e, fp_from##bits(e, a), inexact));                     \
    }                                                                                        \
    uint##bits##_t fp##bits##_from_int(struct fp_env *e, int64_t v)                          \
    {                                                                                        \
        uint##bits##_t out;                                                                  \
                                                                                             \
        if (LIKELY(fast_from_int##bits(e, v, &out)))                                         \
            return out;                                                                      \
        return fp_to##bits(e, fp_from_int(v));                                               \
    }                                                                                        \
    int64_t fp##bits##_to_int(struct fp_env *e, uint##bits##_t a, unsigned width)            \
    {                                                                                        \
        bool inexact;                                                                        \
        int64_t out;                                                                         \
                                                                                             \
        if (fast_operand##bits(a) && fast_to_int(e, fast_value##bits(a), &out, &inexact) &&  \
            out >> (width - 1) == out >> 63) {                                               \
            e->flags |= inexact ? FP_PE : 0;                                                 \
            return out;                                                                      \
        }                                                                                    \
        return fp_to_int(e, fp_from##bits(e, a), width);                                     \
    }
FOR_BOTH(OTHERS)

uint64_t fp32_to64(struct fp_env *e, uint32_t a)
{
    uint64_t out;

    if (LIKELY(fast_widen(a, &out)))
        return out;
    return fp_to64(e, fp_convert(e, fp_from32(e, a), true));
}

uint32_t fp64_to32(struct fp_env *e, uint64_t a)
{
    uint32_t out;

    if (LIKELY(fast_narrow(e, a, &out)))
        return out;
    return fp_to32(e, fp_convert(e, fp_from64(e, a), true));
}
