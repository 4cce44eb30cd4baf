/* SPDX-License-Identifier: MIT
 * Vector moves, and what goes between vector and general registers. Parts of registers are moved in struct cpu by general
 * registers. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

static void load_part(struct lift *l, unsigned bytes, unsigned to, unsigned n, unsigned at)
{
    a64_mem(&l->a, bytes == 8 ? A64_LDRX : A64_LDRW, to, HOST_CPU, vec_at(n, at));
}

static void store_part(struct lift *l, unsigned bytes, unsigned from, unsigned n, unsigned at)
{
    a64_mem(&l->a, bytes == 8 ? A64_STRX : A64_STRW, from, HOST_CPU, vec_at(n, at));
}

/* ---- whole registers ---- */

static bool move_whole(struct lift *l, bool aligned)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    const bool out = in_memory(i, 0), in = in_memory(i, 1);

    vec_ready(l);
    if ((in || out) && !vec_memory(l, out, bytes, aligned ? bytes : 1))
        return false;
    for (unsigned at = 0; at < bytes; at += 16)         /* all is read first: the operands may be one another's halves */
        if (in)
            a64_mem(&l->a, A64_LDRQ, at / 16, T2, (int32_t)at);
        else
            a64_mem(&l->a, A64_LDRQ, at / 16, HOST_CPU, vec_at(i->o[1], at));
    for (unsigned at = 0; at < bytes; at += 16)
        if (out)
            a64_mem(&l->a, A64_STRQ, at / 16, T2, (int32_t)at);
        else
            a64_mem(&l->a, A64_STRQ, at / 16, HOST_CPU, vec_at(i->o[0], at));
    if (!out)
        vec_zero_above(l, i->o[0], bytes);
    return true;
}

/* ---- the low part ---- */

/* The value in T3, zero-extended to a whole register. */
static void put_low(struct lift *l, unsigned n)
{
    a64_pair(&l->a, A64_STP, T3, A64_ZR, T2, 0);
    vec_zero_above(l, n, 16);
}

static void address_of(struct lift *l, unsigned n)
{
    lift_add(l, 8, T2, HOST_CPU, vec_at(n, 0), T1);
}

static bool load_low(struct lift *l, unsigned bytes)
{
    const struct insn *i = l->i;

    vec_ready(l);
    if (in_memory(i, 1)) {
        if (!vec_memory(l, false, bytes, 1))
            return false;
        a64_mem(&l->a, bytes == 8 ? A64_LDRX : A64_LDRW, T3, T2, 0);
    } else {
        load_part(l, bytes, T3, i->o[1], 0);
    }
    address_of(l, i->o[0]);
    put_low(l, i->o[0]);
    return true;
}

static bool store_of(struct lift *l, unsigned bytes, unsigned at)
{
    vec_ready(l);
    if (!vec_memory(l, true, bytes, 1))
        return false;
    load_part(l, bytes, T3, l->i->o[1], at);
    a64_mem(&l->a, bytes == 8 ? A64_STRX : A64_STRW, T3, T2, 0);
    return true;
}

/* ---- legacy moves of a part, which leave the rest ---- */

static bool merge(struct lift *l, unsigned bytes, unsigned to, unsigned from)
{
    if (l->i->vl)
        return false;
    vec_ready(l);
    load_part(l, bytes, T3, l->i->o[1], from);
    store_part(l, bytes, T3, l->i->o[0], to);
    return true;
}

static bool load_half(struct lift *l, unsigned at)
{
    if (l->i->vl)
        return false;
    vec_ready(l);
    if (!vec_memory(l, false, 8, 1))
        return false;
    a64_mem(&l->a, A64_LDRX, T3, T2, 0);
    store_part(l, 8, T3, l->i->o[0], at);
    return true;
}

/* ---- general registers ---- */

static unsigned general_bytes(const struct insn *i)
{
    return i->flags & INSN_REXW ? 8 : 4;
}

static bool from_general(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = general_bytes(i);

    if (in_memory(i, 1))
        return load_low(l, bytes);
    vec_ready(l);
    a64_mov(&l->a, bytes, T3, pinned(guest_number(i->o[1])));
    address_of(l, i->o[0]);
    put_low(l, i->o[0]);
    return true;
}

static bool to_general(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = general_bytes(i);

    if (in_memory(i, 0))
        return store_of(l, bytes, 0);
    vec_ready(l);
    load_part(l, bytes, pinned(guest_number(i->o[0])), i->o[1], 0);
    return true;
}

/* The sign of each byte: seven bits are shifted out, then twos, fours and eights of them are put side by side. */
static void byte_signs(struct lift *l, unsigned n, unsigned at)
{
    static const uint32_t steps[] = {
        0x6f090400,             /* USHR V0.16B, V0.16B, #7 */
        0x6f191400,             /* USRA V0.8H, V0.8H, #7 */
        0x6f321400,             /* USRA V0.4S, V0.4S, #14 */
        0x6f641400,             /* USRA V0.2D, V0.2D, #28 */
        0x0e013c00 | T2,        /* UMOV T2, V0.B[0] */
        0x0e113c00 | T3,        /* UMOV T3, V0.B[8] */
    };

    a64_mem(&l->a, A64_LDRQ, 0, HOST_CPU, vec_at(n, at));
    for (unsigned k = 0; k < COUNT_OF(steps); k++)
        a64_put(&l->a, steps[k]);
    a64_rrr_by(&l->a, A64_ORR, 4, T2, T2, T3, A64_LSL, 8);
}

static bool move_mask(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned to = pinned(guest_number(i->o[0]));

    vec_ready(l);
    byte_signs(l, i->o[1], 0);
    a64_mov(&l->a, 4, to, T2);
    if (i->vl == 32) {
        byte_signs(l, i->o[1], 16);
        a64_rrr_by(&l->a, A64_ORR, 4, to, to, T2, A64_LSL, 16);
    }
    return true;
}

/* MOVMSKPS, MOVMSKPD: the sign of each element. */
static bool move_signs(struct lift *l, unsigned size)
{
    const struct insn *i = l->i;
    const unsigned to = pinned(guest_number(i->o[0]));

    vec_ready(l);
    a64_mov_imm(&l->a, T2, 0);
    for (unsigned n = 0; n < (i->vl == 32 ? 32 : 16) / size; n++) {
        a64_mem(&l->a, A64_LDRB, T3, HOST_CPU, vec_at(i->o[1], (n + 1) * size - 1));
        a64_shift(&l->a, A64_LSR, 4, T3, T3, 7);
        a64_rrr_by(&l->a, A64_ORR, 4, T2, T2, T3, A64_LSL, n);
    }
    a64_mov(&l->a, 4, to, T2);
    return true;
}

bool lift_vec_move(struct lift *l)
{
    if (l->i->flags & INSN_EVEX)
        return false;
    switch (l->i->op) {
    case OP_MOV_ALIGNED:   return (l->i->width == 16 || l->i->width == 32) && move_whole(l, true);
    case OP_MOV_UNALIGNED: return (l->i->width == 16 || l->i->width == 32) && move_whole(l, false);
    case OP_MOV_LOAD32:    return load_low(l, 4);
    case OP_MOV_LOAD64: case OP_MOVQ_VW: return load_low(l, 8);
    case OP_MOVQ_WV:       return in_memory(l->i, 0) ? store_of(l, 8, 0) : load_low(l, 8);
    case OP_MOV_STORE32:   return store_of(l, 4, 0);
    case OP_MOV_STORE64:   return store_of(l, 8, 0);
    case OP_MOV_STOREHIGH: return store_of(l, 8, 8);
    case OP_MOV_MERGE32:   return merge(l, 4, 0, 0);
    case OP_MOV_MERGE64:   return merge(l, 8, 0, 0);
    case OP_MOVHLPS:       return merge(l, 8, 0, 8);
    case OP_MOVLHPS:       return merge(l, 8, 8, 0);
    case OP_MOV_LOADLOW:   return load_half(l, 0);
    case OP_MOV_LOADHIGH:  return load_half(l, 8);
    case OP_MOVD_VE:       return from_general(l);
    case OP_MOVD_EV:       return to_general(l);
    case OP_PMOVMSKB:      return move_mask(l);
    case OP_MOVMSKPS:      return move_signs(l, 4);
    case OP_MOVMSKPD:      return move_signs(l, 8);
    default:               return false;
    }
}
