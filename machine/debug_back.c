/* SPDX-License-Identifier: MIT
 * Backwards: to the last thing a processor did, and to the last hit of any break- or watchpoint, by travelling to checkpoints and
 * running forwards from there with the points set (machine/travel.h). */
#include <stdlib.h>

#include "machine/debug_internal.h"
#include "machine/travel.h"

#define SLICE ((uint64_t)1 << 25)       /* forwards: how often a checkpoint may be made */

struct err debug_travel(struct debug *d)
{
    if (d->travel != NULL)
        return OK;
    if (d->machine->recorder != NULL)
        return err_make(ERR_USAGE, "a run only goes forwards while it is recorded: replay the recording");
    return travel_create(&d->travel, d->machine);
}

bool debug_can_go_back(const struct debug *d)
{
    return d->travel != NULL;
}

void debug_travel_free(struct debug *d)
{
    travel_free(d->travel);
    d->travel = NULL;
}

void debug_note_travel(struct debug *d)
{
    if (d->travel != NULL)
        travel_note(d->travel);
}

void debug_changed(struct debug *d)
{
    d->changes++;
    if (d->travel != NULL)
        travel_forget_future(d->travel);
}

uint64_t debug_slice(struct debug *d, uint64_t left)
{
    const uint64_t now = machine_insns(d->machine);
    uint64_t end;

    if (d->travel == NULL)
        return left;
    travel_note(d->travel);
    end = travel_end(d->travel);
    board_mute(d->machine, now < end);      /* what the guest says goes out once */
    if (now < end && end - now < left)
        left = end - now;
    return left < SLICE ? left : SLICE;
}

/* ---- where to ---- */

static struct debug_stop stand(struct debug *d, enum debug_why why, unsigned vp)
{
    struct debug_stop stop = { .why = why, .how = RUN_LIMIT, .vp = vp, .insns = machine_insns(d->machine) };

    points_forget_hit(d->points);
    d->paused = 0;
    d->stood = why == DEBUG_STEP || why == DEBUG_BREAK;
    d->stood_vp = vp;
    return stop;
}

/* Run without points and pauses: the machine is on the way to where it will stand. */
static void quiet(struct debug *d, bool on)
{
    points_suspend(d->points, on);
    d->busy = on;
}

struct err debug_goto(struct debug *d, uint64_t insns, struct debug_stop *stop)
{
    struct err e;

    TRY(debug_travel(d));
    travel_note(d->travel);                     /* how far it had come */
    quiet(d, true);
    e = travel_to(d->travel, insns);
    quiet(d, false);
    *stop = stand(d, DEBUG_NOTHING, d->machine->loop.current);
    return e;
}

/* Nothing before here: the machine stands at the beginning. */
static struct debug_stop at_begin(struct debug *d)
{
    struct debug_stop stop;
    struct err e = debug_goto(d, travel_begin(d->travel), &stop);

    (void)failed(&e);
    stop.why = DEBUG_BEGIN;
    return stop;
}

static uint64_t retired_at(struct debug *d, unsigned vp, uint64_t insns)
{
    struct debug_stop stop;
    struct err e = debug_goto(d, insns, &stop);

    return failed(&e) ? 0 : cpu_retired(d->machine->vps[vp]);
}

/* ---- one step ---- */

#define PIECES 128u

/* Forwards from `*low` in equal pieces to the one in which the processor comes to `now`: that is what lies between the two then. */
static void narrow(struct debug *d, unsigned vp, uint64_t *low, uint64_t *high, uint64_t now)
{
    const uint64_t piece = (*high - *low + PIECES - 1) / PIECES;

    quiet(d, true);
    while (*high - *low > 1) {
        const uint64_t n = *high - *low < piece ? *high - *low : piece;

        if (machine_run(d->machine, n) != RUN_LIMIT || cpu_retired(d->machine->vps[vp]) == now) {
            *high = *low + n;
            break;
        }
        *low += n;
    }
    quiet(d, false);
}

/* The last instant before `high` at which the processor had done less than now: between a time `low` when it had, and `high`. What it
 * has done never falls (but for a reset of the machine, before which one then comes to stand). */
static uint64_t last_before(struct debug *d, unsigned vp, uint64_t low, uint64_t high, uint64_t now)
{
    while (high - low > 1) {
        struct debug_stop stop;
        struct err e = debug_goto(d, low, &stop);

        if (failed(&e))
            break;
        narrow(d, vp, &low, &high, now);
    }
    return low;
}

/* The machine stands at `at`, before what was undone. Did that meet a watchpoint? */
static struct debug_stop undone(struct debug *d, unsigned vp, uint64_t at)
{
    struct debug_stop met, stop;
    struct err e;

    if (points_count(d->points) == 0)
        return stand(d, DEBUG_STEP, vp);
    stand(d, DEBUG_STEP, vp);                   /* a breakpoint here is passed */
    met = debug_run_plain(d, 1);
    e = debug_goto(d, at, &stop);
    if (failed(&e))
        return at_begin(d);
    stop = stand(d, DEBUG_STEP, vp);
    if (met.why == DEBUG_WATCH) {
        stop.why = DEBUG_WATCH;
        stop.hit = met.hit;
    }
    return stop;
}

struct debug_stop debug_step_back(struct debug *d, unsigned vp)
{
    const uint64_t here = machine_insns(d->machine), now = cpu_retired(d->machine->vps[vp]);
    const uint64_t begin = travel_begin(d->travel);
    struct debug_stop stop;
    struct err e;

    for (uint64_t back = 1;; back *= 64) {
        const uint64_t low = here - begin > back ? here - back : begin;

        if (here == begin || (retired_at(d, vp, low) == now && low == begin))
            return at_begin(d);
        if (cpu_retired(d->machine->vps[vp]) == now)
            continue;
        e = debug_goto(d, last_before(d, vp, low, here, now), &stop);
        return failed(&e) ? at_begin(d) : undone(d, vp, stop.insns);
    }
}

/* ---- to the last hit ---- */

struct search {
    struct debug *d;
    uint64_t before;            /* where it began: only what lies earlier counts */
    struct debug_stop last;
    uint64_t at;                /* where the machine stands for it */
};

/* A breakpoint's place is before its instruction, a watchpoint's before the instruction that it saw: going backwards, the value
 * has just become the old one. */
static void keep(struct search *s, const struct debug_stop *stop)
{
    const uint64_t at = stop->why == DEBUG_WATCH && stop->insns > 0 ? stop->insns - 1 : stop->insns;

    if (at >= s->before)
        return;
    s->last = *stop;
    s->at = at;
}

static bool scan(void *arg, uint64_t until)
{
    struct search *s = arg;
    bool found = false;

    s->d->stood = false;
    while (machine_insns(s->d->machine) < until) {
        struct debug_stop stop = debug_run_plain(s->d, until - machine_insns(s->d->machine));

        if (stop.why == DEBUG_END)
            break;
        if (stop.why == DEBUG_BREAK || stop.why == DEBUG_WATCH) {
            keep(s, &stop);
            found |= s->last.why != DEBUG_NOTHING;
        }
    }
    return found;
}

struct debug_stop debug_run_back(struct debug *d)
{
    struct search s = { .d = d, .before = machine_insns(d->machine) };
    bool found = false;
    struct debug_stop stop;
    struct err e;

    travel_note(d->travel);
    if (points_count(d->points) != 0) {
        e = travel_back(d->travel, s.before, 0, NULL, scan, &s, &found);
        found &= !failed(&e) && s.last.why != DEBUG_NOTHING;
    }
    if (!found)
        return at_begin(d);
    e = debug_goto(d, s.at, &stop);
    if (failed(&e))
        return at_begin(d);
    (void)stand(d, s.last.why, s.last.vp);
    s.last.insns = s.at;
    return s.last;
}
