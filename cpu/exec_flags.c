/* SPDX-License-Identifier: MIT
 * Instructions on RFLAGS as a whole and on IF and AC, with the virtual interrupt flag of VME and PVI (SDM 2B "PUSHF", "POPF",
 * "STI", SDM 3B "Virtual-8086 Mode", "Protected-Mode Virtual Interrupts"). */
#include "cpu/exec.h"
#include "cpu/seg.h"

#define SHADOW_STI  1u          /* p.inhibit */
#define FLAGS_USER  (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)

static unsigned iopl(const struct cpu *cpu)
{
    return (cpu->p.rflags & FLAG_IOPL) >> 12;
}

/* Virtual-8086 code below IOPL 3: PUSHF and POPF work on VIF with VME and 16 bits, and are #GP otherwise. */
static bool v86_sensitive(const struct cpu *cpu)
{
    return cpu_in_v86(cpu) && iopl(cpu) < 3;
}

EXEC(PUSHF)
{
    uint64_t sp = stack_pointer(cpu, -(int64_t)i->width);
    uint32_t image = cpu_rflags(cpu);

    if (v86_sensitive(cpu)) {
        if (i->width != 2 || !(cpu->p.cr4 & CR4_VME))
            RAISE_GP(0);
        image = (image & ~FLAG_IF) | FLAG_IOPL | (image & FLAG_VIF ? FLAG_IF : 0);
    }
    if (!stack_store(cpu, i, sp, i->width, image & ~(FLAG_VM | FLAG_RF)))
        FAULT();
    stack_set_pointer(cpu, sp);
    NEXT();
}

static uint32_t popf_mask(const struct cpu *cpu, unsigned bytes)
{
    uint32_t mask = FLAGS_USER | (bytes >= 4 ? FLAG_AC | FLAG_ID : 0);

    if (cpu->p.cpl <= iopl(cpu))
        mask |= FLAG_IF;
    if (cpu->p.cpl == 0)
        mask |= FLAG_IOPL;
    return mask;
}

/* POPF of VME: IF goes to VIF. */
static bool popf_vme(struct cpu *cpu, const struct insn *i, uint64_t *value, uint32_t *mask)
{
    bool wants_if = *value & FLAG_IF;

    if (i->width != 2 || !(cpu->p.cr4 & CR4_VME) || (*value & FLAG_TF) || (wants_if && (cpu->p.rflags & FLAG_VIP)))
        return fault_gp(cpu, 0);
    *value = (*value & ~(uint64_t)FLAG_VIF) | (wants_if ? FLAG_VIF : 0);
    *mask = FLAGS_USER | FLAG_VIF;
    return true;
}

EXEC(POPF)
{
    uint32_t mask = popf_mask(cpu, i->width);
    uint64_t value;

    if (v86_sensitive(cpu) && (i->width != 2 || !(cpu->p.cr4 & CR4_VME)))
        RAISE_GP(0);
    if (!stack_load(cpu, i, stack_pointer(cpu, 0), i->width, &value))
        FAULT();
    if (v86_sensitive(cpu) && !popf_vme(cpu, i, &value, &mask))
        FAULT();
    stack_set_pointer(cpu, stack_pointer(cpu, i->width));
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(mask | FLAG_RF)) | ((uint32_t)value & mask));
    STOP();
}

/* Which flag CLI and STI are about here. */
enum which { REAL_IF, VIRTUAL_IF, NEITHER };

static enum which interrupt_flag(const struct cpu *cpu)
{
    if (cpu_in_real_mode(cpu) || iopl(cpu) >= cpu->p.cpl)
        return REAL_IF;
    if (cpu_in_v86(cpu))
        return cpu->p.cr4 & CR4_VME ? VIRTUAL_IF : NEITHER;
    return cpu->p.cpl == 3 && (cpu->p.cr4 & CR4_PVI) ? VIRTUAL_IF : NEITHER;
}

EXEC(CLI)
{
    switch (interrupt_flag(cpu)) {
    case REAL_IF:    cpu->p.rflags &= ~(uint64_t)FLAG_IF; break;
    case VIRTUAL_IF: cpu->p.rflags &= ~(uint64_t)FLAG_VIF; break;
    case NEITHER:    RAISE_GP(0);
    }
    STOP();
}

EXEC(STI)
{
    switch (interrupt_flag(cpu)) {
    case REAL_IF:
        if (!(cpu->p.rflags & FLAG_IF)) {
            cpu->p.rflags |= FLAG_IF;
            cpu->p.inhibit |= SHADOW_STI;
            cpu->attention |= ATTEND_INTR;
        }
        break;
    case VIRTUAL_IF:
        if (cpu->p.rflags & FLAG_VIP)
            RAISE_GP(0);
        cpu->p.rflags |= FLAG_VIF;
        break;
    case NEITHER:
        RAISE_GP(0);
    }
    STOP();
}

static unsigned set_ac(struct cpu *cpu, const struct insn *i, uint64_t ac)
{
    if (cpu->p.cpl != 0)
        RAISE_UD();
    cpu->p.rflags = (cpu->p.rflags & ~(uint64_t)FLAG_AC) | ac;
    cpu_mode_changed(cpu);
    STOP();
}

EXEC(CLAC) { return set_ac(cpu, i, 0); }
EXEC(STAC) { return set_ac(cpu, i, FLAG_AC); }
