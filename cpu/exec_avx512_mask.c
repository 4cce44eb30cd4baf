/* SPDX-License-Identifier: MIT
 * Opmask registers: instructions on them alone (VEX encoded, SDM 2A "Opmask Register Instructions"), comparisons that fill
 * them, and vectors made of them. */
#include "cpu/exec_avx512.h"

/* ---- opmask instructions: insn.width bytes of each, zero above ---- */

static ALWAYS_INLINE void mask_put(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    cpu->s.k[i->o[0]] = mask_size(v, i->width);
}

static bool kmov(struct cpu *cpu, const struct insn *i)
{
    uint64_t v;

    if (!avx512_check(cpu))
        return false;
    if (FORM_KIND(i->form, 1) == KIND_REG)
        v = cpu->s.k[i->o[1]];
    else if (!operand_load(cpu, i, 1, i->width, &v))
        return false;
    mask_put(cpu, i, v);
    return true;
}

EXEC(KMOV)    { RUN(kmov(cpu, i)); }
EXEC(KMOV_ST) { RUN(avx512_check(cpu) && operand_store(cpu, i, 0, i->width, mask_size(cpu->s.k[i->o[1]], i->width))); }

EXEC(KMOV_KR)
{
    if (!avx512_check(cpu))
        FAULT();
    mask_put(cpu, i, reg_get(cpu, i->o[1], 8));
    NEXT_PURE();
}

EXEC(KMOV_RK)
{
    if (!avx512_check(cpu))
        FAULT();
    reg_set(cpu, i->o[0], 8, mask_size(cpu->s.k[i->o[1]], i->width));
    NEXT_PURE();
}

/* x and y are the sources; of one with a single source, x. */
#define MASK_OP(NAME, expr)                                                                     \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        const uint64_t x = cpu->s.k[i->o[1] & 7], y UNUSED = cpu->s.k[i->o[2] & 7];             \
                                                                                                \
        if (!avx512_check(cpu))                                                                 \
            FAULT();                                                                            \
        mask_put(cpu, i, (expr));                                                               \
        NEXT_PURE();                                                                            \
    }

MASK_OP(KAND,  x & y)
MASK_OP(KANDN, ~x & y)
MASK_OP(KOR,   x | y)
MASK_OP(KXNOR, ~(x ^ y))
MASK_OP(KXOR,  x ^ y)
MASK_OP(KNOT,  ~x)
MASK_OP(KADD,  x + y)
/* Halves: the second source is the low one. */
MASK_OP(KUNPCK, x << (4 * i->width) | mask_size(y, i->width / 2u))
/* All eight bits of the immediate count. */
MASK_OP(KSHIFTL, (uint8_t)i->imm < 64 ? x << (i->imm & 63) : 0)
MASK_OP(KSHIFTR, (uint8_t)i->imm < 64 ? mask_size(x, i->width) >> (i->imm & 63) : 0)

EXEC(KORTEST)
{
    const uint64_t both = mask_size(cpu->s.k[i->o[0]] | cpu->s.k[i->o[1]], i->width);

    if (!avx512_check(cpu))
        FAULT();
    flags_put(&cpu->flags, (both ? 0 : FLAG_ZF) | (both == mask_size(~0ull, i->width) ? FLAG_CF : 0));
    NEXT_PURE();
}

EXEC(KTEST)
{
    const uint64_t x = cpu->s.k[i->o[0]], y = mask_size(cpu->s.k[i->o[1]], i->width);

    if (!avx512_check(cpu))
        FAULT();
    flags_put(&cpu->flags, (y & x ? 0 : FLAG_ZF) | (y & ~x ? 0 : FLAG_CF));
    NEXT_PURE();
}

/* ---- comparisons ---- */

WIDE_TEST(VPCMPEQB, u8,  x == y)
WIDE_TEST(VPCMPEQW, u16, x == y)
WIDE_TEST(VPCMPEQD, u32, x == y)
WIDE_TEST(VPCMPEQQ, u64, x == y)
WIDE_TEST(VPCMPGTB, s8,  x > y)
WIDE_TEST(VPCMPGTW, s16, x > y)
WIDE_TEST(VPCMPGTD, s32, x > y)
WIDE_TEST(VPCMPGTQ, s64, x > y)

/* EQ LT LE FALSE NEQ NLT NLE TRUE: bit 0 when less satisfies, bit 1 when equal, bit 2 when greater. */
static const uint8_t satisfied_by[8] = { 2, 1, 3, 0, 5, 6, 4, 7 };

#define COMPARE(NAME, field)    WIDE_TEST(NAME, field, satisfied_by[n] & (x < y ? 1 : x == y ? 2 : 4))

COMPARE(VPCMPB,  s8)
COMPARE(VPCMPW,  s16)
COMPARE(VPCMPD,  s32)
COMPARE(VPCMPQ,  s64)
COMPARE(VPCMPUB, u8)
COMPARE(VPCMPUW, u16)
COMPARE(VPCMPUD, u32)
COMPARE(VPCMPUQ, u64)

WIDE_TEST(VPTESTMB,  u8,  x & y)
WIDE_TEST(VPTESTMW,  u16, x & y)
WIDE_TEST(VPTESTMD,  u32, x & y)
WIDE_TEST(VPTESTMQ,  u64, x & y)
WIDE_TEST(VPTESTNMB, u8,  !(x & y))
WIDE_TEST(VPTESTNMW, u16, !(x & y))
WIDE_TEST(VPTESTNMD, u32, !(x & y))
WIDE_TEST(VPTESTNMQ, u64, !(x & y))

/* Each byte of the second source chooses a bit of the first source's quadword. */
static bool shuffle_bits(struct cpu *cpu, const struct insn *i)
{
    union wide a, b;
    uint64_t bits = 0;

    if (!wide_sources(cpu, i, &a, &b, false))
        return false;
    for (unsigned k = 0; k < i->vl; k++)
        bits |= (a.u64[k / 8] >> (b.u8[k] & 63) & 1) << k;
    evex_put_mask(cpu, i, bits);
    return true;
}

EXEC(VPSHUFBITQMB) { RUN(shuffle_bits(cpu, i)); }

/* Which elements of each source are in the other: an even register for the first source, the next for the second. */
static ALWAYS_INLINE bool intersect(struct cpu *cpu, const struct insn *i, unsigned size)
{
    const unsigned first = i->o[0] & 6u;
    union wide a, b;

    if (!wide_sources(cpu, i, &a, &b, false))
        return false;
    cpu->s.k[first] = cpu->s.k[first + 1] = 0;
    for (unsigned j = 0; j < i->vl / size; j++)
        for (unsigned k = 0; k < i->vl / size; k++) {
            const uint64_t same = memcmp(a.u8 + j * size, b.u8 + k * size, size) == 0;

            cpu->s.k[first] |= same << j;
            cpu->s.k[first + 1] |= same << k;
        }
    return true;
}

EXEC(VP2INTERSECTD) { RUN(intersect(cpu, i, 4)); }
EXEC(VP2INTERSECTQ) { RUN(intersect(cpu, i, 8)); }

/* ---- opmasks to vectors and back ---- */

static ALWAYS_INLINE bool spread(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union wide d;

    if (!avx512_check(cpu))
        return false;
    for (unsigned k = 0; k < i->vl / size; k++)
        memset(d.u8 + k * size, cpu->s.k[i->o[1]] >> k & 1 ? 0xff : 0, size);
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

static ALWAYS_INLINE bool signs(struct cpu *cpu, const struct insn *i, unsigned size)
{
    const uint8_t *v = xmm_at(cpu, i->o[1]);
    uint64_t bits = 0;

    if (!avx512_check(cpu))
        return false;
    for (unsigned k = 0; k < i->vl / size; k++)
        bits |= (uint64_t)(v[k * size + size - 1] >> 7) << k;
    evex_put_mask(cpu, i, bits);
    return true;
}

/* The mask's low `low` bytes as each element's number. */
static ALWAYS_INLINE bool broadcast_mask(struct cpu *cpu, const struct insn *i, unsigned low, unsigned size)
{
    union wide d;

    if (!avx512_check(cpu))
        return false;
    for (unsigned at = 0; at < i->vl; at += size)
        store_bytes(d.u8 + at, size, mask_size(cpu->s.k[i->o[1]], low));
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

EXEC(VPMOVM2B) { RUN(spread(cpu, i, 1)); }
EXEC(VPMOVM2W) { RUN(spread(cpu, i, 2)); }
EXEC(VPMOVM2D) { RUN(spread(cpu, i, 4)); }
EXEC(VPMOVM2Q) { RUN(spread(cpu, i, 8)); }
EXEC(VPMOVB2M) { RUN(signs(cpu, i, 1)); }
EXEC(VPMOVW2M) { RUN(signs(cpu, i, 2)); }
EXEC(VPMOVD2M) { RUN(signs(cpu, i, 4)); }
EXEC(VPMOVQ2M) { RUN(signs(cpu, i, 8)); }
EXEC(VPBROADCASTMB2Q) { RUN(broadcast_mask(cpu, i, 1, 8)); }
EXEC(VPBROADCASTMW2D) { RUN(broadcast_mask(cpu, i, 2, 4)); }
