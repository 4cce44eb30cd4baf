/* SPDX-License-Identifier: MIT
 * Hardware task switches, SDM 3A "Task Switching". */
#ifndef CPU_TASK_H
#define CPU_TASK_H

#include "cpu/seg.h"

enum task_cause { TASK_JUMP, TASK_CALL, TASK_RETURN, TASK_EVENT };

/* Switch to the TSS that `selector` names; rip and rflags are what the old task goes on with. False: cpu->fault is set. When
 * the fault came after the point of no return the new task is the current one, with p.rip its own: *switched tells. */
bool task_switch(struct cpu *cpu, uint16_t selector, enum task_cause cause, uint64_t rip, uint32_t rflags, bool *switched);
/* IRET with NT set: switch back along the link of the current TSS. */
bool task_return(struct cpu *cpu, uint64_t rip, bool *switched);

#endif
