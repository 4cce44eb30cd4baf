/* SPDX-License-Identifier: MIT
 * What only the hypervisor asks of a processor: to start without a start-up IPI, and to keep user programs from reading its
 * tables. Its sleep is monitor.c's. */
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
