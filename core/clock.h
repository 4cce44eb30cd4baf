/* SPDX-License-Identifier: MIT
 * Virtual time: a function of retired instructions, and the queue of deadlines on it. Nothing here asks the host. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/state.h"

/* now_ns = anchor_ns + (insns - anchor_insns) * ps_per_insn / 1000 (+ the sub-nanosecond rest in anchor_ps) */
#define CLOCK_STATE(ONE, MANY)                                                      \
    ONE(u64, insns,         "instructions retired by all processors since reset")   \
    ONE(u64, anchor_insns,  "insns when the anchor was set")                        \
    ONE(u64, anchor_ns,     "virtual time at the anchor")                           \
    ONE(u64, anchor_ps,     "picoseconds beyond anchor_ns, 0..999")                 \
    ONE(u64, ps_per_insn,   "virtual picoseconds one instruction takes")            \
    ONE(u64, idle_ns,       "virtual time skipped while every processor was idle")
STATE_STRUCT(clock_state, CLOCK_STATE);
extern const struct state_schema clock_state_schema;

struct timer {
    uint64_t due_ns;                    /* TIMER_OFF when not armed; owners save it in their own state */
    void (*fire)(void *arg);            /* runs in the machine loop with clock_ns() >= due_ns; may re-arm */
    void *arg;
    const char *name;
    uint32_t order;                     /* registration order breaks ties, so runs are reproducible */
    uint32_t heap_at;                   /* place in the queue, ~0 when not queued */
};

#define TIMER_OFF UINT64_MAX

struct clock {
    struct clock_state state;
    struct timer **heap;
    uint32_t nheap, room, next_order;
    void (*deadline_moved)(void *arg);  /* told when the earliest deadline moved nearer: the running turn must shrink */
    void *deadline_arg;
};

void     clock_init(struct clock *c, uint64_t ps_per_insn);
void     clock_free(struct clock *c);
uint64_t clock_ns(const struct clock *c);
void     clock_set_speed(struct clock *c, uint64_t ps_per_insn);    /* re-anchors, time stays continuous */
void     clock_skip_to(struct clock *c, uint64_t ns);               /* idle: jump forward to ns; never back */

void     timer_init(struct clock *c, struct timer *t, const char *name, void (*fire)(void *arg), void *arg);
void     timer_set(struct clock *c, struct timer *t, uint64_t due_ns);   /* a past deadline fires at the next chance */
void     timer_cancel(struct clock *c, struct timer *t);

uint64_t clock_next_deadline(const struct clock *c);                /* ns, TIMER_OFF when none */
uint64_t clock_insns_until(const struct clock *c, uint64_t ns);     /* instructions to retire until clock_ns() >= ns */
void     clock_fire_due(struct clock *c);                           /* fires everything due, in (due, order) order */

#endif
