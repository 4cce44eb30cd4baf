/* SPDX-License-Identifier: MIT
 * Guest flags in NZCV and in the three registers that keep them (lift.h). */
#include "cpu/jit/a64/lift.h"

unsigned lift_flags_wanted(const struct lift *l, unsigned which)
{
    if (l->paying)
        return which;
    return l->owes ? 0 : (l->read[l->k] | l->seen[l->k]) & which;
}

/* ---- made ---- */

void lift_flags_made(struct lift *l, unsigned which, bool sum)
{
    l->flags = (struct flag_state){ .host = (uint16_t)(which & FLAGS_NZCV), .sum = sum };
    if (!lift_flags_wanted(l, which & FLAGS_NZCV))
        return;
    a64_read_nzcv(&l->a, HOST_NZCV);
    if (sum)
        a64_logic_imm(&l->a, A64_EOR, 4, HOST_NZCV, HOST_NZCV, NZCV_C);
}

/* A comparison with zero never borrows. */
void lift_flags_of_result(struct lift *l, unsigned bytes, unsigned result)
{
    struct a64_buf *a = &l->a;
    unsigned top = result;

    if (bytes < 4) {
        a64_shift(a, A64_LSL, 4, T2, result, 32 - 8 * bytes);
        top = T2;
    }
    a64_sum_imm(a, A64_SUBS, bytes, A64_ZR, top, 0);
    if (lift_flags_wanted(l, FLAG_PF | FLAG_AF) && result != HOST_RESULT)
        a64_mov(a, 4, HOST_RESULT, result);
    if (lift_flags_wanted(l, FLAG_AF))
        a64_mov(a, 4, HOST_OPERANDS, result);
}

void lift_flags_no_parity(struct lift *l)
{
    if (!lift_flags_wanted(l, FLAG_PF | FLAG_AF))
        return;
    a64_mov_imm(&l->a, HOST_RESULT, 1);
    a64_mov(&l->a, 4, HOST_OPERANDS, HOST_RESULT);
}

void lift_flags_put_carry(struct lift *l, unsigned reg)
{
    a64_logic_imm(&l->a, A64_ORR, 4, HOST_NZCV, HOST_NZCV, NZCV_C);
    a64_rrr_by(&l->a, A64_EOR, 4, HOST_NZCV, HOST_NZCV, reg, A64_LSL, 29);
    l->flags.host = 0;
}

/* ---- read ---- */

/* Of flags that are owed this may take two steps: then they are kept. */
static void from_kept(struct lift *l)
{
    if (l->owed.i != NULL) {
        lift_flags_pay(l, l->owed);
        return;
    }
    a64_write_nzcv(&l->a, HOST_NZCV);
    l->flags = (struct flag_state){ .host = FLAGS_NZCV, .sum = false };
}

void lift_flags_carry(struct lift *l, bool sum)
{
    if ((l->flags.host & FLAG_CF) && l->flags.sum == sum)
        return;
    if (!sum) {
        from_kept(l);
        return;
    }
    a64_logic_imm(&l->a, A64_EOR, 4, T2, HOST_NZCV, NZCV_C);
    a64_write_nzcv(&l->a, T2);
    l->flags = (struct flag_state){ .host = FLAGS_NZCV, .sum = true };
}

/* EQ when the low byte of the result has even parity. */
static void parity(struct lift *l)
{
    struct a64_buf *a = &l->a;

    if (l->owed.i != NULL)
        lift_flags_pay(l, l->owed);
    a64_rrr_by(a, A64_EOR, 4, T4, HOST_RESULT, HOST_RESULT, A64_LSR, 4);
    a64_rrr_by(a, A64_EOR, 4, T4, T4, T4, A64_LSR, 2);
    a64_rrr_by(a, A64_EOR, 4, T4, T4, T4, A64_LSR, 1);
    a64_logic_imm(a, A64_ANDS, 4, A64_ZR, T4, 1);
    l->flags.host = 0;
}

enum a64_cond lift_condition(struct lift *l, unsigned cc)
{
    static const uint8_t borrow[16] = {
        A64_VS, A64_VC, A64_CC, A64_CS, A64_EQ, A64_NE, A64_LS, A64_HI,
        A64_MI, A64_PL, A64_EQ, A64_NE, A64_LT, A64_GE, A64_LE, A64_GT,
    };
    const unsigned flags = jit_condition_flags(cc);

    if (flags == FLAG_PF) {
        parity(l);
        return (enum a64_cond)borrow[cc];
    }
    while ((l->flags.host & flags) != flags || (l->flags.sum && flags == (FLAG_CF | FLAG_ZF)))
        from_kept(l);
    if (l->flags.sum && flags == FLAG_CF)
        return cc & 1 ? A64_CC : A64_CS;
    return (enum a64_cond)borrow[cc];
}
