/* SPDX-License-Identifier: MIT
 * Guest flags: who reads them, who may merely see them, and where they are. A fault, a device or a handler out of line can see
 * all flags, though nothing reads them on the plain path; as long as the operands are still there, such flags are kept nowhere
 * and made again out of line. */
#include "cpu/jit/x64/lift.h"

bool lift_flags_wanted(const struct lift *l, unsigned which)
{
    return ((l->read[l->k] | l->seen[l->k]) & which) != 0;
}

void lift_flags_store(struct lift *l)
{
    _Static_assert(offsetof(struct cpu, jit_szapc) == offsetof(struct cpu, jit_of) + 1, "AX holds both");
    asm_store(&l->a, 2, CPU_AT(jit_of), HOST_AX);
    l->owed = (struct owed){ NULL, 0, NULL };
    l->nowhere = false;
}

/* Byte by byte: to read AX once AH was written costs more than a store. */
static void host_flags_to_raw(struct lift *l)
{
    asm_lahf(&l->a);
    asm_store_ah(&l->a, CPU_AT(jit_szapc));
    asm_setcc(&l->a, CC_O, CPU_AT(jit_of));
}

/* OF comes of adding 127 to its bit; SAHF brings the others. */
void lift_flags_restore(struct lift *l)
{
    asm_movzx(&l->a, 1, HOST_AX, CPU_AT(jit_szapc));
    asm_shift(&l->a, SHIFT_SHL, 4, rm_reg(HOST_AX), 8);
    asm_mov(&l->a, 1, HOST_AX, CPU_AT(jit_of));
    asm_alu_imm(&l->a, ALU_ADD, 1, rm_reg(HOST_AX), 127);
    asm_sahf(&l->a);
}

/* ---- flags that can be made again ---- */

static void save(struct lift *l, unsigned n, uint8_t o)
{
    struct rm from = guest(o);

    if (from.memory)
        asm_mov(&l->a, 8, HOST_AX, from);
    asm_store(&l->a, 8, rm_at(HOST_CPU, CPU_AT(jit_saved).disp + 8 * (int32_t)n), from.memory ? HOST_AX : from.reg);
}

/* What op makes of `reg` and the second operand. */
static void apply(struct lift *l, const struct insn *i, enum alu op, bool saved, unsigned reg)
{
    const int32_t second = CPU_AT(jit_saved).disp + 8;

    if (saved)
        asm_alu(&l->a, op, i->width, reg, rm_at(HOST_CPU, second));
    else if (owed_from_register(i))
        asm_alu(&l->a, op, i->width, reg, guest(i->o[1]));
    else
        asm_alu_imm(&l->a, op, i->width, rm_reg(reg), (int32_t)i->imm);
}

/* `reg`: the first operand as it was, and then the flags. */
static void again(struct lift *l, struct owed owed, unsigned reg)
{
    const struct insn *i = owed.i;
    const bool saved = owed.saved & SAVED_SECOND;

    if (i->op == OP_NEG)
        asm_unary(&l->a, UNARY_NEG, i->width, rm_reg(reg));
    else if (owed_alike(i) && !saved)
        asm_alu(&l->a, i->op == OP_TEST ? ALU_AND : (enum alu)(i->op - OP_ADD), i->width, reg, rm_reg(reg));
    else
        apply(l, i, i->op == OP_TEST ? ALU_AND : (enum alu)(i->op - OP_ADD), saved, reg);
}

/* `reg`: the result, and then the flags. */
static void of_result(struct lift *l, const struct insn *i, unsigned reg)
{
    switch (i->op) {
    case OP_ADD: case OP_SUB:
        apply(l, i, i->op == OP_ADD ? ALU_SUB : ALU_ADD, false, reg);
        apply(l, i, i->op == OP_ADD ? ALU_ADD : ALU_SUB, false, reg);
        break;
    case OP_NEG:
        asm_unary(&l->a, UNARY_NEG, i->width, rm_reg(reg));
        asm_unary(&l->a, UNARY_NEG, i->width, rm_reg(reg));
        break;
    default:
        asm_test(&l->a, i->width, rm_reg(reg), reg);
    }
}

/* Into the host's; `reg` is lost. */
static void make_again(struct lift *l, struct owed owed, unsigned reg)
{
    const struct insn *i = owed.i;

    asm_mov(&l->a, i->width == 8 ? 8 : 4, reg, owed.saved & SAVED_FIRST ? CPU_AT(jit_saved) : guest(i->o[0]));
    if ((owed.saved & SAVED_FIRST) || owed_compares(i))
        again(l, owed, reg);
    else
        of_result(l, i, reg);
}

/* The host's CF is right: all others follow from the result. */
static void step_again(struct lift *l, struct owed owed, unsigned reg)
{
    const struct insn *i = owed.step;

    if (i == NULL)
        return;
    asm_mov(&l->a, i->width == 8 ? 8 : 4, reg, guest(i->o[0]));
    asm_step(&l->a, i->op == OP_INC, i->width, rm_reg(reg));
    asm_step(&l->a, i->op == OP_DEC, i->width, rm_reg(reg));
}

void lift_flags_pay(struct lift *l, struct owed owed)
{
    const struct insn *i = owed.i;
    const struct owed kept = l->owed;

    if (i == NULL)
        return;
    if (owed_shifts(i)) {
        asm_mov(&l->a, 8, HOST_DX, CPU_AT(jit_saved));
        lift_shift_flags(l, i);
        l->owed = kept;         /* elsewhere they are not paid yet */
        return;
    }
    make_again(l, owed, HOST_CX);
    step_again(l, owed, HOST_CX);
    host_flags_to_raw(l);
}

/* ---- flags as they are made and read ---- */

static bool plain_register(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_REG && !high_byte(i->o[n], i->width);
}

/* Does i leave the host's flags as they are, and read them from there if at all? */
static bool passes(const struct insn *i)
{
    switch (i->op) {
    case OP_MOV:
        return plain_register(i, 0) && (FORM_KIND(i->form, 1) == KIND_IMM || plain_register(i, 1));
    case OP_LEA:
        return i->width != 2 && i->asize == 8 && !(i->flags & INSN_SEGMENT) && i->disp == (int32_t)i->disp;
    case OP_MOVSXD:
        return i->width == 8 && plain_register(i, 1);
    case OP_SETCC:
        return FORM_KIND(i->form, 0) == KIND_REG && !high_byte(i->o[0], 1);
    case OP_CMOVCC:
        return FORM_KIND(i->form, 1) == KIND_REG;
    case OP_NOP: case OP_BSWAP:
        return i->op == OP_NOP || i->width != 2;
    default:
        return false;
    }
}

static bool takes_and_makes(const struct insn *i)
{
    return (i->op == OP_ADC || i->op == OP_SBB) && i->width != 1 && FORM_KIND(i->form, 0) == KIND_REG && FORM_KIND(i->form, 1) != KIND_MEM;
}

/* What is read of the flags just made from where they are kept: others that the host has are taken from there. */
static unsigned read_later(const struct lift *l, unsigned host)
{
    for (unsigned k = l->k; k + 1 < l->c->count; k++) {
        const struct insn *next = l->c->insns[k + 1];

        if (jit_taken_flags(next) & ~host)
            return l->read[l->k];
        if (next->op == OP_JCC || takes_and_makes(next))
            return l->read[k + 1] & ~(unsigned)op_flags_written[next->op];
        if (!passes(next))
            return l->read[k];
    }
    return l->read[l->c->count - 1];
}

/* Can those who will take the flags of the instruction at hand have them made again? */
static bool for_each_reader(const struct lift *l)
{
    return l->kept[l->k] == 0 && (owed_of_operands(l->i) || owed_in_memory(l->i) != 0);
}

/* Flags that will be made, and that nobody reads from where they are kept though somebody may look, or take them otherwise: operands
 * that will not be there then are saved. Nothing can happen between here and the instruction. */
void lift_flags_plan(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned memory = owed_in_memory(i), read = read_later(l, owed_shifts(i) ? lift_shift_leaves(i) : FLAGS_ARITH);

    l->saves = 0;
    if ((l->seen[l->k] == 0 && read == 0) || (!owed_of_operands(i) && !owed_shifts(i) && memory == 0) ||
        (read != 0 && !for_each_reader(l)) || owed_remakable(l->c, l->k))
        return;
    l->saves = (uint8_t)memory;
    if (memory != SAVED_FIRST && (!owed_compares(i) || !owed_stays(l->c, l->k, i->o[0]))) {
        l->saves |= SAVED_FIRST;
        save(l, 0, i->o[0]);
    }
    if (owed_from_register(i) && (memory != 0 || !owed_alike(i)) && !owed_stays(l->c, l->k, i->o[1])) {
        l->saves |= SAVED_SECOND;
        save(l, 1, i->o[1]);
    }
}

/* The operand at AX into DX, and saved. The handler, where there is no such address, is followed by the interpreter. */
void lift_flags_operand(struct lift *l)
{
    const unsigned n = owed_in_memory(l->i) == SAVED_FIRST ? 0 : 1;

    if (l->i->width < 4)
        asm_movzx(&l->a, l->i->width, HOST_DX, l->mem);
    else
        asm_mov(&l->a, l->i->width, HOST_DX, l->mem);
    asm_store(&l->a, 8, rm_at(HOST_CPU, CPU_AT(jit_saved).disp + 8 * (int32_t)n), HOST_DX);
    for (unsigned k = l->insn_cold; k < l->ncold; k++) {
        l->cold[k].resume = NULL;
        l->cold[k].whole = true;
    }
}

bool lift_flags_owed(struct lift *l)
{
    l->owed = (struct owed){ l->saves != 0 ? l->i : NULL, l->saves, NULL };
    return l->saves != 0;
}

void lift_flags_made(struct lift *l, unsigned which)
{
    const unsigned read = read_later(l, which) & which, seen = l->seen[l->k] & which;

    l->nowhere = false;
    if (!lift_flags_owed(l)) {
        if ((read == 0 ? seen != 0 : for_each_reader(l)) && owed_remakable(l->c, l->k))
            l->owed = (struct owed){ l->i, 0, NULL };
        else if (read != 0 || seen != 0)
            host_flags_to_raw(l);
        else
            l->nowhere = true;
    }
    l->host_flags = (uint16_t)which;
}

/* INC or DEC of a register while flags are owed: can its own be, too, and CF stay owed with them? */
bool lift_flags_step(const struct lift *l)
{
    return l->owed.i != NULL && l->owed.step == NULL && !owed_shifts(l->owed.i) && l->kept[l->k] == 0 &&
           FORM_KIND(l->i->form, 0) == KIND_REG && owed_stays(l->c, l->k, l->i->o[0]);
}

/* A comparison, from where its operands are. */
static bool compare_again(struct lift *l, struct owed owed, unsigned scratch)
{
    const struct insn *i = owed.i;
    const struct rm saved_second = rm_at(HOST_CPU, CPU_AT(jit_saved).disp + 8);
    const struct rm first = owed.saved & SAVED_FIRST ? CPU_AT(jit_saved) : guest(i->o[0]);
    struct rm second = owed.saved & SAVED_SECOND ? saved_second : guest(i->o[1]);

    if (!owed_compares(i) || owed_alike(i) || (i->op == OP_TEST && !owed_from_register(i) && !(owed.saved & SAVED_SECOND)))
        return false;
    if (!owed_from_register(i) && !(owed.saved & SAVED_SECOND)) {
        asm_alu_imm(&l->a, ALU_CMP, i->width, first, (int32_t)i->imm);
        return true;
    }
    if (first.memory && second.memory) {
        asm_mov(&l->a, i->width == 8 ? 8 : 4, scratch, second);
        second = rm_reg(scratch);
    }
    if (i->op == OP_TEST)
        asm_test(&l->a, i->width, second.memory ? second : first, second.memory ? first.reg : second.reg);
    else if (second.memory)
        asm_alu(&l->a, ALU_CMP, i->width, first.reg, second);
    else
        asm_alu_to(&l->a, ALU_CMP, i->width, first, second.reg);
    return true;
}

void lift_flags_need(struct lift *l, unsigned which)
{
    const unsigned scratch = which == FLAG_CF ? HOST_CX : HOST_AX;

    if ((l->host_flags & which) == which)
        return;
    l->lost |= l->nowhere || (l->owed.i != NULL && owed_shifts(l->owed.i));    /* never, if jit_live_flags() is right; no translation then */
    if (l->owed.i != NULL) {
        if (!compare_again(l, l->owed, scratch))
            make_again(l, l->owed, scratch);
        step_again(l, l->owed, scratch);
        l->host_flags = FLAGS_ARITH;
        return;
    }
    if (which == FLAG_CF) {
        asm_movzx(&l->a, 1, HOST_CX, CPU_AT(jit_szapc));
        asm_shift(&l->a, SHIFT_SHR, 4, rm_reg(HOST_CX), 1);
        l->host_flags = FLAG_CF;
        return;
    }
    lift_flags_restore(l);
    l->host_flags = FLAGS_ARITH;
}
