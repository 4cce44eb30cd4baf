/* SPDX-License-Identifier: MIT
 * Whole operations on packed single and double values: unpack, compute, pack. */
#include "cpu/fp.h"

#define BINARY(bits, op)                                                                     \
    uint##bits##_t fp##bits##_##op(struct fp_env *e, uint##bits##_t a, uint##bits##_t b)     \
    {                                                                                        \
        return fp_to##bits(e, fp_##op(e, fp_from##bits(e, a), fp_from##bits(e, b)));         \
    }
#define BOTH(MACRO, op) MACRO(32, op) MACRO(64, op)
BOTH(BINARY, add)
BOTH(BINARY, sub)
BOTH(BINARY, mul)
BOTH(BINARY, div)

/* SDM 2A "MINPS": the second operand comes back unchanged, SNaNs too, when the comparison does not decide; a denormal read as zero
 * (DAZ) comes back as that zero. */
#define EXTREME(bits, op, wanted)                                                            \
    uint##bits##_t fp##bits##_##op(struct fp_env *e, uint##bits##_t a, uint##bits##_t b)     \
    {                                                                                        \
        struct fp_num x = fp_from##bits(e, a), y = fp_from##bits(e, b);                      \
        bool first = fp_compare(e, x, y, false) == (wanted);                                 \
        struct fp_num n = first ? x : y;                                                     \
                                                                                             \
        return n.kind == FP_KIND_ZERO ? fp_to##bits(e, n) : first ? a : b;                   \
    }
EXTREME(32, min, FP_LESS)
EXTREME(64, min, FP_LESS)
EXTREME(32, max, FP_GREATER)
EXTREME(64, max, FP_GREATER)

#define OTHERS(bits)                                                                         \
    uint##bits##_t fp##bits##_sqrt(struct fp_env *e, uint##bits##_t a)                       \
    {                                                                                        \
        return fp_to##bits(e, fp_sqrt(e, fp_from##bits(e, a)));                              \
    }                                                                                        \
    uint##bits##_t fp##bits##_fma(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, uint##bits##_t c) \
    {                                                                                        \
        return fp_to##bits(e, fp_fma(e, fp_from##bits(e, a), fp_from##bits(e, b), fp_from##bits(e, c))); \
    }                                                                                        \
    enum fp_order fp##bits##_compare(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, bool quiet) \
    {                                                                                        \
        return fp_compare(e, fp_from##bits(e, a), fp_from##bits(e, b), quiet);               \
    }                                                                                        \
    uint##bits##_t fp##bits##_rint(struct fp_env *e, uint##bits##_t a, bool inexact)         \
    {                                                                                        \
        return fp_to##bits(e, fp_rint(e, fp_from##bits(e, a), inexact));                     \
    }
OTHERS(32)
OTHERS(64)
