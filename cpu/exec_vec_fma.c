/* SPDX-License-Identifier: MIT
 * Fused multiply-add (FMA) and half-precision conversion (F16C), which exist in VEX and EVEX form only. */
#include "cpu/exec_vec_fp.h"

/* ---- roles of the three operands: op1 is destination too ---- */

/* SDM 2C "VFMADD132PD": 132 op1 * op3 + op2, 213 op2 * op1 + op3, 231 op2 * op3 + op1; NaNs are preferred in that order. */
struct roles { const union vec *a, *b, *c; };

static ALWAYS_INLINE struct roles roles_of(const struct insn *i, const union vec *op1, const union vec *op2,
                                           const union vec *op3)
{
    switch (i->opcode >> 4) {
    case 9:  return (struct roles){ op1, op3, op2 };
    case 10: return (struct roles){ op2, op1, op3 };
    default: return (struct roles){ op2, op3, op1 };
    }
}

static struct fp_num negate_if(struct fp_num n, bool negate)
{
    if (!fp_is_nan(n))
        n.sign ^= negate;
    return n;
}

/* (-)(a * b) +- c for one element. */
static uint32_t fused32(struct sse_math *m, uint32_t a, uint32_t b, uint32_t c, bool negate_product, bool negate_addend)
{
    struct fp_env *e = &m->e;
    uint32_t out = fp_to32(e, fp_fma(e, negate_if(fp_from32(e, a), negate_product), fp_from32(e, b),
                                     negate_if(fp_from32(e, c), negate_addend)));

    sse_element(m);
    return out;
}

static uint64_t fused64(struct sse_math *m, uint64_t a, uint64_t b, uint64_t c, bool negate_product, bool negate_addend)
{
    struct fp_env *e = &m->e;
    uint64_t out = fp_to64(e, fp_fma(e, negate_if(fp_from64(e, a), negate_product), fp_from64(e, b),
                                     negate_if(fp_from64(e, c), negate_addend)));

    sse_element(m);
    return out;
}

/* How an operation signs its parts; `even` and `odd` elements differ for FMADDSUB and FMSUBADD. */
struct signs { bool product, even, odd; };

/* An EVEX scalar: masked off, no memory is read, and the first operand stays or becomes zero. */
static void put_scalar(struct cpu *cpu, const struct insn *i, union vec *v, unsigned size, bool on)
{
    const uint64_t low = on || !(i->flags & INSN_EVEX_Z) ? load_bytes(v, size) : 0;

    evex_put_scalar(cpu, i, v, low, size);
}

static ALWAYS_INLINE bool fused(struct cpu *cpu, const struct insn *i, unsigned size, bool scalar, struct signs s)
{
    union vec v[3][VEC_LANES_MAX];
    const bool evex = i->flags & INSN_EVEX;
    const uint64_t mask = UNLIKELY(evex) ? evex_mask(cpu, i) : ~0ull;
    unsigned bytes = scalar ? size : i->width;
    struct sse_math m;
    struct roles r;

    if (!vex_check(cpu, i))
        return false;
    if (scalar ? (mask & 1) && !vec_load_low(cpu, i, 2, &v[2][0].u64[0], size) : !vec_load(cpu, i, 2, v[2], bytes))
        return false;
    vec_get(cpu, i->o[0], v[0], scalar ? 16 : bytes);
    vec_get(cpu, i->o[1], v[1], scalar ? 16 : bytes);
    r = roles_of(i, v[0], v[1], v[2]);
    sse_begin(&m, cpu, i);
    for (unsigned k = 0; k < bytes / size; k++) {
        bool negate = k & 1 ? s.odd : s.even;
        unsigned n = k * size / 16, at = k % (16 / size);

        if (UNLIKELY(!(mask >> k & 1)))
            continue;
        if (size == 4)      /* op1 is read before its element is written, and never again */
            v[0][n].u32[at] = fused32(&m, r.a[n].u32[at], r.b[n].u32[at], r.c[n].u32[at], s.product, negate);
        else
            v[0][n].u64[at] = fused64(&m, r.a[n].u64[at], r.b[n].u64[at], r.c[n].u64[at], s.product, negate);
    }
    if (!sse_end(cpu, &m))
        return false;
    if (scalar && evex)
        put_scalar(cpu, i, v[0], size, mask & 1);
    else
        vec_put(cpu, i, i->o[0], v[0], scalar ? 16 : bytes);
    return true;
}

#define SIGNS(product, even, odd) ((struct signs){ product, even, odd })
#define FUSED(NAME, signs)                                                                                    \
    EXEC(NAME##PS) { RUN(fused(cpu, i, 4, false, signs)); }                                                   \
    EXEC(NAME##PD) { RUN(fused(cpu, i, 8, false, signs)); }
#define FUSED_SCALAR(NAME, signs)                                                                             \
    EXEC(NAME##SS) { RUN(fused(cpu, i, 4, true, signs)); }                                                    \
    EXEC(NAME##SD) { RUN(fused(cpu, i, 8, true, signs)); }

FUSED(FMADD, SIGNS(false, false, false))
FUSED(FMSUB, SIGNS(false, true, true))
FUSED(FNMADD, SIGNS(true, false, false))
FUSED(FNMSUB, SIGNS(true, true, true))
FUSED(FMADDSUB, SIGNS(false, true, false))
FUSED(FMSUBADD, SIGNS(false, false, true))
FUSED_SCALAR(FMADD, SIGNS(false, false, false))
FUSED_SCALAR(FMSUB, SIGNS(false, true, true))
FUSED_SCALAR(FNMADD, SIGNS(true, false, false))
FUSED_SCALAR(FNMSUB, SIGNS(true, true, true))

/* ---- half precision: one operand of half the width, memory unaligned ---- */

static bool load_halves(struct cpu *cpu, const struct insn *i, union vec *to, unsigned bytes)
{
    gva_t lin;

    if (FORM_KIND(i->form, 1) == KIND_REG) {
        vec_get(cpu, i->o[1], to, bytes);
        return true;
    }
    return ea_linear(cpu, i, bytes, ACCESS_READ, &lin) && mem_load_block(cpu, i, lin, to, bytes);
}

/* Denormal halves raise nothing, and DAZ does not concern them (SDM 2D "VCVTPH2PS"). */
static uint64_t single_of_half(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    uint32_t out = fp_to32(&m->e, fp_convert(&m->e, fp_from16((uint16_t)b), false));

    sse_element(m);
    return out;
}

static bool from_halves(struct cpu *cpu, const struct insn *i)
{
    union vec b[VEC_LANES_MAX / 2], d[VEC_LANES_MAX];
    struct sse_math m;

    if (i->flags & INSN_EVEX)
        return evex_elements(cpu, i, single_of_half, 2, 4, true);
    if (!avx_check(cpu) || !load_halves(cpu, i, b, i->width / 2))
        return false;
    sse_begin(&m, cpu, i);
    for (unsigned k = 0; k < i->width / 4u; k++)
        d[k / 4].u32[k & 3] = (uint32_t)single_of_half(&m, 0, b[k / 8].u16[k & 7], 0);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], d, i->width);
    return true;
}
EXEC(CVTPH2PS) { RUN(from_halves(cpu, i)); }

/* imm[2] leaves the rounding to MXCSR. A denormal is far below any half, so the result is never exact; an Emerald Rapids
 * says so even where underflow is unmasked and other exact significands are not called inexact. */
static uint64_t half_of_single(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm)
{
    const struct fp_num n = fp_from32(&m->e, (uint32_t)b);
    uint16_t out;

    if (!(imm & 4))
        m->e.rounding = imm & 3;
    out = fp_to16(&m->e, fp_convert(&m->e, n, true));
    if (n.denormal)
        m->e.flags |= FP_PE;
    sse_element(m);
    return out;
}

static bool store_halves(struct cpu *cpu, const struct insn *i, const union vec *d, unsigned bytes)
{
    gva_t lin;

    if (FORM_KIND(i->form, 0) == KIND_REG) {
        vec_put(cpu, i, i->o[0], d, bytes);
        return true;
    }
    return ea_linear(cpu, i, bytes, ACCESS_WRITE, &lin) && mem_store_block(cpu, i, lin, d, bytes);
}

/* Flags are recorded even when the store faults (seen on an Emerald Rapids). */
static bool to_halves(struct cpu *cpu, const struct insn *i)
{
    union vec b[VEC_LANES_MAX], d[VEC_LANES_MAX / 2] = { { .u64 = { 0 } } };
    struct sse_math m;

    if (i->flags & INSN_EVEX)
        return FORM_KIND(i->form, 0) == KIND_REG ? evex_elements(cpu, i, half_of_single, 4, 2, true)
                                                 : evex_elements_store(cpu, i, half_of_single, 4, 2);
    if (!avx_check(cpu))
        return false;
    vec_get(cpu, i->o[1], b, i->vl);
    sse_begin(&m, cpu, i);
    for (unsigned k = 0; k < i->vl / 4u; k++)
        d[k / 8].u16[k & 7] = (uint16_t)half_of_single(&m, 0, b[k / 4].u32[k & 3], (uint8_t)i->imm);
    return sse_end(cpu, &m) && store_halves(cpu, i, d, i->vl / 2);
}
EXEC(CVTPS2PH) { RUN(to_halves(cpu, i)); }
