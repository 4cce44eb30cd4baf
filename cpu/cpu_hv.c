/* SPDX-License-Identifier: MIT
 * What only the hypervisor asks of a processor: to start without a start-up IPI, to keep user programs from reading its tables,
 * and state that has no name in regs.def. Its sleep is monitor.c's. */
#include <string.h>

#include "base/bytes.h"
#include "cpu/exec_xsave.h"
#include "cpu/internal.h"

bool cpu_waits_for_start(const struct cpu *cpu)
{
    return cpu->p.activity == CPU_WAIT_SIPI;
}

void cpu_begin(struct cpu *cpu)
{
    cpu->p.activity = CPU_RUNNING;
    cpu->p.sipi_pending = 0;
    cpu->attention |= ATTEND_MODE | ATTEND_INTR | ATTEND_SMI;
    cpu_mode_changed(cpu);
}

void cpu_set_npiep(struct cpu *cpu, unsigned prevented)
{
    cpu->npiep = (uint8_t)prevented;
}

/* The registers of FXSAVE begin with the top of the stack. */
static void rotate_registers(uint8_t *area, unsigned by)
{
    uint8_t from[8][16];

    memcpy(from, area + LEGACY_ST, sizeof from);
    for (unsigned n = 0; n < 8; n++)
        memcpy(area + LEGACY_ST + 16 * ((n + by) & 7), from[n], 16);
}

static unsigned top(const uint8_t *area)
{
    return load16(area + 2) >> 11 & 7;
}

void cpu_legacy_state(const struct cpu *cpu, uint8_t area[CPU_LEGACY_BYTES])
{
    legacy_save_x87(cpu, true, area);
    legacy_save_mxcsr(cpu, area + LEGACY_MXCSR);
    rotate_registers(area, top(area));
}

bool cpu_set_legacy_state(struct cpu *cpu, const uint8_t area[CPU_LEGACY_BYTES])
{
    uint32_t mxcsr = load32(area + LEGACY_MXCSR);
    uint8_t stack[CPU_LEGACY_BYTES];

    if (mxcsr & ~MXCSR_VALID)
        return false;
    memcpy(stack, area, sizeof stack);
    rotate_registers(stack, 8 - top(stack));
    legacy_load_x87(cpu, true, stack);
    cpu->s.mxcsr = mxcsr;
    return true;
}

_Static_assert(CPU_LEGACY_BYTES == LEGACY_XMM, "all before the XMM registers");

unsigned cpu_interrupt_state(const struct cpu *cpu)
{
    return (cpu->p.inhibit != 0 ? CPU_INTERRUPT_SHADOW : 0) | (cpu->p.nmi_blocked ? CPU_NMI_MASKED : 0);
}

void cpu_set_interrupt_state(struct cpu *cpu, unsigned state)
{
    cpu->p.inhibit = state & CPU_INTERRUPT_SHADOW ? 1 : 0;
    cpu->p.nmi_blocked = state & CPU_NMI_MASKED ? 1 : 0;
    cpu->attention |= ATTEND_INTR | ATTEND_NMI;
}
