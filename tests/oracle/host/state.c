/* SPDX-License-Identifier: MIT
 * The state of a case: values that arithmetic finds interesting, then what the first instruction needs to reach its memory,
 * its string, its stack or its target. */
#include "tests/oracle/host/gen.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "cpu/flags.h"
#include "cpu/fpu.h"

static unsigned below(struct gen *g, unsigned n) { return host_below(&g->r, n); }
static bool one_in(struct gen *g, unsigned n) { return host_one_in(&g->r, n); }

/* ---- values ---- */

static uint64_t float32(struct gen *g)
{
    static const uint32_t special[] = {
        0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff,
        1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x4effffff,
        0x3f000000, 0x3fc00000, 0x40490fdb, 0x47800000, 0x33800000, 0x477fe000, 0x477ff000, 0x4b800000
    };

    if (one_in(g, 2))
        return special[below(g, COUNT_OF(special))];
    return (uint32_t)(below(g, 2) << 31 | (100u + below(g, 56)) << 23 | (host_random(&g->r) & 0x7fffff));
}

static uint64_t float64(struct gen *g)
{
    static const uint64_t special[] = {
        0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
        0xfff8000000000001, 0x7ff0000000000001, 0xfff7ffffffffffff, 1, 0x800fffffffffffff, 0x0010000000000000,
        0x7fefffffffffffff, 0xffefffffffffffff, 0x43e0000000000000, 0xc3e0000000000000, 0x41e0000000000000,
        0xc1e0000020000000, 0x43dfffffffffffff, 0x3fe0000000000000, 0x3ff8000000000000, 0x400921fb54442d18,
        0x36a0000000000000, 0x47efffffe0000000, 0x47effffff0000000, 0x3810000000000000, 0x380fffffffffffff
    };

    if (one_in(g, 2))
        return special[below(g, COUNT_OF(special))];
    return (uint64_t)below(g, 2) << 63 | (uint64_t)(1023 - 40 + below(g, 80)) << 52 | host_random(&g->r) >> 12;
}

static uint64_t pairs16(struct gen *g)
{
    static const uint16_t special[] = {
        0, 0x8000, 0x3c00, 0x7c00, 0xfc00, 0x7e00, 0x7d00, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x3f80, 0x7f80, 0xff80, 0x7fc0, 0x7f81,
        0x0080, 0x007f, 0xffff, 0x7fff, 0x00ff, 0xff00
    };
    uint64_t v = 0;

    for (unsigned n = 0; n < 4; n++)
        v = v << 16 | (one_in(g, 2) ? special[below(g, COUNT_OF(special))] : (uint16_t)host_random(&g->r));
    return v;
}

static uint64_t integer(struct gen *g)
{
    static const uint64_t special[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
        0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe, 0x5555555555555555, 0x0101010101010101
    };

    switch (below(g, 5)) {
    case 0:  return special[below(g, COUNT_OF(special))];
    case 1:  return below(g, 72);
    case 2:  return (uint64_t)(int64_t)(int32_t)host_random(&g->r);
    default: return host_random(&g->r) >> (one_in(g, 2) ? 0 : below(g, 64));
    }
}

static void pool_entry(struct gen *g, uint64_t *v)
{
    unsigned style = below(g, 8);

    for (unsigned n = 0; n < 8; n++)
        switch (style) {
        case 0: case 1: v[n] = float32(g) | float32(g) << 32; break;
        case 2: case 3: v[n] = float64(g); break;
        case 4: v[n] = pairs16(g); break;
        case 5: v[n] = integer(g); break;
        case 6: v[n] = (uint64_t)below(g, 128) | (uint64_t)below(g, 128) << 32; break;
        default: v[n] = host_random(&g->r); break;
        }
}

/* Made anew by the case number from time to time, so that a case does not depend on those before it. */
static uint64_t pool[POOL][8];
static uint64_t pool_of = ~(uint64_t)0;

static void pool_fill(struct gen *g, uint64_t epoch)
{
    struct host_random keep = g->r;

    if (pool_of == epoch)
        return;
    g->r.s = epoch * 0x632be59bd9b4e019u;
    for (unsigned n = 0; n < POOL; n++)
        pool_entry(g, pool[n]);
    g->r = keep;
    pool_of = epoch;
}

const uint64_t *gen_pool(struct gen *g)
{
    return pool[below(g, POOL)];
}

/* ---- places ---- */

static uint64_t far_away(struct gen *g, const struct host_case *c)
{
    static const uint64_t odd[] = {
        0x0000800000000000, 0x00007fffffffffff, 0xffff800000000000, 0xffff7fffffffffff, 0, 0xffffffffffffffff,
        0x00007fffffffeff8, 0x8000000000000000, ARENA_HOLE
    };

    if (c->mode != CASE_64)
        return one_in(g, 2) ? ARENA_HOLE + below(g, 4096) : (uint32_t)host_random(&g->r);
    return one_in(g, 2) ? odd[below(g, COUNT_OF(odd))] : host_random(&g->r);
}

/* An address for `bytes` of memory: mostly well inside, often at an edge, sometimes nowhere. */
uint64_t gen_target(struct gen *g, const struct host_case *c, unsigned bytes)
{
    unsigned kind = below(g, 64), span = bytes + 2;

    if (kind < 30)
        return ARENA_DATA + 0x200 + 64 * below(g, 0x1c0 / 4);
    if (kind < 40)
        return ARENA_DATA + 0x200 + below(g, 0x1c00);
    if (kind < 48)
        return ARENA_DATA + 0x1000 - below(g, span);
    if (kind < 52)
        return ARENA_RO - below(g, span);
    if (kind < 54)
        return ARENA_RO + below(g, 0xff0);
    if (kind < 56)
        return ARENA_HOLE - below(g, span);
    if (kind < 58)
        return ARENA_LAST - below(g, span);
    if (kind < 60)
        return ARENA_LAST + 0x1000 - below(g, span);
    if (kind < 62)
        return c->mode == CASE_64 ? ARENA_HIGH + 0x1000 - below(g, span) : ARENA_DATA - below(g, span);
    return far_away(g, c);
}

/* Where a jump may go: the pads of CC away from the code under test; now and then where nothing can run. */
uint64_t gen_landing(struct gen *g, const struct host_case *c)
{
    uint64_t at;

    if (one_in(g, 16))
        return one_in(g, 2) ? far_away(g, c) : ARENA_DATA + below(g, 0x2000);
    do
        at = ARENA_CODE + 16 + below(g, ARENA_CODE_LEN - 32);
    while (at + 1 >= c->at && at <= (uint64_t)c->at + c->code_len + 8);
    return at - case_cs_base(c);
}

/* ---- the general part ---- */

static void general(struct gen *g, struct host_case *c)
{
    struct host_regs *in = &c->in;

    for (unsigned n = 0; n < 16; n++) {
        in->gpr[n] = one_in(g, 8) ? gen_target(g, c, 8) : integer(g);
        if (c->mode != CASE_64)
            in->gpr[n] = (uint32_t)in->gpr[n];
    }
    in->gpr[RSP] = ARENA_DATA + 0x800 + 8 * below(g, 0x100);
    in->rflags = 0x202 | (host_random(&g->r) & FLAGS_ARITH);
    if (one_in(g, 8))
        in->rflags |= FLAG_DF;
    if (one_in(g, 16))
        in->rflags |= FLAG_AC;
    if (one_in(g, 24))
        in->rflags |= FLAG_TF;
    if (one_in(g, 32))
        in->rflags |= FLAG_ID;
    if (one_in(g, 64))
        in->rflags |= FLAG_NT;
    if (one_in(g, 64))
        in->rflags |= FLAG_RF;
    if (c->insns > 1)
        in->rflags &= ~(uint64_t)FLAG_TF;
}

static void segments(struct gen *g, struct host_case *c)
{
    static const uint16_t data32[] = { 0x2b, 0x2b, 0x0f, 0x17, 0x1f, 0x27, 0x2b, 0, 0x3f }, data16[] = { 0x0f, 0x0f, 0x0f, 0x17, 0x1f, 0x2b };
    struct host_regs *in = &c->in;
    bool any = one_in(g, 4);

    for (unsigned n = 0; n < 6; n++) {
        if (c->mode == CASE_64)
            in->seg[n] = one_in(g, 8) && n < SEG_FS ? CASE_DS : 0;
        else if (c->mode == CASE_32)
            in->seg[n] = any ? data32[below(g, COUNT_OF(data32))] : CASE_DS;
        else
            in->seg[n] = data16[below(g, COUNT_OF(data16))];
    }
    in->seg[SEG_CS] = c->mode == CASE_64 ? CASE_CS64 : c->mode == CASE_32 ? CASE_CS32 : CASE_CS16;
    in->seg[SEG_SS] = CASE_DS;
    if (c->mode != CASE_64 && one_in(g, 4))
        in->seg[SEG_SS] = one_in(g, 2) ? 0x0f : 0x17;
    in->fs_base = in->gs_base = 0;
    if (c->mode == CASE_64) {
        in->fs_base = one_in(g, 2) ? below(g, 64) * 8 : ARENA_DATA + below(g, 0x1000);
        in->gs_base = one_in(g, 16) ? 0x00007fffffffff00 : ARENA_DATA + 8 * below(g, 0x200);
    } else {
        in->fs_base = case_segment_base(c, SEG_FS);
        in->gs_base = case_segment_base(c, SEG_GS);
    }
    in->gpr[RSP] -= case_segment_base(c, SEG_SS);
    in->rip = c->at - case_cs_base(c);
}

/* ---- x87 and vectors ---- */

static void float80(struct gen *g, uint64_t *mant, uint16_t *se)
{
    static const uint16_t exponents[] = { 0, 1, 0x3ffe, 0x3fff, 0x4000, 0x403e, 0x403f, 0x7ffe, 0x7fff, 0x7fff, 0x3fff - 63, 0x401e };
    uint64_t m = host_random(&g->r);

    if (one_in(g, 3))
        m &= ~0ull << below(g, 64);
    if (one_in(g, 8))
        m = one_in(g, 2) ? 0 : 1;
    if (!one_in(g, 8))
        m |= 1ull << 63;
    *se = exponents[below(g, COUNT_OF(exponents))];
    if (one_in(g, 2))
        *se = (uint16_t)(0x3fff - 70 + below(g, 140));
    if (*se == 0 && !one_in(g, 4))
        m &= ~(1ull << 63);
    *se |= (uint16_t)(below(g, 2) << 15);
    if (one_in(g, 12)) {
        m = 0;
        *se &= 0x8000;
    }
    *mant = m;
}

static void x87(struct gen *g, struct host_regs *in)
{
    in->fcw = (uint16_t)(0x40 | below(g, 4) << 8 | below(g, 4) << 10 | (one_in(g, 3) ? below(g, 64) : 63));
    if (one_in(g, 4))
        in->fcw |= 0x1000;
    if (one_in(g, 2))
        in->fcw |= 0x300;
    in->fsw = (uint16_t)(below(g, 8) << 11 | (below(g, 16) & 7) << 8 | below(g, 2) << 14);
    if (one_in(g, 4))
        in->fsw |= (uint16_t)(below(g, 128) & in->fcw & 0x7f);
    if (one_in(g, 40))
        in->fsw |= (uint16_t)below(g, 128);
    if (in->fsw & ~in->fcw & 0x3f)
        in->fsw |= 0x8080;
    in->ftag = one_in(g, 3) ? (uint8_t)host_random(&g->r) : 0xff;
    for (unsigned n = 0; n < 8; n++)
        float80(g, &in->mant[n], &in->se[n]);
    in->fop = (uint16_t)below(g, 2048);
    in->fip = 0;
    in->fdp = 0;
}

static void vectors(struct gen *g, struct host_case *c)
{
    struct host_regs *in = &c->in;

    in->mxcsr = 0x1f80;
    if (one_in(g, 3))
        in->mxcsr = (uint32_t)host_random(&g->r) & 0xffff;
    else if (one_in(g, 2))
        in->mxcsr |= below(g, 4) << 13 | below(g, 2) << 15 | below(g, 2) << 6;
    in->pkru = 0x55555554;
    for (unsigned n = 0; n < (g->evex ? 32 : 16); n++)
        memcpy(in->zmm[n], gen_pool(g), 64);
    if (!g->evex) {
        for (unsigned n = 0; n < 16; n++)
            memset(&in->zmm[n][4], 0, 32);
        memset(in->zmm[16], 0, 1024);
    }
    for (unsigned n = 0; n < 8; n++)
        in->k[n] = !g->evex ? 0 : one_in(g, 4) ? ~0ull : host_random(&g->r) & (one_in(g, 2) ? ~0ull : host_random(&g->r));
}

/* ---- what the instruction needs ---- */

static uint64_t *gpr_at(struct host_case *c, unsigned at) { return &c->in.gpr[at / 8 & 15]; }

/* A register's low part by address size; the rest may be anything (outside 64-bit mode there is none). */
static void set_address(struct gen *g, struct host_case *c, uint64_t *reg, uint64_t v)
{
    uint64_t mask = case_address_mask(&c->insn);

    v &= mask;
    if (one_in(g, 3))
        v |= *reg & ~mask & (c->mode == CASE_64 ? ~0ull : 0xffffffffu);
    *reg = v;
}

/* Indices of a gather: near enough to hit the arena, most of the time. */
static void set_vector_index(struct gen *g, struct host_case *c)
{
    uint64_t *v = c->in.zmm[c->insn.index & 31];

    if (one_in(g, 8))
        return;
    for (unsigned n = 0; n < 16; n++)
        store32((uint8_t *)v + 4 * n, one_in(g, 3) ? 0 : below(g, 64));
    if (one_in(g, 2))
        for (unsigned n = 0; n < 8; n++)
            v[n] = (uint64_t)((int64_t)below(g, 256) - 64);
}

/* Make the memory operand lie at `target`. */
static void aim(struct gen *g, struct host_case *c, uint64_t target)
{
    const struct insn *i = &c->insn;
    uint64_t ea = target - case_segment_base(c, i->seg) - (uint64_t)i->disp, index = 0;

    if (i->flags & INSN_RIPREL)
        return;
    if (case_vsib(c)) {
        set_vector_index(g, c);
    } else if (i->index != REG_ZERO) {
        if (i->base == REG_ZERO || i->index == i->base || one_in(g, 2))
            set_address(g, c, gpr_at(c, i->index), i->index == i->base ? ea / ((1u << i->scale) + 1) : below(g, 4));
        index = *gpr_at(c, i->index) << i->scale;
    }
    if (i->base != REG_ZERO && (i->index != i->base || case_vsib(c)))
        set_address(g, c, gpr_at(c, i->base), ea - index);
    else if (i->base == REG_ZERO && i->index != REG_ZERO && !case_vsib(c))
        set_address(g, c, gpr_at(c, i->index), ea >> i->scale);
}

/* Something worth reading where the instruction reads. */
static void fill(struct gen *g, struct host_case *c, uint64_t at, unsigned bytes)
{
    uint8_t data[128];

    memcpy(data, gen_pool(g), 64);
    memcpy(data + 64, gen_pool(g), 64);
    case_patch(c, at, data, bytes > 64 ? 128 : bytes ? bytes : 64);
}

static void put_values(struct gen *g, struct host_case *c, uint64_t at, uint64_t offset, unsigned size)
{
    static const uint16_t selectors[] = { 0x33, 0x23, 0x2b, 0x07, 0x0f, 0, 0x10, 0x2f, 0x27, 0x17, 0x37 };
    uint8_t frame[40];

    for (unsigned n = 0; n < sizeof frame; n++)
        frame[n] = (uint8_t)host_random(&g->r);
    store_bytes(frame, size, offset);
    store_bytes(frame + size, size, one_in(g, 3) ? c->in.seg[SEG_CS] : selectors[below(g, COUNT_OF(selectors))]);
    /* AC that IRET loads from a misaligned stack sends Linux into its handling of split locks, for ever */
    store_bytes(frame + 2 * size, size, 0x202 | (host_random(&g->r) & (FLAGS_ARITH | FLAG_DF | (at & 7 ? 0 : FLAG_AC))));
    store_bytes(frame + 3 * size, size, gen_target(g, c, 16));
    store_bytes(frame + 4 * size, size, one_in(g, 2) ? CASE_DS : selectors[below(g, COUNT_OF(selectors))]);
    case_patch(c, at, frame, sizeof frame);
}

static void need_string(struct gen *g, struct host_case *c)
{
    unsigned span = c->insn.flags & (INSN_REP | INSN_REPNE) ? below(g, 80) : 0, width = c->insn.width;

    set_address(g, c, &c->in.gpr[RCX], one_in(g, 30) ? host_random(&g->r) : one_in(g, 8) ? below(g, 3000) : span);
    set_address(g, c, &c->in.gpr[RSI], gen_target(g, c, width * (span + 1)) - case_segment_base(c, c->insn.seg));
    set_address(g, c, &c->in.gpr[RDI], gen_target(g, c, width * (span + 1)) - case_segment_base(c, SEG_ES));
    if (one_in(g, 2)) {                 /* equal elements, so that a comparison goes on */
        uint8_t same[128];

        memset(same, (int)host_random(&g->r), sizeof same);
        c->in.gpr[RAX] = 0x0101010101010101u * same[0];
        if (c->mode != CASE_64)
            c->in.gpr[RAX] = (uint32_t)c->in.gpr[RAX];
        case_patch(c, (c->in.gpr[RSI] & case_address_mask(&c->insn)) + case_segment_base(c, c->insn.seg), same, 1 + below(g, 128));
        case_patch(c, (c->in.gpr[RDI] & case_address_mask(&c->insn)) + case_segment_base(c, SEG_ES), same, 1 + below(g, 128));
    }
}

static void need_stack(struct gen *g, struct host_case *c)
{
    uint64_t base = case_segment_base(c, SEG_SS), target = gen_target(g, c, 16);

    c->in.gpr[RSP] = target - base;
    if (c->op == OP_LEAVE || c->op == OP_ENTER)
        c->in.gpr[RBP] = gen_target(g, c, 16) - base;
    if (c->mode != CASE_64) {
        c->in.gpr[RSP] = (uint32_t)c->in.gpr[RSP];
        c->in.gpr[RBP] = (uint32_t)c->in.gpr[RBP];
    }
    if (c->op == OP_RET)
        put_values(g, c, target, gen_landing(g, c), c->insn.width);
    else if (c->op == OP_RET_FAR || c->op == OP_IRET)
        put_values(g, c, target, gen_landing(g, c), c->insn.width);
    else
        fill(g, c, target, 64);
}

/* The accumulator equals the destination half of the time. */
static void need_equal(struct gen *g, struct host_case *c)
{
    uint64_t value[2] = { c->in.gpr[RAX], c->in.gpr[RDX] };

    if (c->op != OP_CMPXCHG)
        value[0] = c->op == OP_CMPXCHG8B ? (uint32_t)value[0] | value[1] << 32 : value[0];
    if (one_in(g, 2))
        return;
    if (FORM_KIND(c->insn.form, 0) == KIND_MEM)
        case_patch(c, case_effective(c), value, 16);
    else if ((c->insn.o[0] & 7) == 0)
        *gpr_at(c, c->insn.o[0]) = value[0];
}

/* An image that FXRSTOR, XRSTOR, FRSTOR or FLDENV may accept. */
static void need_image(struct gen *g, struct host_case *c)
{
    const uint64_t components = g->evex ? 0xe7 : 7;
    uint8_t image[2688];
    uint64_t at = case_effective(c) & ~(uint64_t)(one_in(g, 10) ? 0 : 63);

    if (c->op != OP_FRSTOR && c->op != OP_FLDENV && c->op != OP_FNSAVE && c->op != OP_FNSTENV) {
        aim(g, c, at);
        at = case_effective(c);
    }
    for (unsigned n = 0; n < sizeof image; n += 64)
        memcpy(image + n, gen_pool(g), 64);
    store32(image + 24, (uint32_t)host_random(&g->r) & (one_in(g, 16) ? ~0u : 0xffff));
    memset(image + 512, 0, 64);
    image[512] = (uint8_t)(host_random(&g->r) & components);
    if (one_in(g, 4)) {
        image[527] = 0x80;              /* compacted */
        image[520] = (uint8_t)(image[512] | (host_random(&g->r) & components));
    }
    if (one_in(g, 10))
        image[514 + below(g, 40)] = (uint8_t)host_random(&g->r);
    image[514] &= 0xf9;                 /* of AMX, which the host's XCR0 may have and Partita's does not */
    image[522] &= 0xf9;
    store64(image + 8, (uint64_t)((int64_t)host_random(&g->r) >> 17));
    c->in.gpr[RAX] = host_random(&g->r) & components;    /* PKRU stays, tiles are not there */
    if (c->mode != CASE_64)
        c->in.gpr[RAX] = (uint32_t)c->in.gpr[RAX];
    case_patch(c, at, image, g->evex ? sizeof image : 1088);
}

static void need_target(struct gen *g, struct host_case *c)
{
    uint64_t to = gen_landing(g, c);

    if (FORM_KIND(c->insn.form, 0) == KIND_REG)
        *gpr_at(c, c->insn.o[0]) = c->mode == CASE_64 ? to : (uint32_t)to;
    else
        put_values(g, c, case_effective(c), to, c->insn.width);
}

static void need_control(struct gen *g, struct host_case *c)
{
    uint8_t v[4];

    store32(v, c->op == OP_LDMXCSR ? (uint32_t)host_random(&g->r) & (one_in(g, 12) ? ~0u : 0xffff)
                                   : 0x7f | (uint32_t)host_random(&g->r));
    case_patch(c, case_effective(c), v, c->op == OP_LDMXCSR ? 4 : 2);
}

static void need_divisor(struct gen *g, struct host_case *c)
{
    if (!one_in(g, 4))
        c->in.gpr[RDX] = c->op == OP_IDIV && one_in(g, 2) ? (c->mode == CASE_64 ? ~0ull : 0xffffffffu) : below(g, 4);
    if (c->insn.width == 1 && !one_in(g, 4))
        c->in.gpr[RAX] = (c->in.gpr[RAX] & ~0xffffull) | below(g, 2000);
}

/* After the operand has its place. */
static void needs(struct gen *g, struct host_case *c)
{
    switch (c->op) {
    case OP_MOVS: case OP_CMPS: case OP_STOS: case OP_LODS: case OP_SCAS: case OP_INS: case OP_OUTS:
        need_string(g, c);
        break;
    case OP_PUSH: case OP_POP: case OP_PUSHA: case OP_POPA: case OP_ENTER: case OP_LEAVE: case OP_RET: case OP_RET_FAR:
    case OP_IRET: case OP_PUSHF: case OP_POPF: case OP_PUSH_SEG: case OP_POP_SEG: case OP_CALL: case OP_CALL_FAR:
        if (!one_in(g, 3))
            need_stack(g, c);
        break;
    case OP_CALL_IND: case OP_JMP_IND: case OP_CALL_FAR_IND: case OP_JMP_FAR_IND:
        need_target(g, c);
        break;
    case OP_XLAT:
        set_address(g, c, &c->in.gpr[RBX], gen_target(g, c, 1) - (c->in.gpr[RAX] & 255) - case_segment_base(c, c->insn.seg));
        break;
    case OP_MASKMOVQ: case OP_MASKMOVDQU:
        set_address(g, c, &c->in.gpr[RDI], gen_target(g, c, 16) - case_segment_base(c, c->insn.seg));
        break;
    case OP_CMPXCHG: case OP_CMPXCHG8B: case OP_CMPXCHG16B:
        need_equal(g, c);
        break;
    case OP_FXSAVE: case OP_FXRSTOR: case OP_XSAVE: case OP_XSAVEC: case OP_XSAVEOPT: case OP_XRSTOR: case OP_FRSTOR:
    case OP_FLDENV: case OP_FNSAVE: case OP_FNSTENV:
        need_image(g, c);
        break;
    case OP_LDMXCSR: case OP_FLDCW:
        need_control(g, c);
        break;
    case OP_DIV: case OP_IDIV:
        need_divisor(g, c);
        break;
    case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:
        if (FORM_KIND(c->insn.form, 1) == KIND_REG && !one_in(g, 6))
            *gpr_at(c, c->insn.o[1]) = below(g, 256);
        break;
    case OP_XGETBV:
        c->in.gpr[RCX] = below(g, 3);
        break;
    case OP_WRPKRU:
        c->in.gpr[RAX] &= ~3ull;
        /* fallthrough */
    case OP_RDPKRU:
        c->in.gpr[RCX] = one_in(g, 8);
        c->in.gpr[RDX] = one_in(g, 8);
        break;
    case OP_WRFSBASE: case OP_WRGSBASE:
        if (!one_in(g, 4))
            *gpr_at(c, c->insn.o[0]) = (uint64_t)((int64_t)host_random(&g->r) >> 17);
        break;
    case OP_MOV_TO_SEG: case OP_VERR: case OP_VERW: case OP_LAR: case OP_LSL:
        if (!one_in(g, 4))
            c->in.gpr[(c->insn.modrm & 7) | (below(g, 2) && c->mode == CASE_64 ? 8 : 0)] = below(g, 0x78);
        break;
    }
}

/* The memory operand of the first instruction. */
static void place_operand(struct gen *g, struct host_case *c)
{
    uint64_t target = gen_target(g, c, c->insn.mem_bytes);
    bool locked = (c->insn.flags & INSN_LOCK) || c->op == OP_XCHG;

    if (c->insn.modrm >= 0xc0 || (c->insn.base == REG_ZERO && c->insn.index == REG_ZERO && c->insn.mem_bytes == 0))
        return;
    if (locked && (target & 63) + 16 > 64)
        target &= ~(uint64_t)63;        /* over two lines it would be left out */
    aim(g, c, target);
    fill(g, c, case_effective(c), c->insn.mem_bytes);
}

void gen_state(struct gen *g, struct host_case *c)
{
    pool_fill(g, c->number >> 12);
    general(g, c);
    segments(g, c);
    x87(g, &c->in);
    vectors(g, c);
    if (c->op == OP_COUNT)
        return;
    place_operand(g, c);
    needs(g, c);
}
