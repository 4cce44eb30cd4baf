/* SPDX-License-Identifier: MIT
 * Stops, steps and memory. The loop's schedule is never touched: a stop is a limit that nobody knew beforehand. */
#include "machine/debug.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "machine/debug_internal.h"

struct debug *machine_debug(struct machine *m)
{
    struct debug *d = m->debug;

    if (d != NULL)
        return d;
    d = calloc(1, sizeof *d);
    invariant(d != NULL, "out of memory for a debugger");
    d->machine = m;
    d->points = points_create();
    for (unsigned k = 0; k < m->nvps; k++)
        points_attach(d->points, m->vps[k]);
    m->debug = d;
    return d;
}

void debug_free(struct debug *d)
{
    if (d == NULL)
        return;
    debug_travel_free(d);
    debug_saved_free(d);
    points_free(d->points);
    free(d->regs);
    free(d);
}

/* ---- running ---- */

bool debug_wants_stop(struct debug *d)
{
    return !d->busy && (d->paused || points_hit(d->points)->any);
}

void debug_poll(struct debug *d)
{
    if (d->poll != NULL)
        d->poll(d->poll_arg);
}

uint64_t debug_host_ns(void) { return host_monotonic_ns(); }

void debug_on_poll(struct debug *d, void (*poll)(void *arg), void *arg)
{
    d->poll = poll;
    d->poll_arg = arg;
}

void debug_pause(struct debug *d)
{
    d->paused = 1;
}

void debug_show(struct debug *d)
{
    if (d->machine->tick != NULL)
        d->machine->tick(d->machine->tick_arg);
}

bool debug_add(struct debug *d, const struct point *what)
{
    const bool watch = what->kind != POINT_BREAK;

    if (watch && (what->len == 0 || what->at + (what->len - 1) < what->at))
        return false;
    if (what->physical && (what->at >> 52 != 0 || (watch && what->len > POINT_PHYSICAL_MAX)))
        return false;
    points_add(d->points, what);
    return true;
}

bool debug_remove(struct debug *d, const struct point *what)
{
    return points_remove(d->points, what);
}

void debug_clear(struct debug *d)
{
    points_clear(d->points);
}

static struct debug_stop stop_of(struct debug *d, enum run how)
{
    const struct machine *m = d->machine;
    struct debug_stop stop = { .how = how, .vp = m->loop.current, .insns = m->clock.state.insns, .hit = *points_hit(d->points) };

    if (stop.hit.any && stop.hit.vp != POINT_NOBODY)
        stop.vp = stop.hit.vp;
    if (how == RUN_LIMIT)
        stop.why = DEBUG_NOTHING;
    else if (how != RUN_BREAK)
        stop.why = DEBUG_END;
    else if (stop.hit.any)
        stop.why = stop.hit.point.kind == POINT_BREAK ? DEBUG_BREAK : DEBUG_WATCH;
    else
        stop.why = DEBUG_PAUSE;
    d->paused = 0;
    return stop;
}

/* The breakpoint that was reported, or stepped to, does not stop again. */
static void begin(struct debug *d)
{
    points_forget_hit(d->points);
    points_pass_none(d->points);
    if (d->stood)
        points_pass(d->points, d->machine->vps[d->stood_vp]);
    d->stood = false;
    points_commit(d->points);
}

static struct debug_stop end(struct debug *d, struct debug_stop stop)
{
    d->stood = stop.why == DEBUG_BREAK || stop.why == DEBUG_STEP;
    d->stood_vp = stop.vp;
    return stop;
}

struct debug_stop debug_run_plain(struct debug *d, uint64_t instructions)
{
    begin(d);
    return end(d, stop_of(d, machine_run(d->machine, instructions)));
}

struct debug_stop debug_run(struct debug *d, uint64_t instructions)
{
    const uint64_t start = machine_insns(d->machine);

    begin(d);
    for (;;) {
        const uint64_t before = machine_insns(d->machine), left = instructions - (before - start), slice = debug_slice(d, left);
        const enum run how = machine_run(d->machine, slice);
        const uint64_t done = machine_insns(d->machine) - before;

        if (how != RUN_LIMIT || done == left || done < slice)      /* less: machine_pause() */
            return end(d, stop_of(d, how));
    }
}

struct debug_stop debug_step(struct debug *d, unsigned vp)
{
    struct machine *m = d->machine;
    const uint64_t before = cpu_retired(m->vps[vp]);
    struct debug_stop stop;
    enum run how;

    begin(d);
    points_pass(d->points, m->vps[vp]);
    do
        how = machine_run(m, debug_slice(d, 1));
    while (how == RUN_LIMIT && cpu_retired(m->vps[vp]) == before);
    stop = stop_of(d, how);
    if (stop.why == DEBUG_NOTHING) {
        stop.why = DEBUG_STEP;
        stop.vp = vp;
    }
    return end(d, stop);
}

/* ---- processors ---- */

unsigned debug_vps(const struct debug *d)       { return d->machine->nvps; }
unsigned debug_current(const struct debug *d)   { return d->machine->loop.current; }

const char *debug_activity(const struct debug *d, unsigned vp)
{
    return cpu_activity_name(d->machine->vps[vp]);
}

bool debug_msr_read(struct debug *d, unsigned vp, uint32_t msr, uint64_t *value)
{
    return cpu_read_msr(d->machine->vps[vp], msr, value);
}

/* What a debugger changes is no part of a recording, and its replay would differ. */
bool debug_may_change(const struct debug *d)
{
    if (d->machine->recorder == NULL)
        return true;
    log_at(LOG_MACHINE, LOG_WARN, "a debugger may not change a machine that is being recorded");
    return false;
}

bool debug_msr_write(struct debug *d, unsigned vp, uint32_t msr, uint64_t value)
{
    const bool done = debug_may_change(d) && cpu_write_msr(d->machine->vps[vp], msr, value);

    debug_changed(d);
    return done;
}

/* ---- memory ---- */

bool debug_translate(struct debug *d, unsigned vp, uint64_t gva, uint64_t *gpa)
{
    return cpu_translate(d->machine->vps[vp], gva, 0, false, false, gpa);
}

void debug_show_code(struct debug *d, unsigned vp, uint64_t gva, void (*show)(void *arg, const struct cpu_translation *t), void *arg)
{
    cpu_show_code(d->machine->vps[vp], gva, show, arg);
}

/* One page's part of a transfer; 0: no plain memory lies there. */
static size_t move(struct debug *d, unsigned vp, gpa_t gpa, void *to, const void *from, size_t len)
{
    const struct space_page page = space_page(cpu_memory(d->machine->vps[vp]), gpa & PAGE_MASK);
    const uint64_t in_page = gpa & ~PAGE_MASK;
    const size_t n = len < PAGE_SIZE - in_page ? len : (size_t)(PAGE_SIZE - in_page);

    if (page.host == NULL)
        return 0;
    if (to != NULL)
        memcpy(to, page.host + in_page, n);
    if (from != NULL) {
        ram_wrote(page.ram, (page.ram_page << PAGE_SHIFT) + in_page, n);
        memcpy(page.host + in_page, from, n);
    }
    return n;
}

static size_t transfer(struct debug *d, unsigned vp, bool physical, uint64_t at, uint8_t *to, const uint8_t *from, size_t len)
{
    size_t done = 0, n;

    if (from != NULL && !debug_may_change(d))
        return 0;
    while (done < len) {
        gpa_t gpa = at + done;

        if (physical ? gpa >> 52 != 0 : !debug_translate(d, vp, at + done, &gpa))
            break;
        n = move(d, vp, gpa, to != NULL ? to + done : NULL, from != NULL ? from + done : NULL, len - done);
        if (n == 0)
            break;
        done += n;
    }
    if (from != NULL && done != 0)
        debug_changed(d);
    return done;
}

size_t debug_read(struct debug *d, unsigned vp, uint64_t gva, void *to, size_t len)
{
    return transfer(d, vp, false, gva, to, NULL, len);
}

size_t debug_write(struct debug *d, unsigned vp, uint64_t gva, const void *from, size_t len)
{
    return transfer(d, vp, false, gva, NULL, from, len);
}

size_t debug_read_physical(struct debug *d, unsigned vp, uint64_t gpa, void *to, size_t len)
{
    return transfer(d, vp, true, gpa, to, NULL, len);
}

size_t debug_write_physical(struct debug *d, unsigned vp, uint64_t gpa, const void *from, size_t len)
{
    return transfer(d, vp, true, gpa, NULL, from, len);
}
