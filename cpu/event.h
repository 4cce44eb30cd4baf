/* SPDX-License-Identifier: MIT
 * Events as the instructions that cause them see them; the rest of event.c is in cpu/internal.h. */
#ifndef CPU_EVENT_H
#define CPU_EVENT_H

#include "cpu/internal.h"

/* INT n, INT3, INTO (checked against the gate's DPL) and INT1 (not): deliver now, going back to `rip`. False: cpu->fault is
 * set, and *switched tells whether a task gate had already left the old task. */
enum software_event { SOFTWARE_INT, SOFTWARE_ICEBP };
bool event_software(struct cpu *cpu, unsigned vector, enum software_event kind, uint64_t rip, bool *switched);

/* INT n of a virtual-8086 task by the real-mode table (SDM 3B "Method 5: Software Interrupt Handling"). */
bool event_redirect(struct cpu *cpu, unsigned vector, uint64_t rip);

/* event_deliver_fault() from inside an instruction: a fault in the new task of a switch that already happened. */
void event_redeliver(struct cpu *cpu);

/* #MC, which comes between instructions as interrupts do. */
void event_deliver_machine_check(struct cpu *cpu);

/* The shutdown state, which only the board ends; `why` is for the log. */
void event_shut_down(struct cpu *cpu, const char *why);

#endif
