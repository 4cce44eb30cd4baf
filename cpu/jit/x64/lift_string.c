/* SPDX-License-Identifier: MIT
 * STOS and MOVS, repeated within one page: the host's own on the same bytes, which also copies areas that overlap as it must.
 * Every repetition is counted from the budget. Other directions and lengths are the handlers'. */
#include "cpu/jit/x64/lift.h"

#define MOST 4096       /* repetitions; so that the end of the area cannot wrap */

static unsigned log_of(unsigned bytes)
{
    return bytes == 8 ? 3 : bytes == 4 ? 2 : bytes == 2 ? 1 : 0;
}

static bool repeated(const struct insn *i)
{
    return i->flags & (INSN_REP | INSN_REPNE);
}

/* Upwards, at least once, and the budget has room for all of it. */
static void unless_easy(struct lift *l)
{
    struct rm df = CPU_AT(p.rflags);

    l->host_flags = 0;
    df.disp += 1;
    asm_test_imm(&l->a, 1, df, FLAG_DF >> 8);
    lift_cold(l, asm_jcc(&l->a, CC_NE));
    if (!repeated(l->i))
        return;
    asm_lea(&l->a, 8, HOST_AX, rm_at(pinned[RCX], -1));
    asm_alu_imm(&l->a, ALU_CMP, 8, rm_reg(HOST_AX), MOST - 1);
    lift_cold(l, asm_jcc(&l->a, CC_A));
    asm_alu(&l->a, ALU_CMP, 8, HOST_AX, rm_reg(HOST_BUDGET));
    lift_cold(l, asm_jcc(&l->a, CC_A));
}

/* The host's address of what guest register n points to into AX. */
static void area(struct lift *l, unsigned n, bool write)
{
    const struct insn *i = l->i;

    asm_mov(&l->a, 8, HOST_AX, rm_reg(pinned[n]));
    if (repeated(i))
        asm_lea(&l->a, 8, HOST_DX, rm_sum(pinned[n], pinned[RCX], log_of(i->width), -1));
    lift_probe(l, write, repeated(i) ? 0 : i->width);
}

/* The block paid for one repetition. */
static void count_all(struct lift *l)
{
    asm_lea(&l->a, 8, HOST_CX, rm_at(pinned[RCX], -1));
    asm_alu(&l->a, ALU_SUB, 8, HOST_BUDGET, rm_reg(HOST_CX));
    asm_alu_to(&l->a, ALU_ADD, 8, CPU_AT(s.not_insns), HOST_CX);
    asm_store_imm(&l->a, 1, CPU_AT(p.rep_resume), 0);
    asm_mov(&l->a, 8, HOST_CX, rm_reg(pinned[RCX]));
}

static void repeat(struct lift *l, unsigned opcode)
{
    const unsigned bytes = l->i->width;

    asm_byte(&l->a, 0xf3);
    if (bytes == 2)
        asm_byte(&l->a, 0x66);
    if (bytes == 8)
        asm_byte(&l->a, 0x48);
    asm_byte(&l->a, opcode | (bytes != 1));
    asm_mov_imm(&l->a, pinned[RCX], 0);
}

static void advanced(struct lift *l, unsigned n, unsigned into)
{
    if (repeated(l->i))
        asm_lea(&l->a, 8, into, rm_sum(pinned[n], pinned[RCX], log_of(l->i->width), 0));
    else
        asm_lea(&l->a, 8, into, rm_at(pinned[n], l->i->width));
}

static bool store_string(struct lift *l)
{
    unless_easy(l);
    area(l, RDI, true);
    if (!repeated(l->i)) {
        asm_store(&l->a, l->i->width, l->mem, pinned[RAX]);
        advanced(l, RDI, pinned[RDI]);
        return true;
    }
    count_all(l);
    advanced(l, RDI, HOST_DX);
    asm_mov(&l->a, 8, HOST_DI, rm_reg(HOST_AX));
    asm_mov(&l->a, 8, HOST_AX, rm_reg(pinned[RAX]));
    repeat(l, 0xaa);
    asm_mov(&l->a, 8, HOST_DI, rm_reg(HOST_DX));
    return true;
}

/* The source's place, or value, waits in slow_value, which only handlers use, and where RDI will be behind it. */
static bool move_string(struct lift *l)
{
    const struct insn *i = l->i;
    const struct rm kept = CPU_AT(slow_value), after = rm_at(HOST_CPU, CPU_AT(slow_value).disp + 8);

    if (i->flags & INSN_SEGMENT)
        return false;
    unless_easy(l);
    area(l, RSI, false);
    if (!repeated(i))
        asm_mov(&l->a, i->width, HOST_AX, l->mem);
    asm_store(&l->a, 8, kept, HOST_AX);
    area(l, RDI, true);
    if (!repeated(i)) {
        asm_mov(&l->a, 8, HOST_DX, kept);
        asm_store(&l->a, i->width, l->mem, HOST_DX);
        advanced(l, RSI, pinned[RSI]);
        advanced(l, RDI, pinned[RDI]);
        return true;
    }
    count_all(l);
    advanced(l, RDI, HOST_DX);
    asm_store(&l->a, 8, after, HOST_DX);
    advanced(l, RSI, HOST_DX);
    asm_mov(&l->a, 8, HOST_SI, kept);
    asm_mov(&l->a, 8, HOST_DI, rm_reg(HOST_AX));
    repeat(l, 0xa4);
    asm_mov(&l->a, 8, HOST_SI, rm_reg(HOST_DX));
    asm_mov(&l->a, 8, HOST_DI, after);
    return true;
}

/* The host's string instructions work with the registers that these guest registers live in. */
bool lift_string(struct lift *l)
{
    if (l->i->asize != 8 || pinned[RDI] != HOST_DI || pinned[RSI] != HOST_SI)
        return false;
    switch (l->i->op) {
    case OP_STOS: return store_string(l);
    case OP_MOVS: return move_string(l);
    default:      return false;
    }
}
