/* SPDX-License-Identifier: MIT
 * Multiplication and division. SF and PF tell of the low half of a product, ZF and AF are clear; a division leaves all flags on
 * Intel's processors (docs/vendors.md). */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

/* AH without ZF, AF, CF: as the low half is found; then CF and OF, which the multiplication left in CL. */
static void product_flags(struct lift *l, unsigned bytes, unsigned low)
{
    l->host_flags = 0;
    if (!lift_flags_wanted(l, FLAGS_ARITH))
        return;
    asm_setcc(&l->a, CC_O, rm_reg(HOST_CX));
    asm_test(&l->a, bytes, rm_reg(low), low);
    asm_lahf(&l->a);
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_AX), 0x8400);
    asm_movzx(&l->a, 1, HOST_CX, rm_reg(HOST_CX));
    asm_alu(&l->a, ALU_OR, 4, HOST_AX, rm_reg(HOST_CX));
    asm_shift(&l->a, SHIFT_SHL, 4, rm_reg(HOST_CX), 8);
    asm_alu(&l->a, ALU_OR, 4, HOST_AX, rm_reg(HOST_CX));
    lift_flags_store(l);
}

static bool multiply(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool three = FORM_KIND(i->form, 2) == KIND_IMM;
    struct rm to = guest(i->o[0]), from = guest(i->o[1]);

    if (bytes < 4)
        return false;
    if (in_memory(i, 1)) {
        if (!lift_address(l))
            return false;
        lift_probe(l, false, bytes);
        from = l->mem;
    }
    if (three) {
        asm_imul_imm(&l->a, bytes, HOST_DX, from, (int32_t)i->imm);
    } else {
        asm_mov(&l->a, bytes, HOST_DX, to);
        asm_imul(&l->a, bytes, HOST_DX, from);
    }
    lift_write(l, i->o[0], bytes, HOST_DX);
    product_flags(l, bytes, HOST_DX);
    return true;
}

/* The other operand of a one-operand form into CX. */
static bool operand_into_cx(struct lift *l)
{
    const struct insn *i = l->i;

    if (!in_memory(i, 0)) {
        asm_mov(&l->a, i->width, HOST_CX, guest(i->o[0]));
        return true;
    }
    if (!lift_address(l))
        return false;
    lift_probe(l, false, i->width);
    asm_mov(&l->a, i->width, HOST_CX, l->mem);
    return true;
}

static bool multiply_halves(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    if (bytes < 4 || !operand_into_cx(l))
        return false;
    asm_mov(&l->a, bytes, HOST_AX, rm_reg(pinned[RAX]));
    asm_unary(&l->a, i->op == OP_MUL ? UNARY_MUL : UNARY_IMUL, bytes, rm_reg(HOST_CX));
    asm_mov(&l->a, bytes, pinned[RAX], rm_reg(HOST_AX));
    asm_mov(&l->a, bytes, pinned[RDX], rm_reg(HOST_DX));
    product_flags(l, bytes, pinned[RAX]);
    return true;
}

static void unless_here(struct lift *l, enum condition cc)
{
    lift_cold(l, asm_jcc(&l->a, cc));
}

/* Quotients that do not fit, zero divisors and -1 are the handler's. */
static bool divide(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool is_signed = i->op == OP_IDIV;

    if (bytes < 4 || cpu_vendor(l->jit->cpu) != VENDOR_INTEL || !operand_into_cx(l))
        return false;
    l->host_flags = 0;
    asm_mov(&l->a, bytes, HOST_AX, rm_reg(pinned[RAX]));
    if (is_signed) {
        asm_mov(&l->a, bytes, HOST_DX, rm_reg(HOST_AX));
        asm_shift(&l->a, SHIFT_SAR, bytes, rm_reg(HOST_DX), 8 * bytes - 1);
        asm_alu(&l->a, ALU_CMP, bytes, HOST_DX, rm_reg(pinned[RDX]));
        unless_here(l, CC_NE);
        asm_alu_imm(&l->a, ALU_CMP, bytes, rm_reg(HOST_CX), -1);
        unless_here(l, CC_E);
        asm_test(&l->a, bytes, rm_reg(HOST_CX), HOST_CX);
        unless_here(l, CC_E);
    } else {
        asm_mov(&l->a, bytes, HOST_DX, rm_reg(pinned[RDX]));
        asm_alu(&l->a, ALU_CMP, bytes, HOST_DX, rm_reg(HOST_CX));
        unless_here(l, CC_AE);
    }
    asm_unary(&l->a, is_signed ? UNARY_IDIV : UNARY_DIV, bytes, rm_reg(HOST_CX));
    asm_mov(&l->a, bytes, pinned[RAX], rm_reg(HOST_AX));
    asm_mov(&l->a, bytes, pinned[RDX], rm_reg(HOST_DX));
    return true;
}

bool lift_muldiv(struct lift *l)
{
    switch (l->i->op) {
    case OP_IMUL:             return multiply(l);
    case OP_MUL: case OP_IMUL1: return multiply_halves(l);
    case OP_DIV: case OP_IDIV:  return divide(l);
    default:                  return false;
    }
}
