/* SPDX-License-Identifier: MIT
 * What the vector handlers share: lanes, operand access with its alignment rules, and the frames into which an operation's
 * lane function is put. An operation sees 128 bits at a time (64 for MMX); wider vectors are several of those, so the
 * same lane function serves MMX, XMM and VEX. All functions that return bool give false with cpu->fault set. */
#ifndef CPU_VEC_H
#define CPU_VEC_H

#include "cpu/evex.h"
#include "cpu/fpu.h"
#include "cpu/internal.h"
#include "cpu/mem.h"

#define VEC_LANES_MAX 4u

union vec {
    uint8_t  u8[16];
    int8_t   s8[16];
    uint16_t u16[8];
    int16_t  s16[8];
    uint32_t u32[4];
    int32_t  s32[4];
    uint64_t u64[2];
    int64_t  s64[2];
};

/* A vector seen whole, by operations that know no lanes. */
union wide {
    union vec lane[VEC_LANES_MAX];
    uint8_t   u8[16 * VEC_LANES_MAX];
    int8_t    s8[16 * VEC_LANES_MAX];
    uint16_t  u16[8 * VEC_LANES_MAX];
    int16_t   s16[8 * VEC_LANES_MAX];
    uint32_t  u32[4 * VEC_LANES_MAX];
    int32_t   s32[4 * VEC_LANES_MAX];
    uint64_t  u64[2 * VEC_LANES_MAX];
    int64_t   s64[2 * VEC_LANES_MAX];
};

/* ---- registers ---- */

static ALWAYS_INLINE uint8_t *xmm_at(struct cpu *cpu, unsigned n)
{
    return (uint8_t *)&cpu->s.zmm[8 * n];
}

static ALWAYS_INLINE void vec_get(struct cpu *cpu, unsigned n, union vec *to, unsigned bytes)
{
    memcpy(to, xmm_at(cpu, n), bytes);
}

/* A VEX destination is zero above what is written; legacy SSE leaves the rest (SDM 1 "Handling of the Upper Bits"). EVEX
 * writes what its mask selects. */
static ALWAYS_INLINE void vec_put(struct cpu *cpu, const struct insn *i, unsigned n, const union vec *from, unsigned bytes)
{
    if (UNLIKELY(i->flags & INSN_EVEX)) {
        evex_put(cpu, i, n, from, bytes);
        return;
    }
    memcpy(xmm_at(cpu, n), from, bytes);
    if (UNLIKELY(i->vl))
        memset(xmm_at(cpu, n) + bytes, 0, 64 - bytes);
}

static ALWAYS_INLINE void mmx_put(struct cpu *cpu, unsigned n, const union vec *from)
{
    mmx_enter(cpu);
    mmx_set(cpu, n, from->u64[0]);
}

/* The general operand of MOVD, PINSRD and their like: 8 bytes with W, which counts in 64-bit mode only. */
static ALWAYS_INLINE unsigned vec_general_bytes(const struct cpu *cpu, const struct insn *i)
{
    return (i->flags & INSN_REXW) && (cpu->mode & MODE_DECODE) == DECODE_64 ? 8 : 4;
}

/* ---- may this instruction run at all ---- */

/* SDM 2A "VEX and the Exception Condition Types": CR4.OSXSAVE and XCR0 before CR0.TS; CR0.EM does not count. */
static ALWAYS_INLINE bool avx_check(struct cpu *cpu)
{
    if (UNLIKELY((cpu->mode & (MODE_PE | MODE_VM86)) != MODE_PE || !(cpu->p.cr4 & CR4_OSXSAVE) || (cpu->s.xcr0 & 6) != 6))
        return fault_ud(cpu);
    if (UNLIKELY(cpu->p.cr0 & CR0_TS))
        return fault_raise(cpu, VEC_NM);
    return true;
}

/* For instructions in VEX or EVEX encoding. */
static ALWAYS_INLINE bool vex_check(struct cpu *cpu, const struct insn *i)
{
    return LIKELY(!(i->flags & INSN_EVEX)) ? avx_check(cpu) : avx512_check(cpu);
}

/* For instructions on XMM registers in any encoding. */
static ALWAYS_INLINE bool vec_check(struct cpu *cpu, const struct insn *i)
{
    return LIKELY(!i->vl) ? sse_check(cpu, i) : vex_check(cpu, i);
}

/* ---- memory operands ---- */

/* The fault of an operand that must be aligned and lies outside of its segment, #SS: #GP when it is not aligned either (seen
 * on Emerald Rapids). */
void vec_misplaced(struct cpu *cpu, const struct insn *i, unsigned alignment);

/* SDM 2A "Alignment": legacy SSE wants 16-byte operands aligned. */
static ALWAYS_INLINE bool vec_linear(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access, gva_t *lin)
{
    if (!ea_linear(cpu, i, bytes, access, lin)) {
        if (bytes == 16 && !i->vl)
            vec_misplaced(cpu, i, 16);
        return false;
    }
    if (bytes == 16 && UNLIKELY(*lin & 15) && !i->vl)
        return fault_gp(cpu, 0);
    return true;
}

static ALWAYS_INLINE bool vec_load_mem(struct cpu *cpu, const struct insn *i, union vec *to, unsigned bytes)
{
    gva_t lin;

    if (UNLIKELY(i->flags & INSN_EVEX))
        return evex_load(cpu, i, to, bytes);
    return vec_linear(cpu, i, bytes, ACCESS_READ, &lin) && mem_load_part(cpu, i, lin, to, bytes);
}

/* Operand n, XMM or wider, all `bytes` of it. */
static ALWAYS_INLINE bool vec_load(struct cpu *cpu, const struct insn *i, unsigned n, union vec *to, unsigned bytes)
{
    if (FORM_KIND(i->form, n) != KIND_REG)
        return vec_load_mem(cpu, i, to, bytes);
    vec_get(cpu, i->o[n], to, bytes);
    return true;
}

/* Operand n, the low `bytes` (at most 8) of an XMM register or memory without alignment, zero-extended. */
static ALWAYS_INLINE bool vec_load_low(struct cpu *cpu, const struct insn *i, unsigned n, uint64_t *to, unsigned bytes)
{
    if (FORM_KIND(i->form, n) != KIND_REG)
        return ea_load(cpu, i, bytes, to);
    *to = load_bytes(xmm_at(cpu, i->o[n]), bytes);
    return true;
}

/* Operand n as MMX: PUNPCKL reads 4 bytes of memory, all else 8. */
static ALWAYS_INLINE bool mmx_load(struct cpu *cpu, const struct insn *i, unsigned n, union vec *to)
{
    if (FORM_KIND(i->form, n) == KIND_REG) {
        to->u64[0] = mmx_get(cpu, i->o[n]);
        return true;
    }
    return i->mem_bytes == 4 ? ea_load(cpu, i, 4, &to->u64[0]) : ea_load(cpu, i, 8, &to->u64[0]);
}

/* ---- frames ---- */

/* Rest of a handler whose work is a bool function. */
#define RUN(work)                                                                               \
    do {                                                                                        \
        if (UNLIKELY(!(work)))                                                                  \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    } while (0)

/* d = a op b, `bytes` of each: 8 or 16. */
typedef void vec_lanes(union vec *d, const union vec *a, const union vec *b, unsigned bytes);
/* The same with an immediate; `lane` says which 128 bits these are. */
typedef void vec_lanes_imm(union vec *d, const union vec *a, const union vec *b, unsigned bytes, unsigned imm,
                           unsigned lane);

/* The rarer halves of the frames, once and out of line. Slot 0 and 1 for MMX; VEX has its sources in slots 1 and 2, or in
 * slot 1 alone when `unary`. */
bool mmx_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b);
bool vex_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b, bool unary);
void vex_result(struct cpu *cpu, const struct insn *i, const union vec *d);

static ALWAYS_INLINE void vec_call(vec_lanes *fn, vec_lanes_imm *fn_imm, const struct insn *i, union vec *d,
                                   const union vec *a, const union vec *b, unsigned bytes, unsigned lane)
{
    if (fn)
        fn(d, a, b, bytes);
    else
        fn_imm(d, a, b, bytes, (uint8_t)i->imm, lane);
}

/* Legacy: slot 0 is destination and first source, slot 1 the second. Inlined with a constant lane function. */
static ALWAYS_INLINE bool vec_frame(struct cpu *cpu, const struct insn *i, vec_lanes *fn, vec_lanes_imm *fn_imm, bool unary)
{
    union vec a[VEC_LANES_MAX], b[VEC_LANES_MAX], d[VEC_LANES_MAX];

    if (LIKELY(!i->vl && i->width == 16)) {
        if (!sse_check(cpu, i) || !vec_load(cpu, i, 1, b, 16))
            return false;
        vec_get(cpu, i->o[0], a, 16);
        vec_call(fn, fn_imm, i, d, a, b, 16, 0);
        memcpy(xmm_at(cpu, i->o[0]), d, 16);
        return true;
    }
    if (!i->vl) {
        if (!mmx_sources(cpu, i, a, b))
            return false;
        vec_call(fn, fn_imm, i, d, a, b, 8, 0);
        mmx_put(cpu, i->o[0], d);
        return true;
    }
    if (!vex_sources(cpu, i, a, b, unary))
        return false;
    for (unsigned n = 0; n < i->width / 16u; n++)
        vec_call(fn, fn_imm, i, &d[n], &a[n], &b[n], 16, n);
    vex_result(cpu, i, d);
    return true;
}

/* The handlers of operation NAME around the lane function lanes_NAME; FAST: those of vec_fast.h. UNARY: the first source is
 * not looked at. */
#define VEC_BINARY(NAME)                                                                        \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        if (UNLIKELY(!vec_frame(cpu, i, lanes_##NAME, NULL, false)))                            \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    }                                                                                           \
    FAST(NAME, false)
#define VEC_BINARY_IMM(NAME)                                                                    \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        if (UNLIKELY(!vec_frame(cpu, i, NULL, lanes_##NAME, false)))                            \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    }                                                                                           \
    FAST_IMM(NAME, false)
#define VEC_UNARY(NAME)                                                                         \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        if (UNLIKELY(!vec_frame(cpu, i, lanes_##NAME, NULL, true)))                             \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    }                                                                                           \
    FAST(NAME, true)
#define VEC_UNARY_IMM(NAME)                                                                     \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        if (UNLIKELY(!vec_frame(cpu, i, NULL, lanes_##NAME, true)))                             \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    }                                                                                           \
    FAST_IMM(NAME, true)

/* Head of a lane function. */
#define LANES_HEAD(NAME)                                                                        \
    static ALWAYS_INLINE void lanes_##NAME(union vec *d, const union vec *a UNUSED, const union vec *b UNUSED, \
                                           unsigned bytes UNUSED)
#define LANES_IMM_HEAD(NAME)                                                                    \
    static ALWAYS_INLINE void lanes_##NAME(union vec *d, const union vec *a UNUSED, const union vec *b UNUSED, \
                                           unsigned bytes UNUSED, unsigned imm, unsigned lane UNUSED)

/* Element by element: x of the first source, y of the second. */
#define LANES(NAME, field, expr)                                                                \
    LANES_HEAD(NAME)                                                                            \
    {                                                                                           \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) x = a->field[k], y = b->field[k];                     \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }                                                                                           \
    VEC_BINARY(NAME)

/* Of the only source y. */
#define LANES1(NAME, field, expr)                                                               \
    LANES_HEAD(NAME)                                                                            \
    {                                                                                           \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) y = b->field[k];                                      \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }                                                                                           \
    VEC_UNARY(NAME)

static ALWAYS_INLINE int8_t   sat_s8(int v)   { return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v); }
static ALWAYS_INLINE uint8_t  sat_u8(int v)   { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }
static ALWAYS_INLINE int16_t  sat_s16(int v)  { return (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v); }
static ALWAYS_INLINE uint16_t sat_u16(int v)  { return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v); }

#include "cpu/vec_fast.h"     /* last: it stands on all of this, and the macros above on it */

#endif
