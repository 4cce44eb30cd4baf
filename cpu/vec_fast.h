/* SPDX-License-Identifier: MIT
 * Handlers bound to one shape of a vector instruction: legacy 128 bits, VEX 128 or 256 bits, each with a register or with a
 * memory operand that exec_flat64() allows. They call nothing: whatever is not plain (the unit is off, a TLB miss, a result
 * that needs care) is left to the operation's general handler by a tail call, before anything has changed. */
#ifndef CPU_VEC_FAST_H
#define CPU_VEC_FAST_H

#include "cpu/vec.h"

enum vec_shape { SHAPE_SSE, SHAPE_VEX16, SHAPE_VEX32, SHAPE_COUNT };

/* By shape, then whether the last operand is memory (else it is of `kind`); NULL: none. */
struct vec_fast {
    insn_fn *fn[SHAPE_COUNT][2];
    uint8_t slot[2];            /* of the last operand: legacy, VEX */
    uint8_t kind;               /* enum operand_kind */
    bool scalar;                /* VEX.L is ignored: all VEX forms are VEX16 */
};

/* The halves of sse_check() and avx_check() that blocks do not know when they are bound. */
static ALWAYS_INLINE bool fast_sse(const struct cpu *cpu)
{
    return LIKELY(!(cpu->p.cr0 & (CR0_EM | CR0_TS)) && (cpu->p.cr4 & CR4_OSFXSR));
}

static ALWAYS_INLINE bool fast_avx(const struct cpu *cpu)
{
    return LIKELY((cpu->p.cr4 & CR4_OSXSAVE) && (cpu->s.xcr0 & 6) == 6 && !(cpu->p.cr0 & CR0_TS));
}

static ALWAYS_INLINE bool fast_ready(const struct cpu *cpu, enum vec_shape shape)
{
    return shape == SHAPE_SSE ? fast_sse(cpu) : fast_avx(cpu);
}

/* `bytes` of register n, zeros above for VEX. */
static ALWAYS_INLINE void fast_put(struct cpu *cpu, enum vec_shape shape, unsigned n, const union vec *from, unsigned bytes)
{
    memcpy(xmm_at(cpu, n), from, bytes);
    if (shape != SHAPE_SSE)
        memset(xmm_at(cpu, n) + bytes, 0, 64 - bytes);
}

/* Where `bytes` of the instruction's memory operand lie; false: the general handler must see to it. */
static ALWAYS_INLINE bool fast_memory(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned align,
                                      const uint8_t **at)
{
    gva_t lin = ea_flat64(cpu, i);

    return LIKELY(!(lin & (align - 1))) && mem_hit_read(cpu, lin, bytes, at);
}

/* d = a op b of lane `lane`; false: something needs care. */
typedef bool fast_lanes(struct cpu *cpu, const struct insn *i, union vec *d, const union vec *a, const union vec *b,
                        unsigned lane);

/* `unary`: b is the only source, in slot 1. */
static ALWAYS_INLINE unsigned fast_run(struct cpu *cpu, const struct insn *i, insn_fn *general, fast_lanes *fn, bool unary,
                                       enum vec_shape shape, bool memory)
{
    const unsigned bytes = shape == SHAPE_VEX32 ? 32 : 16, first = shape != SHAPE_SSE, second = unary ? 1 : first + 1;
    union vec a[2], b[2], d[2];
    const uint8_t *at;

    if (!fast_ready(cpu, shape))
        return general(cpu, i);
    if (!memory)
        at = xmm_at(cpu, i->o[second]);
    else if (!fast_memory(cpu, i, bytes, shape == SHAPE_SSE ? 16 : 1, &at))
        return general(cpu, i);
    memcpy(b, at, bytes);
    if (!unary)
        memcpy(a, xmm_at(cpu, i->o[first]), bytes);
    for (unsigned n = 0; n < bytes / 16; n++) {
        if (!fn(cpu, i, &d[n], &a[n], &b[n], n))
            return general(cpu, i);
    }
    fast_put(cpu, shape, i->o[0], d, bytes);
    NEXT_PURE();
}

#define FAST_HANDLER(NAME, suffix, unary, shape, memory)                                        \
    static unsigned NAME##_##suffix(struct cpu *cpu, const struct insn *i)                      \
    {                                                                                           \
        return fast_run(cpu, i, exec_##NAME, fast_##NAME, unary, shape, memory);                \
    }
#define FAST_SHAPES(NAME, unary)                                                                \
    FAST_HANDLER(NAME, sse_r, unary, SHAPE_SSE, false)                                          \
    FAST_HANDLER(NAME, sse_m, unary, SHAPE_SSE, true)                                           \
    FAST_HANDLER(NAME, vex16_r, unary, SHAPE_VEX16, false)                                      \
    FAST_HANDLER(NAME, vex16_m, unary, SHAPE_VEX16, true)                                       \
    FAST_HANDLER(NAME, vex32_r, unary, SHAPE_VEX32, false)                                      \
    FAST_HANDLER(NAME, vex32_m, unary, SHAPE_VEX32, true)                                       \
    const struct vec_fast vec_fast_##NAME = {                                                   \
        { { NAME##_sse_r, NAME##_sse_m }, { NAME##_vex16_r, NAME##_vex16_m }, { NAME##_vex32_r, NAME##_vex32_m } }, \
        { 1, (unary) ? 1 : 2 }, KIND_REG, false                                                 \
    };

/* The shapes of an operation whose lanes_NAME (vec.h) does all of its work. */
#define FAST(NAME, unary)                                                                       \
    static ALWAYS_INLINE bool fast_##NAME(struct cpu *cpu UNUSED, const struct insn *i UNUSED, union vec *d, \
                                          const union vec *a, const union vec *b, unsigned lane UNUSED) \
    {                                                                                           \
        lanes_##NAME(d, a, b, 16);                                                              \
        return true;                                                                            \
    }                                                                                           \
    FAST_SHAPES(NAME, unary)
#define FAST_IMM(NAME, unary)                                                                   \
    static ALWAYS_INLINE bool fast_##NAME(struct cpu *cpu UNUSED, const struct insn *i, union vec *d, \
                                          const union vec *a, const union vec *b, unsigned lane) \
    {                                                                                           \
        lanes_##NAME(d, a, b, 16, (uint8_t)i->imm, lane);                                       \
        return true;                                                                            \
    }                                                                                           \
    FAST_SHAPES(NAME, unary)

/* Of a shift by an immediate: shift_NAME(d, a, count, bytes). */
typedef void fast_shift(union vec *d, const union vec *a, uint64_t count, unsigned bytes);

static ALWAYS_INLINE unsigned fast_run_shift(struct cpu *cpu, const struct insn *i, insn_fn *general, fast_shift *fn,
                                             enum vec_shape shape)
{
    const unsigned bytes = shape == SHAPE_VEX32 ? 32 : 16;
    union vec a[2], d[2];

    if (!fast_ready(cpu, shape))
        return general(cpu, i);
    memcpy(a, xmm_at(cpu, i->o[shape != SHAPE_SSE]), bytes);
    for (unsigned n = 0; n < bytes / 16; n++)
        fn(&d[n], &a[n], (uint8_t)i->imm, 16);
    fast_put(cpu, shape, i->o[0], d, bytes);
    NEXT_PURE();
}

#define FAST_SHIFT_HANDLER(NAME, suffix, shape)                                                 \
    static unsigned NAME##_##suffix(struct cpu *cpu, const struct insn *i)                      \
    {                                                                                           \
        return fast_run_shift(cpu, i, exec_##NAME, shift_##NAME, shape);                        \
    }
#define FAST_SHIFT(NAME)                                                                        \
    FAST_SHIFT_HANDLER(NAME, sse_i, SHAPE_SSE)                                                  \
    FAST_SHIFT_HANDLER(NAME, vex16_i, SHAPE_VEX16)                                              \
    FAST_SHIFT_HANDLER(NAME, vex32_i, SHAPE_VEX32)                                              \
    const struct vec_fast vec_fast_##NAME = {                                                   \
        { { NAME##_sse_i, NULL }, { NAME##_vex16_i, NULL }, { NAME##_vex32_i, NULL } }, { 1, 2 }, KIND_IMM, false \
    };

/* An operation of other ways: `at` is the last operand, of `bytes`. It changes nothing when it returns false. */
typedef bool fast_work(struct cpu *cpu, const struct insn *i, const uint8_t *at, enum vec_shape shape);

/* `file`: of the last operand when it is a register, `slot`: its place. */
enum fast_file { FILE_XMM, FILE_GENERAL };
static ALWAYS_INLINE unsigned fast_run_work(struct cpu *cpu, const struct insn *i, insn_fn *general, fast_work *work,
                                            enum vec_shape shape, bool memory, unsigned bytes, enum fast_file file,
                                            unsigned slot)
{
    const uint8_t *at;

    if (!fast_ready(cpu, shape))
        return general(cpu, i);
    if (!memory)
        at = file == FILE_XMM ? xmm_at(cpu, i->o[slot]) : (uint8_t *)cpu->s.gpr + i->o[slot];
    else if (!fast_memory(cpu, i, bytes, 1, &at))
        return general(cpu, i);
    if (!work(cpu, i, at, shape))
        return general(cpu, i);
    NEXT_PURE();
}

#define FAST_WORK_HANDLER(NAME, suffix, work, shape, memory, bytes, file, slot)                 \
    static unsigned NAME##_##suffix(struct cpu *cpu, const struct insn *i)                      \
    {                                                                                           \
        return fast_run_work(cpu, i, exec_##NAME, work, shape, memory, bytes, file, slot);      \
    }
/* A scalar operation: legacy and VEX, the last operand in slot `legacy` or `vex`. */
#define FAST_WORK(NAME, work, bytes, file, legacy, vex)                                         \
    FAST_WORK_HANDLER(NAME, sse_r, work, SHAPE_SSE, false, bytes, file, legacy)                 \
    FAST_WORK_HANDLER(NAME, sse_m, work, SHAPE_SSE, true, bytes, file, legacy)                  \
    FAST_WORK_HANDLER(NAME, vex_r, work, SHAPE_VEX16, false, bytes, file, vex)                  \
    FAST_WORK_HANDLER(NAME, vex_m, work, SHAPE_VEX16, true, bytes, file, vex)                   \
    const struct vec_fast vec_fast_##NAME = {                                                   \
        { { NAME##_sse_r, NAME##_sse_m }, { NAME##_vex_r, NAME##_vex_m } }, { legacy, vex }, KIND_REG, true \
    };

/* A scalar result of `bytes` in the low element; the rest of the low 128 bits is the first source's. */
static ALWAYS_INLINE void fast_put_low(struct cpu *cpu, const struct insn *i, enum vec_shape shape, unsigned bytes,
                                       uint64_t v)
{
    union vec d;

    if (shape == SHAPE_SSE) {
        store_bytes(xmm_at(cpu, i->o[0]), bytes, v);
        return;
    }
    memcpy(&d, xmm_at(cpu, i->o[1]), 16);
    store_bytes(&d, bytes, v);
    fast_put(cpu, shape, i->o[0], &d, 16);
}

/* May the fused operations' be bound on this host? */
bool vec_fast_fused(void);

#define VEC_FAST(NAME) extern const struct vec_fast vec_fast_##NAME;
#include "cpu/vec_fast.def"
#undef VEC_FAST

#endif
