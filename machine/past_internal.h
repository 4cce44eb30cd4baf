/* SPDX-License-Identifier: MIT
 * What the files about the past share. */
#ifndef MACHINE_PAST_INTERNAL_H
#define MACHINE_PAST_INTERNAL_H

#include "cpu/watcher.h"
#include "machine/debug_internal.h"
#include "machine/past.h"

#define PAST_POINTS 64u
struct past_points { struct point list[PAST_POINTS]; unsigned n; };

/* A question while it is being answered. */
struct asking {
    struct debug *d;
    struct past_question what;
    struct past_points points;                  /* PAST_POINT: any of these is an answer ... */
    bool (*counts)(const struct point_hit *h);  /* ... if this, unless it is NULL, says so */
    uint64_t from, before;
    struct past_answer last;
    bool (*each)(void *arg, const struct past_answer *a);
    void *arg;
    bool enough;
};

void past_answered(struct asking *q, const struct past_answer *a);
/* The machine stands at `before`, `from` is set: who did it last, each time it was done. */
struct err past_find_last(struct asking *q) MUST_USE;
struct err past_find_each(struct asking *q) MUST_USE;

/* past_behind.c: the memory behind a linear address. False: it is asked otherwise. */
struct behind {
    struct past_points data, entries;           /* its pieces, and what of page tables says that they lie there */
    uint64_t linear[PAST_POINTS];               /* of each piece */
    uint64_t entry[PAST_POINTS];                /* what they hold, as far as it says where */
};
bool past_behind(const struct asking *q, struct behind *out);
struct err past_find_behind(struct asking *q, const struct behind *b) MUST_USE;

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
