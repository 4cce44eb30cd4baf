/* SPDX-License-Identifier: MIT
 * Bit tests, scans, counts, BMI1. Flags that the manuals leave undefined are as in docs/vendors.md. */
#include "cpu/jit/a64/lift.h"

/* ---- bit tests: CF alone changes ---- */

/* The bit's number as a constant, or in T5. */
static void bit_of(struct lift *l, unsigned to, unsigned from)
{
    const unsigned bits = 8u * l->i->width;

    if (immediate(l->i, 1))
        a64_ubfx(&l->a, l->i->width, to, from, (unsigned)l->i->imm & (bits - 1), 1);
    else
        a64_rrr(&l->a, A64_LSRV, l->i->width, to, from, pinned(guest_number(l->i->o[1])));
}

static void change_bit(struct lift *l, unsigned from)
{
    static const uint32_t op[] = { 0, A64_ORR, A64_BIC, A64_EOR };
    const unsigned bits = 8u * l->i->width;

    a64_mov_imm(&l->a, T4, immediate(l->i, 1) ? BIT64(l->i->imm & (bits - 1)) : 1);
    if (!immediate(l->i, 1))
        a64_rrr(&l->a, A64_LSLV, l->i->width, T4, T4, pinned(guest_number(l->i->o[1])));
    a64_rrr(&l->a, op[l->i->op - OP_BT], l->i->width, T4, from, T4);
}

/* A register as the index reaches beyond an operand in memory: the handler's. */
static bool bit_test(struct lift *l)
{
    const struct insn *i = l->i;
    const bool changes = i->op != OP_BT;
    unsigned address = HOST_NONE, a;

    if (i->width < 4 || (in_memory(i, 0) && !immediate(i, 1)))
        return false;
    a = changes ? lift_rmw(l, &address) : lift_operand(l, 0, i->width, T3);
    if (a == HOST_NONE)
        return false;
    if (changes)
        change_bit(l, a);
    if (lift_flags_wanted(l, FLAG_CF)) {
        bit_of(l, T2, a);
        if (!immediate(i, 1))
            a64_ubfx(&l->a, 4, T2, T2, 0, 1);
        lift_flags_put_carry(l, T2);
    }
    if (changes)
        lift_rmw_end(l, address, T4);
    l->flags.host = 0;
    return true;
}

/* ---- scans and counts ---- */

/* Zeros below, or above, the lowest or highest bit of `from`, into T4; all of them when there is none. */
static void count_zeros(struct lift *l, unsigned from, bool below)
{
    if (below) {
        a64_rr(&l->a, A64_RBIT, l->i->width, T4, from);
        from = T4;
    }
    a64_rr(&l->a, A64_CLZ, l->i->width, T4, from);
}

/* Zero leaves the destination whole, and sets ZF and PF; otherwise PF tells of the number found. */
static bool scan(struct lift *l, bool forward)
{
    struct a64_buf *a = &l->a;
    const unsigned bytes = l->i->width, to = pinned(guest_number(l->i->o[0]));
    unsigned from;

    if (bytes < 4)
        return false;
    from = lift_operand(l, 1, bytes, T3);
    if (from == HOST_NONE)
        return false;
    count_zeros(l, from, forward);
    if (!forward)
        a64_logic_imm(a, A64_EOR, 4, T4, T4, 8 * bytes - 1);
    a64_sum_imm(a, A64_SUBS, bytes, A64_ZR, from, 0);
    a64_select(a, A64_CSEL, 8, to, T4, to, A64_NE);
    l->flags.host = FLAG_ZF;
    l->flags.sum = false;
    if (!lift_flags_wanted(l, FLAGS_ARITH))
        return true;
    a64_cset(a, T2, A64_EQ);
    a64_select(a, A64_CSEL, 4, HOST_RESULT, T4, A64_ZR, A64_NE);
    a64_mov(a, 4, HOST_OPERANDS, HOST_RESULT);
    a64_mov_imm(a, HOST_NZCV, NZCV_C);
    a64_rrr_by(a, A64_ORR, 4, HOST_NZCV, HOST_NZCV, T2, A64_LSL, 30);
    return true;
}

/* CF tells of a zero source, ZF of a zero count. */
static bool count(struct lift *l, bool trailing)
{
    struct a64_buf *a = &l->a;
    const unsigned bytes = l->i->width;
    unsigned from;

    if (bytes < 4)
        return false;
    from = lift_operand(l, 1, bytes, T3);
    if (from == HOST_NONE)
        return false;
    count_zeros(l, from, trailing);
    if (lift_flags_wanted(l, FLAGS_ARITH)) {
        a64_sum_imm(a, A64_SUBS, bytes, A64_ZR, from, 0);
        a64_cset(a, T2, A64_NE);
        a64_sum_imm(a, A64_SUBS, 4, A64_ZR, T4, 0);
        a64_cset(a, T5, A64_EQ);
        a64_shift(a, A64_LSL, 4, HOST_NZCV, T2, 29);
        a64_rrr_by(a, A64_ORR, 4, HOST_NZCV, HOST_NZCV, T5, A64_LSL, 30);
        lift_flags_no_parity(l);
        l->flags.host = 0;
    }
    lift_write(l, l->i->o[0], bytes, T4);
    return true;
}

/* FMOV, CNT and ADDV of a vector register. */
static bool population(struct lift *l)
{
    struct a64_buf *a = &l->a;
    const unsigned bytes = l->i->width;
    unsigned from = lift_operand(l, 1, bytes, T3);

    if (from == HOST_NONE)
        return false;
    if (bytes < 8) {
        a64_ubfx(a, 4, T3, from, 0, 8 * bytes);
        from = T3;
    }
    a64_put(a, 0x9e670000 | from << 5);         /* FMOV D0, from */
    a64_put(a, 0x0e205800);                     /* CNT V0.8B, V0.8B */
    a64_put(a, 0x0e31b800);                     /* ADDV B0, V0.8B */
    a64_put(a, 0x1e260000 | T4);                /* FMOV T4, S0 */
    if (lift_flags_wanted(l, FLAGS_ARITH)) {
        a64_sum_imm(a, A64_SUBS, 4, A64_ZR, T4, 0);
        lift_flags_no_parity(l);
        lift_flags_made(l, FLAGS_ARITH, false);
    }
    lift_write(l, l->i->o[0], bytes, T4);
    return true;
}

/* ---- BMI1: SF and ZF of the result, PF and AF clear ---- */

static bool lowest_bit(struct lift *l)
{
    struct a64_buf *a = &l->a;
    const struct insn *i = l->i;
    const unsigned from = lift_operand(l, 1, i->width, T3);
    const bool wanted = lift_flags_wanted(l, FLAGS_ARITH);

    if (from == HOST_NONE)
        return false;
    if (i->op == OP_BLSI)
        a64_rrr(a, A64_SUB, i->width, T4, A64_ZR, from);
    else
        a64_sum_imm(a, A64_SUB, i->width, T4, from, 1);
    a64_rrr(a, i->op == OP_BLSMSK ? A64_EOR : A64_AND, i->width, T4, T4, from);
    if (wanted) {               /* CF: of a source that is zero, or of BLSI is not */
        a64_sum_imm(a, A64_SUBS, i->width, A64_ZR, from, 0);
        a64_cset(a, T5, i->op == OP_BLSI ? A64_NE : A64_EQ);
        a64_sum_imm(a, A64_SUBS, i->width, A64_ZR, T4, 0);
        a64_read_nzcv(a, HOST_NZCV);
        lift_flags_put_carry(l, T5);
        lift_flags_no_parity(l);
    }
    lift_write(l, i->o[0], i->width, T4);
    return true;
}

static bool and_not(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned from = lift_operand(l, 2, i->width, T3);

    if (from == HOST_NONE)
        return false;
    a64_rrr(&l->a, A64_BIC, i->width, T4, from, pinned(guest_number(i->o[1])));
    if (lift_flags_wanted(l, FLAGS_ARITH)) {
        a64_sum_imm(&l->a, A64_SUBS, i->width, A64_ZR, T4, 0);
        lift_flags_no_parity(l);
        lift_flags_made(l, FLAGS_ARITH, false);
    }
    lift_write(l, i->o[0], i->width, T4);
    return true;
}

bool lift_bits(struct lift *l)
{
    const struct cpu *cpu = l->jit->cpu;
    const bool intel = cpu_vendor(cpu) == VENDOR_INTEL;

    switch (l->i->op) {
    case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:  return bit_test(l);
    case OP_BSF:    return scan(l, true);
    case OP_BSR:    return scan(l, false);
    case OP_TZCNT:  return cpu_has(cpu, F_BMI1) && count(l, true);
    case OP_LZCNT:  return cpu_has(cpu, F_LZCNT) && count(l, false);
    case OP_POPCNT: return population(l);
    case OP_BLSI: case OP_BLSR: case OP_BLSMSK:         return intel && lowest_bit(l);
    case OP_ANDN:   return intel && and_not(l);
    default:        return false;
    }
}
