/* SPDX-License-Identifier: MIT
 * Answers come from running again under a watch, backwards from checkpoint to checkpoint: what was done lately is found at once. */
#include "machine/past.h"

#include <string.h>

#include "machine/debug_internal.h"
#include "machine/travel.h"

struct question {
    struct debug *d;
    struct point what;
    uint64_t before;
    struct past_answer last;
    bool (*each)(void *arg, const struct past_answer *a);
    void *arg;
    bool enough;
};

/* Others' points may be met on the way. */
static bool answers(const struct question *q, const struct debug_stop *stop)
{
    if ((stop->why != DEBUG_BREAK && stop->why != DEBUG_WATCH) || !point_same(&stop->hit.point, &q->what))
        return false;
    return stop->why == DEBUG_BREAK ? stop->insns < q->before : stop->insns <= q->before;
}

static bool scan(void *arg, uint64_t until)
{
    struct question *q = arg;
    bool found = false;

    q->d->stood = false;                /* what the debugger was told of has nothing to do with where we are */
    while (machine_insns(q->d->machine) < until && !q->enough) {
        const struct debug_stop stop = debug_run_plain(q->d, until - machine_insns(q->d->machine));

        if (answers(q, &stop)) {
            q->last = (struct past_answer){ true, stop.insns, stop.hit };
            found = true;
            q->enough = q->each != NULL && !q->each(q->arg, &q->last);
        }
        if (stop.why == DEBUG_END)
            break;
    }
    return found;
}

static struct err ask(struct question *q, uint64_t from)
{
    struct debug_stop stop;

    TRY(debug_goto(q->d, from, &stop));
    return debug_add(q->d, &q->what) ? OK : err_make(ERR_USAGE, "nothing at %llx can be watched", (unsigned long long)q->what.at);
}

static struct err go_to(struct debug *d, uint64_t insns)
{
    struct debug_stop stop;

    return debug_goto(d, insns, &stop);
}

struct err past_last(struct debug *d, const struct point *what, uint64_t before, struct past_answer *out)
{
    struct question q = { .d = d, .what = *what, .before = before };
    struct err e;
    bool found;

    TRY(ask(&q, before));
    e = travel_back(d->travel, before, scan, &q, &found);
    (void)debug_remove(d, what);
    *out = q.last;
    return failed(&e) ? e : go_to(d, before);
}

struct err past_each(struct debug *d, const struct point *what, uint64_t until, bool (*each)(void *arg, const struct past_answer *a),
                     void *arg)
{
    struct question q = { .d = d, .what = *what, .before = until, .each = each, .arg = arg };

    TRY(debug_travel(d));
    TRY(ask(&q, travel_begin(d->travel)));
    (void)scan(&q, until);
    (void)debug_remove(d, what);
    return go_to(d, machine_insns(d->machine));
}
