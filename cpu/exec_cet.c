/* SPDX-License-Identifier: MIT
 * Control-flow enforcement: the instructions that manage shadow stacks (SDM 2, each under its name), and the near transfers
 * as they are while shadow stacks or indirect branch tracking are on. exec_bind() chooses the latter by the mode, so that
 * without either nothing is asked of a CALL or RET. */
#include "cpu/cet.h"
#include "cpu/exec.h"
#include "cpu/seg.h"

static bool in_64bit(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

static bool user_mode(const struct cpu *cpu)
{
    return cpu->p.cpl == 3;
}

/* The shadow stack's addresses have 32 bits outside 64-bit mode. */
static gva_t shadow_address(const struct cpu *cpu, uint64_t ssp)
{
    return in_64bit(cpu) ? ssp : (uint32_t)ssp;
}

static bool load(struct cpu *cpu, uint64_t ssp, unsigned bytes, uint64_t *v)
{
    return mem_load_shadow(cpu, shadow_address(cpu, ssp), bytes, user_mode(cpu), v);
}

static bool store(struct cpu *cpu, uint64_t ssp, unsigned bytes, uint64_t v)
{
    return mem_store_shadow(cpu, shadow_address(cpu, ssp), bytes, user_mode(cpu), v);
}

/* ---- ENDBR32, ENDBR64: without tracking, and in the other mode, they are NOPs ---- */

static unsigned endbranch(struct cpu *cpu, const struct insn *i)
{
    cet_endbranch(cpu);
    NEXT_PURE();
}

EXEC(ENDBR32) { NEXT_PURE(); }
EXEC(ENDBR64) { NEXT_PURE(); }

/* ---- near transfers ---- */

static bool near_target_ok(struct cpu *cpu, uint64_t target)
{
    return (in_64bit(cpu) ? cpu_canonical(cpu, target) : target <= cpu->code_limit) || fault_gp(cpu, 0);
}

static bool tracked(struct cpu *cpu, const struct insn *i)
{
    uint64_t control = *cet_control(cpu, cpu->p.cpl);

    return (cpu->mode & MODE_IBT) && !(control & CET_SUPPRESS) &&
           !((i->flags & INSN_NOTRACK) && (control & CET_NO_TRACK_EN));
}

/* The block at target, when it can be entered as exec_jump() does and begins with the right ENDBRANCH. */
static struct block *endbranch_block(const struct cpu *cpu, uint64_t target)
{
    const struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(target)];
    struct block *b = s->block;

    if (!block_shortcut_leads(cpu, s, target) || cpu->attention || b->count > cpu->budget ||
        target + b->bytes - 1 > cpu->code_limit)
        return NULL;
    return b->insns[0].op == (in_64bit(cpu) ? OP_ENDBR64 : OP_ENDBR32) ? b : NULL;
}

/* An indirect branch completed. Where an ENDBRANCH follows at once the tracker would be idle again before anything could see
 * that it waited. */
static unsigned jump_indirect(struct cpu *cpu, const struct insn *i, uint64_t target)
{
    struct block *b;

    if (!tracked(cpu, i))
        return exec_jump(cpu, i, target);
    b = endbranch_block(cpu, target);
    if (b != NULL)
        return exec_enter(cpu, b, target, b->insns[0].fn);
    cet_wait(cpu);
    return exec_stop(cpu, i, target);
}

static unsigned jump_guarded(struct cpu *cpu, const struct insn *i)
{
    uint64_t target;

    if (!operand_load(cpu, i, 0, i->width, &target) || !near_target_ok(cpu, target))
        FAULT();
    return jump_indirect(cpu, i, target);
}

static bool push_both(struct cpu *cpu, const struct insn *i, bool shadow)
{
    uint64_t sp = stack_pointer(cpu, -(int64_t)i->width), back = rip_next(cpu, i);
    unsigned bytes = i->width == 8 ? 8 : 4;
    bool ok = i->width == 8 ? stack_store(cpu, i, sp, 8, back) : i->width == 4 ? stack_store(cpu, i, sp, 4, back)
                                                                               : stack_store(cpu, i, sp, 2, back);

    cpu->insn = i;
    if (!ok || (shadow && !store(cpu, cpu->p.ssp - bytes, bytes, mask_size(back, i->width))))
        return false;
    if (shadow)
        cpu->p.ssp = shadow_address(cpu, cpu->p.ssp - bytes);
    stack_set_pointer(cpu, sp);
    return true;
}

/* A CALL of what follows it only finds out where it is: the shadow stack hears nothing of it (SDM 2A "CALL"). */
static unsigned call_guarded(struct cpu *cpu, const struct insn *i)
{
    uint64_t target = (uint64_t)i->disp;

    if (!near_target_ok(cpu, target) || !push_both(cpu, i, i->imm != 0))
        FAULT();
    return exec_jump(cpu, i, target);
}

static unsigned call_indirect_guarded(struct cpu *cpu, const struct insn *i)
{
    uint64_t target;

    if (!operand_load(cpu, i, 0, i->width, &target) || !near_target_ok(cpu, target) ||
        !push_both(cpu, i, cpu->mode & MODE_SHSTK))
        FAULT();
    return jump_indirect(cpu, i, target);
}

static unsigned ret_guarded(struct cpu *cpu, const struct insn *i)
{
    uint64_t sp = stack_pointer(cpu, 0), target, shadow;
    unsigned bytes = i->width == 8 ? 8 : 4;
    bool ok = i->width == 8 ? stack_load(cpu, i, sp, 8, &target) : i->width == 4 ? stack_load(cpu, i, sp, 4, &target)
                                                                                 : stack_load(cpu, i, sp, 2, &target);

    cpu->insn = i;
    if (!ok || !near_target_ok(cpu, target) || !load(cpu, cpu->p.ssp, bytes, &shadow))
        FAULT();
    if (shadow != target) {
        fault_cp(cpu, CP_NEAR_RET);
        FAULT();
    }
    cpu->p.ssp = shadow_address(cpu, cpu->p.ssp + bytes);
    stack_set_pointer(cpu, stack_pointer(cpu, (int64_t)(i->width + i->imm)));
    return exec_jump(cpu, i, target);
}

insn_fn *exec_bind_cet(const struct cpu *cpu, const struct insn *i)
{
    bool shadow = cpu->mode & MODE_SHSTK, track = cpu->mode & MODE_IBT;

    switch (i->op) {
    case OP_CALL:     return shadow ? call_guarded : NULL;
    case OP_CALL_IND: return call_indirect_guarded;
    case OP_JMP_IND:  return track ? jump_guarded : NULL;
    case OP_RET:      return shadow ? ret_guarded : NULL;
    case OP_ENDBR32:  return track && !in_64bit(cpu) ? endbranch : NULL;
    case OP_ENDBR64:  return track && in_64bit(cpu) ? endbranch : NULL;
    default:          return NULL;
    }
}

/* ---- shadow stack management ---- */

#define NEEDS_SHADOW_STACK()                    \
    do {                                        \
        cpu->insn = i;                          \
        if (!(cpu->mode & MODE_SHSTK))          \
            RAISE_UD();                         \
    } while (0)

/* A NOP while shadow stacks are off. */
EXEC(RDSSP)
{
    if (cpu->mode & MODE_SHSTK)
        reg_set(cpu, i->o[0], i->width, cpu->p.ssp);
    NEXT_PURE();
}

/* The first and the last element passed are touched. */
EXEC(INCSSP)
{
    uint64_t count = reg_get(cpu, i->o[0], 1), v;

    NEEDS_SHADOW_STACK();
    if (!load(cpu, cpu->p.ssp, i->width, &v) ||
        (count > 0 && !load(cpu, cpu->p.ssp + (count - 1) * i->width, i->width, &v)))
        FAULT();
    cpu->p.ssp = shadow_address(cpu, cpu->p.ssp + count * i->width);
    NEXT();
}

/* Linear address of the memory operand, aligned. */
static bool operand_address(struct cpu *cpu, const struct insn *i, unsigned bytes, gva_t *lin)
{
    if (!ea_linear(cpu, i, bytes, ACCESS_READ | ACCESS_WRITE, lin))
        return false;
    *lin = in_64bit(cpu) ? cpu_untag(cpu, *lin) : (uint32_t)*lin;
    if (in_64bit(cpu) && !cpu_canonical(cpu, *lin))
        return fault_raise_error(cpu, i->seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return !(*lin & (bytes - 1)) || fault_gp(cpu, 0);
}

static unsigned write_shadow(struct cpu *cpu, const struct insn *i, bool user)
{
    gva_t lin;

    if (!operand_address(cpu, i, i->width, &lin) ||
        !mem_store_shadow(cpu, lin, i->width, user, reg_get(cpu, i->o[1], i->width)))
        FAULT();
    NEXT();
}

EXEC(WRSS)
{
    NEEDS_SHADOW_STACK();
    if (!(*cet_control(cpu, cpu->p.cpl) & CET_WR_SHSTK_EN))
        RAISE_UD();
    return write_shadow(cpu, i, user_mode(cpu));
}

EXEC(WRUSS)
{
    cpu->insn = i;
    if (!(cpu->p.cr4 & CR4_CET) || cpu_in_real_mode(cpu) || cpu_in_v86(cpu))
        RAISE_UD();
    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    return write_shadow(cpu, i, true);
}

/* What only a supervisor does, whose shadow stack must be on. */
static bool supervisor(struct cpu *cpu, const struct insn *i)
{
    cpu->insn = i;
    if (cpu_in_real_mode(cpu) || cpu_in_v86(cpu) || !cet_shadow_stack(cpu, 0))
        return fault_ud(cpu);
    return cpu->p.cpl == 0 || fault_gp(cpu, 0);
}

EXEC(SETSSBSY)
{
    uint64_t ssp = cpu->p.pl_ssp[0];
    bool ok = in_64bit(cpu) || !(ssp >> 32);

    if (!supervisor(cpu, i))
        FAULT();
    if (ssp & 7)
        RAISE_GP(0);
    if (ok && !shadow_token(cpu, ssp, in_64bit(cpu), false, true, &ok))
        FAULT();
    if (!ok) {
        fault_cp(cpu, CP_SETSSBSY);
        FAULT();
    }
    cpu->p.ssp = ssp;
    NEXT();
}

/* CF tells that there was no such token, or RSTORSSP's alignment hole; the other flags are cleared. */
static void set_only_cf(struct cpu *cpu, bool cf)
{
    flags_put(&cpu->flags, cf ? FLAG_CF : 0);
}

EXEC(CLRSSBSY)
{
    bool ok = false;
    gva_t lin;

    if (!supervisor(cpu, i) || !operand_address(cpu, i, 8, &lin) ||
        !shadow_token(cpu, lin, in_64bit(cpu), false, false, &ok))
        FAULT();
    set_only_cf(cpu, !ok);
    cpu->p.ssp = 0;
    NEXT();
}

/* Is this the token of a shadow stack whose top is at lin? */
static bool restore_token_ok(const struct cpu *cpu, uint64_t token, gva_t lin)
{
    if ((token & 3) != in_64bit(cpu) || (!in_64bit(cpu) && token >> 32))
        return false;
    return (((token & ~BIT64(0)) - 8) & ~(uint64_t)7) == lin;
}

/* The token is exchanged for the way back in one access, which is a write also where it is not one. */
EXEC(RSTORSSP)
{
    uint64_t back = cpu->p.ssp | in_64bit(cpu) | 2, token, was;
    gva_t lin;

    NEEDS_SHADOW_STACK();
    if (!operand_address(cpu, i, 8, &lin) || !mem_swap_shadow(cpu, lin, user_mode(cpu), 0, 0, &token))
        FAULT();
    if (!restore_token_ok(cpu, token, lin)) {
        fault_cp(cpu, CP_RSTORSSP);
        FAULT();
    }
    if (!mem_swap_shadow(cpu, lin, user_mode(cpu), token, back, &was))
        FAULT();
    cpu->p.ssp = lin;
    set_only_cf(cpu, token & 4);
    NEXT();
}

/* In legacy and compatibility mode CF says that a hole of four zero bytes lies behind the token. */
static bool pop_previous(struct cpu *cpu, uint64_t *token, uint64_t *ssp)
{
    uint64_t hole = 0;
    bool cf = flags_cf(&cpu->flags);

    *ssp = cpu->p.ssp + 8;
    if ((cpu->p.ssp & 7))
        return fault_gp(cpu, 0);
    if (!load(cpu, cpu->p.ssp, 8, token))
        return false;
    if (cf && in_64bit(cpu))
        return fault_gp(cpu, 0);
    if (cf && !load(cpu, *ssp, 4, &hole))
        return false;
    *ssp += cf ? 4 : 0;
    return (hole == 0 && (*token & 2) && (in_64bit(cpu) || !(*token >> 32))) || fault_gp(cpu, 0);
}

EXEC(SAVEPREVSSP)
{
    uint64_t token, ssp, old;

    NEEDS_SHADOW_STACK();
    if (!pop_previous(cpu, &token, &ssp))
        FAULT();
    old = token & ~(uint64_t)3;
    if (!store(cpu, old - 4, 4, 0) || !store(cpu, (old & ~(uint64_t)7) - 8, 8, old | in_64bit(cpu)))
        FAULT();
    cpu->p.ssp = shadow_address(cpu, ssp);
    NEXT();
}
