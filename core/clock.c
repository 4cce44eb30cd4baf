/* SPDX-License-Identifier: MIT
 * The deadline queue is a binary heap ordered by (due, registration), so that equal deadlines fire in one fixed order. */
#include "core/clock.h"

#include <stdlib.h>

#include "base/invariant.h"

STATE_SCHEMA(clock_state, CLOCK_STATE);

#define NOT_QUEUED UINT32_MAX

/* Nothing waits longer than 146 years. So time never comes near its wrap, even when a deadline is out of a hostile file. */
#define HORIZON (UINT64_C(1) << 62)

void clock_init(struct clock *c, uint64_t ps_per_insn)
{
    *c = (struct clock){ .state.ps_per_insn = ps_per_insn };
}

void clock_free(struct clock *c)
{
    free(c->heap);
    c->heap = NULL;
    c->nheap = c->room = 0;
}

/* Picoseconds since the anchor; 128 bits because insns * ps outgrows 64 after some hours between anchors. */
static unsigned __int128 since_anchor_ps(const struct clock *c)
{
    return (unsigned __int128)(c->state.insns - c->state.anchor_insns) * c->state.ps_per_insn + c->state.anchor_ps;
}

/* So many instructions or nanoseconds, at so many picoseconds each, make picoseconds of 63 bits. */
#define FEW     (UINT64_C(1) << 40)
#define FEW_PS  (UINT64_C(1) << 23)

uint64_t clock_ns(const struct clock *c)
{
    uint64_t insns = c->state.insns - c->state.anchor_insns;

    if (insns < FEW && c->state.ps_per_insn < FEW_PS)
        return c->state.anchor_ns + (insns * c->state.ps_per_insn + c->state.anchor_ps) / 1000;
    return c->state.anchor_ns + (uint64_t)(since_anchor_ps(c) / 1000);
}

static void anchor_here(struct clock *c)
{
    unsigned __int128 ps = since_anchor_ps(c);

    c->state.anchor_ns += (uint64_t)(ps / 1000);
    c->state.anchor_ps = (uint64_t)(ps % 1000);
    c->state.anchor_insns = c->state.insns;
}

void clock_set_speed(struct clock *c, uint64_t ps_per_insn)
{
    invariant(ps_per_insn > 0, "an instruction takes some time");
    anchor_here(c);
    c->state.ps_per_insn = ps_per_insn;
}

void clock_skip_to(struct clock *c, uint64_t ns)
{
    anchor_here(c);
    if (ns > c->state.anchor_ns) {
        c->state.idle_ns += ns - c->state.anchor_ns;
        c->state.anchor_ns = ns;
        c->state.anchor_ps = 0;
    }
}

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void place(struct clock *c, uint32_t at, struct timer *t)
{
    c->heap[at] = t;
    t->heap_at = at;
}

static void sift_up(struct clock *c, uint32_t at, struct timer *t)
{
    while (at > 0 && earlier(t, c->heap[(at - 1) / 2])) {
        place(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(c, at, t);
}

static void sift_down(struct clock *c, uint32_t at, struct timer *t)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= c->nheap)
            break;
        if (child + 1 < c->nheap && earlier(c->heap[child + 1], c->heap[child]))
            child++;
        if (!earlier(c->heap[child], t))
            break;
        place(c, at, c->heap[child]);
        at = child;
    }
    place(c, at, t);
}

void timer_init(struct clock *c, struct timer *t, const char *name, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){ TIMER_OFF, fire, arg, name, c->next_order++, NOT_QUEUED };
    if (c->next_order > c->room) {
        c->room = c->room == 0 ? 64 : c->room * 2;
        c->heap = realloc(c->heap, c->room * sizeof(struct timer *));
        invariant(c->heap != NULL, "out of memory for %u timers", c->room);
    }
}

void timer_cancel(struct clock *c, struct timer *t)
{
    uint32_t at = t->heap_at;
    struct timer *last;

    t->due_ns = TIMER_OFF;
    if (at == NOT_QUEUED)
        return;
    t->heap_at = NOT_QUEUED;
    last = c->heap[--c->nheap];
    if (last == t)
        return;
    if (at > 0 && earlier(last, c->heap[(at - 1) / 2]))
        sift_up(c, at, last);
    else
        sift_down(c, at, last);
}

void timer_set(struct clock *c, struct timer *t, uint64_t due_ns)
{
    uint64_t before = clock_next_deadline(c);

    timer_cancel(c, t);
    if (due_ns >= HORIZON)
        return;
    t->due_ns = due_ns;
    sift_up(c, c->nheap++, t);
    if (due_ns < before && c->deadline_moved != NULL)
        c->deadline_moved(c->deadline_arg);
}

uint64_t clock_next_deadline(const struct clock *c)
{
    return c->nheap == 0 ? TIMER_OFF : c->heap[0]->due_ns;
}

uint64_t clock_insns_until(const struct clock *c, uint64_t ns)
{
    uint64_t since = c->state.insns - c->state.anchor_insns, ahead = ns - c->state.anchor_ns, ps = c->state.ps_per_insn;
    unsigned __int128 now_ps, due_ps, insns;

    if (ns <= c->state.anchor_ns)
        return 0;
    if (since < FEW && ahead < FEW && ps < FEW_PS) {
        uint64_t now = since * ps + c->state.anchor_ps;

        return ahead * 1000 <= now ? 0 : (ahead * 1000 - now + ps - 1) / ps;
    }
    now_ps = since_anchor_ps(c);
    due_ps = (unsigned __int128)(ns - c->state.anchor_ns) * 1000;
    if (due_ps <= now_ps)
        return 0;
    insns = (due_ps - now_ps + c->state.ps_per_insn - 1) / c->state.ps_per_insn;
    return insns > UINT64_MAX ? UINT64_MAX : (uint64_t)insns;
}

void clock_fire_due(struct clock *c)
{
    while (c->nheap > 0 && c->heap[0]->due_ns <= clock_ns(c)) {
        struct timer *t = c->heap[0];

        timer_cancel(c, t);
        t->fire(t->arg);
    }
}
