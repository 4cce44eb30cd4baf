/* SPDX-License-Identifier: MIT
 * Moves, extensions, addresses, and the stack. None touches NZCV. */
#include "cpu/jit/a64/lift.h"

static bool move_to_register(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    unsigned from;

    if (immediate(i, 1) && bytes >= 4) {
        a64_mov_imm(&l->a, pinned(guest_number(i->o[0])), bytes == 4 ? (uint32_t)i->imm : i->imm);
        return true;
    }
    if (immediate(i, 1)) {
        from = T3;
        a64_mov_imm(&l->a, T3, i->imm & (bytes == 1 ? 0xff : 0xffff));
    } else {
        from = lift_operand(l, 1, bytes, T3);
    }
    if (from == HOST_NONE)
        return false;
    lift_write(l, i->o[0], bytes, from);
    return true;
}

/* A load of a whole register needs no other on its way. */
static bool load_register(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address;

    if (i->width < 4 || !in_memory(i, 1))
        return move_to_register(l);
    address = lift_address(l);
    if (address == HOST_NONE)
        return false;
    lift_probe(l, address, false, i->width);
    lift_load(l, i->width, pinned(guest_number(i->o[0])));
    return true;
}

/* An operand to be stored; after the probe. */
static unsigned stored(struct lift *l, unsigned n, unsigned bytes)
{
    const struct insn *i = l->i;

    if (!immediate(i, n))
        return lift_read(l, i->o[n], bytes, T3);
    if (mask_size(i->imm, bytes) == 0)
        return A64_ZR;
    a64_mov_imm(&l->a, T3, mask_size(i->imm, bytes));
    return T3;
}

static bool move_to_memory(struct lift *l)
{
    const unsigned bytes = l->i->width, address = lift_address(l);

    if (address == HOST_NONE)
        return false;
    lift_probe(l, address, true, bytes);
    lift_store(l, bytes, stored(l, 1, bytes));
    return true;
}

/* ---- extensions ---- */

static bool extension(struct lift *l, unsigned from, bool sign)
{
    const struct insn *i = l->i;
    const unsigned to = i->width == 2 ? T3 : pinned(guest_number(i->o[0])), wide = i->width == 8 && sign ? 8 : 4;
    const unsigned source = lift_operand(l, 1, from, in_memory(i, 1) ? to : T3);

    if (source == HOST_NONE)
        return false;
    if (sign)
        a64_sbfx(&l->a, wide, to, source, 0, 8 * from);
    else if (high_byte(i->o[1], from) && !in_memory(i, 1))
        a64_mov(&l->a, 4, to, source);
    else if (source != to || !in_memory(i, 1))      /* what was loaded is already */
        a64_ubfx(&l->a, 4, to, source, 0, 8 * from);
    if (i->width == 2)
        lift_write(l, i->o[0], 2, T3);
    return true;
}

static bool widen_accumulator(struct lift *l)
{
    const unsigned to = l->i->width;

    a64_sbfx(&l->a, to, to == 2 ? T3 : pinned(RAX), pinned(RAX), 0, 4 * to);
    if (to == 2)
        lift_write(l, REG_AT(RAX), 2, T3);
    return true;
}

static bool sign_of_accumulator(struct lift *l)
{
    const unsigned to = l->i->width;

    if (to == 2)
        return false;
    a64_shift(&l->a, A64_ASR, to, pinned(RDX), pinned(RAX), 8 * to - 1);
    return true;
}

/* ---- addresses, exchanges ---- */

static bool load_address(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address;

    if (i->flags & INSN_SEGMENT)
        return false;
    address = lift_address(l);
    if (address == HOST_NONE)
        return false;
    lift_write(l, i->o[0], i->width, address);
    return true;
}

/* One processor runs at a time: this is a load and a store. */
static bool exchange_memory(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address;

    if (lift_rmw(l, &address) == HOST_NONE)
        return false;
    lift_store(l, i->width, lift_read(l, i->o[1], i->width, T2));
    lift_write(l, i->o[1], i->width, T3);
    return true;
}

static bool exchange(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    if (in_memory(i, 0))
        return exchange_memory(l);
    if (bytes < 4)
        return false;
    a64_mov(&l->a, bytes, T3, pinned(guest_number(i->o[0])));
    a64_mov(&l->a, bytes, pinned(guest_number(i->o[0])), pinned(guest_number(i->o[1])));
    a64_mov(&l->a, bytes, pinned(guest_number(i->o[1])), T3);
    return true;
}

static bool swap_bytes(struct lift *l)
{
    const unsigned reg = pinned(guest_number(l->i->o[0]));

    if (l->i->width == 2)
        return false;
    a64_rr(&l->a, l->i->width == 8 ? A64_REV64 : A64_REV32, l->i->width, reg, reg);
    return true;
}

/* ---- the stack, 8 bytes wide ---- */

static bool push(struct lift *l)
{
    const struct insn *i = l->i;

    if (i->width != 8 || in_memory(i, 0))
        return false;
    lift_probe(l, lift_stack_address(l, -8), true, 8);
    lift_store(l, 8, stored(l, 0, 8));
    a64_sum_imm(&l->a, A64_SUB, 8, pinned(RSP), pinned(RSP), 8);
    return true;
}

/* POP RSP ends with what was loaded. */
static bool pop(struct lift *l)
{
    const struct insn *i = l->i;

    if (i->width != 8 || FORM_KIND(i->form, 0) != KIND_REG)
        return false;
    lift_probe(l, lift_stack_address(l, 0), false, 8);
    lift_load(l, 8, T3);
    a64_sum_imm(&l->a, A64_ADD, 8, pinned(RSP), pinned(RSP), 8);
    lift_write(l, i->o[0], 8, T3);
    return true;
}

static bool leave(struct lift *l)
{
    if (l->i->width != 8)
        return false;
    l->address.simple = false;
    lift_probe(l, pinned(RBP), false, 8);
    lift_load(l, 8, T3);
    a64_sum_imm(&l->a, A64_ADD, 8, pinned(RSP), pinned(RBP), 8);
    a64_mov(&l->a, 8, pinned(RBP), T3);
    return true;
}

bool lift_move(struct lift *l)
{
    switch (l->i->op) {
    case OP_MOV:     return in_memory(l->i, 0) ? move_to_memory(l) : load_register(l);
    case OP_MOVZX_B: return extension(l, 1, false);
    case OP_MOVZX_W: return extension(l, 2, false);
    case OP_MOVSX_B: return extension(l, 1, true);
    case OP_MOVSX_W: return extension(l, 2, true);
    case OP_MOVSXD:  return l->i->width == 8 && extension(l, 4, true);
    case OP_CBW:     return widen_accumulator(l);
    case OP_CWD:     return sign_of_accumulator(l);
    case OP_LEA:     return load_address(l);
    case OP_XCHG:    return exchange(l);
    case OP_BSWAP:   return swap_bytes(l);
    case OP_PUSH:    return push(l);
    case OP_POP:     return pop(l);
    case OP_LEAVE:   return leave(l);
    case OP_NOP: case OP_ENDBR64: case OP_ENDBR32: case OP_LFENCE: case OP_MFENCE: case OP_SFENCE:
        return true;
    default:
        return false;
    }
}
