/* SPDX-License-Identifier: MIT
 * What the SSE floating-point handlers share: the environment MXCSR asks for, the gathering of exceptions over elements, and
 * the frames around element functions. */
#ifndef CPU_EXEC_VEC_FP_H
#define CPU_EXEC_VEC_FP_H

#include "cpu/fp.h"
#include "cpu/vec.h"

/* One instruction's arithmetic: `all` gathers the exceptions of its elements, `earlier` those of steps before (dot
 * products). */
struct sse_math {
    struct fp_env e;
    uint8_t all, earlier;
    bool vex;
    bool silent;            /* EVEX SAE: nothing is recorded or raised */
    bool flush;             /* evex_elements() and evex_low(): MXCSR.FTZ, even where unmasked underflow overrules it */
    uint64_t old;           /* and the destination's element before */
    uint8_t vendor;         /* enum vendor; set for dot products only */
};

/* What EVEX changes: rounding of its own, SAE as if all were masked (SDM 2A "Static Rounding Support in EVEX"). */
void sse_begin_evex(struct sse_math *m, const struct cpu *cpu, const struct insn *i);

static ALWAYS_INLINE void sse_begin(struct sse_math *m, const struct cpu *cpu, const struct insn *i)
{
    uint32_t csr = cpu->s.mxcsr;

    m->e = (struct fp_env){
        .rounding = csr >> MXCSR_RC_SHIFT & 3, .masked = csr >> 7 & FP_ALL, .daz = (csr & MXCSR_DAZ) != 0,
        .ftz = (csr & MXCSR_FTZ) && (csr >> 7 & FP_UE), .sticky = csr & FP_ALL
    };
    m->all = m->earlier = 0;
    m->vex = i->vl != 0;
    m->silent = false;
    if (UNLIKELY(i->evex & EVEX_SAE))
        sse_begin_evex(m, cpu, i);
}

/* After each element. An unmasked exception found in its operands stops it: no result, so no overflow or loss of precision.
 * */
static ALWAYS_INLINE void sse_element(struct sse_math *m)
{
    uint8_t flags = m->e.flags;

    m->e.flags = 0;
    if (UNLIKELY(flags & ~m->e.masked & FP_BEFORE))
        flags &= FP_BEFORE;
    m->all |= flags;
}

/* After the last: record, and raise what is unmasked (SDM 1 "SSE and SSE2 SIMD Floating-Point Exceptions"). False: no result
 * may be written. */
bool sse_raise(struct cpu *cpu, const struct sse_math *m);
static ALWAYS_INLINE bool sse_end(struct cpu *cpu, const struct sse_math *m)
{
    if (UNLIKELY(m->all & ~m->e.masked))
        return sse_raise(cpu, m);
    if (UNLIKELY(m->silent))
        return true;
    cpu->s.mxcsr |= m->all | m->earlier;
    return true;
}

/* d = f(a, b) over 128 bits. */
typedef void sse_lanes(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm);
/* One element: operands and result in the low 32 or 64 bits. */
typedef uint64_t sse_scalar(struct sse_math *m, uint64_t a, uint64_t b, unsigned imm);

/* VEX names the first source apart; unary packed operations have one source in both encodings. */
static ALWAYS_INLINE unsigned sse_first(const struct insn *i) { return i->vl ? i->o[1] : i->o[0]; }
static ALWAYS_INLINE unsigned sse_second_slot(const struct insn *i, bool unary) { return i->vl && !unary ? 2 : 1; }

static ALWAYS_INLINE bool sse_packed_sized(struct cpu *cpu, const struct insn *i, sse_lanes *fn, bool unary, unsigned bytes)
{
    union vec a[VEC_LANES_MAX], b[VEC_LANES_MAX], d[VEC_LANES_MAX];
    struct sse_math m;

    if (!vec_load(cpu, i, sse_second_slot(i, unary), b, bytes))
        return false;
    vec_get(cpu, sse_first(i), a, bytes);
    sse_begin(&m, cpu, i);
    for (unsigned n = 0; n < bytes / 16; n++)
        fn(&m, &d[n], &a[n], &b[n], (uint8_t)i->imm);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], d, bytes);
    return true;
}

/* EVEX forms, once and out of line. Elements that take no part compute with 1.0, which raises nothing whatever is done. */
void evex_blank(const struct cpu *cpu, const struct insn *i, union vec *v, unsigned bytes);
bool evex_packed(struct cpu *cpu, const struct insn *i, sse_lanes *fn, bool unary);
/* The low element, of `from` bytes in the source and `to` in the result. */
bool evex_low(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to);
/* All elements that take part, one by one; unary: slot 1 is the source and there is no other. */
bool evex_elements(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to, bool unary);
/* The same with the memory operand as destination. */
bool evex_elements_store(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned from, unsigned to);
/* An opmask of what fn says of each element, or of the low one. */
bool evex_elements_mask(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned size, bool unary);
bool evex_low_mask(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned size, bool unary);

static ALWAYS_INLINE bool sse_packed(struct cpu *cpu, const struct insn *i, sse_lanes *fn, bool unary)
{
    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_packed(cpu, i, fn, unary);
    if (!vec_check(cpu, i))
        return false;
    return LIKELY(!i->vl) ? sse_packed_sized(cpu, i, fn, unary, 16) : sse_packed_sized(cpu, i, fn, unary, i->width);
}

/* The low element; the rest of the low 128 bits is the first source's. */
static ALWAYS_INLINE bool sse_low(struct cpu *cpu, const struct insn *i, sse_scalar *fn, unsigned bytes)
{
    struct sse_math m;
    uint64_t b, r;
    union vec d;

    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_low(cpu, i, fn, bytes, bytes);
    if (!vec_check(cpu, i) || !vec_load_low(cpu, i, sse_second_slot(i, false), &b, bytes))
        return false;
    vec_get(cpu, sse_first(i), &d, 16);
    sse_begin(&m, cpu, i);
    r = fn(&m, bytes == 4 ? d.u32[0] : d.u64[0], b, (uint8_t)i->imm);
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    store_bytes(&d, bytes, r);
    vec_put(cpu, i, i->o[0], &d, 16);
    return true;
}

/* Do x and y compare as imm says? All ones or zero. */
uint32_t sse_compare32(struct sse_math *m, uint32_t x, uint32_t y, unsigned imm);
uint64_t sse_compare64(struct sse_math *m, uint64_t x, uint64_t y, unsigned imm);

#define SSE_PACKED(NAME, fn, unary)     EXEC(NAME) { RUN(sse_packed(cpu, i, fn, unary)); }
#define SSE_LOW(NAME, fn, bytes)        EXEC(NAME) { RUN(sse_low(cpu, i, fn, bytes)); }

#endif
