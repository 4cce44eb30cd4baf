/* SPDX-License-Identifier: MIT
 * Floating point that is NEON's own must not be able to differ. A value is tame that is zero, normal or infinite: neither architecture
 * raises anything for such operands (NaNs differ in what they become, denormals raise DE on x86 only). What is known to be tame is
 * looked at no more. A result must be tame, too, and of no operation that raises anything but PE: then nothing overflowed, was near a
 * denormal before it was rounded, or was invalid.
 *
 * On the plain path a value passes whose exponent's upper bits are not all alike. What does not is looked at again out of line,
 * together with the operands that it comes from: zeros and infinities that come of such pass there. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

/* ---- the plain path ---- */

static uint32_t to_general(unsigned size) { return size == 8 ? 0x9e660000 : 0x1e260000; }      /* FMOV */

/* The bits of the value xor-ed with their neighbours: zero where all of the exponent's are alike; where the lowest may differ, of
 * results that may underflow: one that was rounded up to the least normal number has. */
static uint32_t *look_at_scalar(struct lift *l, unsigned size, bool sum, unsigned v)
{
    struct a64_buf *a = &l->a;
    const unsigned exponent = size == 8 ? 11 : 8, ones = sum ? exponent - 1 : exponent - 2;

    a64_put(a, to_general(size) | v << 5 | T2);
    a64_rrr_by(a, A64_EOR, size, T2, T2, T2, A64_LSL, 1);
    a64_logic_imm(a, A64_AND, size, T2, T2, (((uint64_t)1 << ones) - 1) << (8 * size - 1 - ones));
    return a64_cbz(a, size, false, T2);
}

static uint32_t *look_at_lanes(struct lift *l, unsigned size, unsigned v)
{
    struct a64_buf *a = &l->a;
    const unsigned mask = size == 8 ? MASK_8 : MASK_4;

    if (!(l->vec.masks & size / 4)) {
        struct vec_state only = { .masks = (uint16_t)(size / 4) };

        lift_vec_load(l, &only);
        l->vec.masks |= only.masks;
    }
    vvv(l, 0x4e208400 | vec_lanes(size), SCRATCH, v, v);            /* ADD: shifted by one */
    vvv(l, 0x6e201c00, SCRATCH, SCRATCH, v);                        /* EOR */
    vvv(l, 0x4e208c00 | vec_lanes(size), SCRATCH, SCRATCH, mask);   /* CMTST */
    a64_put(a, 0x6eb1a800 | SCRATCH << 5 | SCRATCH);                /* UMINV of words */
    a64_put(a, to_general(4) | SCRATCH << 5 | T2);
    return a64_cbz(a, 4, false, T2);
}

static const uint8_t *glue_of(const struct lift *l, const struct shape *s, enum look look)
{
    return l->jit->glue.fp_look[4 * look + 2 * (s->size == 8) + s->scalar];
}

void vec_check(struct lift *l, const struct shape *s, enum look look, unsigned v, unsigned a, unsigned b, unsigned c)
{
    const bool sum = look == LOOK_OPERAND || look == LOOK_SUM;
    uint32_t *site = s->scalar ? look_at_scalar(l, s->size, sum, v) : look_at_lanes(l, s->size, v);
    struct cold *out = lift_new_cold(l, site);

    l->vec_looked = true;
    out->whole = true;
    out->look = LOOK_VECTOR;
    out->found = l->a.at;
    out->glue = glue_of(l, s, look);
    out->operands[0] = (uint8_t)a;
    out->operands[1] = (uint8_t)b;
    out->operands[2] = (uint8_t)v;
    out->operands[3] = (uint8_t)c;
}

/* ---- out of line: operands in V0, V1 and V3, the value in V2; W2 becomes zero if it must leave. all
 * others stay, and so do operands that are only looked at themselves ---- */

void lift_vec_look(struct lift *l, const struct cold *c)
{
    for (unsigned n = 0; n < 4; n++)
        if (c->operands[n] != n)
            vvv(l, V_MOV, n, c->operands[n], c->operands[n]);
    a64_aim(&l->a, a64_bl(&l->a), (const uint32_t *)codebuf_writable(&l->jit->code, c->glue));
}

static void op(struct a64_buf *a, uint32_t insn, unsigned d, unsigned n, unsigned m)
{
    a64_put(a, insn | m << 16 | n << 5 | d);
}

enum { A = 0, B = 1, VALUE = 2, C = 3, TEMP = 4, OTHER = 5, GOOD = 6, INFINITE = 7 };

enum { CMEQ = 0x6e208c00, CMEQ_ZERO = 0x4e209800, CMHI = 0x6e203400, SUB = 0x6e208400, SHL = 0x4f005400, USHR = 0x6f000400,
       AND = 0x4e201c00 };

#define PUSH_RESULTS 0xadbf17e4u        /* STP Q4, Q5, [SP, #-32]! */
#define POP_RESULTS  0xacc117e4u        /* LDP Q4, Q5, [SP], #32 */

/* Which lanes, all shifted left by one, are infinite; or zero. */
static void which(struct a64_buf *a, unsigned size, bool infinite, unsigned to, unsigned v)
{
    if (infinite)
        op(a, CMEQ | vec_lanes(size), to, v, INFINITE);
    else
        op(a, CMEQ_ZERO | vec_lanes(size), to, v, 0);
}

/* Into TEMP: lanes whose operands make a result that is such. */
static void of_operands(struct a64_buf *a, unsigned size, enum look look, bool infinite)
{
    which(a, size, infinite, TEMP, A);
    if (look == LOOK_QUOTIENT && infinite)
        return;                     /* what is divided by infinity is none */
    which(a, size, look == LOOK_QUOTIENT || infinite, OTHER, B);
    op(a, V_MOV, TEMP, TEMP, OTHER);
    if (look != LOOK_FUSED)
        return;
    which(a, size, infinite, OTHER, C);
    op(a, infinite ? V_MOV : AND, TEMP, TEMP, OTHER);
}

static void allow(struct a64_buf *a, unsigned size, enum look look, bool infinite)
{
    const bool always = look == LOOK_OPERAND || (look == LOOK_SUM && !infinite);

    if (!always)
        of_operands(a, size, look, infinite);
    which(a, size, infinite, OTHER, VALUE);
    if (!always)
        op(a, AND, OTHER, OTHER, TEMP);
    op(a, V_MOV, GOOD, GOOD, OTHER);
}

/* Exponents from `low` to the largest. VALUE is lost. */
static void allow_normal(struct a64_buf *a, unsigned size, unsigned low)
{
    const unsigned bits = 8 * size, fraction = size == 8 ? 53 : 24;

    a64_put(a, V_ONES | TEMP);
    op(a, USHR, TEMP, TEMP, 2 * bits - (bits - 1));
    op(a, SHL, TEMP, TEMP, bits + fraction + low - 1);
    op(a, SUB | vec_lanes(size), VALUE, VALUE, TEMP);
    op(a, SUB | vec_lanes(size), TEMP, INFINITE, TEMP);
    op(a, CMHI | vec_lanes(size), TEMP, TEMP, VALUE);
    op(a, V_MOV, GOOD, GOOD, TEMP);
}

static void allowed(struct a64_buf *a, unsigned size, enum look look)
{
    const unsigned bits = 8 * size;

    for (unsigned v = A; v <= C; v++)
        if (look != LOOK_OPERAND || v == VALUE)
            op(a, SHL, v, v, bits + 1);
    if (look == LOOK_NARROWED) {            /* of a zero */
        op(a, CMEQ_ZERO | vec_lanes(size), GOOD, A, 0);
        return;
    }
    a64_put(a, V_ONES | INFINITE);
    op(a, SHL, INFINITE, INFINITE, bits + (size == 8 ? 53 : 24));
    a64_put(a, V_ZERO | GOOD);
    allow(a, size, look, false);
    allow(a, size, look, true);
    allow_normal(a, size, look == LOOK_OPERAND || look == LOOK_SUM ? 1 : 2);
}

static void make_look(struct a64_buf *a, enum look look, unsigned size, bool scalar)
{
    a64_put(a, PUSH_RESULTS);
    allowed(a, look == LOOK_NARROWED ? 8 : size, look);
    if (!scalar)
        a64_put(a, 0x6eb1a800 | GOOD << 5 | GOOD);                  /* UMINV of words */
    a64_put(a, to_general(4) | GOOD << 5 | T2);
    a64_put(a, POP_RESULTS);
    vec_masks(a, 3);
    a64_ret(a);
}

void lift_vec_looks(struct jit *j, struct a64_buf *a)
{
    for (unsigned n = 0; n < 4 * LOOKS; n++) {
        j->glue.fp_look[n] = codebuf_runs_at(&j->code, (uint8_t *)a->at);
        make_look(a, (enum look)(n / 4), n & 2 ? 8 : 4, n & 1);
    }
}
