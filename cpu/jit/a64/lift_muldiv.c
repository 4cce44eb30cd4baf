/* SPDX-License-Identifier: MIT
 * Multiplication and division. SF and PF tell of the low half of a product, ZF and AF are clear; a division leaves all
 * flags on Intel's processors (docs/vendors.md). */
#include "cpu/jit/a64/lift.h"

/* The product of a and b: its low half into T4, with high bits for 32, its upper half of 64 bits into T5. */
static void product(struct lift *l, unsigned a, unsigned b, bool is_signed)
{
    if (l->i->width == 4) {
        a64_rrr(&l->a, is_signed ? A64_SMULL : A64_UMULL, 8, T4, a, b);
        return;
    }
    a64_rrr(&l->a, A64_MUL, 8, T4, a, b);
    a64_rrr(&l->a, is_signed ? A64_SMULH : A64_UMULH, 8, T5, a, b);
}

/* NE when the low half is not all. */
static void compare_halves(struct lift *l, bool is_signed)
{
    struct a64_buf *a = &l->a;

    if (l->i->width == 4 && is_signed) {
        a64_compare_extended(a, T4, T4);
    } else if (l->i->width == 4) {
        a64_shift(a, A64_LSR, 8, T2, T4, 32);
        a64_sum_imm(a, A64_SUBS, 8, A64_ZR, T2, 0);
    } else if (is_signed) {
        a64_rrr_by(a, A64_SUBS, 8, A64_ZR, T5, T4, A64_ASR, 63);
    } else {
        a64_sum_imm(a, A64_SUBS, 8, A64_ZR, T5, 0);
    }
}

static void product_flags(struct lift *l, bool is_signed)
{
    struct a64_buf *a = &l->a;

    if (!lift_flags_wanted(l, FLAGS_ARITH))
        return;
    compare_halves(l, is_signed);
    a64_cset(a, T2, A64_NE);
    if (l->i->width == 8) {
        a64_shift(a, A64_LSR, 8, HOST_NZCV, T4, 32);
        a64_logic_imm(a, A64_AND, 4, HOST_NZCV, HOST_NZCV, NZCV_N);
    } else {
        a64_logic_imm(a, A64_AND, 4, HOST_NZCV, T4, NZCV_N);
    }
    lift_flags_put_carry(l, T2);
    a64_rrr_by(a, A64_ORR, 4, HOST_NZCV, HOST_NZCV, T2, A64_LSL, 28);
    a64_mov(a, 4, HOST_RESULT, T4);
    a64_mov(a, 4, HOST_OPERANDS, T4);
}

static bool multiply(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned a = pinned(guest_number(i->o[0])), b;

    if (i->width < 4)
        return false;
    b = lift_operand(l, 1, i->width, T3);
    if (b == HOST_NONE)
        return false;
    if (FORM_KIND(i->form, 2) == KIND_IMM) {
        a = T5;
        a64_mov_imm(&l->a, T5, i->imm);
    }
    lift_flags_save(l, a, b);
    if (!lift_flags_wanted(l, FLAGS_ARITH)) {
        a64_rrr(&l->a, A64_MUL, i->width, pinned(guest_number(i->o[0])), a, b);
        return true;
    }
    product(l, a, b, true);
    lift_write(l, i->o[0], i->width, T4);
    product_flags(l, true);
    return true;
}

void lift_product_flags(struct lift *l, struct owed owed)
{
    const struct insn *i = l->i;
    unsigned a = HOST_RESULT, b = owed.saved & SAVED_SECOND ? HOST_OPERANDS : pinned(guest_number(i->o[1]));

    if (FORM_KIND(i->form, 2) == KIND_IMM) {
        a = T5;
        a64_mov_imm(&l->a, T5, i->imm);
    }
    product(l, a, b, true);
    product_flags(l, true);
}

static bool multiply_halves(struct lift *l)
{
    const bool is_signed = l->i->op == OP_IMUL1;
    const unsigned bytes = l->i->width;
    unsigned b;

    if (bytes < 4)
        return false;
    b = lift_operand(l, 0, bytes, T3);
    if (b == HOST_NONE)
        return false;
    product(l, pinned(RAX), b, is_signed);
    a64_mov(&l->a, bytes, pinned(RAX), T4);
    if (bytes == 8)
        a64_mov(&l->a, 8, pinned(RDX), T5);
    else
        a64_shift(&l->a, A64_LSR, 8, pinned(RDX), T4, 32);
    product_flags(l, is_signed);
    return true;
}

/* No flags; the upper half is written last, and stays when both are one register. */
static bool multiply_plain(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned b = lift_operand(l, 2, i->width, T3);

    if (b == HOST_NONE)
        return false;
    product(l, pinned(RDX), b, false);
    if (i->width == 4)
        a64_shift(&l->a, A64_LSR, 8, T5, T4, 32);
    lift_write(l, i->o[1], i->width, T4);
    lift_write(l, i->o[0], i->width, T5);
    return true;
}

/* ---- division: quotients that do not fit, zero divisors and -1 are the handler's; NZCV is not touched ---- */

static void unless_equal(struct lift *l, unsigned bytes, unsigned a, unsigned b)
{
    a64_rrr(&l->a, A64_EOR, bytes, T2, a, b);
    lift_cold(l, a64_cbz(&l->a, bytes, true, T2));
}

/* 32 bits: the dividend fits a register. */
static void divide_32(struct lift *l, unsigned by, bool is_signed)
{
    struct a64_buf *a = &l->a;

    a64_mov(a, 4, T4, pinned(RAX));
    a64_bfi(a, 8, T4, pinned(RDX), 32, 32);
    if (is_signed)
        a64_sbfx(a, 8, T3, by, 0, 32);
    else
        a64_mov(a, 4, T3, by);
    a64_rrr(a, is_signed ? A64_SDIV : A64_UDIV, 8, T5, T4, T3);
    if (is_signed)
        a64_sbfx(a, 8, T1, T5, 0, 32);
    else
        a64_mov(a, 4, T1, T5);
    unless_equal(l, 8, T1, T5);
    a64_msub(a, 8, T4, T5, T3, T4);
    a64_mov(a, 4, pinned(RAX), T5);
    a64_mov(a, 4, pinned(RDX), T4);
}

/* 64 bits: where RDX only extends RAX. */
static void divide_64(struct lift *l, unsigned by, bool is_signed)
{
    struct a64_buf *a = &l->a;

    if (is_signed) {
        a64_shift(a, A64_ASR, 8, T1, pinned(RAX), 63);
        unless_equal(l, 8, T1, pinned(RDX));
        a64_rrr(a, A64_ORN, 8, T2, A64_ZR, by);
        lift_cold(l, a64_cbz(a, 8, false, T2));
    } else {
        lift_cold(l, a64_cbz(a, 8, true, pinned(RDX)));
    }
    a64_rrr(a, is_signed ? A64_SDIV : A64_UDIV, 8, T5, pinned(RAX), by);
    a64_msub(a, 8, pinned(RDX), T5, by, pinned(RAX));
    a64_mov(a, 8, pinned(RAX), T5);
}

static bool divide(struct lift *l)
{
    const unsigned bytes = l->i->width;
    const bool is_signed = l->i->op == OP_IDIV;
    unsigned by;

    if (bytes < 4 || cpu_vendor(l->jit->cpu) != VENDOR_INTEL)
        return false;
    by = lift_operand(l, 0, bytes, T3);
    if (by == HOST_NONE)
        return false;
    lift_cold(l, a64_cbz(&l->a, bytes, false, by));
    if (bytes == 4) {
        divide_32(l, by, is_signed);
    } else {
        if (by == pinned(RDX)) {        /* the remainder comes there */
            a64_mov(&l->a, 8, T3, by);
            by = T3;
        }
        divide_64(l, by, is_signed);
    }
    return true;
}

bool lift_muldiv(struct lift *l)
{
    switch (l->i->op) {
    case OP_IMUL:               return multiply(l);
    case OP_MUL: case OP_IMUL1: return multiply_halves(l);
    case OP_MULX:               return multiply_plain(l);
    case OP_DIV: case OP_IDIV:  return divide(l);
    default:                    return false;
    }
}
