/* SPDX-License-Identifier: MIT
 * x87 exceptions, and the instructions on two operands: arithmetic and comparison, register, memory and integer forms. */
#include "cpu/exec_x87.h"

/* ---- exceptions ---- */

static void note_opcode(struct cpu *cpu, const struct insn *i)
{
    cpu->s.fop = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
}

/* SDM 1 "Fopcode Compatibility Sub-mode": the opcode is kept for an unmasked exception only. */
static void raise(struct cpu *cpu, const struct insn *i, unsigned flags)
{
    cpu->s.fsw |= (uint16_t)flags;
    if (UNLIKELY(flags & ~cpu->s.fcw & FSW_EXCEPTIONS)) {
        cpu->s.fsw |= FSW_ES | FSW_B;
        note_opcode(cpu, i);
        if (x87_is_memory(i))
            x87_note_data(cpu, i);
    } else if (UNLIKELY(cpu->p.misc_enable & MISC_FOPCODE_COMPATIBLE))
        note_opcode(cpu, i);
}

bool x87_finish(struct cpu *cpu, const struct insn *i, const struct fp_env *e)
{
    unsigned flags = e->flags;
    bool stopped = flags & ~e->masked & FP_BEFORE;

    if (stopped)
        flags &= FP_BEFORE;
    x87_cc(cpu, FSW_C1, e->up && !stopped ? FSW_C1 : 0);
    raise(cpu, i, flags);
    return !stopped;
}

bool x87_may_store(struct fp_env *e)
{
    if (e->flags & ~e->masked & (FP_OE | FP_UE)) {
        e->flags &= (uint8_t)~FP_PE;
        e->up = false;
        return false;
    }
    return !(e->flags & ~e->masked & FP_BEFORE);
}

bool x87_stack_fault(struct cpu *cpu, const struct insn *i, bool overflow)
{
    x87_cc(cpu, FSW_C1, overflow ? FSW_C1 : 0);
    raise(cpu, i, FSW_IE | FSW_SF);
    return cpu->s.fcw & FSW_IE;
}

/* ---- memory operands ---- */

bool x87_load(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t *out)
{
    if (!x87_check(cpu, i) || !ea_load(cpu, i, bytes, out))
        return false;
    x87_note_memory(cpu, i);
    x87_cc(cpu, FSW_C1, 0);
    return true;
}

/* The significand is read before the rest is looked at (seen on Emerald Rapids). */
bool x87_load80(struct cpu *cpu, const struct insn *i, struct fp80 *out)
{
    uint64_t mant, se;
    gva_t lin;

    if (!x87_check(cpu, i) || !ea_piece(cpu, i, 0, 8, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, 8, &mant) ||
        !ea_piece(cpu, i, 8, 2, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, 2, &se))
        return false;
    x87_note_memory(cpu, i);
    x87_cc(cpu, FSW_C1, 0);
    *out = (struct fp80){ mant, (uint16_t)se };
    return true;
}

/* The operand of D8 and DC (single, double) or DA and DE (32-bit and 16-bit integer). */
static bool memory_operand(struct cpu *cpu, const struct insn *i, const struct fp_env *e, struct fp_num *out)
{
    uint64_t v;

    if (!x87_load(cpu, i, i->mem_bytes, &v))
        return false;
    switch (i->opcode & 6) {
    case 0:  *out = fp_from32(e, (uint32_t)v); break;
    case 4:  *out = fp_from64(e, v); break;
    case 2:  *out = fp_from_int((int32_t)v); break;
    default: *out = fp_from_int((int16_t)v); break;
    }
    return true;
}

/* ---- arithmetic ---- */

typedef struct fp_num binary_fn(struct fp_env *e, struct fp_num a, struct fp_num b);

/* Register dst of the stack becomes a op b. */
static bool compute(struct cpu *cpu, const struct insn *i, struct fp_env *e, binary_fn *fn, unsigned dst, struct fp_num a,
                    struct fp_num b)
{
    struct fp80 r = fp_to80(e, fn(e, a, b));

    if (!x87_finish(cpu, i, e))
        return false;
    x87_put(cpu, dst, r);
    return true;
}

static bool arith_memory(struct cpu *cpu, const struct insn *i, binary_fn *fn, bool reverse)
{
    struct fp_env e = x87_env(cpu);
    struct fp_num m, st0;

    if (!memory_operand(cpu, i, &e, &m))
        return false;
    if (x87_empty(cpu, 0)) {
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    st0 = x87_num(cpu, 0);
    compute(cpu, i, &e, fn, 0, reverse ? m : st0, reverse ? st0 : m);
    return true;
}

/* D8: ST0 = ST0 op ST(i). DC: ST(i) = ST(i) op ST0. DE: the same, then pop. */
static bool arith_register(struct cpu *cpu, const struct insn *i, binary_fn *fn, bool reverse)
{
    unsigned sti = i->modrm & 7, dst = i->opcode == 0xd8 ? 0 : sti, src = dst ? 0 : i->opcode == 0xd8 ? sti : 0;
    bool pop = i->opcode == 0xde, done;
    struct fp_env e = x87_env(cpu);

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, dst) || x87_empty(cpu, src)) {
        done = x87_stack_fault(cpu, i, false);
        if (done)
            x87_put(cpu, dst, x87_indefinite);
    } else
        done = compute(cpu, i, &e, fn, dst, x87_num(cpu, reverse ? src : dst), x87_num(cpu, reverse ? dst : src));
    if (done && pop)
        x87_pop(cpu);
    return true;
}

static bool arith(struct cpu *cpu, const struct insn *i, binary_fn *fn, bool reverse)
{
    return x87_is_memory(i) ? arith_memory(cpu, i, fn, reverse) : arith_register(cpu, i, fn, reverse);
}

EXEC(FADD)  { X87_RUN(arith(cpu, i, fp_add, false)); }
EXEC(FMUL)  { X87_RUN(arith(cpu, i, fp_mul, false)); }
EXEC(FSUB)  { X87_RUN(arith(cpu, i, fp_sub, false)); }
EXEC(FSUBR) { X87_RUN(arith(cpu, i, fp_sub, true)); }
EXEC(FDIV)  { X87_RUN(arith(cpu, i, fp_div, false)); }
EXEC(FDIVR) { X87_RUN(arith(cpu, i, fp_div, true)); }

/* ---- comparison ---- */

static const uint16_t order_cc[] = {
    [FP_LESS] = FSW_C0, [FP_EQUAL] = FSW_C3, [FP_GREATER] = 0, [FP_UNORDERED] = FSW_C0 | FSW_C2 | FSW_C3
};

/* ST0 against b; false: an unmasked exception, so no pop. The condition codes are set nevertheless (so does an EPYC). */
static bool compare_with(struct cpu *cpu, const struct insn *i, struct fp_env *e, struct fp_num b, bool quiet)
{
    enum fp_order order = fp_compare(e, x87_num(cpu, 0), b, quiet);
    bool done = x87_finish(cpu, i, e);

    x87_cc(cpu, FSW_CC, order_cc[order]);
    return done;
}

static bool compare_empty(struct cpu *cpu, const struct insn *i)
{
    bool done = x87_stack_fault(cpu, i, false);

    x87_cc(cpu, FSW_CC, order_cc[FP_UNORDERED]);
    return done;
}

static bool compare(struct cpu *cpu, const struct insn *i, bool quiet, unsigned pops)
{
    struct fp_env e = x87_env(cpu);
    struct fp_num b = fp_zero(false);
    unsigned sti = i->modrm & 7;
    bool memory = x87_is_memory(i), done;

    if (memory ? !memory_operand(cpu, i, &e, &b) : !x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0) || (!memory && x87_empty(cpu, sti)))
        done = compare_empty(cpu, i);
    else
        done = compare_with(cpu, i, &e, memory ? b : x87_num(cpu, sti), quiet);
    for (; done && pops; pops--)
        x87_pop(cpu);
    return true;
}

EXEC(FCOM)    { X87_RUN(compare(cpu, i, false, 0)); }
EXEC(FCOMP)   { X87_RUN(compare(cpu, i, false, 1)); }
EXEC(FCOMPP)  { X87_RUN(compare(cpu, i, false, 2)); }
EXEC(FUCOM)   { X87_RUN(compare(cpu, i, true, 0)); }
EXEC(FUCOMP)  { X87_RUN(compare(cpu, i, true, 1)); }
EXEC(FUCOMPP) { X87_RUN(compare(cpu, i, true, 2)); }

static bool test(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env(cpu);

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0))
        compare_empty(cpu, i);
    else
        compare_with(cpu, i, &e, fp_zero(false), false);
    return true;
}
EXEC(FTST) { X87_RUN(test(cpu, i)); }

/* To ZF, PF, CF; OF, SF, AF are cleared. C1 stays unless the stack underflows: the SDM has it cleared always, processors do
 * not (seen on Emerald Rapids). */
static bool compare_flags(struct cpu *cpu, const struct insn *i, bool quiet, bool pop)
{
    static const uint32_t flags[] = { [FP_LESS] = FLAG_CF, [FP_EQUAL] = FLAG_ZF, [FP_GREATER] = 0,
                                      [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF };
    enum fp_order order = FP_UNORDERED;
    struct fp_env e = x87_env(cpu);
    unsigned sti = i->modrm & 7;
    bool done;
    uint16_t c1 = cpu->s.fsw & FSW_C1;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0) || x87_empty(cpu, sti))
        done = x87_stack_fault(cpu, i, false);
    else {
        order = fp_compare(&e, x87_num(cpu, 0), x87_num(cpu, sti), quiet);
        done = x87_finish(cpu, i, &e);
        x87_cc(cpu, FSW_C1, c1);
    }
    flags_put(&cpu->flags, flags[order]);
    if (done && pop)
        x87_pop(cpu);
    return true;
}

EXEC(FCOMI)   { X87_RUN(compare_flags(cpu, i, false, false)); }
EXEC(FCOMIP)  { X87_RUN(compare_flags(cpu, i, false, true)); }
EXEC(FUCOMI)  { X87_RUN(compare_flags(cpu, i, true, false)); }
EXEC(FUCOMIP) { X87_RUN(compare_flags(cpu, i, true, true)); }
