/* SPDX-License-Identifier: MIT
 * What only the hypervisor asks of a processor: to start without a start-up IPI, to sleep until any interrupt. */
#include "cpu/internal.h"
#include "cpu/smm.h"

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

void cpu_sleep(struct cpu *cpu)
{
    cpu->p.activity = CPU_MWAITING;
    cpu->attention |= ATTEND_INTR | ATTEND_NMI;
}

bool cpu_sleep_over(const struct cpu *cpu)
{
    const struct apic_ops *apic = cpu->ports.apic;

    return (apic != NULL && apic->pending(cpu->ports.apic_self) != APIC_NONE) || cpu->p.pending_db != 0 ||
           (cpu->p.nmi_pending && !cpu->p.nmi_blocked) || smm_wanted(cpu);
}
