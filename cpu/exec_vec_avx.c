/* SPDX-License-Identifier: MIT
 * Vector operations that only VEX encodes: broadcasts, permutations across 128-bit lanes, masked moves, shifts by a count
 * per element. Everything VEX shares with legacy SSE is in the files that own the operation. */
#include "cpu/vsib.h"

/* SDM 2C "VZEROUPPER", "VZEROALL": sixteen registers in 64-bit mode, else eight; from byte `from` on. */
static bool zero_registers(struct cpu *cpu, unsigned from)
{
    const unsigned count = (cpu->mode & MODE_DECODE) == DECODE_64 ? 16 : 8;

    if (!avx_check(cpu))
        return false;
    for (unsigned n = 0; n < count; n++)
        memset(xmm_at(cpu, n) + from, 0, 64 - from);
    return true;
}

EXEC(VZEROUPPER) { RUN(zero_registers(cpu, 16)); }
EXEC(VZEROALL)   { RUN(zero_registers(cpu, 0)); }

/* ---- broadcast ---- */

static ALWAYS_INLINE bool broadcast(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    union wide d;
    uint64_t element = 0;
    const bool wanted = !(i->flags & INSN_EVEX) || FORM_KIND(i->form, 1) == KIND_REG || evex_mask(cpu, i);

    if (!vex_check(cpu, i) || (wanted && !vec_load_low(cpu, i, 1, &element, bytes)))
        return false;
    for (unsigned at = 0; at < i->width; at += bytes)
        store_bytes(d.u8 + at, bytes, element);
    vec_put(cpu, i, i->o[0], d.lane, i->width);
    return true;
}

static bool broadcast128(struct cpu *cpu, const struct insn *i)
{
    union wide d;

    if (!vex_check(cpu, i) || !vec_load_mem(cpu, i, &d.lane[0], 16))
        return false;
    d.lane[1] = d.lane[0];
    vec_put(cpu, i, i->o[0], d.lane, 32);
    return true;
}

EXEC(VPBROADCASTB)  { RUN(broadcast(cpu, i, 1)); }
EXEC(VPBROADCASTW)  { RUN(broadcast(cpu, i, 2)); }
EXEC(VPBROADCASTD)  { RUN(broadcast(cpu, i, 4)); }
EXEC(VPBROADCASTQ)  { RUN(broadcast(cpu, i, 8)); }
EXEC(VBROADCAST128) { RUN(broadcast128(cpu, i)); }

/* ---- 128-bit halves ---- */

static bool insert128(struct cpu *cpu, const struct insn *i)
{
    union wide d;
    union vec half;

    if (!vex_check(cpu, i) || !vec_load(cpu, i, 2, &half, 16))
        return false;
    vec_get(cpu, i->o[1], d.lane, 32);
    d.lane[i->imm & 1] = half;
    vec_put(cpu, i, i->o[0], d.lane, 32);
    return true;
}

static bool extract128(struct cpu *cpu, const struct insn *i)
{
    union wide s;
    gva_t lin;

    if (!vex_check(cpu, i))
        return false;
    vec_get(cpu, i->o[1], s.lane, 32);
    if (FORM_KIND(i->form, 0) != KIND_REG)
        return ea_linear(cpu, i, 16, ACCESS_WRITE, &lin) && mem_store_block(cpu, i, lin, &s.lane[i->imm & 1], 16);
    vec_put(cpu, i, i->o[0], &s.lane[i->imm & 1], 16);
    return true;
}

/* For each half of the result two bits choose one of the four source halves and a third clears it. */
static bool permute128(struct cpu *cpu, const struct insn *i)
{
    union vec s[2 * VEC_LANES_MAX], d[2];

    if (!vex_check(cpu, i) || !vec_load(cpu, i, 2, &s[2], 32))
        return false;
    vec_get(cpu, i->o[1], s, 32);
    for (unsigned n = 0; n < 2; n++) {
        const unsigned ctl = (unsigned)i->imm >> (4 * n);

        d[n] = ctl & 8 ? (union vec){ .u64 = { 0 } } : s[ctl & 3];
    }
    vec_put(cpu, i, i->o[0], d, 32);
    return true;
}

EXEC(VINSERT128)  { RUN(insert128(cpu, i)); }
EXEC(VEXTRACT128) { RUN(extract128(cpu, i)); }
EXEC(VPERM2X128)  { RUN(permute128(cpu, i)); }

/* ---- permute ---- */

/* The first source holds indices, the second what they choose from, across lanes. */
static bool permute_dwords(struct cpu *cpu, const struct insn *i)
{
    union wide at, s, d;

    if (!vex_check(cpu, i) || !vec_load(cpu, i, 2, s.lane, i->width))
        return false;
    vec_get(cpu, i->o[1], at.lane, i->width);
    for (unsigned k = 0; k < i->width / 4u; k++)
        d.u32[k] = s.u32[at.u32[k] & (i->width / 4u - 1)];
    vec_put(cpu, i, i->o[0], d.lane, i->width);
    return true;
}

/* Inside each 256 bits. */
static bool permute_qwords(struct cpu *cpu, const struct insn *i)
{
    union wide s, d;

    if (!vex_check(cpu, i) || !vec_load(cpu, i, 1, s.lane, i->width))
        return false;
    for (unsigned k = 0; k < i->width / 8u; k++)
        d.u64[k] = s.u64[(k & 4) + ((i->imm >> (2 * (k & 3))) & 3)];
    vec_put(cpu, i, i->o[0], d.lane, i->width);
    return true;
}

EXEC(VPERMD) { RUN(permute_dwords(cpu, i)); }
EXEC(VPERMQ) { RUN(permute_qwords(cpu, i)); }

LANES_HEAD(VPERMILPS)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = a->u32[b->u32[k] & 3];
}
VEC_BINARY(VPERMILPS)

LANES_HEAD(VPERMILPD)
{
    for (unsigned k = 0; k < 2; k++)
        d->u64[k] = a->u64[(b->u64[k] >> 1) & 1];
}
VEC_BINARY(VPERMILPD)

LANES_IMM_HEAD(VPERMILPS_I)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = b->u32[(imm >> (2 * k)) & 3];
}
VEC_UNARY_IMM(VPERMILPS_I)

LANES_IMM_HEAD(VPERMILPD_I)
{
    for (unsigned k = 0; k < 2; k++)
        d->u64[k] = b->u64[(imm >> (2 * lane + k)) & 1];
}
VEC_UNARY_IMM(VPERMILPD_I)

LANES_IMM_HEAD(VPBLENDD)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = (imm & BIT(4 * lane + k) ? b : a)->u32[k];
}
VEC_BINARY_IMM(VPBLENDD)

/* ---- masked moves ---- */

/* One bit per element whose mask has its sign set. */
static ALWAYS_INLINE unsigned mask_signs(const union wide *mask, unsigned bytes, unsigned size)
{
    unsigned bits = 0;

    for (unsigned k = 0; k < bytes / size; k++)
        bits |= (unsigned)(mask->u8[k * size + size - 1] >> 7) << k;
    return bits;
}

/* Elements are reached one by one: what is masked off can neither fault nor be seen by a device. */
static ALWAYS_INLINE bool masked_load(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union wide mask, d;

    if (!vex_check(cpu, i))
        return false;
    vec_get(cpu, i->o[1], mask.lane, i->width);
    if (!evex_load_parts(cpu, i, &d, i->width, size, mask_signs(&mask, i->width, size)))
        return false;
    vec_put(cpu, i, i->o[0], d.lane, i->width);
    return true;
}

static ALWAYS_INLINE bool masked_store(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union wide mask, s;

    if (!vex_check(cpu, i))
        return false;
    vec_get(cpu, i->o[1], mask.lane, i->width);
    vec_get(cpu, i->o[2], s.lane, i->width);
    return evex_store_parts(cpu, i, s.u8, i->width, size, mask_signs(&mask, i->width, size));
}

EXEC(VMASKMOV_LOAD32)  { RUN(masked_load(cpu, i, 4)); }
EXEC(VMASKMOV_LOAD64)  { RUN(masked_load(cpu, i, 8)); }
EXEC(VMASKMOV_STORE32) { RUN(masked_store(cpu, i, 4)); }
EXEC(VMASKMOV_STORE64) { RUN(masked_store(cpu, i, 8)); }

/* ---- gathers ---- */

/* SDM 2C "VPGATHERDD/VPGATHERQD". Elements come in order; after a fault those that came are in the destination with their
 * masks cleared, so that the instruction goes on where it stopped. */
struct gather {
    unsigned index_bytes, bytes;    /* of one index, of one element */
    unsigned count, loaded;
    union wide index, mask, d;
};

static bool gather_element(struct cpu *cpu, const struct insn *i, struct gather *g, unsigned k)
{
    gva_t lin;

    return vsib_linear(cpu, i, g->index.u8 + k * g->index_bytes, g->index_bytes, g->bytes, ACCESS_READ, &lin) &&
           mem_load_block(cpu, i, lin, g->d.u8 + k * g->bytes, g->bytes);
}

/* Masks become all ones or all zeros before the first load, also those behind the last element (seen on Emerald Rapids; an
 * EPYC leaves masks behind a fault as they were). */
static void gather_masks(struct gather *g, unsigned width)
{
    for (unsigned k = 0; k < width; k += g->bytes) {
        uint8_t *m = g->mask.u8 + k;

        memset(m, m[g->bytes - 1] & 0x80 ? 0xff : 0, g->bytes);
    }
}

static bool gather_all(struct cpu *cpu, const struct insn *i, struct gather *g)
{
    for (unsigned k = 0; k < g->count; k++) {
        uint8_t *m = g->mask.u8 + k * g->bytes;

        if (*m && !gather_element(cpu, i, g, k))
            return false;
        g->loaded += *m != 0;
        memset(m, 0, g->bytes);
    }
    return true;
}

static bool gather(struct cpu *cpu, const struct insn *i, unsigned index_bytes, unsigned bytes, unsigned *loaded)
{
    struct gather g = { .index_bytes = index_bytes, .bytes = bytes };
    const unsigned larger = index_bytes > bytes ? index_bytes : bytes;
    unsigned used;

    if (!vex_check(cpu, i))
        return false;
    if (i->o[0] == i->index || i->o[0] == i->o[2] || i->index == i->o[2])
        return fault_ud(cpu);
    g.count = i->width / larger;
    used = g.count * bytes;
    vec_get(cpu, i->index, g.index.lane, i->width);
    vec_get(cpu, i->o[0], g.d.lane, i->width);
    vec_get(cpu, i->o[2], g.mask.lane, i->width);
    gather_masks(&g, i->width);
    if (!gather_all(cpu, i, &g)) {
        *loaded = g.loaded;
        if (g.loaded)
            vec_put(cpu, i, i->o[0], g.d.lane, i->width);
        vec_put(cpu, i, i->o[2], g.mask.lane, i->width);
        return false;
    }
    vec_put(cpu, i, i->o[0], g.d.lane, used);
    memset(xmm_at(cpu, i->o[2]), 0, 64);
    return true;
}

static ALWAYS_INLINE unsigned gather_run(struct cpu *cpu, const struct insn *i, unsigned index_bytes, unsigned bytes)
{
    unsigned loaded = 0;

    cpu->p.rep_resume = 0;
    if (gather(cpu, i, index_bytes, bytes, &loaded))
        NEXT();
    return vsib_stop(cpu, i, loaded);
}

EXEC(VPGATHERDD) { return gather_run(cpu, i, 4, 4); }
EXEC(VPGATHERDQ) { return gather_run(cpu, i, 4, 8); }
EXEC(VPGATHERQD) { return gather_run(cpu, i, 8, 4); }
EXEC(VPGATHERQQ) { return gather_run(cpu, i, 8, 8); }

/* ---- shifts by a count per element ---- */

LANES(VPSLLVD, u32, y < 32 ? x << (y & 31) : 0)
LANES(VPSLLVQ, u64, y < 64 ? x << (y & 63) : 0)
LANES(VPSRLVD, u32, y < 32 ? x >> (y & 31) : 0)
LANES(VPSRLVQ, u64, y < 64 ? x >> (y & 63) : 0)
LANES(VPSRAVD, s32, x >> ((uint32_t)y < 32 ? (uint32_t)y : 31))

/* ---- test ---- */

/* PTEST of the signs alone. */
static ALWAYS_INLINE bool test_signs(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union wide a, b;
    unsigned first, second;

    if (!vex_check(cpu, i) || !vec_load(cpu, i, 1, b.lane, i->width))
        return false;
    vec_get(cpu, i->o[0], a.lane, i->width);
    first = mask_signs(&a, i->width, size);
    second = mask_signs(&b, i->width, size);
    flags_put(&cpu->flags, (second & first ? 0 : FLAG_ZF) | (second & ~first ? 0 : FLAG_CF));
    return true;
}

EXEC(VTESTPS) { RUN(test_signs(cpu, i, 4)); }
EXEC(VTESTPD) { RUN(test_signs(cpu, i, 8)); }
