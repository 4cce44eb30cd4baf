/* SPDX-License-Identifier: MIT
 * Vector moves, broadcasts and masks in the shapes of vec_fast.h. */
#include "cpu/exec.h"
#include "cpu/vec.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- whole vectors ---- */

/* Alignment is asked of memory: the size for the aligned moves, none for the others. */
static ALWAYS_INLINE unsigned move(struct cpu *cpu, const struct insn *i, insn_fn *general, enum vec_shape shape, unsigned form,
                                   bool aligned)
{
    const unsigned bytes = shape == SHAPE_VEX32 ? 32 : 16, align = aligned ? bytes : 1;
    gva_t lin = form == FORM_RR ? 0 : ea_flat64(cpu, i);
    const uint8_t *from;
    union vec v[2];
    uint8_t *to;

    if (!fast_ready(cpu, shape) || (lin & (align - 1)))
        return general(cpu, i);
    if (form == FORM_MR) {
        if (!mem_hit_write(cpu, lin, bytes, &to))
            return general(cpu, i);
        memcpy(v, xmm_at(cpu, i->o[1]), bytes);
        memcpy(to, v, bytes);
        NEXT_PURE();
    }
    if (form == FORM_RR)
        from = xmm_at(cpu, i->o[1]);
    else if (!mem_hit_read(cpu, lin, bytes, &from))
        return general(cpu, i);
    memcpy(v, from, bytes);
    fast_put(cpu, shape, i->o[0], v, bytes);
    NEXT_PURE();
}

#define MOVE(NAME, suffix, shape, form, aligned)                                                            \
    static unsigned NAME##_##suffix(struct cpu *cpu, const struct insn *i)                                  \
    {                                                                                                       \
        return move(cpu, i, exec_##NAME, shape, form, aligned);                                             \
    }
#define MOVES(NAME, aligned)                                                                                \
    MOVE(NAME, sse_rr, SHAPE_SSE, FORM_RR, aligned)                                                         \
    MOVE(NAME, sse_rm, SHAPE_SSE, FORM_RM, aligned)                                                         \
    MOVE(NAME, sse_mr, SHAPE_SSE, FORM_MR, aligned)                                                         \
    MOVE(NAME, vex16_rr, SHAPE_VEX16, FORM_RR, aligned)                                                     \
    MOVE(NAME, vex16_rm, SHAPE_VEX16, FORM_RM, aligned)                                                     \
    MOVE(NAME, vex16_mr, SHAPE_VEX16, FORM_MR, aligned)                                                     \
    MOVE(NAME, vex32_rr, SHAPE_VEX32, FORM_RR, aligned)                                                     \
    MOVE(NAME, vex32_rm, SHAPE_VEX32, FORM_RM, aligned)                                                     \
    MOVE(NAME, vex32_mr, SHAPE_VEX32, FORM_MR, aligned)                                                     \
    static insn_fn *const moves_##NAME[SHAPE_COUNT][3] = {                                                  \
        { NAME##_sse_rr, NAME##_sse_rm, NAME##_sse_mr }, { NAME##_vex16_rr, NAME##_vex16_rm, NAME##_vex16_mr }, \
        { NAME##_vex32_rr, NAME##_vex32_rm, NAME##_vex32_mr }                                               \
    };
MOVES(MOV_ALIGNED, true)
MOVES(MOV_UNALIGNED, false)

/* ---- the low element ---- */

/* To a register whose rest becomes zero. */
static ALWAYS_INLINE void put_alone(struct cpu *cpu, const struct insn *i, enum vec_shape shape, uint64_t v)
{
    const union vec d = { .u64 = { v, 0 } };

    fast_put(cpu, shape, i->o[0], &d, 16);
}

#define WORK(NAME)                                                                                          \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at,         \
                                          enum vec_shape shape UNUSED)
WORK(MOV_LOAD32)  { put_alone(cpu, i, shape, load32(at)); return true; }
WORK(MOV_LOAD64)  { put_alone(cpu, i, shape, load64(at)); return true; }
WORK(MOV_MERGE32) { fast_put_low(cpu, i, shape, 4, load32(at)); return true; }
WORK(MOV_MERGE64) { fast_put_low(cpu, i, shape, 8, load64(at)); return true; }
FAST_WORK(MOV_LOAD32, work_MOV_LOAD32, 4, FILE_XMM, 1, 1)
FAST_WORK(MOV_LOAD64, work_MOV_LOAD64, 8, FILE_XMM, 1, 1)
FAST_WORK(MOVQ_VW, work_MOV_LOAD64, 8, FILE_XMM, 1, 1)
FAST_WORK(MOV_MERGE32, work_MOV_MERGE32, 4, FILE_XMM, 1, 2)
FAST_WORK(MOV_MERGE64, work_MOV_MERGE64, 8, FILE_XMM, 1, 2)

/* Memory of 4 bytes that ends within 8 is left to the general handler. */
WORK(MOVD_VE)
{
    put_alone(cpu, i, shape, vec_general_bytes(cpu, i) == 8 ? load64(at) : load32(at));
    return true;
}
FAST_WORK(MOVD_VE, work_MOVD_VE, 8, FILE_GENERAL, 1, 1)

static ALWAYS_INLINE unsigned store(struct cpu *cpu, const struct insn *i, insn_fn *general, enum vec_shape shape, unsigned bytes)
{
    uint8_t *to;

    if (!fast_ready(cpu, shape) || !mem_hit_write(cpu, ea_flat64(cpu, i), bytes, &to))
        return general(cpu, i);
    store_bytes(to, bytes, load_bytes(xmm_at(cpu, i->o[1]), bytes));
    NEXT_PURE();
}
#define STORE(NAME, bytes)                                                                                  \
    static unsigned NAME##_sse(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                                       \
        return store(cpu, i, exec_##NAME, SHAPE_SSE, bytes);                                                \
    }                                                                                                       \
    static unsigned NAME##_vex(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                                       \
        return store(cpu, i, exec_##NAME, SHAPE_VEX16, bytes);                                              \
    }
STORE(MOV_STORE32, 4)
STORE(MOV_STORE64, 8)
STORE(MOVQ_WV, 8)

/* ---- masks and broadcasts ---- */

static ALWAYS_INLINE unsigned byte_signs(const uint8_t *at)
{
#if defined(__SSE2__)
    return (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)at));
#else
    unsigned mask = 0;

    for (unsigned k = 0; k < 16; k++)
        mask |= (unsigned)(at[k] >> 7) << k;
    return mask;
#endif
}

WORK(PMOVMSKB)
{
    reg_set(cpu, i->o[0], 8, i->vl == 32 ? byte_signs(at) | byte_signs(at + 16) << 16 : byte_signs(at));
    return true;
}
FAST_WORK(PMOVMSKB, work_PMOVMSKB, 16, FILE_XMM, 1, 1)

#define BROADCAST(NAME, bits)                                                                               \
    WORK(NAME)                                                                                              \
    {                                                                                                       \
        const uint##bits##_t v = load##bits(at);                                                            \
        union vec d[2];                                                                                     \
                                                                                                            \
        for (unsigned k = 0; k < 128 / bits; k++)                                                           \
            d[0].u##bits[k] = v;                                                                            \
        d[1] = d[0];                                                                                        \
        if (i->vl == 32)                                                                                    \
            fast_put(cpu, shape, i->o[0], d, 32);                                                           \
        else                                                                                                \
            fast_put(cpu, shape, i->o[0], d, 16);                                                           \
        return true;                                                                                        \
    }                                                                                                       \
    FAST_WORK(NAME, work_##NAME, bits / 8, FILE_XMM, 1, 1)
BROADCAST(VPBROADCASTB, 8)
BROADCAST(VPBROADCASTW, 16)
BROADCAST(VPBROADCASTD, 32)
BROADCAST(VPBROADCASTQ, 64)

/* 256 bits, the only length VEX gives it. */
WORK(VPERMQ)
{
    union vec d[2];

    for (unsigned k = 0; k < 4; k++)
        d[k / 2].u64[k % 2] = load64(at + 8 * (i->imm >> (2 * k) & 3));
    fast_put(cpu, shape, i->o[0], d, 32);
    return true;
}
FAST_WORK(VPERMQ, work_VPERMQ, 32, FILE_XMM, 1, 1)

/* ---- choosing ---- */

insn_fn *exec_bind_vec_move(const struct insn *i)
{
    const enum vec_shape shape = !i->vl ? SHAPE_SSE : i->vl == 16 ? SHAPE_VEX16 : SHAPE_VEX32;
    const unsigned form = i->form == FORM_RR ? 0 : i->form == FORM_RM ? 1 : 2;

    if (i->form != FORM_RR && !exec_flat64(i))
        return NULL;
    switch (i->op) {
    case OP_MOV_ALIGNED:   return i->width >= 16 && i->vl <= 32 ? moves_MOV_ALIGNED[shape][form] : NULL;
    case OP_MOV_UNALIGNED: return i->width >= 16 && i->vl <= 32 ? moves_MOV_UNALIGNED[shape][form] : NULL;
    case OP_MOV_STORE32:   return form == 2 ? (i->vl ? MOV_STORE32_vex : MOV_STORE32_sse) : NULL;
    case OP_MOV_STORE64:   return form == 2 ? (i->vl ? MOV_STORE64_vex : MOV_STORE64_sse) : NULL;
    case OP_MOVQ_WV:       return form == 2 ? (i->vl ? MOVQ_WV_vex : MOVQ_WV_sse) : NULL;
    default:               return NULL;
    }
}
