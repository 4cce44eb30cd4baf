/* SPDX-License-Identifier: MIT
 * Questions to the past: when was something last done before an instant, and every time it was. What can be asked for are a
 * debugger's points (cpu/points.h): memory written or read, by linear or physical address; an instruction about to run. The machine
 * must be one that can go back (debug_travel()); the debugger's own points stay and do not matter. */
#ifndef MACHINE_PAST_H
#define MACHINE_PAST_H

#include "machine/debug.h"

struct past_answer {
    bool found;
    uint64_t insns;             /* when it was done: instructions retired, the one that did it included; of a break: before it */
    struct point_hit hit;       /* who, by which instruction, and for writes what was there and is */
};

/* The last time up to instruction `before`; of a break, before it. Afterwards the machine stands at `before`. */
struct err past_last(struct debug *d, const struct point *what, uint64_t before, struct past_answer *out) MUST_USE;

/* Every time from where the run begins to `until`, in order; false from `each` ends it. Afterwards the machine stands there. */
struct err past_each(struct debug *d, const struct point *what, uint64_t until, bool (*each)(void *arg, const struct past_answer *a),
                     void *arg) MUST_USE;

#endif
