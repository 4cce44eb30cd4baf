/* SPDX-License-Identifier: MIT
 * What the exec_x87_*.c files share: the register stack, memory operands, exceptions, the last-instruction pointers.
 *
 * A handler goes: x87_begin or x87_load_* (checks, memory, pointers), stack checks, arithmetic in a struct fp_env,
 * x87_finish, write. A memory fault comes before anything changed. */
#ifndef CPU_EXEC_X87_H
#define CPU_EXEC_X87_H

#include "cpu/fp.h"
#include "cpu/fpu.h"
#include "cpu/mem.h"

#define MISC_FOPCODE_COMPATIBLE 4u      /* IA32_MISC_ENABLE[2]: FOP follows every instruction, not only those that fail */

#define X87_RUN(work)                                                                        \
    do {                                                                                     \
        if (UNLIKELY(!(work)))                                                               \
            FAULT();                                                                         \
        NEXT();                                                                              \
    } while (0)

/* ---- the stack ---- */

static ALWAYS_INLINE unsigned x87_top(const struct cpu *cpu) { return (cpu->s.fsw >> FSW_TOP_SHIFT) & 7; }
static ALWAYS_INLINE unsigned x87_phys(const struct cpu *cpu, unsigned st) { return (x87_top(cpu) + st) & 7; }
static ALWAYS_INLINE bool x87_empty(const struct cpu *cpu, unsigned st) { return !(cpu->s.ftag & BIT(x87_phys(cpu, st))); }

static ALWAYS_INLINE struct fp80 x87_get(const struct cpu *cpu, unsigned st)
{
    unsigned r = x87_phys(cpu, st);

    return (struct fp80){ cpu->s.fpr_mant[r], cpu->s.fpr_se[r] };
}
static ALWAYS_INLINE struct fp_num x87_num(const struct cpu *cpu, unsigned st) { return fp_from80(x87_get(cpu, st)); }

/* Writes the register and marks it in use. */
static ALWAYS_INLINE void x87_put(struct cpu *cpu, unsigned st, struct fp80 v)
{
    unsigned r = x87_phys(cpu, st);

    cpu->s.fpr_mant[r] = v.mant;
    cpu->s.fpr_se[r] = v.se;
    cpu->s.ftag |= (uint8_t)BIT(r);
}

static ALWAYS_INLINE void x87_set_top(struct cpu *cpu, unsigned top)
{
    cpu->s.fsw = (uint16_t)((cpu->s.fsw & ~FSW_TOP) | (top & 7) << FSW_TOP_SHIFT);
}

static ALWAYS_INLINE void x87_free(struct cpu *cpu, unsigned st) { cpu->s.ftag &= (uint8_t)~BIT(x87_phys(cpu, st)); }

static ALWAYS_INLINE void x87_pop(struct cpu *cpu)
{
    x87_free(cpu, 0);
    x87_set_top(cpu, x87_top(cpu) + 1);
}

static ALWAYS_INLINE void x87_push(struct cpu *cpu, struct fp80 v)
{
    x87_set_top(cpu, x87_top(cpu) - 1);
    x87_put(cpu, 0, v);
}

/* Condition codes: those of `which` become those of `set`. */
static ALWAYS_INLINE void x87_cc(struct cpu *cpu, unsigned which, unsigned set)
{
    cpu->s.fsw = (uint16_t)((cpu->s.fsw & ~which) | set);
}

static const struct fp80 x87_indefinite = { 0xc000000000000000ull, 0xffff };

/* ---- beginning ---- */

static ALWAYS_INLINE bool x87_is_memory(const struct insn *i) { return i->modrm < 0xc0; }

/* The last-instruction pointers (SDM 1 "x87 FPU Instruction and Data (Operand) Pointers"); x87_note_memory for an operand at
 * the instruction's effective address. CPUID.7.0:EBX[13] says that selectors are kept no more, [6] that the data pointer is
 * for unmasked exceptions only. */
static ALWAYS_INLINE void x87_note(struct cpu *cpu, const struct insn *i)
{
    cpu->s.fpu_ip = rip_of(cpu, i);
    cpu->s.fpu_cs = x87_selector(cpu, cpu->p.seg_sel[SEG_CS]);
}
static ALWAYS_INLINE void x87_note_data(struct cpu *cpu, const struct insn *i)
{
    cpu->s.fpu_dp = ea_offset(cpu, i);
    cpu->s.fpu_ds = x87_selector(cpu, cpu->p.seg_sel[i->seg]);
}
static ALWAYS_INLINE void x87_note_memory(struct cpu *cpu, const struct insn *i)
{
    x87_note(cpu, i);
    if (!cpu_has(cpu, F_FDP_EXCPTN_ONLY))
        x87_note_data(cpu, i);
}

/* A non-control instruction without memory operand: checks and pointers; C1 is clear unless it sets it. */
static ALWAYS_INLINE bool x87_begin(struct cpu *cpu, const struct insn *i)
{
    if (!x87_check(cpu, i))
        return false;
    x87_note(cpu, i);
    x87_cc(cpu, FSW_C1, 0);
    return true;
}

/* The same for one that loads `bytes` (2, 4, 8) or a block of 10. */
bool x87_load(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t *out);
bool x87_load80(struct cpu *cpu, const struct insn *i, struct fp80 *out);

/* ---- exceptions ---- */

static ALWAYS_INLINE struct fp_env x87_env(const struct cpu *cpu)
{
    static const uint8_t precision[4] = { 24, 64, 53, 64 };     /* 01 is reserved and acts as extended */

    return (struct fp_env){
        .rounding = cpu->s.fcw >> 10 & 3, .masked = cpu->s.fcw & FSW_EXCEPTIONS, .precision = precision[cpu->s.fcw >> 8 & 3],
        .x87 = true
    };
}
/* For operations that precision control does not touch. */
static ALWAYS_INLINE struct fp_env x87_env64(const struct cpu *cpu)
{
    struct fp_env e = x87_env(cpu);

    e.precision = 64;
    return e;
}

/* Record e's exceptions and C1. False: an unmasked one was found in the operands, so nothing may be written. */
bool x87_finish(struct cpu *cpu, const struct insn *i, const struct fp_env *e);
/* A store to memory also keeps back its result on unmasked overflow and underflow, which then are all it raises. */
bool x87_may_store(struct fp_env *e);
/* Stack overflow (a full register would be pushed onto) or underflow. True: masked, the result is x87_indefinite. */
bool x87_stack_fault(struct cpu *cpu, const struct insn *i, bool overflow);

#endif
