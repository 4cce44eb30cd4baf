/* SPDX-License-Identifier: MIT
 * What the files about the past share. */
#ifndef MACHINE_PAST_INTERNAL_H
#define MACHINE_PAST_INTERNAL_H

#include "cpu/watcher.h"
#include "machine/debug_internal.h"
#include "machine/past.h"

/* A question while it is being answered. */
struct asking {
    struct debug *d;
    struct past_question what;
    uint64_t from, before;
    struct past_answer last;
    bool (*each)(void *arg, const struct past_answer *a);
    void *arg;
    bool enough;
};

void past_answered(struct asking *q, const struct past_answer *a);

/* Where the machine stands, to come back to: not only the instruction but all of it. */
struct stand { struct snapshot *at; bool stood; unsigned stood_vp; };
struct err past_leave(struct debug *d, struct stand *out) MUST_USE;
struct err past_return(struct debug *d, struct stand *from) MUST_USE;
struct err past_go(struct debug *d, uint64_t insns) MUST_USE;

enum watch_grain past_grain(const struct debug_reg *r);     /* what must be looked at to see it change */
/* past_watch.c: run up to exactly `until`, answering on the way. */
void past_watch(struct asking *q, uint64_t until);
/* Run so, told of everything by one watcher for all processors. False: the run ended before. */
bool past_run(struct debug *d, const struct cpu_watcher *w, uint64_t until);

#endif
