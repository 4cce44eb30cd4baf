/* SPDX-License-Identifier: MIT
 * Writes of CR0, CR3, CR4, CR8, EFER and XCR0 as MOV CR, LMSW, WRMSR and XSETBV do them: checks, then every consequence.
 * False: #GP(0) is recorded and nothing changed. */
#ifndef CPU_CONTROL_H
#define CPU_CONTROL_H

#include "cpu/internal.h"

bool control_set_cr0(struct cpu *cpu, uint64_t value);
bool control_set_cr3(struct cpu *cpu, uint64_t value);
bool control_set_cr4(struct cpu *cpu, uint64_t value);
bool control_set_cr8(struct cpu *cpu, uint64_t value);
uint64_t control_cr8(const struct cpu *cpu);
bool control_set_efer(struct cpu *cpu, uint64_t value);
bool control_set_xcr0(struct cpu *cpu, uint64_t value);

/* The bits this processor's features define. */
uint64_t control_cr3_bits(const struct cpu *cpu);
uint64_t control_cr4_bits(const struct cpu *cpu);
uint64_t control_efer_bits(const struct cpu *cpu);
#define CR0_BITS (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

#endif
