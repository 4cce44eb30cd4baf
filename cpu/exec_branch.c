/* SPDX-License-Identifier: MIT
 * Near transfers. exec_bind() has put the targets of relative branches into disp. A target outside the code segment or not
 * canonical is the branch's own fault (SDM 2A "Jcc", "CALL"), before anything changes. */
#include "cpu/exec.h"

static ALWAYS_INLINE bool in_64bit(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

static ALWAYS_INLINE bool target_ok(struct cpu *cpu, uint64_t target)
{
    bool ok = in_64bit(cpu) ? cpu_canonical(cpu, target) : target <= cpu->code_limit;

    return LIKELY(ok) || fault_gp(cpu, 0);
}

#define JUMP_TO(target)                                     \
    do {                                                    \
        if (UNLIKELY(!target_ok(cpu, (target))))            \
            FAULT();                                        \
        return exec_jump(cpu, i, (target));                 \
    } while (0)

/* ---- jumps ---- */

/* The second kind is for 64-bit code whose target exec_bind_branch() found canonical. */
#define ON_CONDITION(CC)                                                    \
    static unsigned JCC_##CC(struct cpu *cpu, const struct insn *i)         \
    {                                                                       \
        if (flags_condition(&cpu->flags, CC))                               \
            JUMP_TO((uint64_t)i->disp);                                     \
        return exec_jump(cpu, i, rip_next(cpu, i));                         \
    }                                                                       \
    static unsigned JCC_64_##CC(struct cpu *cpu, const struct insn *i)      \
    {                                                                       \
        if (flags_condition(&cpu->flags, CC))                               \
            return exec_jump(cpu, i, (uint64_t)i->disp);                    \
        return exec_jump(cpu, i, cpu->block_rip + i->end);                  \
    }

#define EACH_CONDITION(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
EACH_CONDITION(ON_CONDITION)

#define ROW(CC)     JCC_##CC,
#define ROW_64(CC)  JCC_64_##CC,
static insn_fn *const jcc[16] = { EACH_CONDITION(ROW) }, *const jcc_64[16] = { EACH_CONDITION(ROW_64) };

EXEC(JCC)
{
    return jcc[i->opcode & 15](cpu, i);
}

EXEC(JMP)
{
    JUMP_TO((uint64_t)i->disp);
}

static unsigned JMP_64(struct cpu *cpu, const struct insn *i)
{
    return exec_jump(cpu, i, (uint64_t)i->disp);
}

EXEC(JMP_IND)
{
    uint64_t target;

    if (!operand_load(cpu, i, 0, i->width, &target))
        FAULT();
    JUMP_TO(target);
}

/* ---- calls and returns ---- */

static ALWAYS_INLINE unsigned call(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t target)
{
    uint64_t sp = stack_pointer(cpu, -(int64_t)bytes);

    /* the return address is written even when the target then is #GP (seen on Emerald Rapids) */
    if (UNLIKELY(!stack_store(cpu, i, sp, bytes, rip_next(cpu, i)) || !target_ok(cpu, target)))
        FAULT();
    stack_set_pointer(cpu, sp);
    return exec_jump(cpu, i, target);
}

static unsigned call_width(struct cpu *cpu, const struct insn *i, uint64_t target)
{
    return i->width == 8 ? call(cpu, i, 8, target) : i->width == 4 ? call(cpu, i, 4, target) : call(cpu, i, 2, target);
}

EXEC(CALL)
{
    return call_width(cpu, i, (uint64_t)i->disp);
}

EXEC(CALL_IND)
{
    uint64_t target;

    if (!operand_load(cpu, i, 0, i->width, &target))
        FAULT();
    return call_width(cpu, i, target);
}

/* 64-bit code with a canonical target: nothing to ask of the mode. */
static unsigned CALL_64(struct cpu *cpu, const struct insn *i)
{
    uint64_t sp = cpu->s.gpr[RSP] - 8;
    uint8_t *host;

    if (!mem_hit_write(cpu, sp, 8, &host))
        return exec_CALL(cpu, i);
    store64(host, cpu->block_rip + i->end);
    cpu->s.gpr[RSP] = sp;
    return exec_jump(cpu, i, (uint64_t)i->disp);
}

static ALWAYS_INLINE unsigned ret(struct cpu *cpu, const struct insn *i, unsigned bytes)
{
    uint64_t sp = stack_pointer(cpu, 0), target;

    if (UNLIKELY(!stack_load(cpu, i, sp, bytes, &target) || !target_ok(cpu, target)))
        FAULT();
    stack_set_pointer(cpu, stack_pointer(cpu, (int64_t)(bytes + i->imm)));
    return exec_jump(cpu, i, target);
}

EXEC(RET)
{
    return i->width == 8 ? ret(cpu, i, 8) : i->width == 4 ? ret(cpu, i, 4) : ret(cpu, i, 2);
}

static unsigned RET_64(struct cpu *cpu, const struct insn *i)
{
    const uint8_t *host;
    uint64_t target;

    if (!mem_hit_read(cpu, cpu->s.gpr[RSP], 8, &host))
        return exec_RET(cpu, i);
    target = load64(host);
    if (UNLIKELY(!cpu_canonical(cpu, target)))
        return exec_RET(cpu, i);
    cpu->s.gpr[RSP] += 8 + i->imm;
    return exec_jump(cpu, i, target);
}

/* ---- loops ---- */

static unsigned loop(struct cpu *cpu, const struct insn *i, bool condition)
{
    uint64_t count = mask_size(cpu->s.gpr[RCX] - 1, i->asize);

    if (count != 0 && condition) {
        if (!target_ok(cpu, (uint64_t)i->disp))
            FAULT();
        reg_set(cpu, REG_AT(RCX), i->asize, count);
        return exec_jump(cpu, i, (uint64_t)i->disp);
    }
    reg_set(cpu, REG_AT(RCX), i->asize, count);
    return exec_jump(cpu, i, rip_next(cpu, i));
}

EXEC(LOOP)
{
    return loop(cpu, i, true);
}

EXEC(LOOPE)
{
    return loop(cpu, i, flags_zf(&cpu->flags));
}

EXEC(LOOPNE)
{
    return loop(cpu, i, !flags_zf(&cpu->flags));
}

EXEC(JRCXZ)
{
    if (reg_get(cpu, REG_AT(RCX), i->asize) == 0)
        JUMP_TO((uint64_t)i->disp);
    return exec_jump(cpu, i, rip_next(cpu, i));
}

insn_fn *exec_bind_branch(const struct cpu *cpu, const struct insn *i)
{
    bool fast = in_64bit(cpu) && i->width == 8, canonical = (uint64_t)bits_sign((uint64_t)i->disp, 48) == (uint64_t)i->disp;

    switch (i->op) {
    case OP_JCC:
        return (fast && canonical ? jcc_64 : jcc)[i->opcode & 15];
    case OP_JMP:
        return fast && canonical ? JMP_64 : NULL;
    case OP_CALL:
        return fast && canonical ? CALL_64 : NULL;
    case OP_RET:
        return fast ? RET_64 : NULL;
    default:
        return NULL;
    }
}
