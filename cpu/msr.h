/* SPDX-License-Identifier: MIT
 * Model-specific registers by row; cpu_read_msr() and cpu_write_msr() of cpu/cpu.h are here too. */
#ifndef CPU_MSR_H
#define CPU_MSR_H

#include "cpu/internal.h"

/* RDMSR and WRMSR with the host's share. The processor is synchronised to instruction i. PASS never comes back. */
enum intercept msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
enum intercept msr_write(struct cpu *cpu, uint32_t msr, uint64_t value);
/* Bits of IA32_MISC_ENABLE that change what CPUID shows (SDM 4). */
#define MISC_MONITOR        BIT64(18)
#define MISC_LIMIT_CPUID    BIT64(22)
#define MISC_XD_DISABLE     BIT64(34)
void msr_reset(struct cpu *cpu);            /* power-on values */

#endif
