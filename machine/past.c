/* SPDX-License-Identifier: MIT
 * Answers come from running again under a watch, backwards from checkpoint to checkpoint: what was done lately is found at once. */
#include "machine/past.h"

#include <inttypes.h>
#include <string.h>

#include "machine/past_internal.h"
#include "machine/snapshot.h"
#include "machine/travel.h"

#define WINDOW_FIRST ((uint64_t)1 << 12)
#define WINDOW_MAX  ((uint64_t)1 << 27)
#define LOW_MEMORY  ((uint64_t)1 << 20)     /* below, ROM and RAM change places */
#define SLICE       ((uint64_t)1 << 25)

void past_answered(struct asking *q, const struct past_answer *a)
{
    if (q->enough)
        return;
    q->last = *a;
    q->last.found = true;
    q->enough = q->each != NULL && !q->each(q->arg, &q->last);
}

/* ---- standing and going ---- */

struct err past_go(struct debug *d, uint64_t insns)
{
    struct debug_stop stop;

    return debug_goto(d, insns, &stop);
}

struct err past_leave(struct debug *d, struct stand *out)
{
    TRY(debug_travel(d));
    travel_note(d->travel);
    *out = (struct stand){ .at = snapshot_take(d->machine->snapshots), .stood = d->stood, .stood_vp = d->stood_vp };
    return OK;
}

struct err past_return(struct debug *d, struct stand *from)
{
    struct err e = snapshot_restore(d->machine->snapshots, from->at);

    snapshot_drop(d->machine->snapshots, from->at);
    board_mute(d->machine, machine_insns(d->machine) < travel_end(d->travel));
    points_forget_hit(d->points);
    d->paused = 0;
    d->stood = from->stood;
    d->stood_vp = from->stood_vp;
    return e;
}

/* ---- points ---- */

/* Others' points may be met on the way. */
static bool answers(const struct asking *q, const struct debug_stop *stop)
{
    const struct point_hit *h = &stop->hit;

    if ((stop->why != DEBUG_BREAK && stop->why != DEBUG_WATCH) || !point_same(&h->point, &q->what.point) ||
        (q->what.vp != PAST_ANY && h->vp != q->what.vp))
        return false;
    return stop->why == DEBUG_BREAK ? stop->insns < q->before : stop->insns <= q->before;
}

static bool scan_points(void *arg, uint64_t until)
{
    struct asking *q = arg;
    bool found = false;

    q->d->stood = false;                /* what the debugger was told of has nothing to do with where we are */
    while (machine_insns(q->d->machine) < until && !q->enough) {
        const struct debug_stop stop = debug_run_plain(q->d, until - machine_insns(q->d->machine));

        if (answers(q, &stop)) {
            past_answered(q, &(struct past_answer){ .insns = stop.insns, .vp = stop.hit.vp, .rip = stop.hit.rip, .hit = stop.hit });
            found = true;
        }
        if (stop.why == DEBUG_END)
            break;
    }
    return found;
}

/* ---- the last time ---- */

static bool is_break(const struct asking *q)
{
    return q->what.kind == PAST_POINT && q->what.point.kind == POINT_BREAK;
}

/* What was answered by a stretch that begins before `from` may lie before it: then nothing does behind it. */
static bool scan_last(void *arg, uint64_t until)
{
    struct asking *q = arg;

    if (q->what.kind == PAST_POINT)
        (void)scan_points(q, until);
    else
        past_watch(q, until);
    q->last.found &= is_break(q) ? q->last.insns >= q->from : q->last.insns > q->from;
    return q->last.found;
}

/* In windows that grow: looking at each instruction is much slower than running, and most of that was done lately. */
static struct err last_stepped(struct asking *q)
{
    uint64_t size = WINDOW_FIRST;

    for (uint64_t high = q->before, low; high > q->from && !q->last.found; high = low) {
        low = high - q->from > size ? high - size : q->from;
        TRY(past_go(q->d, low));
        past_watch(q, high);
        size = size < WINDOW_MAX ? size * 4 : size;
    }
    return OK;
}

/* The pages that a write must hit to be an answer, where that is known: of RAM that lies there for good. */
static bool pages_asked(const struct asking *q, struct travel_pages *out)
{
    const struct point *p = &q->what.point;
    const struct machine *m = q->d->machine;

    if (q->what.kind != PAST_POINT || !p->physical || p->kind != POINT_WRITE || p->at < LOW_MEMORY)
        return false;
    for (uint64_t page = p->at & PAGE_MASK; page <= p->at + p->len - 1; page += PAGE_SIZE) {
        const struct space_page here = space_page(m->memory, page);

        if (here.host == NULL || here.ram != m->ram || (page > p->at && here.ram_page != out->last + 1))
            return false;
        if (page <= p->at)
            out->first = here.ram_page;
        out->last = here.ram_page;
    }
    return true;
}

static struct err last_of(struct asking *q)
{
    struct travel_pages pages = { 0 };
    bool found;

    if (q->what.kind == PAST_CHANGED && past_grain(&q->what.reg) == WATCH_INSNS)
        return last_stepped(q);
    return travel_back(q->d->travel, q->before, q->from, pages_asked(q, &pages) ? &pages : NULL, scan_last, q, &found);
}

/* ---- every time ---- */

static struct err all_of(struct asking *q)
{
    TRY(past_go(q->d, q->from));
    while (machine_insns(q->d->machine) < q->before && !q->enough) {
        const uint64_t now = machine_insns(q->d->machine), until = q->before - now > SLICE ? now + SLICE : q->before;

        if (q->what.kind == PAST_POINT)
            (void)scan_points(q, until);
        else
            past_watch(q, until);
        if (machine_insns(q->d->machine) < until)
            break;
    }
    return OK;
}

/* ---- asking ---- */

static struct err check(const struct debug *d, const struct past_question *what)
{
    if (what->vp != PAST_ANY && what->vp >= debug_vps(d))
        return err_make(ERR_USAGE, "there is no processor %u", what->vp);
    if (what->kind == PAST_CHANGED && strcmp(what->reg.name, "rip") == 0)
        return err_make(ERR_USAGE, "rip changes with every instruction");
    return OK;
}

/* What must be set up on the processors and taken away again. */
static struct err prepare(struct asking *q)
{
    if (q->what.kind == PAST_POINT && !debug_add(q->d, &q->what.point))
        return err_make(ERR_USAGE, "nothing at %#" PRIx64 " can be watched", q->what.point.at);
    if (q->what.kind == PAST_CHANGED && past_grain(&q->what.reg) == WATCH_SYSTEM)
        for (unsigned k = 0; k < debug_vps(q->d); k++)
            cpu_part_system(q->d->machine->vps[k], true);
    return OK;
}

static void clean_up(struct asking *q)
{
    if (q->what.kind == PAST_POINT)
        (void)debug_remove(q->d, &q->what.point);
    for (unsigned k = 0; k < debug_vps(q->d); k++)
        cpu_part_system(q->d->machine->vps[k], false);
}

static struct err answer(struct asking *q)
{
    struct err e;

    TRY(past_go(q->d, q->before));          /* where the run is known to go, or ends */
    if (q->from < travel_begin(q->d->travel))
        q->from = travel_begin(q->d->travel);
    TRY(prepare(q));
    e = q->each != NULL ? all_of(q) : last_of(q);
    clean_up(q);
    return e;
}

static struct err ask(struct asking *q)
{
    struct stand here;
    struct err e, back;

    TRY(check(q->d, &q->what));
    TRY(past_leave(q->d, &here));
    e = answer(q);
    back = past_return(q->d, &here);
    return failed(&e) ? e : back;
}

struct err past_last(struct debug *d, const struct past_question *what, uint64_t from, uint64_t before, struct past_answer *out)
{
    struct asking q = { .d = d, .what = *what, .from = from, .before = before };
    struct err e = ask(&q);

    *out = q.last;
    return e;
}

struct err past_each(struct debug *d, const struct past_question *what, uint64_t from, uint64_t until,
                     bool (*each)(void *arg, const struct past_answer *a), void *arg)
{
    struct asking q = { .d = d, .what = *what, .from = from, .before = until, .each = each, .arg = arg };

    return ask(&q);
}
