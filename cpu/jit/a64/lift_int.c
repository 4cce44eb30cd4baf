/* SPDX-License-Identifier: MIT
 * Arithmetic, logic, conditions. 32 and 64 bits are the host's own; 8 and 16 bits are done at the top of a register, so that
 * NZCV comes right. */
#include "cpu/jit/a64/lift.h"

/* ---- two operands ---- */

/* One operation by op: how the host does it, and what of it is kept. */
static const struct rule {
    uint32_t plain, flags;      /* the host's, the second sets NZCV (0: of the result afterwards) */
    uint8_t sum;                /* an addition: C is CF */
    uint8_t carry;              /* reads CF */
    uint8_t keeps;              /* writes its result */
    uint8_t logic;
} rules[] = {
    [OP_ADD - OP_ADD]  = { A64_ADD, A64_ADDS, .sum = 1, .keeps = 1 },
    [OP_OR - OP_ADD]   = { A64_ORR, 0, .keeps = 1, .logic = 1 },
    [OP_ADC - OP_ADD]  = { A64_ADC, A64_ADCS, .sum = 1, .carry = 1, .keeps = 1 },
    [OP_SBB - OP_ADD]  = { A64_SBC, A64_SBCS, .carry = 1, .keeps = 1 },
    [OP_AND - OP_ADD]  = { A64_AND, 0, .keeps = 1, .logic = 1 },
    [OP_SUB - OP_ADD]  = { A64_SUB, A64_SUBS, .keeps = 1 },
    [OP_XOR - OP_ADD]  = { A64_EOR, 0, .keeps = 1, .logic = 1 },
    [OP_CMP - OP_ADD]  = { A64_SUB, A64_SUBS, .sum = 0 },
    [OP_TEST - OP_ADD] = { A64_AND, 0, .logic = 1 },
};

/* The second operand: a register, or a constant. */
struct source {
    unsigned reg;               /* HOST_NONE: imm */
    uint64_t imm;
};

static bool wants_flags(const struct lift *l)
{
    return l->owes ? (l->read[l->k] & FLAGS_NZCV) != 0 : lift_flags_wanted(l, FLAGS_ARITH) != 0;
}

/* AF is bit 4 of both operands and the result xor-ed. */
static void keep_operands(struct lift *l, unsigned a, struct source b)
{
    if (!lift_flags_wanted(l, FLAG_AF))
        return;
    if (b.reg != HOST_NONE)
        a64_rrr(&l->a, A64_EOR, 4, HOST_OPERANDS, a, b.reg);
    else if (b.imm & 16)
        a64_logic_imm(&l->a, A64_EOR, 4, HOST_OPERANDS, a, 16);
    else
        a64_mov(&l->a, 4, HOST_OPERANDS, a);
}

/* A sum with a negative constant is a difference with the positive one, in NZCV too. */
static bool with_imm(struct lift *l, const struct rule *r, uint32_t op, unsigned bytes, unsigned to, unsigned a, uint64_t v)
{
    const uint64_t negative = mask_size(-v, bytes);

    v = mask_size(v, bytes);
    if (r->carry)
        return false;
    if (r->logic)
        return a64_logic_imm(&l->a, op, bytes, to, a, v);
    if (a64_sum_imm(&l->a, op, bytes, to, a, v))
        return true;
    return v != 0 && a64_sum_imm(&l->a, op ^ (A64_ADD ^ A64_SUB), bytes, to, a, negative);
}

static void operate(struct lift *l, const struct rule *r, uint32_t op, unsigned bytes, unsigned to, unsigned a,
                    struct source b)
{
    if (b.reg == HOST_NONE) {
        if (with_imm(l, r, op, bytes, to, a, b.imm))
            return;
        a64_mov_imm(&l->a, T5, mask_size(b.imm, bytes));
        b.reg = T5;
    }
    a64_rrr(&l->a, op, bytes, to, a, b.reg);
}

/* Where a result goes of which only flags are wanted. */
static unsigned nowhere(const struct lift *l, const struct rule *r)
{
    if (!l->owes)
        return HOST_RESULT;
    return !r->logic ? A64_ZR : l->saves != 0 ? HOST_RESULT : T4;
}

/* 32 and 64 bits, into `to` (HOST_NONE: only flags are wanted). */
static void wide(struct lift *l, const struct rule *r, unsigned to, unsigned a, struct source b)
{
    const unsigned bytes = l->i->width;

    if (to == HOST_NONE)
        to = nowhere(l, r);
    if (r->carry)
        lift_flags_carry(l, r->sum);
    if (!wants_flags(l)) {
        if (to != A64_ZR)
            operate(l, r, r->plain, bytes, to, a, b);
    } else if (r->logic) {
        operate(l, r, r->plain, bytes, to, a, b);
        lift_flags_of_result(l, bytes, to);
        lift_flags_made(l, FLAGS_ARITH, false);
    } else {
        keep_operands(l, a, b);
        operate(l, r, r->flags, bytes, to, a, b);
        if (to != HOST_RESULT && lift_flags_wanted(l, FLAG_PF | FLAG_AF))
            a64_mov(&l->a, 4, HOST_RESULT, to);
        lift_flags_made(l, FLAGS_ARITH, r->sum);
    }
}

/* 8 and 16 bits: the result into the low bits of T4. */
static void narrow(struct lift *l, const struct rule *r, unsigned a, struct source b)
{
    const unsigned bytes = l->i->width, up = 32 - 8 * bytes;

    if (r->logic || !wants_flags(l)) {
        operate(l, r, r->plain, 4, T4, a, b);
        if (!wants_flags(l))
            return;
        lift_flags_of_result(l, bytes, T4);
        lift_flags_made(l, FLAGS_ARITH, false);
        return;
    }
    keep_operands(l, a, b);
    if (b.reg == HOST_NONE) {
        b.reg = T5;
        a64_mov_imm(&l->a, T5, mask_size(b.imm, bytes));
    }
    a64_shift(&l->a, A64_LSL, 4, T4, a, up);
    a64_rrr_by(&l->a, r->flags, 4, T4, T4, b.reg, A64_LSL, up);
    a64_shift(&l->a, A64_LSR, 4, T4, T4, up);
    if (lift_flags_wanted(l, FLAG_PF | FLAG_AF))
        a64_mov(&l->a, 4, HOST_RESULT, T4);
    lift_flags_made(l, FLAGS_ARITH, r->sum);
}

static struct source second(struct lift *l, unsigned bytes)
{
    if (immediate(l->i, 1))
        return (struct source){ HOST_NONE, l->i->imm };
    return (struct source){ lift_operand(l, 1, bytes, T5), 0 };
}

/* Of a sum the operands, before it; of logic the result. */
static void save_operands(struct lift *l, const struct rule *r, unsigned a, struct source b)
{
    if (!r->logic)
        lift_flags_save(l, a, b.reg);
}

static void save_result(struct lift *l, const struct rule *r, unsigned result)
{
    if (r->logic)
        lift_flags_save(l, result, HOST_NONE);
}

static bool into_register(struct lift *l, const struct rule *r)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width, to = pinned(guest_number(i->o[0]));
    struct source b = second(l, bytes);

    if (b.reg == HOST_NONE && !immediate(i, 1))
        return false;
    save_operands(l, r, to, b);
    if (bytes >= 4) {
        wide(l, r, r->keeps ? to : HOST_NONE, to, b);
        save_result(l, r, r->keeps ? to : HOST_RESULT);
    } else {
        narrow(l, r, lift_read(l, i->o[0], bytes, T3), b);
        save_result(l, r, T4);
        if (r->keeps)
            lift_write(l, i->o[0], bytes, T4);
    }
    return true;
}

/* T0 and T1 stay until the result is stored. */
static bool into_memory(struct lift *l, const struct rule *r)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width, address = lift_address(l);
    struct source b;

    if (address == HOST_NONE)
        return false;
    lift_probe(l, address, r->keeps, bytes);
    lift_load(l, bytes, T3);
    b = second(l, bytes);
    save_operands(l, r, T3, b);
    if (bytes >= 4)
        wide(l, r, r->keeps ? T4 : HOST_NONE, T3, b);
    else
        narrow(l, r, T3, b);
    save_result(l, r, r->keeps || bytes < 4 ? T4 : HOST_RESULT);
    if (r->keeps)
        lift_store(l, bytes, T4);
    return true;
}

/* Carries into 8 and 16 bits are the handler's. */
static bool two_operands(struct lift *l)
{
    const struct rule *r = &rules[l->i->op - OP_ADD];

    if (r->carry && l->i->width < 4)
        return false;
    return in_memory(l->i, 0) ? into_memory(l, r) : into_register(l, r);
}

/* ---- one operand ---- */

/* All but CF, which stays as it is kept. */
static void step_flags(struct lift *l)
{
    struct a64_buf *a = &l->a;

    if (!lift_flags_wanted(l, FLAG_CF)) {
        lift_flags_made(l, FLAGS_ARITH & ~FLAG_CF, false);
        return;
    }
    a64_ubfx(a, 4, T5, HOST_NZCV, 29, 1);       /* C */
    a64_read_nzcv(a, HOST_NZCV);
    a64_bfi(a, 4, HOST_NZCV, T5, 29, 1);
    l->flags = (struct flag_state){ .host = FLAGS_NZCV & ~FLAG_CF };
}

static void negate(struct lift *l, unsigned to, unsigned a)
{
    const unsigned bytes = l->i->width, up = bytes < 4 ? 32 - 8 * bytes : 0;

    lift_flags_save(l, a, HOST_NONE);
    if (lift_flags_wanted(l, FLAG_AF))
        a64_mov(&l->a, 4, HOST_OPERANDS, a);
    a64_rrr_by(&l->a, A64_SUBS, bytes, to, A64_ZR, a, A64_LSL, up);
    if (up != 0)
        a64_shift(&l->a, A64_LSR, 4, to, to, up);
    if (lift_flags_wanted(l, FLAG_PF | FLAG_AF))
        a64_mov(&l->a, 4, HOST_RESULT, to);
    lift_flags_made(l, FLAGS_ARITH, false);
}

/* INC and DEC, into `to`, which is T4 for 8 and 16 bits. */
static void step(struct lift *l, unsigned to, unsigned a)
{
    const unsigned bytes = l->i->width, up = bytes < 4 ? 32 - 8 * bytes : 0;
    const bool down = l->i->op == OP_DEC, wanted = lift_flags_wanted(l, FLAGS_ARITH & ~FLAG_CF);
    const uint32_t op = down ? (wanted ? A64_SUBS : A64_SUB) : (wanted ? A64_ADDS : A64_ADD);

    if (!wanted) {
        a64_sum_imm(&l->a, op, bytes, to, a, 1);
        return;
    }
    keep_operands(l, a, (struct source){ HOST_NONE, 1 });
    if (up != 0) {
        a64_mov_imm(&l->a, T5, (uint64_t)1 << up);
        a64_shift(&l->a, A64_LSL, 4, to, a, up);
        a64_rrr(&l->a, op, 4, to, to, T5);
        a64_shift(&l->a, A64_LSR, 4, to, to, up);
    } else {
        a64_sum_imm(&l->a, op, bytes, to, a, 1);
    }
    if (lift_flags_wanted(l, FLAG_PF | FLAG_AF))
        a64_mov(&l->a, 4, HOST_RESULT, to);
    step_flags(l);
}

static void one(struct lift *l, unsigned to, unsigned a)
{
    switch (l->i->op) {
    case OP_NOT: a64_rrr(&l->a, A64_ORN, l->i->width, to, A64_ZR, a); break;
    case OP_NEG: negate(l, to, a); break;
    default:     step(l, to, a); break;
    }
}

static bool one_operand(struct lift *l)
{
    const bool in_place = !in_memory(l->i, 0) && l->i->width >= 4;
    unsigned address, a = lift_rmw(l, &address);

    if (a == HOST_NONE)
        return false;
    one(l, in_place ? a : T4, a);
    if (!in_place)
        lift_rmw_end(l, address, T4);
    return true;
}

/* ---- flags once more ---- */

static void logic_again(struct lift *l, const struct rule *r, struct owed owed)
{
    const struct insn *i = l->i;
    unsigned result = owed.saved != 0 ? HOST_RESULT : pinned(guest_number(i->o[0])), top = result;

    if (owed.saved == 0 && !r->keeps) {
        operate(l, r, r->plain, i->width == 8 ? 8 : 4, T4, result,
                immediate(i, 1) ? (struct source){ HOST_NONE, i->imm } : (struct source){ pinned(guest_number(i->o[1])), 0 });
        result = top = T4;
    }
    if (i->width < 4) {
        a64_shift(&l->a, A64_LSL, 4, T5, result, 32 - 8 * i->width);
        top = T5;
    }
    a64_sum_imm(&l->a, A64_SUBS, i->width, A64_ZR, top, 0);
    a64_read_nzcv(&l->a, HOST_NZCV);
    if (result != HOST_RESULT)
        a64_mov(&l->a, 4, HOST_RESULT, result);
    a64_mov(&l->a, 4, HOST_OPERANDS, result);
    l->flags = (struct flag_state){ .host = FLAGS_NZCV };
}

/* The first operand is saved, or still there, or follows from the result and the second. */
static void sum_again(struct lift *l, const struct rule *r, struct owed owed)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width == 8 ? 8 : 4;
    struct source b = { HOST_NONE, i->imm };
    unsigned a = pinned(guest_number(i->o[0]));

    if (owed.saved & SAVED_SECOND) {
        a64_mov(&l->a, bytes, T5, HOST_OPERANDS);
        b.reg = T5;
    } else if (!immediate(i, 1)) {
        b.reg = pinned(guest_number(i->o[1]));
    }
    if (owed.saved & SAVED_FIRST) {
        a = HOST_RESULT;
    } else if (r->keeps) {
        operate(l, &rules[(i->op == OP_ADD ? OP_SUB : OP_ADD) - OP_ADD], i->op == OP_ADD ? A64_SUB : A64_ADD, bytes, T4, a, b);
        a = T4;
    }
    if (i->width >= 4)
        wide(l, r, T4, a, b);
    else
        narrow(l, r, a, b);
}

void lift_int_flags(struct lift *l, struct owed owed)
{
    const struct insn *i = l->i;

    if (i->op == OP_NEG && !(owed.saved & SAVED_FIRST)) {
        a64_rrr(&l->a, A64_SUB, i->width == 8 ? 8 : 4, T5, A64_ZR, pinned(guest_number(i->o[0])));
        negate(l, T4, T5);
    } else if (i->op == OP_NEG) {
        negate(l, T4, HOST_RESULT);
    } else if (rules[i->op - OP_ADD].logic) {
        logic_again(l, &rules[i->op - OP_ADD], owed);
    } else {
        sum_again(l, &rules[i->op - OP_ADD], owed);
    }
}

/* ---- conditions ---- */

static bool set_condition(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address = HOST_NONE;

    if (in_memory(i, 0)) {
        address = lift_address(l);
        if (address == HOST_NONE)
            return false;
        lift_probe(l, address, true, 1);
    }
    a64_cset(&l->a, T3, lift_condition(l, i->opcode & 15));
    if (address != HOST_NONE)
        lift_store(l, 1, T3);
    else
        lift_write(l, i->o[0], 1, T3);
    return true;
}

static bool move_on_condition(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width, to = pinned(guest_number(i->o[0])), from = lift_operand(l, 1, bytes, T3);

    if (from == HOST_NONE)
        return false;
    a64_select(&l->a, A64_CSEL, bytes, bytes < 4 ? T3 : to, from, to, lift_condition(l, i->opcode & 15));
    if (bytes < 4)
        lift_write(l, i->o[0], bytes, T3);
    return true;
}

/* ---- CF alone ---- */

static bool carry(struct lift *l)
{
    static const uint32_t op[] = { A64_ORR, A64_AND, A64_EOR };

    if (lift_flags_wanted(l, FLAG_CF))
        a64_logic_imm(&l->a, op[l->i->op - OP_CLC], 4, HOST_NZCV, HOST_NZCV, l->i->op == OP_STC ? ~NZCV_C : NZCV_C);
    l->flags.host = 0;
    return true;
}

/* ---- exchanges with memory: one processor runs at a time, so what is locked for a guest needs no lock here ---- */

static bool exchange_add(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned from = pinned(guest_number(i->o[1]));
    unsigned address;

    if (!in_memory(i, 0) || i->width < 4 || lift_rmw(l, &address) == HOST_NONE)
        return false;
    wide(l, &rules[OP_ADD - OP_ADD], T4, T3, (struct source){ from, 0 });
    lift_store(l, i->width, T4);
    a64_mov(&l->a, i->width, from, T3);
    return true;
}

/* Nobody wants the flags. */
static void only_compare(struct lift *l, unsigned a, unsigned b)
{
    a64_rrr(&l->a, A64_SUBS, l->i->width, A64_ZR, a, b);
    l->flags.host = 0;
}

/* RAX stays as it is, all of it, when it is equal. Memory is written in either case. */
static bool compare_exchange(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address;

    if (!in_memory(i, 0) || i->width < 4 || lift_rmw(l, &address) == HOST_NONE)
        return false;
    if (wants_flags(l))
        wide(l, &rules[OP_CMP - OP_ADD], HOST_NONE, pinned(RAX), (struct source){ T3, 0 });
    else
        only_compare(l, pinned(RAX), T3);
    a64_select(&l->a, A64_CSEL, 8, T4, pinned(guest_number(i->o[1])), T3, A64_EQ);
    lift_store(l, i->width, T4);
    a64_select(&l->a, A64_CSEL, 8, pinned(RAX), pinned(RAX), T3, A64_EQ);
    return true;
}

bool lift_int(struct lift *l)
{
    switch (l->i->op) {
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_CMP: case OP_TEST:
        return two_operands(l);
    case OP_INC: case OP_DEC: case OP_NEG: case OP_NOT:
        return one_operand(l);
    case OP_XADD:
        return exchange_add(l);
    case OP_CMPXCHG:
        return compare_exchange(l);
    case OP_SETCC:
        return set_condition(l);
    case OP_CMOVCC:
        return move_on_condition(l);
    case OP_CLC: case OP_STC: case OP_CMC:
        return carry(l);
    default:
        return false;
    }
}
