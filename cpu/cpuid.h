/* SPDX-License-Identifier: MIT
 * The processor's own answers to CPUID, and the models they come from. */
#ifndef CPU_CPUID_H
#define CPU_CPUID_H

#include "cpu/internal.h"

/* One leaf; the host has not been asked. */
struct cpuid_regs cpuid_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf);
uint32_t cpuid_signature(const struct cpu *cpu);        /* CPUID.1:EAX, also EDX after reset */

#endif
