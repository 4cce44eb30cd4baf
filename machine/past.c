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

static bool among(const struct past_points *points, const struct point *p)
{
    for (unsigned k = 0; k < points->n; k++)
        if (point_same(&points->list[k], p))
            return true;
    return false;
}

/* Others' points may be met on the way. */
static bool answers(const struct asking *q, const struct debug_stop *stop)
{
    const struct point_hit *h = &stop->hit;

    if ((stop->why != DEBUG_BREAK && stop->why != DEBUG_WATCH) || !among(&q->points, &h->point) ||
        (q->what.vp != PAST_ANY && h->vp != q->what.vp) || (q->counts != NULL && !q->counts(h)))
        return false;
    return stop->why == DEBUG_BREAK ? stop->insns < q->before : stop->insns <= q->before;
}

static bool scan_points(struct asking *q, uint64_t until)
{
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

static void scan(struct asking *q, uint64_t until)
{
    if (q->what.kind == PAST_POINT)
        (void)scan_points(q, until);
    else
        past_watch(q, until);
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

    scan(q, until);
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

static bool add_pages(const struct machine *m, const struct point *p, struct travel_pages *out)
{
    if (!p->physical || p->kind != POINT_WRITE || p->at < LOW_MEMORY)
        return false;
    for (uint64_t page = p->at & PAGE_MASK; page <= p->at + p->len - 1; page += PAGE_SIZE) {
        const struct space_page here = space_page(m->memory, page);

        if (here.host == NULL || here.ram != m->ram)
            return false;
        if (page > p->at && here.ram_page == out->ranges[out->n - 1].last + 1) {
            out->ranges[out->n - 1].last++;
            continue;
        }
        if (out->n == TRAVEL_RANGES)
            return false;
        out->ranges[out->n].first = out->ranges[out->n].last = here.ram_page;
        out->n++;
    }
    return true;
}

/* The pages that a write must hit to be an answer, where that is known: of RAM that lies there for good. */
static const struct travel_pages *pages_asked(const struct asking *q, struct travel_pages *room)
{
    room->n = 0;
    for (unsigned k = 0; k < q->points.n; k++)
        if (!add_pages(q->d->machine, &q->points.list[k], room))
            return NULL;
    return q->points.n > 0 ? room : NULL;
}

/* ---- what must be set up on the processors and taken away again ---- */

static struct err prepare(struct asking *q)
{
    for (unsigned k = 0; k < q->points.n; k++)
        if (!debug_add(q->d, &q->points.list[k])) {
            q->points.n = k;
            return err_make(ERR_USAGE, "nothing at %#" PRIx64 " can be watched", q->what.point.at);
        }
    if (q->what.kind == PAST_CHANGED && past_grain(&q->what.reg) == WATCH_SYSTEM)
        for (unsigned k = 0; k < debug_vps(q->d); k++)
            cpu_part_system(q->d->machine->vps[k], true);
    return OK;
}

static void clean_up(struct asking *q)
{
    for (unsigned k = 0; k < q->points.n; k++)
        (void)debug_remove(q->d, &q->points.list[k]);
    for (unsigned k = 0; k < debug_vps(q->d); k++)
        cpu_part_system(q->d->machine->vps[k], false);
}

static struct err last_of(struct asking *q)
{
    struct travel_pages pages;
    bool found;

    if (q->what.kind == PAST_CHANGED && past_grain(&q->what.reg) == WATCH_INSNS)
        return last_stepped(q);
    return travel_back(q->d->travel, q->before, q->from, pages_asked(q, &pages), scan_last, q, &found);
}

struct err past_find_last(struct asking *q)
{
    struct err e = prepare(q);

    if (!failed(&e))
        e = last_of(q);
    clean_up(q);
    return e;
}

/* ---- every time ---- */

static struct err each_of(struct asking *q)
{
    struct travel_pages room;
    const struct travel_pages *pages = pages_asked(q, &room);
    uint64_t at = q->from, until;

    for (; at < q->before && !q->enough; at = until) {
        until = travel_next(q->d->travel, pages, &at, q->before);
        if (at == q->before)
            break;
        if (machine_insns(q->d->machine) != at)
            TRY(past_go(q->d, at));
        scan(q, until);
        if (machine_insns(q->d->machine) < until)
            break;                      /* enough, or the end */
    }
    return OK;
}

struct err past_find_each(struct asking *q)
{
    struct err e = prepare(q);

    if (!failed(&e))
        e = each_of(q);
    clean_up(q);
    return e;
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

static struct err answer(struct asking *q)
{
    struct behind behind;

    TRY(past_go(q->d, q->before));          /* where the run is known to go, or ends */
    if (q->from < travel_begin(q->d->travel))
        q->from = travel_begin(q->d->travel);
    if (past_behind(q, &behind))
        return past_find_behind(q, &behind);
    if (q->what.kind == PAST_POINT)
        q->points = (struct past_points){ { q->what.point }, 1 };
    return q->each != NULL ? past_find_each(q) : past_find_last(q);
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
