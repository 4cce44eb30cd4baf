/* SPDX-License-Identifier: MIT */
#include "cpu/jit/owed.h"

bool owed_from_register(const struct insn *i)
{
    return FORM_KIND(i->form, 1) == KIND_REG;
}

/* Is it what it is now whenever anybody may look at the flags, until others take their place, which may be in the next round of a
 * loop? */
bool owed_stays(const struct jit_code *c, unsigned at, uint8_t o)
{
    bool intact = true;

    for (unsigned n = 1; n <= c->count && (c->loops || at + n < c->count); n++) {
        const unsigned k = (at + n) % c->count;
        const struct insn *i = c->insns[k];

        if (!intact && (jit_observes(i) || jit_taken_flags(i) != 0))
            return false;
        if ((op_flags_written[i->op] & FLAGS_ARITH) == FLAGS_ARITH)
            return true;
        intact &= jit_leaves(i, guest_number(o));
        if (!intact && jit_inner_end(c, k))
            return false;
    }
    return false;
}

bool owed_compares(const struct insn *i)
{
    return i->op == OP_CMP || i->op == OP_TEST;
}

/* Instructions of registers whose flags follow from their operands. */
bool owed_of_operands(const struct insn *i)
{
    if (FORM_KIND(i->form, 0) != KIND_REG || FORM_KIND(i->form, 1) == KIND_MEM || high_byte(i->o[0], i->width) ||
        (owed_from_register(i) && high_byte(i->o[1], i->width)))
        return false;
    switch (i->op) {
    case OP_CMP: case OP_TEST: case OP_ADD: case OP_SUB: case OP_AND: case OP_OR: case OP_XOR: case OP_NEG:
        return true;
    default:
        return false;
    }
}

bool owed_shifts(const struct insn *i)
{
    const unsigned n = (unsigned)i->imm & (i->width == 8 ? 63 : 31);

    return (i->op == OP_SHL || i->op == OP_SHR || i->op == OP_SAR) && FORM_KIND(i->form, 0) == KIND_REG &&
           FORM_KIND(i->form, 1) == KIND_IMM && !high_byte(i->o[0], i->width) && n != 0 && n < 8u * i->width;
}

/* Which operand of a comparison is in memory: SAVED_*, or 0. It is saved when it was read; a handler would not leave it behind, so
 * where one must do it the interpreter goes on. */
unsigned owed_in_memory(const struct insn *i)
{
    const unsigned n = FORM_KIND(i->form, 0) == KIND_MEM ? 0 : 1, other = 1 - n;

    if (!owed_compares(i) || FORM_KIND(i->form, n) != KIND_MEM || (FORM_KIND(i->form, other) == KIND_REG && high_byte(i->o[other], i->width)))
        return 0;
    return n == 0 ? SAVED_FIRST : SAVED_SECOND;
}

bool owed_alike(const struct insn *i)
{
    return FORM_KIND(i->form, 0) == KIND_REG && owed_from_register(i) && guest_number(i->o[0]) == guest_number(i->o[1]);
}

/* Can the flags of instruction k be made from its result and its other operand, as long as anyone may see them? */
bool owed_remakable(const struct jit_code *c, unsigned k)
{
    const struct insn *i = c->insns[k];

    if (!owed_of_operands(i) || !owed_stays(c, k, i->o[0]))
        return false;
    switch (i->op) {
    case OP_CMP: case OP_TEST:
        return !owed_from_register(i) || owed_stays(c, k, i->o[1]);
    case OP_ADD: case OP_SUB:
        return !owed_from_register(i) || (!owed_alike(i) && owed_stays(c, k, i->o[1]));
    default:
        return true;
    }
}
