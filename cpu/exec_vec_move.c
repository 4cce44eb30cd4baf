/* SPDX-License-Identifier: MIT
 * Vector moves: whole registers, single elements, between register files, masks and masked stores. They change no bit of
 * what they carry, so floating-point and integer spellings share a handler. */
#include "cpu/exec.h"
#include "cpu/seg.h"
#include "cpu/vec.h"

/* ---- MMX ---- */

EXEC(EMMS)
{
    if (!mmx_check(cpu, i))
        FAULT();
    mmx_leave(cpu);
    NEXT_PURE();
}

static bool movd_to_mmx(struct cpu *cpu, const struct insn *i)
{
    union vec v = { .u64 = { 0 } };

    if (!mmx_check(cpu, i) || !operand_load(cpu, i, 1, vec_general_bytes(cpu, i), &v.u64[0]))
        return false;
    mmx_put(cpu, i->o[0], &v);
    return true;
}

/* Stores clear TOP before they meet memory, so also when it faults (seen on Emerald Rapids). */
static bool movd_from_mmx(struct cpu *cpu, const struct insn *i)
{
    const unsigned bytes = vec_general_bytes(cpu, i);

    if (!mmx_check(cpu, i))
        return false;
    cpu->s.fsw &= (uint16_t)~FSW_TOP;
    if (!operand_store(cpu, i, 0, bytes, mask_size(mmx_get(cpu, i->o[1]), bytes)))
        return false;
    mmx_enter(cpu);
    return true;
}

static bool movq_mmx(struct cpu *cpu, const struct insn *i)
{
    union vec v;

    if (!mmx_check(cpu, i) || !mmx_load(cpu, i, 1, &v))
        return false;
    if (FORM_KIND(i->form, 0) == KIND_REG) {
        mmx_put(cpu, i->o[0], &v);
        return true;
    }
    cpu->s.fsw &= (uint16_t)~FSW_TOP;
    if (!ea_store(cpu, i, 8, v.u64[0]))
        return false;
    mmx_enter(cpu);
    return true;
}

EXEC(MOVD_PE)  { RUN(movd_to_mmx(cpu, i)); }
EXEC(MOVD_EP)  { RUN(movd_from_mmx(cpu, i)); }
EXEC(MOVQ_MMX) { RUN(movq_mmx(cpu, i)); }

EXEC(MOVQ2DQ)
{
    union vec v = { .u64 = { 0 } };

    if (!sse_check(cpu, i) || !mmx_check(cpu, i))
        FAULT();
    v.u64[0] = mmx_get(cpu, i->o[1]);
    mmx_enter(cpu);
    vec_put(cpu, i, i->o[0], &v, 16);
    NEXT_PURE();
}

EXEC(MOVDQ2Q)
{
    union vec v;

    if (!sse_check(cpu, i) || !mmx_check(cpu, i))
        FAULT();
    vec_get(cpu, i->o[1], &v, 8);
    mmx_put(cpu, i->o[0], &v);
    NEXT_PURE();
}

/* ---- general registers ---- */

static bool movd_to_vec(struct cpu *cpu, const struct insn *i)
{
    union vec v = { .u64 = { 0 } };

    if (!vec_check(cpu, i) || !operand_load(cpu, i, 1, vec_general_bytes(cpu, i), &v.u64[0]))
        return false;
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

static bool movd_from_vec(struct cpu *cpu, const struct insn *i)
{
    const unsigned bytes = vec_general_bytes(cpu, i);

    return vec_check(cpu, i) && operand_store(cpu, i, 0, bytes, load_bytes(xmm_at(cpu, i->o[1]), bytes));
}

EXEC(MOVD_VE) { RUN(movd_to_vec(cpu, i)); }
EXEC(MOVD_EV) { RUN(movd_from_vec(cpu, i)); }

/* No vector state is touched: CR0 and CR4 do not matter (SDM 2B "MOVNTI"). */
EXEC(MOVNTI)
{
    RUN(operand_store(cpu, i, 0, i->width, reg_get(cpu, i->o[1], i->width)));
}

/* ---- whole vectors ---- */

static ALWAYS_INLINE bool vec_move(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned align)
{
    union vec v[VEC_LANES_MAX];
    gva_t lin;

    if (!vec_check(cpu, i))
        return false;
    if (i->form == FORM_RR) {
        vec_get(cpu, i->o[1], v, bytes);
        vec_put(cpu, i, i->o[0], v, bytes);
        return true;
    }
    if (!ea_linear(cpu, i, bytes, i->form == FORM_RM ? ACCESS_READ : ACCESS_WRITE, &lin)) {
        vec_misplaced(cpu, i, align);
        return false;
    }
    if (UNLIKELY(lin & (align - 1)))
        return fault_gp(cpu, 0);
    if (i->form == FORM_MR)
        return mem_store_block(cpu, i, lin, xmm_at(cpu, i->o[1]), bytes);
    if (!mem_load_block(cpu, i, lin, v, bytes))
        return false;
    vec_put(cpu, i, i->o[0], v, bytes);
    return true;
}

EXEC(MOV_ALIGNED)
{
    if (LIKELY(i->width == 16))
        RUN(vec_move(cpu, i, 16, 16));
    RUN(vec_move(cpu, i, i->width, i->width));
}

EXEC(MOV_UNALIGNED)
{
    if (LIKELY(i->width == 16))
        RUN(vec_move(cpu, i, 16, 1));
    RUN(vec_move(cpu, i, i->width, 1));
}

/* ---- elements ---- */

/* The low `bytes` of operand 1, the rest of the register zero. */
static ALWAYS_INLINE bool load_low(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    union vec v = { .u64 = { 0 } };

    if (!vec_check(cpu, i) || !vec_load_low(cpu, i, 1, &v.u64[0], bytes))
        return false;
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

static ALWAYS_INLINE bool store_low(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    return vec_check(cpu, i) && ea_store(cpu, i, bytes, load_bytes(xmm_at(cpu, i->o[1]), bytes));
}

EXEC(MOV_LOAD32)  { RUN(load_low(cpu, i, 4)); }
EXEC(MOV_LOAD64)  { RUN(load_low(cpu, i, 8)); }
EXEC(MOV_STORE32) { RUN(store_low(cpu, i, 4)); }
EXEC(MOV_STORE64) { RUN(store_low(cpu, i, 8)); }
EXEC(MOVQ_VW)     { RUN(load_low(cpu, i, 8)); }

EXEC(MOVQ_WV)
{
    if (FORM_KIND(i->form, 0) == KIND_REG)
        RUN(load_low(cpu, i, 8));
    RUN(store_low(cpu, i, 8));
}

/* Legacy: the low half (`at` 0) or high half (8) of the destination from memory. VEX has the other half in slot 1. */
static ALWAYS_INLINE bool load_half(struct cpu *cpu, const struct insn *i, unsigned at)
{
    union vec v;
    uint64_t half;

    if (!vec_check(cpu, i) || !ea_load(cpu, i, 8, &half))
        return false;
    vec_get(cpu, i->o[i->vl ? 1 : 0], &v, 16);
    v.u64[at / 8] = half;
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

EXEC(MOV_LOADLOW)  { RUN(load_half(cpu, i, 0)); }
EXEC(MOV_LOADHIGH) { RUN(load_half(cpu, i, 8)); }

EXEC(MOV_STOREHIGH)
{
    RUN(vec_check(cpu, i) && ea_store(cpu, i, 8, load64(xmm_at(cpu, i->o[1]) + 8)));
}

/* Register to register with the rest from the first source: `to` and `from` are byte offsets. */
static ALWAYS_INLINE bool merge(struct cpu *cpu, const struct insn *i, unsigned to, unsigned from, unsigned bytes)
{
    const unsigned first = i->vl ? 1 : 0;
    union vec v, w;

    if (!vec_check(cpu, i))
        return false;
    vec_get(cpu, i->o[first], &v, 16);
    vec_get(cpu, i->o[first + 1], &w, 16);
    memcpy(v.u8 + to, w.u8 + from, bytes);
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

EXEC(MOV_MERGE32) { RUN(merge(cpu, i, 0, 0, 4)); }
EXEC(MOV_MERGE64) { RUN(merge(cpu, i, 0, 0, 8)); }
EXEC(MOVHLPS)     { RUN(merge(cpu, i, 0, 8, 8)); }
EXEC(MOVLHPS)     { RUN(merge(cpu, i, 8, 0, 8)); }

/* The 128-bit form reads 8 bytes only; the 256-bit form doubles the even quadwords. */
static bool movddup(struct cpu *cpu, const struct insn *i)
{
    union vec v[VEC_LANES_MAX];

    if (!vec_check(cpu, i))
        return false;
    if (i->width == 16 ? !vec_load_low(cpu, i, 1, &v[0].u64[0], 8) : !vec_load(cpu, i, 1, v, i->width))
        return false;
    for (unsigned n = 0; n < i->width / 16u; n++)
        v[n].u64[1] = v[n].u64[0];
    vec_put(cpu, i, i->o[0], v, i->width);
    return true;
}

EXEC(MOVDDUP) { RUN(movddup(cpu, i)); }

LANES_HEAD(MOVSLDUP)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = b->u32[k & ~1u];
}
VEC_UNARY(MOVSLDUP)

LANES_HEAD(MOVSHDUP)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = b->u32[k | 1];
}
VEC_UNARY(MOVSHDUP)

/* ---- masks ---- */

/* Sign bits of elements of `size` bytes. */
static ALWAYS_INLINE unsigned signs(const uint8_t *v, unsigned bytes, unsigned size)
{
    unsigned mask = 0;

    for (unsigned k = 0; k < bytes / size; k++)
        mask |= (unsigned)(v[k * size + size - 1] >> 7) << k;
    return mask;
}

static ALWAYS_INLINE bool move_mask(struct cpu *cpu, const struct insn *i, unsigned size)
{
    if (!vec_check(cpu, i))
        return false;
    reg_set(cpu, i->o[0], 8, signs(xmm_at(cpu, i->o[1]), i->vl ? i->vl : 16, size));
    return true;
}

EXEC(MOVMSKPS) { RUN(move_mask(cpu, i, 4)); }
EXEC(MOVMSKPD) { RUN(move_mask(cpu, i, 8)); }
EXEC(PMOVMSKB) { RUN(move_mask(cpu, i, 1)); }

EXEC(PMOVMSKB_P)
{
    uint8_t v[8];

    if (!mmx_check(cpu, i))
        FAULT();
    store64(v, mmx_get(cpu, i->o[1]));
    mmx_enter(cpu);
    reg_set(cpu, i->o[0], 8, signs(v, 8, 1));
    NEXT_PURE();
}

/* The quadword at [rDI] + at. What the SDM leaves open ("MASKMOVDQU") is as on Emerald Rapids: alignment and rights are checked
 * for all eight bytes, whatever the mask, and for the upper half first; of the canonical form only the first byte's comes
 * before alignment. */
static bool masked_place(struct cpu *cpu, const struct insn *i, unsigned at, gva_t *lin)
{
    uint64_t offset = mask_size(reg_get(cpu, REG_AT(RDI), i->asize) + at, i->asize);

    return seg_check(cpu, i->seg, offset, cpu_in_64bit(cpu) ? 1 : 8, ACCESS_WRITE, lin) && mem_aligned(cpu, i, *lin, 8) &&
           mem_probe_write(cpu, i, *lin, 8);
}

/* The bytes of v whose mask bit is set. */
static bool masked_store(struct cpu *cpu, const struct insn *i, uint64_t v, gva_t lin, unsigned mask)
{
    for (; mask; mask &= mask - 1) {
        unsigned k = bits_lowest(mask);

        if (!mem_store(cpu, i, lin + k, 1, v >> (8 * k) & 0xff))
            return false;
    }
    return true;
}

static bool maskmovdqu(struct cpu *cpu, const struct insn *i)
{
    const unsigned mask = signs(xmm_at(cpu, i->o[1]), 16, 1);
    gva_t low, high;
    union vec v;

    if (!vec_check(cpu, i) || !masked_place(cpu, i, 8, &high) || !masked_place(cpu, i, 0, &low))
        return false;
    vec_get(cpu, i->o[0], &v, 16);
    return masked_store(cpu, i, v.u64[1], high, mask >> 8) && masked_store(cpu, i, v.u64[0], low, mask & 0xff);
}

static bool maskmovq(struct cpu *cpu, const struct insn *i)
{
    uint8_t mask[8];
    gva_t lin;

    if (!mmx_check(cpu, i))
        return false;
    store64(mask, mmx_get(cpu, i->o[1]));
    mmx_enter(cpu);
    return masked_place(cpu, i, 0, &lin) && masked_store(cpu, i, mmx_get(cpu, i->o[0]), lin, signs(mask, 8, 1));
}

EXEC(MASKMOVDQU) { RUN(maskmovdqu(cpu, i)); }
EXEC(MASKMOVQ)   { RUN(maskmovq(cpu, i)); }
