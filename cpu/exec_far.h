/* SPDX-License-Identifier: MIT
 * What far jumps, calls and returns share. */
#ifndef CPU_EXEC_FAR_H
#define CPU_EXEC_FAR_H

#include "cpu/seg.h"

/* The target lies in its segment, or is canonical in 64-bit code; else #GP(0). */
bool far_target_ok(struct cpu *cpu, const struct descriptor *cs, uint64_t *offset);

/* The end of an instruction that may have switched tasks: a fault of the new task is delivered in the new task. */
unsigned far_task_done(struct cpu *cpu, const struct insn *i, bool done, bool switched);

#endif
