/* SPDX-License-Identifier: MIT
 * Somebody outside the machine who is told what a processor does: events as they are delivered, loads of CR3, and, when asked, each
 * step. The guest does not notice, and the run is the same. Set between calls of cpu_run(); told during them. */
#ifndef CPU_WATCHER_H
#define CPU_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum cpu_happening { CPU_EXCEPTION, CPU_SOFTWARE_INT, CPU_INTERRUPT, CPU_NMI, CPU_SMI, CPU_CR3_LOAD, CPU_HAPPENINGS };

struct cpu_happened {
    enum cpu_happening what;
    uint64_t insns;             /* retired by then, with the delivery or the instruction itself (docs/determinism.md) */
    uint64_t rip;               /* of the instruction that did it, or before which it came */
    uint64_t old, now;          /* CPU_CR3_LOAD; of a page fault `now` is the address */
    uint32_t error;
    uint8_t vector, has_error;
};

/* What is a step: an instruction; a block, which ends with the first that jumps; only an instruction that may change a register of
 * the system, and all others run as ever (after cpu_part_system()). */
enum watch_grain { WATCH_INSNS, WATCH_BLOCKS, WATCH_SYSTEM, WATCH_NOTHING };

/* Before a step, and after one: by how its last instruction ended. */
enum cpu_step { STEP_BEGINS, STEP_DONE, STEP_CALL, STEP_RETURN, STEP_SYSCALL, STEP_LEAVE };    /* IRET, SYSRET */

struct cpu_watcher {
    void *arg;
    enum watch_grain grain;
    void (*happened)(void *arg, struct cpu *cpu, const struct cpu_happened *h);
    void (*step)(void *arg, struct cpu *cpu, enum cpu_step what);   /* the clock is exact, and RIP the next instruction's */
};

void cpu_set_watcher(struct cpu *cpu, const struct cpu_watcher *w);     /* NULL: nobody */
/* From now on decoded blocks leave out instructions that may change a register of the system, so that each can be a step; or not. */
void cpu_part_system(struct cpu *cpu, bool parted);
uint64_t cpu_behind_step(const struct cpu *cpu);        /* in a step's end: the address behind its last instruction */
bool cpu_runs_instruction(const struct cpu *cpu);       /* whatever happens now happens during one of its instructions */

#endif
