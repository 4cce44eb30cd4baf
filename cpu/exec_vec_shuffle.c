/* SPDX-License-Identifier: MIT
 * Vector operations that put elements elsewhere: unpack, pack, shuffle, align, insert, extract, blend, widen, and the bit
 * fields of SSE4a. Nothing is computed here but saturation, sign and zero extension. */
#include "cpu/vec.h"

/* ---- unpack: elements of both sources alternate ---- */

#define UNPACK(NAME, field, high)                                                               \
    LANES_HEAD(NAME)                                                                            \
    {                                                                                           \
        const unsigned half = bytes / (unsigned)sizeof d->field[0] / 2;                         \
        for (unsigned k = 0; k < half; k++) {                                                   \
            d->field[2 * k] = a->field[k + ((high) ? half : 0)];                                \
            d->field[2 * k + 1] = b->field[k + ((high) ? half : 0)];                            \
        }                                                                                       \
    }                                                                                           \
    VEC_BINARY(NAME)

UNPACK(PUNPCKLBW,  u8,  false)
UNPACK(PUNPCKLWD,  u16, false)
UNPACK(PUNPCKLDQ,  u32, false)
UNPACK(PUNPCKLQDQ, u64, false)
UNPACK(PUNPCKHBW,  u8,  true)
UNPACK(PUNPCKHWD,  u16, true)
UNPACK(PUNPCKHDQ,  u32, true)
UNPACK(PUNPCKHQDQ, u64, true)

/* ---- pack: halve the elements, saturating ---- */

#define PACK(NAME, to, from, saturate)                                                          \
    LANES_HEAD(NAME)                                                                            \
    {                                                                                           \
        const unsigned half = bytes / (unsigned)sizeof d->from[0];                              \
        for (unsigned k = 0; k < half; k++) {                                                   \
            d->to[k] = saturate(a->from[k]);                                                    \
            d->to[k + half] = saturate(b->from[k]);                                             \
        }                                                                                       \
    }                                                                                           \
    VEC_BINARY(NAME)

PACK(PACKSSWB, s8,  s16, sat_s8)
PACK(PACKUSWB, u8,  s16, sat_u8)
PACK(PACKSSDW, s16, s32, sat_s16)
PACK(PACKUSDW, u16, s32, sat_u16)

/* ---- shuffle ---- */

LANES_HEAD(PSHUFB)
{
    for (unsigned k = 0; k < bytes; k++)
        d->u8[k] = b->u8[k] & 0x80 ? 0 : a->u8[b->u8[k] & (bytes - 1)];
}
VEC_BINARY(PSHUFB)

/* Two bits of the immediate choose one of four. */
static ALWAYS_INLINE unsigned pick(unsigned imm, unsigned k)
{
    return (imm >> (2 * (k & 3))) & 3;
}

LANES_IMM_HEAD(PSHUFW)
{
    for (unsigned k = 0; k < 4; k++)
        d->u16[k] = b->u16[pick(imm, k)];
}
VEC_UNARY_IMM(PSHUFW)

LANES_IMM_HEAD(PSHUFD)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = b->u32[pick(imm, k)];
}
VEC_UNARY_IMM(PSHUFD)

LANES_IMM_HEAD(PSHUFLW)
{
    for (unsigned k = 0; k < 4; k++)
        d->u16[k] = b->u16[pick(imm, k)];
    d->u64[1] = b->u64[1];
}
VEC_UNARY_IMM(PSHUFLW)

LANES_IMM_HEAD(PSHUFHW)
{
    for (unsigned k = 4; k < 8; k++)
        d->u16[k] = b->u16[4 + pick(imm, k)];
    d->u64[0] = b->u64[0];
}
VEC_UNARY_IMM(PSHUFHW)

LANES_IMM_HEAD(SHUFPS)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = (k < 2 ? a : b)->u32[pick(imm, k)];
}
VEC_BINARY_IMM(SHUFPS)

LANES_IMM_HEAD(SHUFPD)
{
    d->u64[0] = a->u64[(imm >> (2 * lane)) & 1];
    d->u64[1] = b->u64[(imm >> (2 * lane + 1)) & 1];
}
VEC_BINARY_IMM(SHUFPD)

/* The first source above the second, shifted right by bytes. */
LANES_IMM_HEAD(PALIGNR)
{
    uint8_t wide[64] = { 0 };

    memcpy(wide, b, bytes);
    memcpy(wide + bytes, a, bytes);
    memcpy(d, wide + (imm > 2 * bytes ? 2 * bytes : imm), bytes);
}
VEC_BINARY_IMM(PALIGNR)

/* ---- insert, extract ---- */

/* Operand n: the low bytes of a general register, or `bytes` of memory. */
static ALWAYS_INLINE bool element_load(struct cpu *cpu, const struct insn *i, unsigned n, unsigned bytes, uint64_t *out)
{
    if (FORM_KIND(i->form, n) != KIND_REG)
        return ea_load(cpu, i, bytes, out);
    *out = reg_get(cpu, i->o[n], bytes);
    return true;
}

/* To a register the element is zero-extended to all of it. */
static ALWAYS_INLINE bool element_store(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t v)
{
    if (FORM_KIND(i->form, 0) != KIND_REG)
        return ea_store(cpu, i, bytes, v);
    reg_set(cpu, i->o[0], 8, v);
    return true;
}

static ALWAYS_INLINE bool insert(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    const unsigned first = i->vl ? 1 : 0, at = (unsigned)i->imm & (16 / bytes - 1);
    union vec v;
    uint64_t element;

    if (!vec_check(cpu, i) || !element_load(cpu, i, first + 1, bytes, &element))
        return false;
    vec_get(cpu, i->o[first], &v, 16);
    store_bytes(v.u8 + at * bytes, bytes, element);
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

static bool insert_mmx(struct cpu *cpu, const struct insn *i)
{
    union vec v;
    uint64_t element;

    if (!mmx_check(cpu, i) || !element_load(cpu, i, 1, 2, &element))
        return false;
    v.u64[0] = mmx_get(cpu, i->o[0]);
    v.u16[i->imm & 3] = (uint16_t)element;
    mmx_put(cpu, i->o[0], &v);
    return true;
}

static ALWAYS_INLINE bool extract(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    const unsigned at = (unsigned)i->imm & (16 / bytes - 1);

    return vec_check(cpu, i) && element_store(cpu, i, bytes, load_bytes(xmm_at(cpu, i->o[1]) + at * bytes, bytes));
}

EXEC(PINSRB) { RUN(insert(cpu, i, 1)); }
EXEC(PEXTRB) { RUN(extract(cpu, i, 1)); }
EXEC(PEXTRW) { RUN(extract(cpu, i, 2)); }

EXEC(PINSRW)
{
    if (i->width == 8)
        RUN(insert_mmx(cpu, i));
    RUN(insert(cpu, i, 2));
}

EXEC(PEXTRW_P)
{
    uint64_t v;

    if (!mmx_check(cpu, i))
        FAULT();
    v = mmx_get(cpu, i->o[1]);
    mmx_enter(cpu);
    reg_set(cpu, i->o[0], 8, (uint16_t)(v >> (16 * (i->imm & 3))));
    NEXT_PURE();
}

EXEC(PINSRD)
{
    if (vec_general_bytes(cpu, i) == 8)
        RUN(insert(cpu, i, 8));
    RUN(insert(cpu, i, 4));
}

/* EXTRACTPS comes here too and ignores REX.W. */
EXEC(PEXTRD)
{
    if (vec_general_bytes(cpu, i) == 8 && i->opcode == 0x16)
        RUN(extract(cpu, i, 8));
    RUN(extract(cpu, i, 4));
}

/* imm8: element of a register source (7:6), place (5:4), elements to clear (3:0). */
static bool insertps(struct cpu *cpu, const struct insn *i)
{
    const unsigned first = i->vl ? 1 : 0, imm = (uint8_t)i->imm;
    union vec v;
    uint64_t element;

    if (!vec_check(cpu, i))
        return false;
    if (FORM_KIND(i->form, first + 1) == KIND_REG)
        element = load32(xmm_at(cpu, i->o[first + 1]) + 4 * (imm >> 6));
    else if (!ea_load(cpu, i, 4, &element))
        return false;
    vec_get(cpu, i->o[first], &v, 16);
    v.u32[(imm >> 4) & 3] = (uint32_t)element;
    for (unsigned k = 0; k < 4; k++) {
        if (imm & BIT(k))
            v.u32[k] = 0;
    }
    vec_put(cpu, i, i->o[0], &v, 16);
    return true;
}

EXEC(INSERTPS) { RUN(insertps(cpu, i)); }

/* ---- blend ---- */

LANES_IMM_HEAD(PBLENDW)
{
    for (unsigned k = 0; k < 8; k++)
        d->u16[k] = (imm & BIT(k) ? b : a)->u16[k];
}
VEC_BINARY_IMM(PBLENDW)

LANES_IMM_HEAD(BLENDPS)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = (imm & BIT(4 * (lane & 1) + k) ? b : a)->u32[k];
}
VEC_BINARY_IMM(BLENDPS)

LANES_IMM_HEAD(BLENDPD)
{
    for (unsigned k = 0; k < 2; k++)
        d->u64[k] = (imm & BIT(2 * lane + k) ? b : a)->u64[k];
}
VEC_BINARY_IMM(BLENDPD)

/* The signs of a third register choose: XMM0, or for VEX the one in the immediate. */
static ALWAYS_INLINE bool blend_by_signs(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union vec v[VEC_LANES_MAX], b[VEC_LANES_MAX], mask[VEC_LANES_MAX];
    const unsigned first = i->vl ? 1 : 0;

    if (!vec_check(cpu, i) || !vec_load(cpu, i, first + 1, b, i->width))
        return false;
    vec_get(cpu, i->o[first], v, i->width);
    vec_get(cpu, i->vl ? i->o[3] : 0, mask, i->width);
    for (unsigned k = 0; k < i->width; k += size) {
        if (mask[k / 16].u8[k % 16 + size - 1] & 0x80)
            memcpy(&v[k / 16].u8[k % 16], &b[k / 16].u8[k % 16], size);
    }
    vec_put(cpu, i, i->o[0], v, i->width);
    return true;
}

EXEC(PBLENDVB) { RUN(blend_by_signs(cpu, i, 1)); }
EXEC(BLENDVPS) { RUN(blend_by_signs(cpu, i, 4)); }
EXEC(BLENDVPD) { RUN(blend_by_signs(cpu, i, 8)); }

/* ---- widen ---- */

/* The source is a half, quarter or eighth of the destination: low part of a register, or that much memory, which need not be
 * aligned: 16 bytes there are only with VEX. */
#define WIDEN(NAME, to, from)                                                                   \
    static bool widen_##NAME(struct cpu *cpu, const struct insn *i)                             \
    {                                                                                           \
        union vec d[VEC_LANES_MAX], s[VEC_LANES_MAX];                                           \
        enum { TO = 16 / sizeof d->to[0], FROM = 16 / sizeof d->from[0] };                      \
                                                                                                \
        if (!vec_check(cpu, i) || !vec_load(cpu, i, 1, s, i->width * TO / FROM))                \
            return false;                                                                       \
        for (unsigned k = 0; k < i->width / sizeof d->to[0]; k++)                               \
            d[k / TO].to[k % TO] = (__typeof__(d->to[0]))s[k / FROM].from[k % FROM];            \
        vec_put(cpu, i, i->o[0], d, i->width);                                                  \
        return true;                                                                            \
    }                                                                                           \
    EXEC(NAME) { RUN(widen_##NAME(cpu, i)); }

WIDEN(PMOVSXBW, s16, s8)
WIDEN(PMOVSXBD, s32, s8)
WIDEN(PMOVSXBQ, s64, s8)
WIDEN(PMOVSXWD, s32, s16)
WIDEN(PMOVSXWQ, s64, s16)
WIDEN(PMOVSXDQ, s64, s32)
WIDEN(PMOVZXBW, u16, u8)
WIDEN(PMOVZXBD, u32, u8)
WIDEN(PMOVZXBQ, u64, u8)
WIDEN(PMOVZXWD, u32, u16)
WIDEN(PMOVZXWQ, u64, u16)
WIDEN(PMOVZXDQ, u64, u32)

/* ---- SSE4a bit fields ---- */

/* APM 4 "EXTRQ", "INSERTQ": six bits of length (0 is 64) and of index. Bits 127:64 of the result and a field that reaches
 * beyond bit 63 are undefined: zero, and cut off. */
static uint64_t field_mask(unsigned length)
{
    return bits_mask(length & 63 ? length & 63 : 64);
}

static void extrq(struct cpu *cpu, const struct insn *i, unsigned length, unsigned index)
{
    union vec v;

    vec_get(cpu, i->o[0], &v, 16);
    v.u64[0] = (v.u64[0] >> (index & 63)) & field_mask(length);
    v.u64[1] = 0;
    vec_put(cpu, i, i->o[0], &v, 16);
}

static void insertq(struct cpu *cpu, const struct insn *i, const union vec *from, unsigned length, unsigned index)
{
    const uint64_t mask = field_mask(length) << (index & 63);
    union vec v;

    vec_get(cpu, i->o[0], &v, 16);
    v.u64[0] = (v.u64[0] & ~mask) | ((from->u64[0] << (index & 63)) & mask);
    v.u64[1] = 0;
    vec_put(cpu, i, i->o[0], &v, 16);
}

EXEC(EXTRQ_I)
{
    if (!sse_check(cpu, i))
        FAULT();
    extrq(cpu, i, (uint8_t)i->imm, i->imm2);
    NEXT_PURE();
}

EXEC(EXTRQ)
{
    union vec ctl;

    if (!sse_check(cpu, i))
        FAULT();
    vec_get(cpu, i->o[1], &ctl, 16);
    extrq(cpu, i, ctl.u8[0], ctl.u8[1]);
    NEXT_PURE();
}

EXEC(INSERTQ_I)
{
    union vec from;

    if (!sse_check(cpu, i))
        FAULT();
    vec_get(cpu, i->o[1], &from, 16);
    insertq(cpu, i, &from, (uint8_t)i->imm, i->imm2);
    NEXT_PURE();
}

EXEC(INSERTQ)
{
    union vec from;

    if (!sse_check(cpu, i))
        FAULT();
    vec_get(cpu, i->o[1], &from, 16);
    insertq(cpu, i, &from, from.u8[8], from.u8[9]);
    NEXT_PURE();
}
