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
    l->owed = NULL;
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

static bool from_register(const struct insn *i)
{
    return FORM_KIND(i->form, 1) == KIND_REG;
}

/* Does i leave general register n alone? Instructions not named here may do anything. */
bool lift_leaves(const struct insn *i, unsigned n)
{
    if (lift_vec_alone(i))
        return true;
    switch (i->op) {
    case OP_CMP: case OP_TEST: case OP_BT: case OP_NOP: case OP_ENDBR64: case OP_JCC: case OP_JMP: case OP_JMP_IND:
        return true;
    case OP_PUSH: case OP_CALL: case OP_CALL_IND: case OP_RET:
        return n != RSP;
    case OP_POP:
        return n != RSP && !(FORM_KIND(i->form, 0) == KIND_REG && guest_number(i->o[0]) == n);
    case OP_MUL: case OP_IMUL1: case OP_DIV: case OP_IDIV: case OP_CWD: case OP_CBW:
        return n != RAX && n != RDX;
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_INC: case OP_DEC: case OP_NEG:
    case OP_NOT: case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR: case OP_MOV: case OP_MOVZX_B: case OP_MOVZX_W:
    case OP_MOVSX_B: case OP_MOVSX_W: case OP_MOVSXD: case OP_LEA: case OP_SETCC: case OP_CMOVCC: case OP_IMUL: case OP_BSWAP:
    case OP_BTS: case OP_BTR: case OP_BTC: case OP_BSF: case OP_BSR: case OP_POPCNT: case OP_LZCNT: case OP_TZCNT: case OP_ANDN:
    case OP_BEXTR: case OP_BLSI: case OP_BLSR: case OP_BLSMSK: case OP_BZHI: case OP_PDEP: case OP_PEXT: case OP_RORX: case OP_SARX:
    case OP_SHLX: case OP_SHRX: case OP_MOVBE: case OP_MOVD_EV: case OP_CVTTSS2SI: case OP_CVTTSD2SI: case OP_PMOVMSKB:
        return FORM_KIND(i->form, 0) != KIND_REG || guest_number(i->o[0]) != n;
    default:
        return false;
    }
}

/* Until other flags take their place, which may be in the next round of a loop. */
static bool stays(const struct lift *l, uint8_t o)
{
    const struct jit_code *c = l->c;

    for (unsigned n = 1; n <= c->count && (c->loops || l->k + n < c->count); n++) {
        const struct insn *i = c->insns[(l->k + n) % c->count];

        if ((op_flags_written[i->op] & FLAGS_ARITH) == FLAGS_ARITH)
            return true;
        if (!lift_leaves(i, guest_number(o)))
            return false;
    }
    return false;
}

/* Can the flags of the instruction at hand be made from its result and its other operand, as long as anyone may see them? */
static bool remakable(const struct lift *l)
{
    const struct insn *i = l->i;
    const bool other = from_register(i);

    if (FORM_KIND(i->form, 0) != KIND_REG || FORM_KIND(i->form, 1) == KIND_MEM || high_byte(i->o[0], i->width) || !stays(l, i->o[0]))
        return false;
    switch (i->op) {
    case OP_CMP: case OP_TEST:
        return !other || (!high_byte(i->o[1], i->width) && stays(l, i->o[1]));
    case OP_ADD: case OP_SUB:
        return !other || (!high_byte(i->o[1], i->width) && guest_number(i->o[0]) != guest_number(i->o[1]) && stays(l, i->o[1]));
    case OP_AND: case OP_OR: case OP_XOR: case OP_NEG:
        return true;
    default:
        return false;
    }
}

/* CX op= the other operand. */
static void with_other(struct lift *l, const struct insn *i, enum alu op)
{
    if (from_register(i))
        asm_alu(&l->a, op, i->width, HOST_CX, guest(i->o[1]));
    else
        asm_alu_imm(&l->a, op, i->width, rm_reg(HOST_CX), (int32_t)i->imm);
}

void lift_flags_pay(struct lift *l, const struct insn *owed)
{
    if (owed == NULL)
        return;
    asm_mov(&l->a, owed->width == 8 ? 8 : 4, HOST_CX, guest(owed->o[0]));
    switch (owed->op) {
    case OP_CMP:
        with_other(l, owed, ALU_CMP);
        break;
    case OP_TEST:
        with_other(l, owed, ALU_AND);
        break;
    case OP_ADD:
        with_other(l, owed, ALU_SUB);
        with_other(l, owed, ALU_ADD);
        break;
    case OP_SUB:
        with_other(l, owed, ALU_ADD);
        with_other(l, owed, ALU_SUB);
        break;
    case OP_NEG:
        asm_unary(&l->a, UNARY_NEG, owed->width, rm_reg(HOST_CX));
        asm_unary(&l->a, UNARY_NEG, owed->width, rm_reg(HOST_CX));
        break;
    default:
        asm_test(&l->a, owed->width, rm_reg(HOST_CX), HOST_CX);
    }
    host_flags_to_raw(l);
}

/* ---- flags as they are made and read ---- */

/* Does the next instruction take what it reads from the host's flags for sure, as they are right now? */
static bool takes_from_host(const struct insn *i)
{
    switch (i->op) {
    case OP_JCC:
        return true;
    case OP_ADC: case OP_SBB:
        return i->width != 1 && FORM_KIND(i->form, 0) == KIND_REG && FORM_KIND(i->form, 1) != KIND_MEM;
    default:
        return false;
    }
}

/* What is read of the flags just made from where they are kept. */
static unsigned read_later(const struct lift *l)
{
    const struct insn *next = l->k + 1 < l->c->count ? l->c->insns[l->k + 1] : NULL;

    if (next == NULL || !takes_from_host(next))
        return l->read[l->k];
    return l->read[l->k + 1] & ~(unsigned)op_flags_written[next->op];
}

void lift_flags_made(struct lift *l, unsigned which)
{
    const unsigned read = read_later(l) & which, seen = l->seen[l->k] & which;

    l->owed = NULL;
    if (read == 0 && seen != 0 && remakable(l))
        l->owed = l->i;
    else if (read != 0 || seen != 0)
        host_flags_to_raw(l);
    l->host_flags = (uint16_t)which;
}

void lift_flags_need(struct lift *l, unsigned which)
{
    if ((l->host_flags & which) == which)
        return;
    l->lost |= l->owed != NULL;         /* never, if jit_live_flags() is right; the block is not translated then */
    if (which == FLAG_CF) {
        asm_movzx(&l->a, 1, HOST_CX, CPU_AT(jit_szapc));
        asm_shift(&l->a, SHIFT_SHR, 4, rm_reg(HOST_CX), 1);
        l->host_flags = FLAG_CF;
        return;
    }
    lift_flags_restore(l);
    l->host_flags = FLAGS_ARITH;
}
