/* SPDX-License-Identifier: MIT
 * What a kernel does all the time: interrupts off, user memory open and shut, the other GS base, flags on the stack, and the
 * registers that it keeps for its threads. At other levels than 0 where that matters, and while anything waits for the end of an instruction, the handlers do it. */
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

static struct rm base_of(enum seg seg)
{
    return rm_at(HOST_CPU, CPU_AT(p.seg_base).disp + 8 * (int32_t)seg);
}

static bool swap_gs(struct lift *l)
{
    lift_cold(l, unless_level_0(l));
    asm_mov(&l->a, 8, HOST_AX, base_of(SEG_GS));
    asm_mov(&l->a, 8, HOST_CX, CPU_AT(p.kernel_gs_base));
    asm_store(&l->a, 8, base_of(SEG_GS), HOST_CX);
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
    asm_store(&l->a, 8, l->mem, HOST_DX);
    asm_lea(&l->a, 8, pinned[RSP], rm_at(pinned[RSP], -8));
    l->host_flags = 0;
    return true;
}

/* ---- registers that a kernel keeps for its threads ---- */

static void unless_cr4_has(struct lift *l, uint64_t bit)
{
    asm_test_imm(&l->a, 4, CPU_AT(p.cr4), (int32_t)bit);
    l->host_flags = 0;
    lift_cold(l, asm_jcc(&l->a, CC_E));
}

static bool selector(struct lift *l)
{
    const struct insn *i = l->i;
    const struct rm from = rm_at(HOST_CPU, CPU_AT(p.seg_sel).disp + 2 * i->o[1]);

    if (FORM_KIND(i->form, 0) == KIND_REG) {
        asm_movzx(&l->a, 2, HOST_AX, from);
        lift_write(l, i->o[0], i->width, HOST_AX);
        return true;
    }
    if (!lift_address(l))
        return false;
    lift_probe(l, true, 2);
    asm_movzx(&l->a, 2, HOST_DX, from);
    asm_store(&l->a, 2, l->mem, HOST_DX);
    return true;
}

static bool read_base(struct lift *l, enum seg seg)
{
    unless_cr4_has(l, CR4_FSGSBASE);
    asm_mov(&l->a, l->i->width, HOST_AX, base_of(seg));
    lift_write(l, l->i->o[0], l->i->width, HOST_AX);
    return true;
}

/* What is not canonical in four levels may be so in five: the handler knows. */
static bool write_base(struct lift *l, enum seg seg)
{
    unless_cr4_has(l, CR4_FSGSBASE);
    asm_mov(&l->a, l->i->width, HOST_AX, guest(l->i->o[0]));
    if (l->i->width == 8) {
        asm_mov(&l->a, 8, HOST_CX, rm_reg(HOST_AX));
        asm_shift(&l->a, SHIFT_SHL, 8, rm_reg(HOST_CX), 16);
        asm_shift(&l->a, SHIFT_SAR, 8, rm_reg(HOST_CX), 16);
        asm_alu(&l->a, ALU_CMP, 8, HOST_CX, rm_reg(HOST_AX));
        lift_cold(l, asm_jcc(&l->a, CC_NE));
    }
    asm_store(&l->a, 8, base_of(seg), HOST_AX);
    return true;
}

static bool read_pkru(struct lift *l)
{
    unless_cr4_has(l, CR4_PKE);
    asm_test(&l->a, 4, rm_reg(pinned[RCX]), pinned[RCX]);
    lift_cold(l, asm_jcc(&l->a, CC_NE));
    asm_mov(&l->a, 4, pinned[RAX], CPU_AT(s.pkru));
    asm_mov_imm(&l->a, pinned[RDX], 0);
    return true;
}

static bool read_control(struct lift *l)
{
    const struct rm from[] = { [0] = CPU_AT(p.cr0), [2] = CPU_AT(s.cr2), [3] = CPU_AT(p.cr3), [4] = CPU_AT(p.cr4) };
    const unsigned n = l->i->o[1] & 15;

    if (n >= COUNT_OF(from) || n == 1)
        return false;
    lift_cold(l, unless_level_0(l));
    asm_mov(&l->a, 8, HOST_AX, from[n]);
    lift_write(l, l->i->o[0], 8, HOST_AX);
    return true;
}

static bool direction(struct lift *l, bool down)
{
    asm_alu_imm(&l->a, down ? ALU_OR : ALU_AND, 4, CPU_AT(p.rflags), (int32_t)(down ? FLAG_DF : ~FLAG_DF));
    l->host_flags = 0;
    return true;
}

bool lift_system(struct lift *l)
{
    switch (l->i->op) {
    case OP_SWAPGS:         return swap_gs(l);
    case OP_PUSHF:          return push_flags(l);
    case OP_MOV_FROM_SEG:   return selector(l);
    case OP_RDFSBASE:       return read_base(l, SEG_FS);
    case OP_RDGSBASE:       return read_base(l, SEG_GS);
    case OP_WRFSBASE:       return write_base(l, SEG_FS);
    case OP_WRGSBASE:       return write_base(l, SEG_GS);
    case OP_RDPKRU:         return read_pkru(l);
    case OP_MOV_FROM_CR:    return read_control(l);
    case OP_CLD:            return direction(l, false);
    case OP_STD:            return direction(l, true);
    default:                return false;
    }
}
