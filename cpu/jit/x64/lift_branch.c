/* SPDX-License-Identifier: MIT
 * What ends a block. A transfer whose target is not at hand is its handler's, from the beginning. */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

static uint64_t next_rip(const struct lift *l)
{
    return lift_rip_after(l, l->k);
}

static bool canonical(uint64_t rip)
{
    return (uint64_t)bits_sign(rip, 48) == rip;
}

static bool jump_if(struct lift *l)
{
    const struct insn *i = l->i;
    enum condition cc = (enum condition)(i->opcode & 15);

    if (i->width != 8 || !canonical((uint64_t)i->disp))
        return false;
    lift_flags_need(l, jit_condition_flags(cc));
    lift_link(l, asm_jcc(&l->a, cc), (uint64_t)i->disp);
    lift_link(l, asm_jmp(&l->a), next_rip(l));
    return true;
}

static bool jump(struct lift *l)
{
    if (!canonical((uint64_t)l->i->disp))
        return false;
    lift_link(l, asm_jmp(&l->a), (uint64_t)l->i->disp);
    return true;
}

/* Push the return address; nothing has changed when the handler must do it. */
void lift_push_next(struct lift *l)
{
    const uint64_t next = next_rip(l);

    lift_stack_address(l, -8);
    lift_probe_or_tail(l, true, 8);
    if (next == (uint64_t)(int32_t)next) {
        asm_store_imm(&l->a, 8, l->mem, (int32_t)next);
    } else {
        asm_mov_imm(&l->a, HOST_DX, next);
        asm_store(&l->a, 8, l->mem, HOST_DX);
    }
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RSP], -8));
}

static bool call(struct lift *l)
{
    if (!canonical((uint64_t)l->i->disp) || l->i->width != 8)
        return false;
    lift_push_next(l);
    lift_link(l, asm_jmp(&l->a), (uint64_t)l->i->disp);
    return true;
}

static struct rm shortcut_field(size_t at)
{
    return rm_sum(HOST_CPU, HOST_DX, 0, CPU_AT(shortcuts).disp + (int32_t)at);
}

/* The translation at the address in AX into DX, or the handler. CX is lost. As block_shortcut_slot() has it. */
static void find_target(struct lift *l)
{
    struct asm_buf *a = &l->a;
    uint8_t *missing[3];

    _Static_assert(sizeof(struct block_shortcut) == 32, "a slot is 32 bytes");
    asm_mov(a, 8, HOST_DX, rm_reg(HOST_AX));
    asm_shift(a, SHIFT_SHR, 8, rm_reg(HOST_DX), 12);
    asm_alu(a, ALU_XOR, 4, HOST_DX, rm_reg(HOST_AX));
    asm_alu_imm(a, ALU_AND, 4, rm_reg(HOST_DX), BLOCK_SHORTCUTS - 1);
    asm_shift(a, SHIFT_SHL, 4, rm_reg(HOST_DX), 5);
    asm_alu(a, ALU_CMP, 8, HOST_AX, shortcut_field(offsetof(struct block_shortcut, rip)));
    missing[0] = asm_jcc(a, CC_NE);
    asm_mov(a, 8, HOST_CX, shortcut_field(offsetof(struct block_shortcut, tag)));
    missing[1] = lift_tag_check(l);
    asm_mov(a, 8, HOST_DX, shortcut_field(offsetof(struct block_shortcut, code)));
    asm_test(a, 8, rm_reg(HOST_DX), HOST_DX);
    missing[2] = asm_jcc(a, CC_E);
    lift_tail_unless(l, missing, COUNT_OF(missing), l->jit->glue.find);
}

static void go(struct lift *l)
{
    asm_jmp_rm(&l->a, rm_reg(HOST_DX));
}

bool lift_target(struct lift *l)
{
    const struct insn *i = l->i;

    if (i->width != 8)
        return false;
    if (!in_memory(i, 0)) {
        asm_mov(&l->a, 8, HOST_AX, guest(i->o[0]));
        return true;
    }
    if (!lift_address(l))
        return false;
    lift_probe_or_tail(l, false, 8);
    asm_mov(&l->a, 8, HOST_AX, l->mem);
    return true;
}

static bool jump_indirect(struct lift *l)
{
    if (!lift_target(l))
        return false;
    find_target(l);
    go(l);
    return true;
}

/* The target's translation waits in slow_value, which nothing uses meanwhile. */
static bool call_indirect(struct lift *l)
{
    if (!lift_target(l))
        return false;
    find_target(l);
    asm_store(&l->a, 8, CPU_AT(slow_value), HOST_DX);
    lift_push_next(l);
    asm_mov(&l->a, 8, HOST_DX, CPU_AT(slow_value));
    go(l);
    return true;
}

bool lift_return_address(struct lift *l)
{
    if (l->i->width != 8)
        return false;
    lift_stack_address(l, 0);
    lift_probe_or_tail(l, false, 8);
    asm_mov(&l->a, 8, HOST_AX, l->mem);
    return true;
}

void lift_pop_return(struct lift *l)
{
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RSP], 8 + (int32_t)l->i->imm));
}

static bool ret(struct lift *l)
{
    if (!lift_return_address(l))
        return false;
    find_target(l);
    lift_pop_return(l);
    go(l);
    return true;
}

bool lift_branch(struct lift *l)
{
    switch (l->i->op) {
    case OP_JCC:      return jump_if(l);
    case OP_JMP:      return l->i->width == 8 && jump(l);
    case OP_CALL:     return call(l);
    case OP_JMP_IND:  return jump_indirect(l);
    case OP_CALL_IND: return call_indirect(l);
    case OP_RET:      return ret(l);
    default:          return false;
    }
}
