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
            store_bytes((uint8_t *)v + k * part, part, part == 4 ? 0x3f800000u : 0x3ff0000000000000ull);
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

/* ---- the low element ---- */

static void begin(struct sse_math *m, const struct cpu *cpu, const struct insn *i)
{
    sse_begin(m, cpu, i);
    m->flush = (cpu->s.mxcsr & MXCSR_FTZ) != 0;
}

/* Masked off: no memory is read, nothing is computed; the low element is merged or zeroed, the rest still comes from the
 * first source. */
bool evex_low(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to)
{
    const bool on = evex_mask(cpu, i) & 1;
    struct sse_math m;
    uint64_t b, r;
    union vec d;

    if (!avx512_check(cpu) || (on && !vec_load_low(cpu, i, 2, &b, from)))
        return false;
    vec_get(cpu, i->o[1], &d, 16);
    r = load_bytes(xmm_at(cpu, i->o[0]), to);
    if (on) {
        begin(&m, cpu, i);
        m.old = r;
        r = fn(&m, load_bytes(&d, from), b, (uint8_t)i->imm);
        sse_element(&m);
        if (!sse_end(cpu, &m))
            return false;
    } else if (i->flags & INSN_EVEX_Z) {
        r = 0;
    }
    evex_put_scalar(cpu, i, &d, r, to);
    return true;
}

bool evex_low_mask(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned size, bool unary)
{
    const bool on = evex_mask(cpu, i) & 1;
    uint64_t a, b, bit = 0;
    struct sse_math m;

    if (!avx512_check(cpu) || (on && !vec_load_low(cpu, i, unary ? 1 : 2, &b, size)))
        return false;
    if (on) {
        a = unary ? 0 : load_bytes(xmm_at(cpu, i->o[1]), size);
        sse_begin(&m, cpu, i);
        bit = fn(&m, a, b, (uint8_t)i->imm) != 0;
        sse_element(&m);
        if (!sse_end(cpu, &m))
            return false;
    }
    evex_put_mask(cpu, i, bit);
    return true;
}

/* ---- all elements ---- */

struct elements {
    struct sse_math m;
    union { union vec lane[VEC_LANES_MAX]; uint8_t u8[64]; } a, b, d;
};

static bool elements_load(struct cpu *cpu, const struct insn *i, struct elements *v, unsigned size, bool unary)
{
    const unsigned bytes = evex_count(i) * size;

    if (!avx512_check(cpu) || !vec_load(cpu, i, unary ? 1 : 2, v->b.lane, bytes))
        return false;
    vec_get(cpu, i->o[1], v->a.lane, bytes);
    begin(&v->m, cpu, i);
    return true;
}

static uint64_t element(struct elements *v, const struct insn *i, sse_scalar *fn, unsigned k, unsigned size)
{
    const uint64_t a = load_bytes(v->a.u8 + k * size, size), b = load_bytes(v->b.u8 + k * size, size);
    const uint64_t r = fn(&v->m, a, b, (uint8_t)i->imm);

    sse_element(&v->m);
    return r;
}

static void elements_compute(struct cpu *cpu, const struct insn *i, struct elements *v, sse_scalar *fn, unsigned from,
                             unsigned to)
{
    for (uint64_t mask = evex_mask(cpu, i); mask; mask &= mask - 1) {
        const unsigned k = bits_lowest(mask);

        v->m.old = load_bytes(v->d.u8 + k * to, to);
        store_bytes(v->d.u8 + k * to, to, element(v, i, fn, k, from));
    }
}

bool evex_elements(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to, bool unary)
{
    struct elements v;

    if (!elements_load(cpu, i, &v, from, unary))
        return false;
    vec_get(cpu, i->o[0], v.d.lane, sizeof v.d);
    elements_compute(cpu, i, &v, fn, from, to);
    if (!sse_end(cpu, &v.m))
        return false;
    evex_put(cpu, i, i->o[0], v.d.lane, evex_count(i) * to);
    return true;
}

/* Numeric exceptions come before those of the store, and so does the recording of flags (seen on an Emerald Rapids). */
bool evex_elements_store(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to)
{
    struct elements v;

    if (!elements_load(cpu, i, &v, from, true))
        return false;
    memset(&v.d, 0, sizeof v.d);
    elements_compute(cpu, i, &v, fn, from, to);
    return sse_end(cpu, &v.m) && evex_store(cpu, i, v.d.lane, evex_count(i) * to);
}

bool evex_elements_mask(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned size, bool unary)
{
    struct elements v;
    uint64_t bits = 0;

    if (!elements_load(cpu, i, &v, size, unary))
        return false;
    for (uint64_t mask = evex_mask(cpu, i); mask; mask &= mask - 1)
        if (element(&v, i, fn, bits_lowest(mask), size))
            bits |= mask & -mask;
    if (!sse_end(cpu, &v.m))
        return false;
    evex_put_mask(cpu, i, bits);
    return true;
}
