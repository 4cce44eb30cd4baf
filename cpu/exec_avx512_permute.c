/* SPDX-License-Identifier: MIT
 * Elements of AVX-512 that go elsewhere: permutations of one and two tables, alignment, blends, parts of vectors,
 * compression, expansion, narrowing. Nothing is computed but saturation. */
#include "cpu/exec_avx512.h"

/* ---- permutations; indices wrap ---- */

#define PERMUTE(NAME, field)                                                                    \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        const unsigned count = bytes / sizeof d->field[0];                                      \
        for (unsigned k = 0; k < count; k++)                                                    \
            d->field[k] = b->field[a->field[k] & (count - 1)];                                  \
    }                                                                                           \
    WIDE_BINARY(NAME)

PERMUTE(VPERMB,   u8)
PERMUTE(VPERMW,   u16)
PERMUTE(VPERMQ_V, u64)

/* Two tables, one after the other. I2: the destination has the indices; T2: the first source has, and the destination is the
 * first table. */
#define PERMUTE2(NAME, field, indices, first)                                                   \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        const unsigned count = bytes / sizeof d->field[0];                                      \
        union wide out;                                                                         \
        for (unsigned k = 0; k < count; k++) {                                                  \
            const unsigned at = (unsigned)indices->field[k] & (2 * count - 1);                  \
            out.field[k] = at < count ? first->field[at] : b->field[at - count];                \
        }                                                                                       \
        memcpy(d, &out, bytes);                                                                 \
    }                                                                                           \
    WIDE_BINARY(NAME)

PERMUTE2(VPERMI2B, u8,  d, a)
PERMUTE2(VPERMI2W, u16, d, a)
PERMUTE2(VPERMI2D, u32, d, a)
PERMUTE2(VPERMI2Q, u64, d, a)
PERMUTE2(VPERMT2B, u8,  a, d)
PERMUTE2(VPERMT2W, u16, a, d)
PERMUTE2(VPERMT2D, u32, a, d)
PERMUTE2(VPERMT2Q, u64, a, d)

/* The first source above the second, shifted right by elements; as many bits of the immediate count as there are places. */
static ALWAYS_INLINE void align(union wide *d, const union wide *a, const union wide *b, unsigned bytes, unsigned shift)
{
    uint8_t both[128];

    memcpy(both, b, bytes);
    memcpy(both + bytes, a, bytes);
    memcpy(d, both + (shift & (bytes - 1)), bytes);
}

WIDE_HEAD(VALIGND) { align(d, a, b, bytes, 4 * imm); }
WIDE_BINARY(VALIGND)
WIDE_HEAD(VALIGNQ) { align(d, a, b, bytes, 8 * imm); }
WIDE_BINARY(VALIGNQ)

/* 128-bit lanes: the lower half of the result from the first source, the upper half from the second; for 256 bits one bit of
 * the immediate chooses, for 512 two. */
WIDE_HEAD(VSHUF128)
{
    const unsigned count = bytes / 16, bits = count / 2;

    for (unsigned k = 0; k < count; k++)
        d->lane[k] = (k < count / 2 ? a : b)->lane[imm >> (bits * k) & (count - 1)];
}
WIDE_BINARY(VSHUF128)

/* The mask chooses the second source. With zeroing that is a masked move; without, elements left out come from the first
 * source and not from the destination. */
static bool blend(struct cpu *cpu, const struct insn *i)
{
    const uint64_t mask = evex_mask(cpu, i);
    union wide a, b;

    if (!wide_sources(cpu, i, &a, &b, false))
        return false;
    if (i->flags & INSN_EVEX_Z)
        memset(&a, 0, sizeof a);
    for (unsigned k = 0; k < evex_count(i); k++)
        if (mask >> k & 1)
            memcpy(a.u8 + k * i->esize, b.u8 + k * i->esize, i->esize);
    memcpy(xmm_at(cpu, i->o[0]), &a, i->vl);
    memset(xmm_at(cpu, i->o[0]) + i->vl, 0, 64u - i->vl);
    return true;
}

EXEC(VPBLENDM) { RUN(blend(cpu, i)); }

/* ---- parts ---- */

static ALWAYS_INLINE bool insert_part(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    const unsigned at = ((unsigned)i->imm & (i->vl / bytes - 1)) * bytes;
    union wide v, part;

    if (!avx512_check(cpu) || !vec_load(cpu, i, 2, part.lane, bytes))
        return false;
    vec_get(cpu, i->o[1], v.lane, i->vl);
    memcpy(v.u8 + at, &part, bytes);
    vec_put(cpu, i, i->o[0], v.lane, i->vl);
    return true;
}

/* The mask's bits stand for elements of the part. */
static ALWAYS_INLINE bool extract_part(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    const unsigned at = ((unsigned)i->imm & (i->vl / bytes - 1)) * bytes;
    uint8_t v[64];

    if (!avx512_check(cpu))
        return false;
    memcpy(v, xmm_at(cpu, i->o[1]), sizeof v);
    if (FORM_KIND(i->form, 0) != KIND_REG)
        return evex_store_parts(cpu, i, v + at, bytes, i->esize, evex_mask(cpu, i));
    evex_put_parts(cpu, i, i->o[0], v + at, bytes, i->esize);
    return true;
}

EXEC(EINSERT16)  { RUN(insert_part(cpu, i, 16)); }
EXEC(EINSERT32)  { RUN(insert_part(cpu, i, 32)); }
EXEC(EEXTRACT16) { RUN(extract_part(cpu, i, 16)); }
EXEC(EEXTRACT32) { RUN(extract_part(cpu, i, 32)); }

/* Elements of the part that no element of the result wants are not read. */
static ALWAYS_INLINE bool broadcast_part(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    uint64_t wanted = 0;
    union wide d;

    if (!avx512_check(cpu))
        return false;
    for (uint64_t mask = evex_mask(cpu, i); mask; mask >>= bytes / i->esize)
        wanted |= mask;
    wanted &= BIT64(bytes / i->esize) - 1;
    if (FORM_KIND(i->form, 1) == KIND_REG)
        vec_get(cpu, i->o[1], d.lane, bytes);
    else if (wanted && (!evex_aligned(cpu, i, bytes, i->esize, wanted, ACCESS_READ) ||
                        !evex_load_parts(cpu, i, &d, bytes, i->esize, wanted)))
        return false;
    for (unsigned at = bytes; at < i->vl; at += bytes)
        memcpy(d.u8 + at, &d, bytes);
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

EXEC(EBROADCAST8)  { RUN(broadcast_part(cpu, i, 8)); }
EXEC(EBROADCAST16) { RUN(broadcast_part(cpu, i, 16)); }
EXEC(EBROADCAST32) { RUN(broadcast_part(cpu, i, 32)); }

static ALWAYS_INLINE bool broadcast_general(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    union wide d;

    if (!avx512_check(cpu))
        return false;
    for (unsigned at = 0; at < i->vl; at += bytes)
        store_bytes(d.u8 + at, bytes, reg_get(cpu, i->o[1], bytes));
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

EXEC(VPBROADCASTB_R) { RUN(broadcast_general(cpu, i, 1)); }
EXEC(VPBROADCASTW_R) { RUN(broadcast_general(cpu, i, 2)); }
EXEC(VPBROADCASTD_R) { RUN(broadcast_general(cpu, i, 4)); }
EXEC(VPBROADCASTQ_R) { RUN(broadcast_general(cpu, i, 8)); }

/* ---- compress and expand: the elements of a mask, side by side ---- */

static ALWAYS_INLINE bool compress(struct cpu *cpu, const struct insn *i, unsigned size)
{
    const unsigned bytes = bits_count(evex_mask(cpu, i)) * size;
    union wide s, d;
    uint8_t *to = xmm_at(cpu, i->o[0]);
    unsigned at = 0;

    if (!avx512_check(cpu))
        return false;
    vec_get(cpu, i->o[1], s.lane, i->vl);
    for (uint64_t mask = evex_mask(cpu, i); mask; mask &= mask - 1, at += size)
        memcpy(d.u8 + at, s.u8 + bits_lowest(mask) * size, size);
    if (FORM_KIND(i->form, 0) != KIND_REG)
        return bytes == 0 || evex_store_parts(cpu, i, &d, bytes, bytes, 1);
    memcpy(to, &d, bytes);
    if (i->flags & INSN_EVEX_Z)
        memset(to + bytes, 0, 64 - bytes);
    memset(to + i->vl, 0, 64u - i->vl);
    return true;
}

static ALWAYS_INLINE bool expand(struct cpu *cpu, const struct insn *i, unsigned size)
{
    const unsigned bytes = bits_count(evex_mask(cpu, i)) * size;
    union wide s, d;
    unsigned at = 0;

    if (!avx512_check(cpu))
        return false;
    if (FORM_KIND(i->form, 1) == KIND_REG)
        vec_get(cpu, i->o[1], s.lane, i->vl);
    else if (bytes && !evex_load_parts(cpu, i, &s, bytes, bytes, 1))
        return false;
    for (uint64_t mask = evex_mask(cpu, i); mask; mask &= mask - 1, at += size)
        memcpy(d.u8 + bits_lowest(mask) * size, s.u8 + at, size);
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

EXEC(VPCOMPRESSB) { RUN(compress(cpu, i, 1)); }
EXEC(VPCOMPRESSW) { RUN(compress(cpu, i, 2)); }
EXEC(VPCOMPRESSD) { RUN(compress(cpu, i, 4)); }
EXEC(VPCOMPRESSQ) { RUN(compress(cpu, i, 8)); }
EXEC(VPEXPANDB)   { RUN(expand(cpu, i, 1)); }
EXEC(VPEXPANDW)   { RUN(expand(cpu, i, 2)); }
EXEC(VPEXPANDD)   { RUN(expand(cpu, i, 4)); }
EXEC(VPEXPANDQ)   { RUN(expand(cpu, i, 8)); }

/* ---- narrow: a half, quarter or eighth of the source, to a register or to memory ---- */

static ALWAYS_INLINE bool narrowed(struct cpu *cpu, const struct insn *i, const union wide *d, unsigned bytes)
{
    if (FORM_KIND(i->form, 0) != KIND_REG)
        return evex_store(cpu, i, d->lane, bytes);
    vec_put(cpu, i, i->o[0], d->lane, bytes);
    return true;
}

/* x saturates between low and high, which are of from's type. */
#define NARROW(NAME, from, to, low, high)                                                       \
    static bool narrow_##NAME(struct cpu *cpu, const struct insn *i)                            \
    {                                                                                           \
        enum { FROM = sizeof ((union wide *)0)->from[0], TO = sizeof ((union wide *)0)->to[0] }; \
        const __typeof__(((union wide *)0)->from[0]) most = (high), least = (low);              \
        union wide s, d;                                                                        \
                                                                                                \
        if (!avx512_check(cpu))                                                                 \
            return false;                                                                       \
        vec_get(cpu, i->o[1], s.lane, i->vl);                                                   \
        for (unsigned k = 0; k < i->vl / (unsigned)FROM; k++) {                                 \
            const __typeof__(s.from[0]) x = s.from[k] > most ? most : s.from[k];                \
            d.to[k] = (__typeof__(d.to[0]))(x < least ? least : x);                             \
        }                                                                                       \
        return narrowed(cpu, i, &d, i->vl / (unsigned)FROM * TO);                               \
    }                                                                                           \
    EXEC(NAME) { RUN(narrow_##NAME(cpu, i)); }

NARROW(VPMOVQB,   u64, u8,  0, UINT64_MAX)
NARROW(VPMOVQW,   u64, u16, 0, UINT64_MAX)
NARROW(VPMOVQD,   u64, u32, 0, UINT64_MAX)
NARROW(VPMOVDB,   u32, u8,  0, UINT32_MAX)
NARROW(VPMOVDW,   u32, u16, 0, UINT32_MAX)
NARROW(VPMOVWB,   u16, u8,  0, UINT16_MAX)
NARROW(VPMOVSQB,  s64, s8,  INT8_MIN, INT8_MAX)
NARROW(VPMOVSQW,  s64, s16, INT16_MIN, INT16_MAX)
NARROW(VPMOVSQD,  s64, s32, INT32_MIN, INT32_MAX)
NARROW(VPMOVSDB,  s32, s8,  INT8_MIN, INT8_MAX)
NARROW(VPMOVSDW,  s32, s16, INT16_MIN, INT16_MAX)
NARROW(VPMOVSWB,  s16, s8,  INT8_MIN, INT8_MAX)
NARROW(VPMOVUSQB, u64, u8,  0, UINT8_MAX)
NARROW(VPMOVUSQW, u64, u16, 0, UINT16_MAX)
NARROW(VPMOVUSQD, u64, u32, 0, UINT32_MAX)
NARROW(VPMOVUSDB, u32, u8,  0, UINT8_MAX)
NARROW(VPMOVUSDW, u32, u16, 0, UINT16_MAX)
NARROW(VPMOVUSWB, u16, u8,  0, UINT8_MAX)
