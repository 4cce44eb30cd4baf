/* SPDX-License-Identifier: MIT
 * Break- and watchpoints of a debugger outside the machine: any number, for all processors, unseen by the guest. They cost
 * nothing while there are none, and never change what a run does: only where it stops. Whoever holds them adds and removes
 * between calls of cpu_run() and then commits; cpu_run() leaves with CPU_STOP_DEADLINE when there is something to report. */
#ifndef CPU_POINTS_H
#define CPU_POINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum point_kind {
    POINT_BREAK,        /* before the instruction that begins at `at` */
    POINT_WRITE,        /* after the instruction, or whatever it is, that wrote there */
    POINT_READ,         /* after the instruction that read there; fetches are no reads */
    POINT_ACCESS,       /* either */
    POINT_KINDS
};

/* Linear: accesses by this address, in whatever address space. Physical: to this memory by whichever way; writes by devices,
 * by the hypervisor and to page tables (accessed and dirty bits) too, reads by processors only. */
struct point {
    enum point_kind kind;
    bool physical;
    uint64_t at, len;   /* len: of no meaning for POINT_BREAK, else at least 1, and not past the end of the address space */
};

#define POINT_NOBODY 0xffffffffu
#define POINT_BYTES  64u

struct point_hit {
    bool any;
    struct point point;         /* which was met */
    unsigned vp;                /* processor, or POINT_NOBODY: a device, or what comes with an event */
    uint64_t rip;               /* of the instruction that is about to run (break) or that did it; offset in CS */
    uint64_t at;                /* first watched byte that was accessed: as the point has it, linear or physical */
    unsigned bytes;             /* how many of them, at most POINT_BYTES */
    bool wrote;
    bool has_old;
    uint8_t old[POINT_BYTES], now[POINT_BYTES];
    unsigned more;              /* further hits before the machine stopped */
};

struct points;

bool point_same(const struct point *a, const struct point *b);     /* of the same kind, at the same place */

struct points *points_create(void);
void points_free(struct points *p);         /* the processors have gone, or never run again */
void points_attach(struct points *p, struct cpu *cpu);

#define POINT_PHYSICAL_MAX (1u << 20)
void points_add(struct points *p, const struct point *what);        /* physical: at most so long, below 2^52 */
bool points_remove(struct points *p, const struct point *what);     /* one of that kind and place; false: there is none */
void points_clear(struct points *p);
unsigned points_count(const struct points *p);

/* Before processors run again: let what was added and removed take effect. */
void points_commit(struct points *p);

/* The next instruction of this processor, if it is still the one it stood at, runs although a breakpoint lies there. */
void points_pass(struct points *p, const struct cpu *cpu);
void points_pass_none(struct points *p);

/* Processors run as if there were none. */
void points_suspend(struct points *p, bool suspended);

const struct point_hit *points_hit(struct points *p);       /* hit->any: to be reported */
void points_forget_hit(struct points *p);

#endif
