/* SPDX-License-Identifier: MIT
 * SSE conversions: between single and double, and to and from integers in vector, MMX and general registers. */
#include "cpu/exec_vec_fp.h"

/* ---- single and double ---- */

static uint64_t widen(struct sse_math *m, uint32_t v)
{
    uint64_t out = fp32_to64(&m->e, v);

    sse_element(m);
    return out;
}

static uint32_t narrow(struct sse_math *m, uint64_t v)
{
    uint32_t out = fp64_to32(&m->e, v);

    sse_element(m);
    return out;
}

static uint64_t low_ss2sd(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return widen(m, (uint32_t)b);
}

static uint64_t low_sd2ss(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return narrow(m, b);
}

/* Source and result differ in size: loads `from` bytes, merges or stores `to`. */
static ALWAYS_INLINE bool scalar(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to)
{
    struct sse_math m;
    uint64_t b, r;
    union vec d;

    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_low(cpu, i, fn, from, to);
    if (!vec_check(cpu, i) || !vec_load_low(cpu, i, sse_second_slot(i, false), &b, from))
        return false;
    vec_get(cpu, sse_first(i), &d, 16);
    sse_begin(&m, cpu, i);
    r = fn(&m, 0, b, 0);
    if (!sse_end(cpu, &m))
        return false;
    store_bytes(&d, to, r);
    vec_put(cpu, i, i->o[0], &d, 16);
    return true;
}

EXEC(CVTSS2SD) { RUN(scalar(cpu, i, low_ss2sd, 4, 8)); }
EXEC(CVTSD2SS) { RUN(scalar(cpu, i, low_sd2ss, 8, 4)); }

/* ---- packed; a vector of `n` elements ---- */

static int32_t int32_of_single(struct sse_math *m, uint32_t v)
{
    int32_t out = (int32_t)fp32_to_int(&m->e, v, 32);

    sse_element(m);
    return out;
}

static int32_t int32_of_double(struct sse_math *m, uint64_t v)
{
    int32_t out = (int32_t)fp64_to_int(&m->e, v, 32);

    sse_element(m);
    return out;
}

static uint32_t single_of(struct sse_math *m, int64_t v)
{
    uint32_t out = fp32_from_int(&m->e, v);

    sse_element(m);
    return out;
}

static uint64_t double_of(struct sse_math *m, int64_t v)
{
    return fp64_from_int(&m->e, v);
}

static void lanes_dq2ps(struct sse_math *m, union vec *d, const union vec *a UNUSED, const union vec *b, unsigned imm UNUSED)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = single_of(m, b->s32[k]);
}

static void lanes_ps2dq(struct sse_math *m, union vec *d, const union vec *a UNUSED, const union vec *b, unsigned imm UNUSED)
{
    for (unsigned k = 0; k < 4; k++)
        d->s32[k] = int32_of_single(m, b->u32[k]);
}

static void lanes_tps2dq(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm)
{
    m->e.rounding = FP_ZERO;
    lanes_ps2dq(m, d, a, b, imm);
}

SSE_PACKED(CVTDQ2PS, lanes_dq2ps, true)
SSE_PACKED(CVTPS2DQ, lanes_ps2dq, true)
SSE_PACKED(CVTTPS2DQ, lanes_tps2dq, true)

/* Those that double the element size read half a vector; d has `n` quadwords. */
static uint64_t widen_int(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return double_of(m, (int32_t)b);
}

static ALWAYS_INLINE bool widening(struct cpu *cpu, const struct insn *i, sse_scalar *fn)
{
    unsigned bytes = i->vl ? i->width : 16;
    union vec b[VEC_LANES_MAX / 2], d[VEC_LANES_MAX];
    struct sse_math m;

    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_elements(cpu, i, fn, 4, 8, true);
    if (!vec_check(cpu, i))
        return false;
    if (FORM_KIND(i->form, 1) == KIND_REG)
        vec_get(cpu, i->o[1], b, bytes / 2);
    else {
        gva_t lin;

        if (!ea_linear(cpu, i, bytes / 2, ACCESS_READ, &lin) || !mem_load_part(cpu, i, lin, b, bytes / 2))
            return false;
    }
    sse_begin(&m, cpu, i);
    for (unsigned k = 0; k < bytes / 8; k++)
        d[k / 2].u64[k & 1] = fn(&m, 0, b[k / 4].u32[k & 3], 0);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], d, bytes);
    return true;
}

EXEC(CVTPS2PD) { RUN(widening(cpu, i, low_ss2sd)); }
EXEC(CVTDQ2PD) { RUN(widening(cpu, i, widen_int)); }

/* Those that halve it; the upper half of the low 128 bits becomes zero. */
static uint64_t narrow_int(struct sse_math *m, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return (uint32_t)int32_of_double(m, b);
}

static uint64_t narrow_int_truncate(struct sse_math *m, uint64_t a, uint64_t b, unsigned imm)
{
    m->e.rounding = FP_ZERO;
    return narrow_int(m, a, b, imm);
}

static ALWAYS_INLINE bool narrowing(struct cpu *cpu, const struct insn *i, sse_scalar *fn)
{
    unsigned bytes = i->vl ? i->vl : 16;
    union vec b[VEC_LANES_MAX], d[VEC_LANES_MAX / 2] = { { .u64 = { 0 } } };
    struct sse_math m;

    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_elements(cpu, i, fn, 8, 4, true);
    if (!vec_check(cpu, i) || !vec_load(cpu, i, 1, b, bytes))
        return false;
    sse_begin(&m, cpu, i);
    for (unsigned k = 0; k < bytes / 8; k++)
        d[k / 4].u32[k & 3] = (uint32_t)fn(&m, 0, b[k / 2].u64[k & 1], 0);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], d, 16);
    return true;
}

EXEC(CVTPD2PS)  { RUN(narrowing(cpu, i, low_sd2ss)); }
EXEC(CVTPD2DQ)  { RUN(narrowing(cpu, i, narrow_int)); }
EXEC(CVTTPD2DQ) { RUN(narrowing(cpu, i, narrow_int_truncate)); }

/* ---- general registers ---- */

static ALWAYS_INLINE bool to_general(struct cpu *cpu, const struct insn *i, unsigned from, bool truncate)
{
    unsigned bytes = vec_general_bytes(cpu, i);
    struct sse_math m;
    uint64_t b;
    int64_t r;

    if (!vec_check(cpu, i) || !vec_load_low(cpu, i, 1, &b, from))
        return false;
    sse_begin(&m, cpu, i);
    if (truncate)
        m.e.rounding = FP_ZERO;
    r = from == 4 ? fp32_to_int(&m.e, (uint32_t)b, 8 * bytes) : fp64_to_int(&m.e, b, 8 * bytes);
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    reg_set(cpu, i->o[0], bytes, (uint64_t)r);
    return true;
}

EXEC(CVTSS2SI)  { RUN(to_general(cpu, i, 4, false)); }
EXEC(CVTSD2SI)  { RUN(to_general(cpu, i, 8, false)); }
EXEC(CVTTSS2SI) { RUN(to_general(cpu, i, 4, true)); }
EXEC(CVTTSD2SI) { RUN(to_general(cpu, i, 8, true)); }

static ALWAYS_INLINE bool from_general(struct cpu *cpu, const struct insn *i, unsigned to)
{
    unsigned bytes = vec_general_bytes(cpu, i);
    struct sse_math m;
    uint64_t b;
    union vec d;

    if (!vec_check(cpu, i) || !operand_load(cpu, i, sse_second_slot(i, false), bytes, &b))
        return false;
    vec_get(cpu, sse_first(i), &d, 16);
    sse_begin(&m, cpu, i);
    if (to == 4)
        d.u32[0] = fp32_from_int(&m.e, bits_sign(b, 8 * bytes));
    else
        d.u64[0] = fp64_from_int(&m.e, bits_sign(b, 8 * bytes));
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], &d, 16);
    return true;
}

EXEC(CVTSI2SS) { RUN(from_general(cpu, i, 4)); }
EXEC(CVTSI2SD) { RUN(from_general(cpu, i, 8)); }

/* ---- MMX registers: naming one meets a waiting x87 error first and enters MMX state, even when #XM follows ---- */

static bool from_mmx_single(struct cpu *cpu, const struct insn *i)
{
    bool mmx = FORM_KIND(i->form, 1) == KIND_REG;
    struct sse_math m;
    uint32_t low, high;
    union vec b;

    if (!sse_check(cpu, i) || (mmx && !mmx_check(cpu, i)) || !mmx_load(cpu, i, 1, &b))
        return false;
    if (mmx)
        mmx_enter(cpu);
    sse_begin(&m, cpu, i);
    low = single_of(&m, b.s32[0]);
    high = single_of(&m, b.s32[1]);
    if (!sse_end(cpu, &m))
        return false;
    cpu->s.zmm[8 * i->o[0]] = low | (uint64_t)high << 32;
    return true;
}

static bool from_mmx_double(struct cpu *cpu, const struct insn *i)
{
    bool mmx = FORM_KIND(i->form, 1) == KIND_REG;
    struct sse_math m;
    union vec b;

    if (!sse_check(cpu, i) || (mmx && !mmx_check(cpu, i)) || !mmx_load(cpu, i, 1, &b))
        return false;
    sse_begin(&m, cpu, i);
    if (mmx)
        mmx_enter(cpu);
    cpu->s.zmm[8 * i->o[0]] = double_of(&m, b.s32[0]);
    cpu->s.zmm[8 * i->o[0] + 1] = double_of(&m, b.s32[1]);
    return true;
}

static ALWAYS_INLINE bool to_mmx(struct cpu *cpu, const struct insn *i, unsigned from, bool truncate)
{
    struct sse_math m;
    union vec b, d;

    if (!sse_check(cpu, i) || !mmx_check(cpu, i))
        return false;
    if (from == 4 ? !vec_load_low(cpu, i, 1, &b.u64[0], 8) : !vec_load(cpu, i, 1, &b, 16))
        return false;
    mmx_enter(cpu);
    sse_begin(&m, cpu, i);
    if (truncate)
        m.e.rounding = FP_ZERO;
    for (unsigned k = 0; k < 2; k++)
        d.s32[k] = from == 4 ? int32_of_single(&m, b.u32[k]) : int32_of_double(&m, b.u64[k]);
    if (!sse_end(cpu, &m))
        return false;
    mmx_put(cpu, i->o[0], &d);
    return true;
}

EXEC(CVTPI2PS)  { RUN(from_mmx_single(cpu, i)); }
EXEC(CVTPI2PD)  { RUN(from_mmx_double(cpu, i)); }
EXEC(CVTPS2PI)  { RUN(to_mmx(cpu, i, 4, false)); }
EXEC(CVTTPS2PI) { RUN(to_mmx(cpu, i, 4, true)); }
EXEC(CVTPD2PI)  { RUN(to_mmx(cpu, i, 8, false)); }
EXEC(CVTTPD2PI) { RUN(to_mmx(cpu, i, 8, true)); }
