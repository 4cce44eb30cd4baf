/* SPDX-License-Identifier: MIT
 * CLI, STI, CLAC, STAC, with the virtual interrupt flag of VME and PVI (SDM 2B "STI", SDM 3B "Protected-Mode Virtual
 * Interrupts"). PUSHF and POPF are exec_stack.c's. */
#include "cpu/exec.h"
#include "cpu/seg.h"


static unsigned iopl(const struct cpu *cpu)
{
    return (cpu->p.rflags & FLAG_IOPL) >> 12;
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
            cpu_interrupts_on(cpu);
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
