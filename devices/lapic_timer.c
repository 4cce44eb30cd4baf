/* SPDX-License-Identifier: MIT
 * The local APIC timer: one-shot, periodic and TSC-deadline (SDM 3A "APIC Timer"). The count is a function of virtual time,
 * each expiry is computed from the moment counting began, so a periodic timer never drifts. */
#include "base/bits.h"
#include "devices/lapic_internal.h"
#include "devices/ticks.h"

static unsigned mode_of(const struct lapic *l)
{
    return l->state.lvt[LVT_TIMER] >> LVT_TIMER_MODE_SHIFT & 3;
}

/* SDM 3A "Divide Configuration Register": bits 3, 1, 0; 111 divides by one. */
static unsigned divisor(const struct lapic *l)
{
    unsigned code = (l->state.divide & 3) | (l->state.divide >> 1 & 4);

    return 1u << ((code + 1) & 7);
}

static uint64_t ticks_since_origin(const struct lapic *l)
{
    return ticks_in_ns(clock_ns(l->clock) - l->state.origin_ns, l->cfg.apic_hz) / divisor(l);
}

static void arm(struct lapic *l, uint64_t due_ns)
{
    l->state.due_ns = due_ns;
    timer_set(l->clock, &l->timer, due_ns);
}

/* Expiry after the ticks that have passed: at first_count, then every initial_count. */
static void arm_next(struct lapic *l)
{
    const struct lapic_state *s = &l->state;
    uint64_t ticks = ticks_since_origin(l), at = s->first_count, due;

    if (at == 0 || mode_of(l) > TIMER_PERIODIC || (ticks >= at && (mode_of(l) == TIMER_ONE_SHOT || s->initial_count == 0))) {
        arm(l, TIMER_OFF);
        return;
    }
    if (ticks >= at)
        at += ((ticks - at) / s->initial_count + 1) * s->initial_count;
    due = ns_of_ticks(at * divisor(l), l->cfg.apic_hz);
    arm(l, due > TIMER_OFF - s->origin_ns ? TIMER_OFF : s->origin_ns + due);
}

uint32_t lapic_timer_count(const struct lapic *l)
{
    const struct lapic_state *s = &l->state;
    uint64_t ticks;

    if (mode_of(l) > TIMER_PERIODIC || s->first_count == 0)
        return 0;
    ticks = ticks_since_origin(l);
    if (ticks < s->first_count)
        return s->first_count - (uint32_t)ticks;
    if (mode_of(l) == TIMER_ONE_SHOT || s->initial_count == 0)
        return 0;
    return s->initial_count - (uint32_t)((ticks - s->first_count) % s->initial_count);
}

static void restart(struct lapic *l, uint32_t count)
{
    l->state.first_count = count;
    l->state.origin_ns = clock_ns(l->clock);
    arm_next(l);
}

/* "A write of 0 to the initial-count register effectively stops the local APIC timer"; TSC-deadline mode ignores writes. */
void lapic_timer_set_count(struct lapic *l, uint32_t count)
{
    if (mode_of(l) == TIMER_TSC_DEADLINE)
        return;
    l->state.initial_count = count;
    restart(l, count);
}

void lapic_timer_set_divide(struct lapic *l, uint32_t divide)
{
    uint32_t count = lapic_timer_count(l);

    l->state.divide = divide & 0xb;
    if (mode_of(l) <= TIMER_PERIODIC)
        restart(l, count);
}

/* Entering or leaving TSC-deadline mode disarms the timer (SDM 3A "TSC-Deadline Mode"). */
void lapic_timer_set_lvt(struct lapic *l, uint32_t lvt)
{
    unsigned before = mode_of(l);
    uint32_t count = lapic_timer_count(l);

    l->state.lvt[LVT_TIMER] = lvt;
    if (mode_of(l) == before)
        return;
    if (before >= TIMER_TSC_DEADLINE || mode_of(l) >= TIMER_TSC_DEADLINE) {
        l->state.tsc_deadline = 0;
        l->state.initial_count = 0;
        count = 0;
    }
    restart(l, count);
}

/* The first nanosecond at which the processor's TSC has reached the deadline. */
static uint64_t deadline_ns(const struct lapic *l)
{
    uint64_t offset = l->tsc_offset != NULL ? l->tsc_offset(l->tsc_self) : 0;
    uint64_t now = clock_ns(l->clock), tsc = ticks_in_ns(now, l->cfg.tsc_hz) + offset;

    if (tsc >= l->state.tsc_deadline)
        return now;
    return ns_of_ticks(l->state.tsc_deadline - offset, l->cfg.tsc_hz);
}

uint64_t lapic_timer_deadline(void *self)
{
    return ((struct lapic *)self)->state.tsc_deadline;
}

void lapic_timer_set_deadline(void *self, uint64_t tsc)
{
    struct lapic *l = self;

    if (mode_of(l) != TIMER_TSC_DEADLINE)
        return;
    l->state.tsc_deadline = tsc;
    arm(l, tsc == 0 ? TIMER_OFF : deadline_ns(l));
}

void lapic_tsc_changed(struct lapic *l)
{
    if (l->state.tsc_deadline != 0)
        arm(l, deadline_ns(l));
}

static void fire(void *arg)
{
    struct lapic *l = arg;

    if (mode_of(l) == TIMER_TSC_DEADLINE) {
        l->state.tsc_deadline = 0;
        arm(l, TIMER_OFF);
    } else {
        arm_next(l);
    }
    lapic_local_interrupt(l, LVT_TIMER);
}

void lapic_timer_init(struct lapic *l)
{
    timer_init(l->clock, &l->timer, "lapic", fire, l);
}

void lapic_timer_reset(struct lapic *l)
{
    l->state.tsc_deadline = l->state.origin_ns = 0;
    l->state.initial_count = l->state.first_count = 0;
    l->state.divide = 0;
    arm(l, TIMER_OFF);
}

void lapic_timer_loaded(struct lapic *l)
{
    timer_set(l->clock, &l->timer, l->state.due_ns);
}
