/* SPDX-License-Identifier: MIT
 * Moves, extensions, addresses, and the stack. */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

static void put_imm(struct lift *l, uint8_t o, unsigned bytes, uint64_t v)
{
    struct rm to = guest(o);

    if (bytes < 4) {
        asm_store_imm(&l->a, bytes, to, (int32_t)v);
        return;
    }
    v = bytes == 4 ? (uint32_t)v : v;
    if (!to.memory) {
        asm_mov_imm(&l->a, to.reg, v);
    } else if (v == (uint64_t)(int32_t)v) {
        asm_store_imm(&l->a, 8, to, (int32_t)v);
    } else {
        asm_mov_imm(&l->a, HOST_AX, v);
        asm_store(&l->a, 8, to, HOST_AX);
    }
}

/* Between registers; 32 bits are read as such, so that the upper half becomes zero. */
static void put_register(struct lift *l, uint8_t to, uint8_t from, unsigned bytes)
{
    struct rm source = guest(from);

    if (!source.memory) {
        if (bytes == 4 && guest(to).memory) {
            asm_mov(&l->a, 4, HOST_AX, source);
            lift_write(l, to, 4, HOST_AX);
        } else {
            lift_write(l, to, bytes, source.reg);
        }
    } else if (!guest(to).memory) {
        asm_mov(&l->a, bytes, guest(to).reg, source);
    } else {
        asm_mov(&l->a, bytes, HOST_AX, source);
        lift_write(l, to, bytes, HOST_AX);
    }
}

static bool move(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    switch (i->form & FORM(3, 3, 0, 0)) {
    case FORM_RR:
        if (awkward(i->o[0], bytes) || awkward(i->o[1], bytes))
            return false;
        put_register(l, i->o[0], i->o[1], bytes);
        return true;
    case FORM_RI:
        if (awkward(i->o[0], bytes))
            return false;
        put_imm(l, i->o[0], bytes, i->imm);
        return true;
    case FORM_RM:
        if (awkward(i->o[0], bytes) || !lift_address(l))
            return false;
        lift_probe(l, false, bytes);
        if (guest(i->o[0]).memory) {
            asm_mov(&l->a, bytes, HOST_DX, l->mem);
            lift_write(l, i->o[0], bytes, HOST_DX);
        } else {
            asm_mov(&l->a, bytes, guest(i->o[0]).reg, l->mem);
        }
        return true;
    case FORM_MR:
        if (!lift_address(l))
            return false;
        lift_probe(l, true, bytes);
        asm_store(&l->a, bytes, l->mem, lift_read(l, i->o[1], bytes, HOST_DX));
        return true;
    default:
        if ((bytes == 8 && i->imm != (uint64_t)(int32_t)i->imm) || !lift_address(l))
            return false;
        lift_probe(l, true, bytes);
        asm_store_imm(&l->a, bytes, l->mem, (int32_t)i->imm);
        return true;
    }
}

/* ---- extensions ---- */

static void extend(struct lift *l, unsigned from, bool sign, unsigned reg, struct rm rm)
{
    const unsigned to = l->i->width;

    if (sign)
        asm_movsx(&l->a, from, to, reg, rm);
    else if (to == 2)
        asm_op(&l->a, 0x0fb6, 2, reg, rm);
    else
        asm_movzx(&l->a, from, reg, rm);
}

static bool extension(struct lift *l, unsigned from, bool sign)
{
    const struct insn *i = l->i;
    struct rm to = guest(i->o[0]), source;
    unsigned reg = to.memory ? HOST_DX : to.reg;

    if (i->width <= from || (i->width == 2 && sign))
        return false;
    if (i->width == 2 && !in_memory(i, 1))          /* a byte register without REX would be another */
        return false;
    if (in_memory(i, 1)) {
        if (!lift_address(l))
            return false;
        lift_probe(l, false, from);
        source = l->mem;
    } else if (awkward(i->o[1], from)) {
        source = rm_reg(lift_read(l, i->o[1], from, HOST_AX));
    } else {
        source = guest(i->o[1]);
    }
    extend(l, from, sign, reg, source);
    if (to.memory)
        lift_write(l, i->o[0], i->width, HOST_DX);
    return true;
}

static bool widen_accumulator(struct lift *l)
{
    const unsigned to = l->i->width, a = pinned[RAX];

    if (to == 2)
        return false;
    asm_movsx(&l->a, to / 2, to, a, rm_reg(a));
    return true;
}

static bool sign_of_accumulator(struct lift *l)
{
    const unsigned to = l->i->width;

    if (to == 2)
        return false;
    asm_mov(&l->a, to, pinned[RDX], rm_reg(pinned[RAX]));
    asm_shift(&l->a, SHIFT_SAR, to, rm_reg(pinned[RDX]), 8 * to - 1);
    l->host_flags = 0;
    return true;
}

/* ---- addresses, exchanges ---- */

static bool load_address(struct lift *l)
{
    const struct insn *i = l->i;
    struct rm to = guest(i->o[0]);

    if (i->width == 2 || (i->flags & INSN_SEGMENT) || !lift_address(l))
        return false;
    if (i->width == 4 && to.memory)
        asm_mov(&l->a, 4, HOST_AX, rm_reg(HOST_AX));
    lift_write(l, i->o[0], i->width, HOST_AX);
    return true;
}

static bool exchange(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    if (in_memory(i, 0) || bytes < 4)
        return false;
    asm_mov(&l->a, bytes, HOST_AX, guest(i->o[0]));
    asm_mov(&l->a, bytes, HOST_DX, guest(i->o[1]));
    lift_write(l, i->o[0], bytes, HOST_DX);
    lift_write(l, i->o[1], bytes, HOST_AX);
    return true;
}

static bool swap_bytes(struct lift *l)
{
    const struct insn *i = l->i;
    struct rm to = guest(i->o[0]);
    unsigned reg = to.memory ? HOST_AX : to.reg;

    if (i->width == 2)
        return false;
    if (to.memory)
        asm_mov(&l->a, i->width, HOST_AX, to);
    asm_byte(&l->a, 0x40u | (i->width == 8) << 3 | reg >> 3);
    asm_byte(&l->a, 0x0f);
    asm_byte(&l->a, 0xc8u | (reg & 7));
    if (to.memory)
        lift_write(l, i->o[0], i->width, HOST_AX);
    return true;
}

/* MOVBE: the bytes are turned round in DX. */
static bool move_swapped(struct lift *l)
{
    const struct insn *i = l->i;
    const bool stores = in_memory(i, 0);

    if (!lift_address(l))
        return false;
    lift_probe(l, stores, i->width);
    asm_mov(&l->a, i->width, HOST_DX, stores ? guest(i->o[1]) : l->mem);
    if (i->width == 2) {
        asm_shift(&l->a, SHIFT_ROL, 2, rm_reg(HOST_DX), 8);
        l->host_flags = 0;
    } else {
        asm_byte(&l->a, i->width == 8 ? 0x48 : 0x40);
        asm_byte(&l->a, 0x0f);
        asm_byte(&l->a, 0xc8u | HOST_DX);
    }
    if (stores)
        asm_store(&l->a, i->width, l->mem, HOST_DX);
    else
        lift_write(l, i->o[0], i->width, HOST_DX);
    return true;
}

/* ---- the stack, 8 bytes wide ---- */

static void move_pointer(struct lift *l, int32_t by)
{
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RSP], by));
}

/* The value waits in slow_value, which only handlers use. */
static bool push_memory(struct lift *l)
{
    if (!lift_address(l))
        return false;
    lift_probe(l, false, 8);
    asm_mov(&l->a, 8, HOST_DX, l->mem);
    asm_store(&l->a, 8, CPU_AT(slow_value), HOST_DX);
    lift_stack_address(l, -8);
    lift_probe(l, true, 8);
    asm_mov(&l->a, 8, HOST_DX, CPU_AT(slow_value));
    asm_store(&l->a, 8, l->mem, HOST_DX);
    move_pointer(l, -8);
    return true;
}

static bool push(struct lift *l)
{
    const struct insn *i = l->i;
    bool constant = FORM_KIND(i->form, 0) == KIND_IMM;

    if (i->width == 8 && in_memory(i, 0))
        return push_memory(l);
    if (i->width != 8 || (constant && i->imm != (uint64_t)(int32_t)i->imm))
        return false;
    lift_stack_address(l, -8);
    lift_probe(l, true, 8);
    if (constant)
        asm_store_imm(&l->a, 8, l->mem, (int32_t)i->imm);
    else
        asm_store(&l->a, 8, l->mem, lift_read(l, i->o[0], 8, HOST_DX));
    move_pointer(l, -8);
    return true;
}

static bool pop(struct lift *l)
{
    const struct insn *i = l->i;

    if (i->width != 8 || FORM_KIND(i->form, 0) != KIND_REG)
        return false;
    lift_stack_address(l, 0);
    lift_probe(l, false, 8);
    if (guest(i->o[0]).memory || guest_number(i->o[0]) == RSP) {       /* POP RSP: what was read stays */
        asm_mov(&l->a, 8, HOST_DX, l->mem);
        move_pointer(l, 8);
        lift_write(l, i->o[0], 8, HOST_DX);
    } else {
        asm_mov(&l->a, 8, guest(i->o[0]).reg, l->mem);
        move_pointer(l, 8);
    }
    return true;
}

static bool leave(struct lift *l)
{
    if (l->i->width != 8)
        return false;
    asm_mov(&l->a, 8, HOST_AX, rm_reg(pinned[RBP]));
    lift_probe(l, false, 8);
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RBP], 8));
    asm_mov(&l->a, 8, pinned[RBP], l->mem);
    return true;
}

bool lift_move(struct lift *l)
{
    switch (l->i->op) {
    case OP_MOV:     return move(l);
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
    case OP_MOVBE:   return move_swapped(l);
    case OP_PUSH:    return push(l);
    case OP_POP:     return pop(l);
    case OP_LEAVE:   return leave(l);
    case OP_NOP: case OP_ENDBR64: case OP_ENDBR32: case OP_LFENCE: case OP_MFENCE: case OP_SFENCE:
        return true;
    default:
        return false;
    }
}
