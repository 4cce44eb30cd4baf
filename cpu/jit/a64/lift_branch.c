/* SPDX-License-Identifier: MIT
 * What ends a block. A transfer whose target is not at hand is its handler's, from the beginning. */
#include "cpu/jit/a64/lift.h"

static uint64_t next_rip(const struct lift *l)
{
    return lift_rip_after(l, l->k);
}

static bool canonical(uint64_t rip)
{
    return (uint64_t)bits_sign(rip, 48) == rip;
}

/* Links are made of B alone: a conditional branch does not reach over the whole buffer. */
static bool jump_if(struct lift *l)
{
    const struct insn *i = l->i;
    uint32_t *over;

    if (i->width != 8 || !canonical((uint64_t)i->disp))
        return false;
    over = a64_b_if(&l->a, (enum a64_cond)(lift_condition(l, i->opcode & 15) ^ 1));
    lift_link(l, a64_b(&l->a), (uint64_t)i->disp);
    a64_aim(&l->a, over, l->a.at);
    lift_link(l, a64_b(&l->a), next_rip(l));
    return true;
}

static bool jump(struct lift *l)
{
    if (l->i->width != 8 || !canonical((uint64_t)l->i->disp))
        return false;
    lift_link(l, a64_b(&l->a), (uint64_t)l->i->disp);
    return true;
}

/* Push the return address; nothing has changed when the handler must do it. */
void lift_push_next(struct lift *l)
{
    lift_probe_or_tail(l, lift_stack_address(l, -8), true, 8);
    a64_mov_imm(&l->a, T3, next_rip(l));
    lift_store(l, 8, T3);
    a64_sum_imm(&l->a, A64_SUB, 8, pinned(RSP), pinned(RSP), 8);
}

static bool call(struct lift *l)
{
    if (!canonical((uint64_t)l->i->disp) || l->i->width != 8)
        return false;
    lift_push_next(l);
    lift_link(l, a64_b(&l->a), (uint64_t)l->i->disp);
    return true;
}

/* The translation at the address in `rip` into T4, or the handler. T1 to T3 are lost. As block_shortcut_slot() has it. */
static void find_target(struct lift *l, unsigned rip)
{
    struct a64_buf *a = &l->a;
    uint32_t *missing[3];

    _Static_assert(sizeof(struct block_shortcut) == 32, "a slot is 32 bytes");
    a64_rrr_by(a, A64_EOR, 8, T1, rip, rip, A64_LSR, 12);
    a64_ubfx(a, 8, T1, T1, 0, BLOCK_SHORTCUT_BITS);
    a64_rrr_by(a, A64_ADD, 8, T1, HOST_CPU, T1, A64_LSL, 5);
    lift_add(l, 8, T1, T1, CPU_AT(shortcuts), T2);
    a64_mem(a, A64_LDRX, T2, T1, (int32_t)offsetof(struct block_shortcut, rip));
    a64_rrr(a, A64_EOR, 8, T2, T2, rip);
    missing[0] = a64_cbz(a, 8, true, T2);
    a64_mem(a, A64_LDRX, T3, T1, (int32_t)offsetof(struct block_shortcut, tag));
    missing[1] = lift_tag_check(l, T3);
    a64_mem(a, A64_LDRX, T4, T1, (int32_t)offsetof(struct block_shortcut, code));
    missing[2] = a64_cbz(a, 8, false, T4);
    for (unsigned n = 0; n < COUNT_OF(missing); n++)
        lift_tail_or_find(l, missing[n], rip);
}

unsigned lift_target(struct lift *l)
{
    unsigned address;

    if (l->i->width != 8)
        return HOST_NONE;
    if (!in_memory(l->i, 0))
        return pinned(guest_number(l->i->o[0]));
    address = lift_address(l);
    if (address == HOST_NONE)
        return HOST_NONE;
    lift_probe_or_tail(l, address, false, 8);
    lift_load(l, 8, T0);
    return T0;
}

void lift_go_to(struct lift *l, unsigned rip)
{
    find_target(l, rip);
    if (l->i->op == OP_CALL_IND)
        lift_push_next(l);
    else if (l->i->op == OP_RET)
        lift_pop_return(l);
    a64_br(&l->a, T4);
}

static bool indirect(struct lift *l)
{
    const unsigned rip = lift_target(l);

    if (rip == HOST_NONE)
        return false;
    lift_go_to(l, rip);
    return true;
}

void lift_return_address(struct lift *l)
{
    lift_probe_or_tail(l, lift_stack_address(l, 0), false, 8);
    lift_load(l, 8, T0);
}

void lift_pop_return(struct lift *l)
{
    lift_add(l, 8, pinned(RSP), pinned(RSP), 8 + (int64_t)l->i->imm, T1);
}

static bool ret(struct lift *l)
{
    if (l->i->width != 8)
        return false;
    lift_return_address(l);
    lift_go_to(l, T0);
    return true;
}

bool lift_branch(struct lift *l)
{
    switch (l->i->op) {
    case OP_JCC:      return jump_if(l);
    case OP_JMP:      return jump(l);
    case OP_CALL:     return call(l);
    case OP_JMP_IND: case OP_CALL_IND: return indirect(l);
    case OP_RET:      return ret(l);
    default:          return false;
    }
}
