/* SPDX-License-Identifier: MIT
 * The EVEX side of the floating-point frames: masked elements, embedded rounding, suppressed exceptions. */
#include "cpu/exec_vec_fp.h"

void sse_begin_evex(struct sse_math *m, const struct cpu *cpu, const struct insn *i)
{
    if (i->evex & EVEX_ROUND)
        m->e.rounding = i->evex >> EVEX_RC_SHIFT & 3;
    m->silent = true;
    m->e.masked = FP_ALL;
    m->e.ftz = (cpu->s.mxcsr & MXCSR_FTZ) != 0;         /* underflow counts as masked */
}

void evex_blank(const struct cpu *cpu, const struct insn *i, union vec *v, unsigned bytes)
{
    const unsigned part = bytes / evex_count(i);
    uint64_t out;

    if (!i->mask)
        return;
    out = ~evex_mask(cpu, i);
    for (unsigned k = 0; k < evex_count(i); k++)
        if (out >> k & 1)
            store_bytes(v->u8 + k * part, part, part == 4 ? 0x3f800000u : 0x3ff0000000000000ull);
}

bool evex_packed(struct cpu *cpu, const struct insn *i, sse_lanes *fn, bool unary)
{
    union vec a[VEC_LANES_MAX], b[VEC_LANES_MAX], d[VEC_LANES_MAX];
    struct sse_math m;

    if (!avx512_check(cpu) || !vec_load(cpu, i, unary ? 1 : 2, b, i->width))
        return false;
    if (!unary)
        vec_get(cpu, i->o[1], a, i->width);
    evex_blank(cpu, i, a, i->width);
    evex_blank(cpu, i, b, i->width);
    sse_begin(&m, cpu, i);
    for (unsigned n = 0; n < i->width / 16u; n++)
        fn(&m, &d[n], &a[n], &b[n], (uint8_t)i->imm);
    if (!sse_end(cpu, &m))
        return false;
    evex_put(cpu, i, i->o[0], d, i->width);
    return true;
}

/* Masked off: no memory is read, nothing is computed; the low element is merged or zeroed, the rest still comes from the
 * first source. */
bool evex_low(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned bytes)
{
    const bool on = evex_mask(cpu, i) & 1;
    struct sse_math m;
    uint64_t b, r;
    union vec d;

    if (!avx512_check(cpu) || (on && !vec_load_low(cpu, i, 2, &b, bytes)))
        return false;
    vec_get(cpu, i->o[1], &d, 16);
    if (on) {
        sse_begin(&m, cpu, i);
        r = fn(&m, bytes == 4 ? d.u32[0] : d.u64[0], b, (uint8_t)i->imm);
        sse_element(&m);
        if (!sse_end(cpu, &m))
            return false;
    } else {
        r = i->flags & INSN_EVEX_Z ? 0 : load_bytes(xmm_at(cpu, i->o[0]), bytes);
    }
    evex_put_scalar(cpu, i, &d, r, bytes);
    return true;
}
