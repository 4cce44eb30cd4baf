/* SPDX-License-Identifier: MIT
 * Address monitoring and the waits it ends: MONITOR and MWAIT, WAITPKG, AMD's timed pair, and sleep as the hypervisor has it. */
#ifndef CPU_MONITOR_H
#define CPU_MONITOR_H

#include "cpu/internal.h"

#define MONITOR_NONE ~(uint64_t)0       /* cpu_shared.monitor_gpa: nothing is armed */

/* cpu_private.wait: what ends the wait of CPU_MWAITING, besides NMI, SMI, INIT and interrupts that can be delivered. */
enum { WAIT_MASKED = 1, WAIT_MONITOR = 2, WAIT_DEADLINE = 4, WAIT_LIMITED = 8 };   /* the last: CF tells that the deadline did */

void monitor_create(struct cpu *cpu);
/* s.monitor_gpa, the address space or the map changed: watch the line that is meant now. */
void monitor_refresh(struct cpu *cpu);
void monitor_disarm(struct cpu *cpu);           /* and forget the deadline */
void monitor_loaded(struct cpu *cpu);
/* CPU_MWAITING and cpu_sleep_over(): go on. */
void monitor_wake(struct cpu *cpu);

/* For block.c, which hears of writes: the lines of this page that are watched, and those that were written. */
uint64_t monitor_lines(const struct cpu *cpu, const uint8_t *host_page);
void     monitor_written(struct cpu *cpu, const uint8_t *host_page, uint64_t lines);

#endif
