/* SPDX-License-Identifier: MIT
 * Floating-point operations that came with AVX-512, other than conversions: compare and classify into opmasks, round and
 * reduce to fractions, ranges, exponents and significands, scaling, fix-ups, approximations, dot products of bfloat16. The
 * arithmetic is in cpu/fp_avx512.c and cpu/fp_approx.c. */
#include "cpu/exec_vec_fp.h"
#include "cpu/fp_avx512.h"

/* x of the first source, y of the second or only one. */
#define ELEMENT(name, bits, expr)                                                                             \
    static uint64_t name##bits(struct sse_math *m UNUSED, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED) \
    {                                                                                                         \
        const uint##bits##_t x UNUSED = (uint##bits##_t)a, y = (uint##bits##_t)b;                             \
                                                                                                              \
        return (expr);                                                                                        \
    }

/* ---- into opmasks ---- */

#define FOUR_MASKS(NAME, name, unary, expr32, expr64)                                                         \
    ELEMENT(name, 32, expr32)                                                                                 \
    ELEMENT(name, 64, expr64)                                                                                 \
    EXEC(NAME##PS) { RUN(evex_elements_mask(cpu, i, name##32, 4, unary)); }                                   \
    EXEC(NAME##PD) { RUN(evex_elements_mask(cpu, i, name##64, 8, unary)); }                                   \
    EXEC(NAME##SS) { RUN(evex_low_mask(cpu, i, name##32, 4, unary)); }                                        \
    EXEC(NAME##SD) { RUN(evex_low_mask(cpu, i, name##64, 8, unary)); }

FOUR_MASKS(VCMP, compare, false, sse_compare32(m, x, y, imm), sse_compare64(m, x, y, imm))
FOUR_MASKS(VFPCLASS, class, true, fp32_class(&m->e, y, imm), fp64_class(&m->e, y, imm))

/* ---- into vectors ---- */

#define FOUR_FORMS(NAME, name, unary, expr32, expr64)                                                         \
    ELEMENT(name, 32, expr32)                                                                                 \
    ELEMENT(name, 64, expr64)                                                                                 \
    EXEC(NAME##PS) { RUN(evex_elements(cpu, i, name##32, 4, 4, unary)); }                                     \
    EXEC(NAME##PD) { RUN(evex_elements(cpu, i, name##64, 8, 8, unary)); }                                     \
    EXEC(NAME##SS) { RUN(evex_low(cpu, i, name##32, 4, 4)); }                                                 \
    EXEC(NAME##SD) { RUN(evex_low(cpu, i, name##64, 8, 8)); }

/* VREDUCE never underflows (SDM 2C "VREDUCEPD"), so an unmasked underflow neither raises nor keeps FTZ away. */
static struct fp_env *no_underflow(struct sse_math *m)
{
    m->e.masked |= FP_UE;
    m->e.ftz = m->flush;
    return &m->e;
}

FOUR_FORMS(VRNDSCALE, rndscale, true, fp32_rndscale(&m->e, y, imm), fp64_rndscale(&m->e, y, imm))
FOUR_FORMS(VREDUCE, reduce, true, fp32_reduce(no_underflow(m), y, imm), fp64_reduce(no_underflow(m), y, imm))
FOUR_FORMS(VRANGE, range, false, fp32_range(&m->e, x, y, imm), fp64_range(&m->e, x, y, imm))
FOUR_FORMS(VGETEXP, getexp, true, fp32_getexp(&m->e, y), fp64_getexp(&m->e, y))
FOUR_FORMS(VGETMANT, getmant, true, fp32_getmant(&m->e, y, imm), fp64_getmant(&m->e, y, imm))
FOUR_FORMS(VSCALEF, scalef, false, fp32_scalef(&m->e, x, y), fp64_scalef(&m->e, x, y))
/* The second source is the table, the destination what response 0 leaves as it is. */
FOUR_FORMS(VFIXUPIMM, fixup, false, fp32_fixup(&m->e, (uint32_t)m->old, x, y, imm),
           fp64_fixup(&m->e, m->old, x, (uint32_t)y, imm))

/* ---- approximations ---- */

/* No exceptions and no rounding; denormals and FTZ count as if underflow were masked. */
static const struct fp_env *flushing(struct sse_math *m)
{
    m->e.ftz = m->flush;
    return &m->e;
}

FOUR_FORMS(VRCP14, rcp14, true, fp_rcp14_32(flushing(m), y), fp_rcp14_64(flushing(m), y))
FOUR_FORMS(VRSQRT14, rsqrt14, true, fp_rsqrt14_32(flushing(m), y), fp_rsqrt14_64(flushing(m), y))

/* ---- bfloat16 ---- */

/* The destination is the sum so far. */
ELEMENT(dot, 32, fp_bf16_dot((uint32_t)m->old, x, y))
EXEC(VDPBF16PS) { RUN(evex_elements(cpu, i, dot32, 4, 4, false)); }
