/* SPDX-License-Identifier: MIT
 * What a kernel does all the time at level 0: interrupts off, user memory open and shut, the other GS base, flags on the stack.
 * At other levels, and while anything waits for the end of an instruction, the handlers do it. */
#include "cpu/jit/x64/lift.h"

static uint8_t *unless_level_0(struct lift *l)
{
    l->host_flags = 0;
    asm_alu_imm(&l->a, ALU_CMP, 1, CPU_AT(p.cpl), 0);
    return asm_jcc(&l->a, CC_NE);
}

/* These end blocks, as the run loop looks at `attention` after them: for nothing when there is none. */
static void unless_plain(struct lift *l)
{
    lift_tail(l, unless_level_0(l));
    asm_alu_imm(&l->a, ALU_CMP, 4, CPU_AT(attention), 0);
    lift_tail(l, asm_jcc(&l->a, CC_NE));
}

static void go_on(struct lift *l)
{
    lift_link(l, asm_jmp(&l->a), lift_rip_after(l, l->k));
}

static bool interrupts_off(struct lift *l)
{
    unless_plain(l);
    asm_alu_imm(&l->a, ALU_AND, 8, CPU_AT(p.rflags), ~FLAG_IF);
    go_on(l);
    return true;
}

/* AC chooses the TLB bank when SMAP is on: cpu.c, data_bank(). No other bank goes with level 0, but the slow one. */
static bool user_memory(struct lift *l, bool open)
{
    uint8_t *shut;

    unless_plain(l);
    asm_mov(&l->a, 8, HOST_AX, CPU_AT(banks[BANK_SUPERVISOR]));
    asm_mov(&l->a, 8, HOST_CX, CPU_AT(banks[BANK_SUPERVISOR_AC]));
    asm_alu(&l->a, ALU_CMP, 8, HOST_AX, CPU_AT(tlb));
    shut = asm_jcc(&l->a, CC_E);
    asm_alu(&l->a, ALU_CMP, 8, HOST_CX, CPU_AT(tlb));
    lift_tail(l, asm_jcc(&l->a, CC_NE));
    asm_aim(shut, l->a.at);
    if (open) {
        asm_test_imm(&l->a, 4, CPU_AT(p.cr4), (int32_t)CR4_SMAP);
        lift_tail(l, asm_jcc(&l->a, CC_E));
        asm_alu_imm(&l->a, ALU_OR, 8, CPU_AT(p.rflags), FLAG_AC);
    } else {
        asm_alu_imm(&l->a, ALU_AND, 8, CPU_AT(p.rflags), ~FLAG_AC);
    }
    asm_store(&l->a, 8, CPU_AT(tlb), open ? HOST_CX : HOST_AX);
    go_on(l);
    return true;
}

bool lift_system_end(struct lift *l)
{
    switch (l->i->op) {
    case OP_CLI:  return interrupts_off(l);
    case OP_CLAC: return user_memory(l, false);
    case OP_STAC: return user_memory(l, true);
    default:      return false;
    }
}

static bool swap_gs(struct lift *l)
{
    const struct rm base = rm_at(HOST_CPU, CPU_AT(p.seg_base).disp + 8 * SEG_GS);

    lift_cold(l, unless_level_0(l));
    asm_mov(&l->a, 8, HOST_AX, base);
    asm_mov(&l->a, 8, HOST_CX, CPU_AT(p.kernel_gs_base));
    asm_store(&l->a, 8, base, HOST_CX);
    asm_store(&l->a, 8, CPU_AT(p.kernel_gs_base), HOST_AX);
    return true;
}

/* All flags are where they are kept. There is no virtual-8086 mode in 64-bit code. */
static bool push_flags(struct lift *l)
{
    if (l->i->width != 8)
        return false;
    lift_stack_address(l, -8);
    lift_probe(l, true, 8);
    asm_movzx(&l->a, 1, HOST_DX, CPU_AT(jit_of));
    asm_movzx(&l->a, 1, HOST_CX, CPU_AT(jit_szapc));
    asm_shift(&l->a, SHIFT_SHL, 4, rm_reg(HOST_DX), 11);
    asm_alu(&l->a, ALU_OR, 4, HOST_DX, rm_reg(HOST_CX));
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_DX), FLAGS_ARITH);
    asm_mov(&l->a, 4, HOST_CX, CPU_AT(p.rflags));
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_CX), (int32_t)~(FLAGS_ARITH | FLAG_VM | FLAG_RF));
    asm_alu(&l->a, ALU_OR, 4, HOST_DX, rm_reg(HOST_CX));
    asm_store(&l->a, 8, rm_at(HOST_AX, 0), HOST_DX);
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RSP], -8));
    l->host_flags = 0;
    return true;
}

bool lift_system(struct lift *l)
{
    switch (l->i->op) {
    case OP_SWAPGS: return swap_gs(l);
    case OP_PUSHF:  return push_flags(l);
    default:        return false;
    }
}
