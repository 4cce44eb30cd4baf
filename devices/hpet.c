/* SPDX-License-Identifier: MIT
 * The main counter is a function of virtual time; a comparator is a deadline. Titles in quotes are sections of the IA-PC
 * HPET specification, revision 1.0a. */
#include "devices/hpet.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "devices/ticks.h"

enum { TIMERS = 3 };
enum { REG_CAPABILITY = 0x00, REG_CONFIG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0 };
enum { REG_TIMERS = 0x100, TIMER_STRIDE = 0x20 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_MESSAGE = 0x10 };
enum { CONFIG_ENABLE = 1, CONFIG_LEGACY = 2 };
enum { T_LEVEL = 1 << 1, T_ENABLE = 1 << 2, T_PERIODIC = 1 << 3, T_CAN_PERIODIC = 1 << 4, T_CAN_64 = 1 << 5,
       T_SET_VALUE = 1 << 6, T_32BIT = 1 << 8, T_MESSAGE = 1 << 14, T_CAN_MESSAGE = 1 << 15, T_WRITABLE = 0x7f4e };

#define T_ROUTES      0x00f00000u       /* I/O APIC pins 20-23 */
#define PERIOD_FS     (1000000000000000u / HPET_HZ)

#define HPET_STATE(ONE, MANY)                                                          \
    ONE (u64, config,        "general configuration")                                  \
    ONE (u64, status,        "level-triggered comparators that matched")               \
    ONE (u64, counter,       "main counter at origin_ns, or while it stands")          \
    ONE (u64, origin_ns,     "when it began to run")                                   \
    MANY(u64, timer_config, 3, "writable bits of each comparator's configuration")     \
    MANY(u64, comparator, 3, "next match")                                             \
    MANY(u64, period,     3, "what a periodic comparator adds after a match")          \
    MANY(u64, message,    3, "address in the high, data in the low half")              \
    MANY(u64, due_ns,     3, "when each matches; all ones: not within reach")          \
    MANY(u8,  legacy,     2, "levels of the 8254 and the RTC")                         \
    MANY(u8,  reserved,   6, "")
STATE_STRUCT(hpet_state, HPET_STATE);
STATE_SCHEMA(hpet_state, HPET_STATE);

struct comparator {
    struct hpet *hpet;
    unsigned n;
    struct timer timer;
};

struct hpet {
    struct device dev;
    struct hpet_state state;
    struct hpet_config cfg;
    struct clock *clock;
    struct comparator comparators[TIMERS];
};

static bool runs(const struct hpet_state *s) { return s->config & CONFIG_ENABLE; }

static uint64_t counter_now(const struct hpet *h)
{
    if (!runs(&h->state))
        return h->state.counter;
    return h->state.counter + ticks_in_ns(clock_ns(h->clock) - h->state.origin_ns, HPET_HZ);
}

static uint64_t width_mask(const struct hpet_state *s, unsigned n)
{
    return s->timer_config[n] & T_32BIT ? 0xffffffff : UINT64_MAX;
}

/* ---- matches ---- */

/* The counter must reach the comparator: one that it equals now has been passed and comes round again. */
static void arm(struct hpet *h, unsigned n)
{
    struct hpet_state *s = &h->state;
    uint64_t now = counter_now(h), left = (s->comparator[n] - now) & width_mask(s, n), ticks, ns;

    s->due_ns[n] = TIMER_OFF;
    if (left == 0)
        left = width_mask(s, n);                /* one tick early for 32 bits is never seen: the fire looks again */
    ticks = now - s->counter;
    if (runs(s) && left <= UINT64_MAX - ticks) {
        ns = ns_of_ticks(ticks + left, HPET_HZ);
        s->due_ns[n] = ns > TIMER_OFF - s->origin_ns ? TIMER_OFF : s->origin_ns + ns;
    }
    timer_set(h->clock, &h->comparators[n].timer, s->due_ns[n]);
}

/* Where a comparator's interrupt goes ("Interrupt Mapping"). */
static struct irq output(const struct hpet *h, unsigned n)
{
    unsigned route = h->state.timer_config[n] >> 9 & 31;
    struct irq irq = h->cfg.pins;

    if ((h->state.config & CONFIG_LEGACY) && n < 2) {
        irq = h->cfg.isa;
        irq.line += n == 0 ? 0 : 8;
        return irq;
    }
    irq.line += route;
    if (route >= 32 || !(T_ROUTES & BIT(route)))
        irq.set = NULL;
    return irq;
}

static void deliver(struct hpet *h, unsigned n)
{
    struct hpet_state *s = &h->state;
    uint64_t config = s->timer_config[n];
    struct irq irq = output(h, n);

    if (config & T_LEVEL)
        s->status |= BIT(n);
    if (!(config & T_ENABLE))
        return;
    if (config & T_MESSAGE) {
        if (h->cfg.msi != NULL)
            h->cfg.msi(h->cfg.msi_self, s->message[n] >> 32, (uint32_t)s->message[n]);
        return;
    }
    if (!(config & T_LEVEL))
        irq_set(&irq, false);                   /* an edge output falls just before it rises, so each match is one edge */
    irq_set(&irq, true);
}

static void fire(void *arg)
{
    struct comparator *c = arg;
    struct hpet *h = c->hpet;
    struct hpet_state *s = &h->state;
    uint64_t mask = width_mask(s, c->n), late = (counter_now(h) - s->comparator[c->n]) & mask;
    uint64_t period = s->period[c->n] & mask;

    if (late > mask / 2) {                      /* not there yet */
        arm(h, c->n);
        return;
    }
    if ((s->timer_config[c->n] & T_PERIODIC) && period != 0)
        s->comparator[c->n] = (s->comparator[c->n] + (late / period + 1) * period) & mask;
    deliver(h, c->n);
    arm(h, c->n);
}

static void arm_all(struct hpet *h)
{
    for (unsigned n = 0; n < TIMERS; n++)
        arm(h, n);
}

/* ---- registers ---- */

static uint64_t read_timer(const struct hpet_state *s, unsigned n, unsigned reg)
{
    switch (reg) {
    case TIMER_CONFIG:
        return (uint64_t)T_ROUTES << 32 | T_CAN_MESSAGE | T_CAN_64 | T_CAN_PERIODIC | s->timer_config[n];
    case TIMER_COMPARATOR:
        return s->comparator[n];
    case TIMER_MESSAGE:
        return s->message[n];
    default:
        return 0;
    }
}

static uint64_t read_whole(const struct hpet *h, uint32_t at)
{
    const struct hpet_state *s = &h->state;

    switch (at) {
    case REG_CAPABILITY: return (uint64_t)PERIOD_FS << 32 | HPET_ID;
    case REG_CONFIG:     return s->config;
    case REG_STATUS:     return s->status;
    case REG_COUNTER:    return counter_now(h);
    default:
        if (at < REG_TIMERS || at >= REG_TIMERS + TIMERS * TIMER_STRIDE)
            return 0;
        return read_timer(s, (at - REG_TIMERS) / TIMER_STRIDE, at % TIMER_STRIDE);
    }
}

static uint64_t read_reg(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)bytes;
    return read_whole((struct hpet *)dev, at & ~7u) >> 8 * (at & 7);
}

static void pass_legacy(struct hpet *h, unsigned k)
{
    struct irq irq = h->cfg.isa;

    irq.line += k == 0 ? 0 : 8;
    irq_set(&irq, h->state.legacy[k]);
}

void hpet_set_legacy(void *self, unsigned line, bool level)
{
    struct hpet *h = self;
    unsigned k = line == 0 ? 0 : 1;

    h->state.legacy[k] = level;
    if (!(h->state.config & CONFIG_LEGACY))
        pass_legacy(h, k);
}

/* "General Configuration Register": halting keeps the count. */
static void write_config(struct hpet *h, uint64_t v)
{
    struct hpet_state *s = &h->state;
    uint64_t changed = s->config ^ v;

    s->counter = counter_now(h);
    s->origin_ns = clock_ns(h->clock);
    s->config = v & (CONFIG_ENABLE | CONFIG_LEGACY);
    if ((changed & CONFIG_LEGACY) && !(s->config & CONFIG_LEGACY)) {
        pass_legacy(h, 0);
        pass_legacy(h, 1);
    }
    arm_all(h);
}

static void write_status(struct hpet *h, uint64_t ones)
{
    for (unsigned n = 0; n < TIMERS; n++) {
        struct irq irq = output(h, n);

        if (ones & h->state.status & BIT(n))
            irq_set(&irq, false);
    }
    h->state.status &= ~ones;
}

static void write_timer_config(struct hpet *h, unsigned n, uint64_t v)
{
    struct hpet_state *s = &h->state;
    struct irq irq = output(h, n);

    if ((s->status & BIT(n)) && (!(v & T_LEVEL) || !(v & T_ENABLE))) {
        irq_set(&irq, false);
        s->status &= ~(uint64_t)BIT(n);
    }
    s->timer_config[n] = v & T_WRITABLE;
    if (v & T_32BIT) {
        s->comparator[n] &= 0xffffffff;
        s->period[n] &= 0xffffffff;
    }
    arm(h, n);
}

/* "Timer N Comparator Register": of a periodic one a write is the period, and the next match too after T_SET_VALUE. */
static void write_comparator(struct hpet *h, unsigned n, uint64_t v)
{
    struct hpet_state *s = &h->state;
    bool periodic = s->timer_config[n] & T_PERIODIC;

    v &= width_mask(s, n);
    if (!periodic || (s->timer_config[n] & T_SET_VALUE))
        s->comparator[n] = v;
    if (periodic)
        s->period[n] = v;
    s->timer_config[n] &= ~(uint64_t)T_SET_VALUE;
    arm(h, n);
}

static void write_timer(struct hpet *h, unsigned n, unsigned reg, uint64_t v)
{
    switch (reg) {
    case TIMER_CONFIG:     write_timer_config(h, n, v); break;
    case TIMER_COMPARATOR: write_comparator(h, n, v); break;
    case TIMER_MESSAGE:    h->state.message[n] = v; break;
    default:               break;
    }
}

static void write_reg(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct hpet *h = (struct hpet *)dev;
    uint32_t whole = at & ~7u;
    unsigned shift = 8 * (at & 7);
    uint64_t mask = bits_mask(8 * bytes) << shift, v = (read_whole(h, whole) & ~mask) | (value << shift & mask);

    switch (whole) {
    case REG_CONFIG: write_config(h, v); break;
    case REG_STATUS: write_status(h, value << shift & mask); break;
    case REG_COUNTER:
        h->state.counter = v;
        h->state.origin_ns = clock_ns(h->clock);
        arm_all(h);
        break;
    default:
        if (whole >= REG_TIMERS && whole < REG_TIMERS + TIMERS * TIMER_STRIDE)
            write_timer(h, (whole - REG_TIMERS) / TIMER_STRIDE, whole % TIMER_STRIDE, v);
        break;
    }
}

static const struct reg rows[] = {
    { 0, 8, "registers", read_reg, write_reg, 0x400 },
};

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct hpet *h = (struct hpet *)dev;

    h->state = (struct hpet_state){ .legacy = { h->state.legacy[0], h->state.legacy[1] } };
    for (unsigned n = 0; n < TIMERS; n++)
        h->state.comparator[n] = UINT64_MAX;
    arm_all(h);
}

static void loaded(struct device *dev)
{
    struct hpet *h = (struct hpet *)dev;

    for (unsigned n = 0; n < TIMERS; n++)
        timer_set(h->clock, &h->comparators[n].timer, h->state.due_ns[n]);
}

static const struct device_class hpet_class = {
    .name = "hpet", .size = sizeof(struct hpet),
    .state = &hpet_state_schema, .state_at = offsetof(struct hpet, state),
    .reset = reset, .loaded = loaded,
};

struct hpet *hpet_create(struct device_tree *tree, struct space *memory, struct clock *clock, const struct hpet_config *cfg)
{
    struct hpet *h = (struct hpet *)device_create(tree, &hpet_class, "hpet");

    h->cfg = *cfg;
    h->clock = clock;
    for (unsigned n = 0; n < TIMERS; n++) {
        h->comparators[n].hpet = h;
        h->comparators[n].n = n;
        timer_init(clock, &h->comparators[n].timer, "hpet", fire, &h->comparators[n]);
    }
    space_add_device(memory, HPET_BASE, &h->dev, rows, COUNT_OF(rows), LAYER_DEVICE);
    return h;
}
