/* SPDX-License-Identifier: MIT
 * Flags that nobody reads from where they are kept, until others take their place, are not kept: what makes them again is at hand, or
 * put aside, which is a move or two. Who leaves this code, or reads what is not in NZCV any more, pays for them. */
#include "cpu/jit/a64/lift.h"

/* ---- what can be owed ---- */

static bool sums(unsigned op) { return op == OP_ADD || op == OP_SUB || op == OP_CMP; }
static bool logic(unsigned op) { return op == OP_AND || op == OP_OR || op == OP_XOR || op == OP_TEST; }

/* A division that is lifted leaves them. */
static bool makes_all(const struct insn *i)
{
    if (i->op == OP_DIV || i->op == OP_IDIV)
        return false;
    return (op_flags_written[i->op] & FLAGS_ARITH) == FLAGS_ARITH && ((op_flags_read[i->op] & FLAGS_ARITH) == 0 || owed_shifts(i));
}

/* Do conditions ask NZCV first, so that what is owed may stay? */
static bool asks(const struct insn *i)
{
    return (i->op == OP_JCC || i->op == OP_SETCC || i->op == OP_CMOVCC) && jit_condition_flags(i->opcode & 15) != FLAG_PF;
}

static bool indifferent(const struct insn *i)
{
    return (op_flags_written[i->op] & FLAGS_ARITH) == 0 && (op_flags_read[i->op] & FLAGS_ARITH) == 0;
}

/* Do other flags take their place before anybody has to be paid? */
static bool replaced(const struct lift *l)
{
    const struct jit_code *c = l->c;

    for (unsigned n = 1; n <= c->count && (c->loops || l->k + n < c->count); n++) {
        const struct insn *i = c->insns[(l->k + n) % c->count];

        if (makes_all(i))
            return true;
        if (!asks(i) && !indifferent(i))
            return false;
    }
    return false;
}

static bool high_bytes(const struct insn *i)
{
    for (unsigned n = 0; n < 2; n++)
        if (FORM_KIND(i->form, n) == KIND_REG && high_byte(i->o[n], i->width))
            return true;
    return false;
}

static bool stays(const struct lift *l, unsigned n)
{
    return owed_stays(l->c, l->k, l->i->o[n]);
}

/* Of the second operand: a constant is in the instruction. */
static unsigned second(const struct lift *l)
{
    if (immediate(l->i, 1))
        return 0;
    return in_memory(l->i, 1) || owed_alike(l->i) || !stays(l, 1) ? SAVED_SECOND : 0;
}

static unsigned sum_saves(const struct lift *l)
{
    const bool first = in_memory(l->i, 0) || !stays(l, 0);
    const unsigned saves = second(l);

    if (l->i->op == OP_CMP)
        return (first ? SAVED_FIRST : 0) | saves;
    return first || saves != 0 ? SAVED_FIRST | saves : 0;
}

/* The result, which TEST leaves nowhere: both operands then. */
static unsigned logic_saves(const struct lift *l)
{
    if (in_memory(l->i, 0) || !stays(l, 0))
        return SAVED_FIRST;
    return l->i->op == OP_TEST && !immediate(l->i, 1) && (in_memory(l->i, 1) || !stays(l, 1)) ? SAVED_FIRST : 0;
}

static unsigned product_saves(const struct lift *l)
{
    const bool constant = FORM_KIND(l->i->form, 2) == KIND_IMM;

    return (constant ? 0 : SAVED_FIRST) | second(l);
}

/* False: they are kept as always. */
static bool plan(struct lift *l, unsigned *saves)
{
    const struct insn *i = l->i;
    const unsigned read = l->read[l->k];

    if (high_bytes(i))
        return false;
    if (sums(i->op))
        return *saves = sum_saves(l), true;
    if (logic(i->op))
        return *saves = logic_saves(l), true;
    if (i->op == OP_NEG)
        return *saves = in_memory(i, 0) || !stays(l, 0) ? SAVED_FIRST : 0, true;
    if (owed_shifts(i) && cpu_vendor(l->jit->cpu) == VENDOR_INTEL)
        return *saves = SAVED_FIRST, (read & ~(unsigned)(FLAG_ZF | FLAG_SF)) == 0;
    if (i->op == OP_IMUL && i->width >= 4)
        return *saves = product_saves(l), read == 0;
    return false;
}

/* ---- at each instruction ---- */

/* Flags of before that it may look at, or leave in part. */
static bool must_pay(const struct lift *l)
{
    const struct insn *i = l->i;

    if (makes_all(i) || asks(i) || indifferent(i))
        return false;
    if ((i->op == OP_ADC || i->op == OP_SBB) && i->width >= 4)
        return !(l->flags.host & FLAG_CF) || l->flags.sum != (i->op == OP_ADC);
    return true;
}

void lift_flags_plan(struct lift *l)
{
    unsigned saves = 0;

    if (l->owed.i != NULL && must_pay(l))
        lift_flags_pay(l, l->owed);
    l->owes = !l->c->keeps_flags && (l->read[l->k] | l->seen[l->k]) != 0 && makes_all(l->i) && replaced(l) && plan(l, &saves);
    l->saves = l->owes ? (uint8_t)saves : 0;
}

void lift_flags_save(struct lift *l, unsigned first, unsigned second)
{
    if ((l->saves & SAVED_FIRST) && first != HOST_RESULT)
        a64_mov(&l->a, 8, HOST_RESULT, first);
    if (l->saves & SAVED_SECOND)
        a64_mov(&l->a, 8, HOST_OPERANDS, second);
}

void lift_flags_done(struct lift *l)
{
    if (l->owes && (l->read[l->k] & FLAGS_NZCV) == 0)
        l->flags.host = 0;
    if (makes_all(l->i))
        l->owed = (struct owed){ l->owes ? l->i : NULL, l->saves, NULL };
    else if ((op_flags_written[l->i->op] & FLAGS_ARITH) != 0)
        l->owed = (struct owed){ NULL, 0, NULL };
}

void lift_flags_pay(struct lift *l, struct owed owed)
{
    const struct insn *i = l->i;
    const bool owes = l->owes;
    const uint8_t saves = l->saves;

    if (owed.i == NULL)
        return;
    l->i = owed.i;
    l->paying = true;
    l->owes = false;
    l->saves = 0;
    if (owed_shifts(owed.i))
        lift_shift_flags(l);
    else if (owed.i->op == OP_IMUL)
        lift_product_flags(l, owed);
    else
        lift_int_flags(l, owed);
    l->i = i;
    l->paying = false;
    l->owes = owes;
    l->saves = saves;
    l->owed = (struct owed){ NULL, 0, NULL };
}
