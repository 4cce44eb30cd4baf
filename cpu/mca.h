/* SPDX-License-Identifier: MIT
 * The machine-check architecture: its registers, and errors as they arrive from outside. */
#ifndef CPU_MCA_H
#define CPU_MCA_H

#include "cpu/internal.h"

/* MSRs 179h-17Bh, 280h-289h and 400h-427h; false: #GP. */
bool mca_read(const struct cpu *cpu, uint32_t msr, uint64_t *value);
bool mca_write(struct cpu *cpu, uint32_t msr, uint64_t value);
void mca_reset(struct cpu *cpu);

/* Between instructions, with s.mce_pending: vector 18, or shutdown. */
void mca_deliver(struct cpu *cpu);

#endif
