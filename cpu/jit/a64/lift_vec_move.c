/* SPDX-License-Identifier: MIT
 * Vector moves, and what goes between vector and general registers. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

/* ---- whole registers ---- */

static bool store_whole(struct lift *l, bool aligned)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    if (!vec_memory(l, true, bytes, aligned ? bytes : 1))
        return false;
    for (unsigned half = 0; half < bytes / 16; half++)
        vec_access(l, A64_STRQ, vec_use(l, i->o[1], half, FIRST), bytes, 16 * half);
    return true;
}

static void copy_tame(struct lift *l, unsigned half)
{
    for (unsigned n = 0; n < 4; n++) {
        const struct shape s = { n & 1, n & 2 ? 8 : 4 };

        if (vec_tame(l, &s, l->i->o[1], half) && !(s.scalar && half))
            vec_tamed(l, &s, l->i->o[0], half);
    }
}

static bool move_whole(struct lift *l, bool aligned)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    vec_ready(l);
    if (in_memory(i, 0))
        return store_whole(l, aligned);
    if (in_memory(i, 1) && !vec_memory(l, false, bytes, aligned ? bytes : 1))
        return false;
    for (unsigned half = 0; half < bytes / 16; half++) {
        const unsigned to = vec_dest(l, i->o[0], half);

        if (in_memory(i, 1)) {
            vec_access(l, A64_LDRQ, to, bytes, 16 * half);
            vec_made(l, i->o[0], half, to);
        } else if (i->o[0] != i->o[1]) {
            vec_made(l, i->o[0], half, vec_use(l, i->o[1], half, FIRST));
            copy_tame(l, half);
        }
    }
    vec_zero_above(l, i->o[0], bytes);
    return true;
}

/* ---- the low part ---- */

/* Loads and moves of 4 and 8 bytes leave zero above. */
static bool load_low(struct lift *l, unsigned bytes)
{
    const struct insn *i = l->i;
    const unsigned to = vec_dest(l, i->o[0], 0);

    vec_ready(l);
    if (in_memory(i, 1)) {
        if (!vec_memory(l, false, bytes, 1))
            return false;
        vec_access(l, bytes == 8 ? A64_LDRD : A64_LDRS, to, bytes, 0);
    } else {
        vvv(l, bytes == 8 ? 0x1e604000 : 0x1e204000, to, vec_use(l, i->o[1], 0, FIRST), 0);         /* FMOV */
    }
    vec_made(l, i->o[0], 0, to);
    vec_zero_above(l, i->o[0], 16);
    return true;
}

static bool store_of(struct lift *l, unsigned bytes, unsigned at)
{
    unsigned from;

    vec_ready(l);
    if (!vec_memory(l, true, bytes, 1))
        return false;
    from = vec_use(l, l->i->o[1], 0, FIRST);
    if (at != 0) {
        vvv(l, 0x5e180400, FIRST, from, 0);         /* DUP of the upper 8 bytes */
        from = FIRST;
    }
    vec_access(l, bytes == 8 ? A64_STRD : A64_STRS, from, bytes, 0);
    return true;
}

/* ---- legacy moves of a part, which leave the rest ---- */

/* Element `from` of v to element `to` of the destination. */
static void put_part(struct lift *l, unsigned bytes, unsigned to, unsigned v, unsigned from)
{
    const unsigned log = bytes == 8 ? 3 : 2, d = vec_use(l, l->i->o[0], 0, FIRST);

    vvv(l, 0x6e000400 | (to << (log + 1) | 1u << log) << 16 | from << (11 + log), d, v, 0);         /* INS */
    vec_made(l, l->i->o[0], 0, d);
}

static bool merge(struct lift *l, unsigned bytes, unsigned to, unsigned from)
{
    if (l->i->vl)
        return false;
    vec_ready(l);
    put_part(l, bytes, to, vec_use(l, l->i->o[1], 0, FIRST), from);
    return true;
}

static bool load_half(struct lift *l, unsigned to)
{
    if (l->i->vl)
        return false;
    vec_ready(l);
    if (!vec_memory(l, false, 8, 1))
        return false;
    vec_access(l, A64_LDRD, FIRST, 8, 0);
    put_part(l, 8, to, FIRST, 0);
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
    const unsigned bytes = general_bytes(i), to = vec_dest(l, i->o[0], 0);

    if (in_memory(i, 1))
        return load_low(l, bytes);
    vec_ready(l);
    vvv(l, bytes == 8 ? 0x9e670000 : 0x1e270000, to, pinned(guest_number(i->o[1])), 0);             /* FMOV */
    vec_made(l, i->o[0], 0, to);
    vec_zero_above(l, i->o[0], 16);
    return true;
}

static bool to_general(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = general_bytes(i);

    if (in_memory(i, 0))
        return store_of(l, bytes, 0);
    vec_ready(l);
    vvv(l, bytes == 8 ? 0x9e660000 : 0x1e260000, pinned(guest_number(i->o[0])), vec_use(l, i->o[1], 0, FIRST), 0);
    return true;
}

/* The sign of each byte: seven bits are shifted out, then twos, fours and eights of them are put side by side. Into T2. */
static void byte_signs(struct lift *l, unsigned half)
{
    static const uint32_t steps[] = {
        0x6f191400,             /* USRA V0.8H, V0.8H, #7 */
        0x6f321400,             /* USRA V0.4S, V0.4S, #14 */
        0x6f641400,             /* USRA V0.2D, V0.2D, #28 */
        0x0e013c00 | T2,        /* UMOV T2, V0.B[0] */
        0x0e113c00 | T3,        /* UMOV T3, V0.B[8] */
    };

    vvv(l, 0x6f090400, 0, vec_use(l, l->i->o[1], half, 0), 0);      /* USHR V0.16B, #7 */
    for (unsigned k = 0; k < COUNT_OF(steps); k++)
        a64_put(&l->a, steps[k]);
    a64_rrr_by(&l->a, A64_ORR, 4, T2, T2, T3, A64_LSL, 8);
}

/* The same of elements of 4 and 8 bytes. */
static void signs(struct lift *l, unsigned size, unsigned half)
{
    const unsigned v = vec_use(l, l->i->o[1], half, 0);

    if (size == 4) {
        vvv(l, 0x6f210400, 0, v, 0);                /* USHR V0.4S, #31 */
        vvv(l, 0x6f611400, 0, 0, 0);                /* USRA V0.2D, V0.2D, #31 */
    } else {
        vvv(l, 0x6f410400, 0, v, 0);                /* USHR V0.2D, #63 */
    }
    vvv(l, 0x0e013c00, T2, 0, 0);
    vvv(l, 0x0e113c00, T3, 0, 0);
    a64_rrr_by(&l->a, A64_ORR, 4, T2, T2, T3, A64_LSL, size == 4 ? 2 : 1);
}

static bool move_signs(struct lift *l, unsigned size)
{
    const struct insn *i = l->i;
    const unsigned to = pinned(guest_number(i->o[0]));

    vec_ready(l);
    for (unsigned half = 0; half < (i->vl == 32 ? 2u : 1u); half++) {
        if (size == 1)
            byte_signs(l, half);
        else
            signs(l, size, half);
        if (half == 0)
            a64_mov(&l->a, 4, to, T2);
        else
            a64_rrr_by(&l->a, A64_ORR, 4, to, to, T2, A64_LSL, 16 / size);
    }
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
    case OP_MOVHLPS:       return merge(l, 8, 0, 1);
    case OP_MOVLHPS:       return merge(l, 8, 1, 0);
    case OP_MOV_LOADLOW:   return load_half(l, 0);
    case OP_MOV_LOADHIGH:  return load_half(l, 1);
    case OP_MOVD_VE:       return from_general(l);
    case OP_MOVD_EV:       return to_general(l);
    case OP_PMOVMSKB:      return move_signs(l, 1);
    case OP_MOVMSKPS:      return move_signs(l, 4);
    case OP_MOVMSKPD:      return move_signs(l, 8);
    default:               return false;
    }
}
