/* SPDX-License-Identifier: MIT
 * Arithmetic, logic, shifts, conditions. Flags that the manuals leave undefined are made as the interpreter has them
 * (docs/vendors.md), never as this host happens to. */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

static bool immediate(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_IMM;
}

/* ---- two operands ---- */

static void alu_or_test_imm(struct lift *l, unsigned op, unsigned bytes, struct rm rm)
{
    if (op == OP_TEST)
        asm_test_imm(&l->a, bytes, rm, (int32_t)l->i->imm);
    else
        asm_alu_imm(&l->a, (enum alu)(op - OP_ADD), bytes, rm, (int32_t)l->i->imm);
}

static void alu_or_test_to(struct lift *l, unsigned op, unsigned bytes, struct rm rm, unsigned reg)
{
    if (op == OP_TEST)
        asm_test(&l->a, bytes, rm, reg);
    else
        asm_alu_to(&l->a, (enum alu)(op - OP_ADD), bytes, rm, reg);
}

/* A register of struct cpu takes 32 bits as 64: through AX. */
static struct rm destination(struct lift *l, uint8_t o, unsigned bytes, bool keeps, bool *through)
{
    *through = keeps && bytes == 4 && guest(o).memory;
    if (!*through)
        return guest(o);
    asm_mov(&l->a, 4, HOST_AX, guest(o));
    return rm_reg(HOST_AX);
}

/* AH to DH: of no host register that guest registers live in, so in DH, which needs an encoding without REX. */
static bool into_high_byte(struct lift *l, unsigned op, bool reads_cf, bool keeps)
{
    const struct insn *i = l->i;
    const unsigned pin = pinned[guest_number(i->o[0])], source = HOST_CX, dh = 6, tests = op == OP_TEST;
    const unsigned which = tests ? 0 : op - OP_ADD;

    if (reads_cf && !immediate(i, 1) && high_byte(i->o[1], 1))
        return false;
    if (reads_cf)
        lift_flags_need(l, FLAG_CF);
    if (!immediate(i, 1)) {
        unsigned from = lift_read(l, i->o[1], 1, source);

        if (from != source)
            asm_mov(&l->a, 4, source, rm_reg(from));
    }
    asm_mov(&l->a, 8, HOST_DX, rm_reg(pin));
    if (immediate(i, 1)) {
        asm_byte(&l->a, tests ? 0xf6 : 0x80);
        asm_byte(&l->a, 0xc0 | which << 3 | dh);
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
    } else {
        asm_byte(&l->a, tests ? 0x84 : which << 3);
        asm_byte(&l->a, 0xc0 | source << 3 | dh);
    }
    if (keeps)
        asm_mov(&l->a, 8, pin, rm_reg(HOST_DX));
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

/* XOR or SUB of a register of struct cpu with itself. */
static bool zero(struct lift *l, unsigned op)
{
    const struct insn *i = l->i;

    if ((op != OP_XOR && op != OP_SUB) || immediate(i, 1) || i->o[0] != i->o[1] || i->width < 4 || !guest(i->o[0]).memory)
        return false;
    asm_alu(&l->a, (enum alu)(op - OP_ADD), 4, HOST_AX, rm_reg(HOST_AX));
    lift_write(l, i->o[0], 8, HOST_AX);
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static bool into_register(struct lift *l, unsigned op, bool reads_cf, bool keeps)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool from_imm = immediate(i, 1), through;
    unsigned source = HOST_NONE;
    struct rm to;

    if (awkward(i->o[0], bytes))
        return into_high_byte(l, op, reads_cf, keeps);
    if (zero(l, op))
        return true;
    if (!from_imm && awkward(i->o[1], bytes) && reads_cf)
        return false;
    if (from_imm && i->imm != (uint64_t)(int32_t)i->imm && bytes == 8)
        return false;
    if (!from_imm)
        source = lift_read(l, i->o[1], bytes, HOST_DX);
    if (reads_cf)
        lift_flags_need(l, FLAG_CF);
    to = destination(l, i->o[0], bytes, keeps, &through);
    if (from_imm)
        alu_or_test_imm(l, op, bytes, to);
    else
        alu_or_test_to(l, op, bytes, to, source);
    if (through)
        lift_write(l, i->o[0], 4, HOST_AX);
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

/* CMP or TEST of what is in a register. */
static void compare_from(struct lift *l, unsigned op, unsigned reg, struct rm with)
{
    if (op == OP_TEST)
        asm_test(&l->a, l->i->width, with, reg);
    else
        asm_alu(&l->a, ALU_CMP, l->i->width, reg, with);
}

static bool from_memory(struct lift *l, unsigned op, bool reads_cf, bool keeps)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    struct rm to = guest(i->o[0]);

    if (awkward(i->o[0], bytes) || !lift_address(l))
        return false;
    lift_probe(l, false, bytes);
    if (reads_cf)
        lift_flags_need(l, FLAG_CF);
    if (l->saves != 0) {
        lift_flags_operand(l);
        alu_or_test_to(l, op, bytes, to, HOST_DX);
    } else if (!to.memory) {
        if (op == OP_TEST)
            asm_test(&l->a, bytes, l->mem, to.reg);
        else
            asm_alu(&l->a, (enum alu)(op - OP_ADD), bytes, to.reg, l->mem);
    } else {
        asm_mov(&l->a, bytes, HOST_DX, to);
        if (op == OP_TEST)
            asm_test(&l->a, bytes, l->mem, HOST_DX);
        else
            asm_alu(&l->a, (enum alu)(op - OP_ADD), bytes, HOST_DX, l->mem);
        if (keeps)
            lift_write(l, i->o[0], bytes, HOST_DX);
    }
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static bool into_memory(struct lift *l, unsigned op, bool reads_cf, bool keeps)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    unsigned source = HOST_NONE;

    if ((immediate(i, 1) && bytes == 8 && i->imm != (uint64_t)(int32_t)i->imm) || (!immediate(i, 1) && awkward(i->o[1], bytes)))
        return false;
    if (!lift_address(l))
        return false;
    lift_probe(l, keeps, bytes);
    if (l->saves != 0)
        lift_flags_operand(l);
    else if (!immediate(i, 1))
        source = lift_read(l, i->o[1], bytes, HOST_DX);
    if (reads_cf)
        lift_flags_need(l, FLAG_CF);
    if (l->saves != 0 && immediate(i, 1))
        alu_or_test_imm(l, op, bytes, rm_reg(HOST_DX));
    else if (l->saves != 0)
        compare_from(l, op, HOST_DX, guest(i->o[1]));
    else if (immediate(i, 1))
        alu_or_test_imm(l, op, bytes, l->mem);
    else
        alu_or_test_to(l, op, bytes, l->mem, source);
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static bool two_operands(struct lift *l)
{
    const struct insn *i = l->i;
    bool keeps = i->op != OP_CMP && i->op != OP_TEST, reads_cf = i->op == OP_ADC || i->op == OP_SBB;

    if (in_memory(i, 0))
        return into_memory(l, i->op, reads_cf, keeps);
    if (in_memory(i, 1))
        return from_memory(l, i->op, reads_cf, keeps);
    return into_register(l, i->op, reads_cf, keeps);
}

/* ---- one operand ---- */

static void one(struct lift *l, unsigned bytes, struct rm rm)
{
    switch (l->i->op) {
    case OP_INC: asm_step(&l->a, false, bytes, rm); break;
    case OP_DEC: asm_step(&l->a, true, bytes, rm); break;
    case OP_NEG: asm_unary(&l->a, UNARY_NEG, bytes, rm); break;
    default:     asm_unary(&l->a, UNARY_NOT, bytes, rm); break;
    }
}

/* Behind flags that are owed: they stay so, and its own with them. */
static void step_owed(struct lift *l, struct rm to, bool through)
{
    one(l, l->i->width, to);
    if (through)
        lift_write(l, l->i->o[0], 4, HOST_AX);
    l->owed.step = l->i;
    l->host_flags = (uint16_t)((FLAGS_ARITH & ~FLAG_CF) | (l->host_flags & FLAG_CF));
}

static bool one_operand(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool steps = i->op == OP_INC || i->op == OP_DEC, keep_cf = steps && lift_flags_wanted(l, FLAG_CF), through;
    struct rm to;

    if (in_memory(i, 0)) {
        if (!lift_address(l))
            return false;
        lift_probe(l, true, bytes);
        to = l->mem;
        through = false;
    } else {
        if (awkward(i->o[0], bytes))
            return false;
        to = destination(l, i->o[0], bytes, true, &through);
    }
    if (steps && lift_flags_step(l)) {
        step_owed(l, to, through);
        return true;
    }
    if (keep_cf)
        lift_flags_need(l, FLAG_CF);
    one(l, bytes, to);
    if (through)
        lift_write(l, i->o[0], 4, HOST_AX);
    if (i->op != OP_NOT)        /* all but CF when that was not fetched */
        lift_flags_made(l, steps && !keep_cf && !(l->host_flags & FLAG_CF) ? FLAGS_ARITH & ~FLAG_CF : FLAGS_ARITH);
    return true;
}

/* ---- shifts ---- */

#define AH_AF 0x1000u

static enum shift shift_of(unsigned op)
{
    return op == OP_SHL ? SHIFT_SHL : op == OP_SHR ? SHIFT_SHR : op == OP_SAR ? SHIFT_SAR : op == OP_ROL ? SHIFT_ROL : SHIFT_ROR;
}

/* OF of a shift on Intel's processors: of SHL whether the two top bits of the operand (in DX) differ, of SHR its top bit, of
 * SAR zero. Into AL; CX is lost. */
static void shift_of_flag(struct lift *l, unsigned op, unsigned bytes)
{
    const unsigned top = 8 * bytes - 1;

    if (op == OP_SAR) {
        asm_mov_imm(&l->a, HOST_CX, 0);
    } else {
        asm_mov(&l->a, 8, HOST_CX, rm_reg(HOST_DX));
        if (op == OP_SHL) {
            asm_alu(&l->a, ALU_ADD, 8, HOST_CX, rm_reg(HOST_CX));
            asm_alu(&l->a, ALU_XOR, 8, HOST_CX, rm_reg(HOST_DX));
        }
        asm_shift(&l->a, SHIFT_SHR, 8, rm_reg(HOST_CX), top);
        asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_CX), 1);
    }
    asm_mov(&l->a, 1, HOST_AX, rm_reg(HOST_CX));
}

/* A register in struct cpu: of 32 bits the upper half becomes zero; the shift that follows is of the lower. AX is lost. */
static void clear_upper(struct lift *l, struct rm to, unsigned bytes)
{
    if (!to.memory || bytes != 4)
        return;
    asm_mov(&l->a, 4, HOST_AX, to);
    asm_store(&l->a, 8, to, HOST_AX);
}

/* The host has just shifted by n; DX is the operand, unless n is 1. */
static void shifted(struct lift *l, const struct insn *i, unsigned n)
{
    asm_lahf(&l->a);
    if (n == 1)
        asm_setcc(&l->a, CC_O, rm_reg(HOST_AX));
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_AX), (int32_t)~AH_AF);
    if (n > 1)
        shift_of_flag(l, i->op, i->width);
    lift_flags_store(l);
    l->host_flags = 0;
}

static bool shift_constant(struct lift *l, unsigned n, struct rm to)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool wanted = lift_flags_wanted(l, FLAGS_ARITH) && !lift_flags_owed(l);

    if (wanted && n > 1)
        asm_mov(&l->a, bytes, HOST_DX, to);
    asm_shift(&l->a, shift_of(i->op), bytes, to, n);
    l->host_flags = (uint16_t)lift_shift_leaves(i);
    if (wanted)
        shifted(l, i, n);
    return true;
}

unsigned lift_shift_leaves(const struct insn *i)
{
    return FLAG_CF | FLAG_PF | FLAG_ZF | FLAG_SF | ((i->imm & 63) == 1 ? FLAG_OF : 0);
}

void lift_shift_flags(struct lift *l, const struct insn *i)
{
    const unsigned n = (unsigned)i->imm & (i->width == 8 ? 63 : 31);

    asm_mov(&l->a, 8, HOST_CX, rm_reg(HOST_DX));
    asm_shift(&l->a, shift_of(i->op), i->width, rm_reg(HOST_CX), n);
    shifted(l, i, n);
}

/* By CL: a count of zero leaves the flags. */
static bool shift_by_cl(struct lift *l, struct rm to)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    bool wanted = lift_flags_wanted(l, FLAGS_ARITH);
    uint8_t *none;

    asm_mov(&l->a, 4, HOST_CX, guest(REG_AT(RCX)));
    if (wanted)
        asm_mov(&l->a, bytes, HOST_DX, to);
    asm_shift_cl(&l->a, shift_of(i->op), bytes, to);
    l->host_flags = 0;
    if (!wanted)
        return true;
    asm_lahf(&l->a);
    asm_test_imm(&l->a, 4, rm_reg(HOST_CX), bytes == 8 ? 63 : 31);
    none = asm_jcc(&l->a, CC_E);
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_AX), (int32_t)~AH_AF);
    shift_of_flag(l, i->op, bytes);
    lift_flags_store(l);
    asm_aim(none, l->a.at);
    return true;
}

/* Rotates leave all flags but CF and OF; what else was wanted must be in the host's before. */
static bool rotate_constant(struct lift *l, unsigned n, struct rm to)
{
    const struct insn *i = l->i;
    bool wanted = lift_flags_wanted(l, FLAGS_ARITH);

    if (wanted) {
        if (to.memory && to.reg == HOST_AX) {
            asm_lea(&l->a, 8, HOST_CX, to);
            to = rm_at(HOST_CX, 0);
        }
        lift_flags_need(l, FLAGS_ARITH);
        asm_movzx(&l->a, 1, HOST_DX, CPU_AT(jit_of));          /* which only a count of one changes */
    }
    asm_shift(&l->a, shift_of(i->op), i->width, to, n);
    l->host_flags = 0;
    if (!wanted)
        return true;
    asm_lahf(&l->a);
    if (n == 1)
        asm_setcc(&l->a, CC_O, rm_reg(HOST_AX));
    else
        asm_mov(&l->a, 1, HOST_AX, rm_reg(HOST_DX));
    lift_flags_store(l);
    return true;
}

/* 32 bits of a guest register in struct cpu, whose upper half becomes zero, and no flags: once there and back. */
static void shift_through(struct lift *l, unsigned n, struct rm to)
{
    asm_mov(&l->a, 4, HOST_AX, to);
    asm_shift(&l->a, shift_of(l->i->op), 4, rm_reg(HOST_AX), n);
    asm_store(&l->a, 8, to, HOST_AX);
    l->host_flags = 0;
}

/* In memory every rotate makes OF (docs/vendors.md): those by more than one, and counts in CL below 32 bits, are the handlers'. */
static bool shift(struct lift *l)
{
    const struct insn *i = l->i;
    const bool rotates = i->op == OP_ROL || i->op == OP_ROR, memory = in_memory(i, 0), constant = immediate(i, 1);
    const unsigned n = (unsigned)i->imm & (i->width == 8 ? 63 : 31);
    struct rm to = guest(i->o[0]);

    if (cpu_vendor(l->jit->cpu) != VENDOR_INTEL || (!memory && high_byte(i->o[0], i->width)))
        return false;
    if (constant ? n == 0 || n >= 8u * i->width || (rotates && memory && n != 1) : rotates || i->width < 4)
        return false;
    if (!memory && constant && to.memory && i->width == 4 && !lift_flags_wanted(l, FLAGS_ARITH)) {
        shift_through(l, n, to);
        return true;
    }
    if (!memory) {
        clear_upper(l, to, i->width);
    } else {
        if (!lift_address(l))
            return false;
        lift_probe(l, true, i->width);
        to = l->mem;
    }
    if (!constant)
        return shift_by_cl(l, to);
    return rotates ? rotate_constant(l, n, to) : shift_constant(l, n, to);
}

/* ---- conditions ---- */

static bool set_condition(struct lift *l)
{
    const struct insn *i = l->i;
    enum condition cc = (enum condition)(i->opcode & 15);

    if (in_memory(i, 0)) {
        if (!lift_address(l))
            return false;
        lift_probe(l, true, 1);
        asm_lea(&l->a, 8, HOST_DX, l->mem);
        lift_flags_need(l, jit_condition_flags(cc));
        asm_setcc(&l->a, cc, rm_at(HOST_DX, 0));
        return true;
    }
    if (awkward(i->o[0], 1))
        return false;
    lift_flags_need(l, jit_condition_flags(cc));
    asm_setcc(&l->a, cc, guest(i->o[0]));
    return true;
}

static bool move_on_condition(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width, cc = i->opcode & 15;
    struct rm to = guest(i->o[0]), from = guest(i->o[1]);

    if (in_memory(i, 1)) {
        if (!lift_address(l))
            return false;
        lift_probe(l, false, bytes);
        asm_mov(&l->a, bytes, HOST_DX, l->mem);
        from = rm_reg(HOST_DX);
    }
    lift_flags_need(l, jit_condition_flags(cc));
    if (to.memory) {
        asm_mov(&l->a, bytes, HOST_CX, to);
        asm_cmov(&l->a, (enum condition)cc, bytes, HOST_CX, from);
        lift_write(l, i->o[0], bytes, HOST_CX);
    } else {
        asm_cmov(&l->a, (enum condition)cc, bytes, to.reg, from);
    }
    return true;
}

bool lift_int(struct lift *l)
{
    switch (l->i->op) {
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_CMP: case OP_TEST:
        return two_operands(l);
    case OP_INC: case OP_DEC: case OP_NEG: case OP_NOT:
        return one_operand(l);
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR:
        return shift(l);
    case OP_SETCC:
        return set_condition(l);
    case OP_CMOVCC:
        return move_on_condition(l);
    default:
        return false;
    }
}
