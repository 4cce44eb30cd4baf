/* SPDX-License-Identifier: MIT
 * 8254 counters as functions of virtual time: a counter stores when its counting element was loaded and with what, and every
 * count, OUT level and next edge is computed from that. Titles in quotes are sections of the Intel 8254 data sheet. */
#include "devices/pit8254.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "devices/ticks.h"

enum { COUNTERS = 3, IRQ_COUNTER = 0, SPEAKER = 2 };
enum { LSB = 1, MSB = 2, BOTH = 3 };
enum { PORT61_GATE2 = 0x01, PORT61_SPEAKER = 0x02, PORT61_WRITABLE = 0x0f };
enum { REFRESH_TICKS = 18 };        /* 15 us between DRAM refreshes */

/* Stages of a counter. */
enum {
    UNLOADED,       /* a control word was written, no count yet */
    ARMED,          /* modes 1 and 5: a count, but no trigger yet */
    COUNTING,
    PAUSED,         /* modes 0, 2, 3 and 4 with GATE low */
};

#define NEVER UINT64_MAX

/* A running counter's next edge is at most one period away, so more than this was never left unseen. */
#define LONGEST_GAP (1u << 20)

#define PIT_STATE(ONE, MANY)                                                                       \
    MANY(u64, origin,   3, "tick of the load of the counting element (may lie one ahead)")         \
    MANY(u64, reload_at,3, "tick at which a new count replaces the old one; all ones: none")       \
    MANY(u64, held_run, 3, "clocks already counted when GATE paused mode 0 or 4")                  \
    ONE (u64, seen,        "tick up to which edges of counter 0 were reported")                    \
    MANY(u32, count,    3, "count that is being counted, 1-65536")                                 \
    MANY(u32, next,     3, "count register: what the next load takes")                             \
    MANY(u16, frozen,   3, "counting element while nothing counts")                                \
    MANY(u16, latch,    3, "latched count, as it is read")                                         \
    MANY(u8,  stage,    3, "unloaded, armed, counting, paused")                                    \
    MANY(u8,  control,  3, "low six bits of the control word, as written")                         \
    MANY(u8,  gate,     3, "GATE input")                                                           \
    MANY(u8,  early,    3, "OUT until the load")                                                   \
    MANY(u8,  low_half, 3, "mode 3: OUT is low in the half that began with the load")              \
    MANY(u8,  null,     3, "the count register was not loaded yet")                                \
    MANY(u8,  latched,  3, "bytes of the latched count still to be read: 1 low, 2 high")           \
    MANY(u8,  status,   3, "latched status")                                                       \
    MANY(u8,  status_latched, 3, "the next read gives the status")                                 \
    MANY(u8,  read_msb, 3, "the next live read gives the high byte")                               \
    MANY(u8,  write_msb,3, "the next write is the high byte")                                      \
    MANY(u8,  lsb,      3, "low byte waiting for its high byte")                                   \
    ONE (u8,  out0,        "level on IRQ 0")                                                       \
    ONE (u8,  port61,      "writable bits of port 61h")                                            \
    MANY(u8,  reserved, 6, "")
STATE_STRUCT(pit_state, PIT_STATE);
STATE_SCHEMA(pit_state, PIT_STATE);

struct pit8254 {
    struct device dev;
    struct pit_state state;
    struct clock *clock;
    struct timer timer;
    struct irq out;
};

static uint64_t tick_now(const struct pit8254 *pit)
{
    return ticks_in_ns(clock_ns(pit->clock), PIT_HZ);
}

/* "Control Word Format": modes 6 and 7 are 2 and 3. */
static unsigned mode_of(const struct pit_state *s, unsigned n)
{
    unsigned mode = (s->control[n] >> 1) & 7;

    return mode > 5 ? mode - 4 : mode;
}

static unsigned access_of(const struct pit_state *s, unsigned n) { return s->control[n] >> 4 & 3; }
static bool is_bcd(const struct pit_state *s, unsigned n) { return s->control[n] & 1; }
static uint32_t full_range(const struct pit_state *s, unsigned n) { return is_bcd(s, n) ? 10000 : 65536; }

/* Clocks counted since the load. */
static uint64_t run_of(const struct pit_state *s, unsigned n, uint64_t tick)
{
    if (s->stage[n] == PAUSED)
        return s->held_run[n];
    return tick > s->origin[n] ? tick - s->origin[n] : 0;
}

/* "Mode 3: Square Wave Mode": where in its half the counter is. An odd count's high half is one clock longer. */
struct square {
    uint32_t done, left;        /* clocks of this half */
    bool out;
};

static struct square square_at(const struct pit_state *s, unsigned n, uint64_t tick)
{
    uint32_t count = s->count[n], at = (uint32_t)(run_of(s, n, tick) % count);
    uint32_t first = s->low_half[n] ? count / 2 : count - count / 2;
    bool in_first = at < first;

    return (struct square){
        .done = in_first ? at : at - first,
        .left = in_first ? first - at : count - at,
        .out = in_first != (bool)s->low_half[n],
    };
}

/* Take over a count that was written while the old one ran, once its tick has come. */
static void settle(struct pit_state *s, unsigned n, uint64_t tick)
{
    uint64_t at = s->reload_at[n];

    if (at == NEVER || tick < at)
        return;
    if (mode_of(s, n) == 3)
        s->low_half[n] = !square_at(s, n, at).out;
    s->origin[n] = at;
    s->count[n] = s->next[n];
    s->reload_at[n] = NEVER;
    s->null[n] = 0;
}

static bool out_level(const struct pit_state *s, unsigned n, uint64_t tick)
{
    uint64_t run = run_of(s, n, tick);
    unsigned mode = mode_of(s, n);

    if (s->stage[n] == UNLOADED || s->stage[n] == ARMED)
        return mode != 0;
    if (s->stage[n] == COUNTING && tick < s->origin[n])
        return s->early[n];
    switch (mode) {
    case 0:
    case 1:  return run >= s->count[n];
    case 2:  return s->stage[n] == PAUSED || run % s->count[n] != s->count[n] - 1u;
    case 3:  return s->stage[n] == PAUSED || square_at(s, n, tick).out;
    default: return run != s->count[n];
    }
}

/* The first tick after `tick` at which OUT may differ; of a counter whose GATE stays high. */
static uint64_t next_change(const struct pit_state *s, unsigned n, uint64_t tick)
{
    uint64_t run = run_of(s, n, tick), base = s->origin[n] + run, count = s->count[n];

    if (s->stage[n] != COUNTING)
        return NEVER;
    if (tick < s->origin[n])
        return s->origin[n];
    switch (mode_of(s, n)) {
    case 0:
    case 1:
        return run < count ? s->origin[n] + count : NEVER;
    case 2:
        if (count < 2)                          /* "a count of 1 is illegal" */
            return NEVER;
        run %= count;
        return base - run + (run < count - 1 ? count - 1 : count);
    case 3:
        return count < 2 ? NEVER : base + square_at(s, n, tick).left;
    default:
        return run <= count ? s->origin[n] + count + (run == count) : NEVER;
    }
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

/* The counting element in binary, 0 standing for the full range. A count that the next clock will load shows already: on
 * a PC no read follows the write so soon, but here I/O takes less than a tick, and Linux's fast TSC calibration relies on
 * seeing it. */
static uint16_t element(const struct pit_state *s, unsigned n, uint64_t tick)
{
    uint32_t range = full_range(s, n), value;
    unsigned mode = mode_of(s, n);

    if (s->stage[n] != COUNTING && !(s->stage[n] == PAUSED && (mode == 0 || mode == 4)))
        return s->frozen[n];
    if (mode == 3)
        value = (s->count[n] & ~1u) - 2 * square_at(s, n, tick).done;
    else if (mode == 2)
        value = s->count[n] - (uint32_t)(run_of(s, n, tick) % s->count[n]);
    else
        value = s->count[n] + range - (uint32_t)(run_of(s, n, tick) % range);
    return (uint16_t)(value % range);
}

/* Report what happened on IRQ 0 since the last look, and wait for the next edge. */
static void report(struct pit8254 *pit)
{
    struct pit_state *s = &pit->state;
    uint64_t now = tick_now(pit);

    if (now > LONGEST_GAP && s->seen < now - LONGEST_GAP)
        s->seen = now - LONGEST_GAP;
    for (;;) {
        uint64_t next = next_change(s, IRQ_COUNTER, s->seen);
        bool reached = next <= now;

        s->seen = reached ? next : now;
        settle(s, IRQ_COUNTER, s->seen);
        if (s->out0 != out_level(s, IRQ_COUNTER, s->seen)) {
            s->out0 ^= 1;
            irq_set(&pit->out, s->out0);
        }
        if (!reached)
            break;
    }
    timer_set(pit->clock, &pit->timer, ns_of_ticks(next_change(s, IRQ_COUNTER, s->seen), PIT_HZ));
}

static void fire(void *arg) { report(arg); }

static void load(struct pit_state *s, unsigned n, uint64_t tick)
{
    s->early[n] = mode_of(s, n) == 0 ? 0 : out_level(s, n, tick);
    s->frozen[n] = element(s, n, tick);
    s->count[n] = s->next[n];
    s->origin[n] = tick + 1;            /* the clock pulse after the write or trigger loads */
    s->held_run[n] = 0;
    s->low_half[n] = 0;
    s->reload_at[n] = NEVER;
    s->null[n] = 0;
    s->stage[n] = s->gate[n] || mode_of(s, n) == 1 || mode_of(s, n) == 5 ? COUNTING : PAUSED;
}

static void write_count(struct pit_state *s, unsigned n, uint64_t tick, uint16_t value)
{
    uint32_t count = is_bcd(s, n) ? (value >> 12) * 1000u + (value >> 8 & 15) * 100u + (value >> 4 & 15) * 10u + (value & 15)
                                  : value;

    s->next[n] = count != 0 ? count : full_range(s, n);
    s->null[n] = 1;
    switch (mode_of(s, n)) {
    case 0:
    case 4:
        load(s, n, tick);
        break;
    case 1:
    case 5:
        if (s->stage[n] == UNLOADED)
            s->stage[n] = ARMED;
        break;
    default:
        if (s->stage[n] == UNLOADED || (s->stage[n] == COUNTING && tick < s->origin[n]))
            load(s, n, tick);
        else if (s->stage[n] == COUNTING && mode_of(s, n) == 2)
            s->reload_at[n] = tick + s->count[n] - run_of(s, n, tick) % s->count[n];
        else if (s->stage[n] == COUNTING)
            s->reload_at[n] = tick + square_at(s, n, tick).left;
        break;
    }
}

static void write_counter(struct pit_state *s, unsigned n, uint64_t tick, uint8_t v)
{
    switch (access_of(s, n)) {
    case LSB:
        write_count(s, n, tick, v);
        break;
    case MSB:
        write_count(s, n, tick, (uint16_t)(v << 8));
        break;
    default:
        s->write_msb[n] ^= 1;
        if (!s->write_msb[n]) {
            write_count(s, n, tick, (uint16_t)(v << 8 | s->lsb[n]));
            break;
        }
        s->lsb[n] = v;
        if (mode_of(s, n) == 0) {       /* "Mode 0": the first byte disables counting and OUT goes low at once */
            s->frozen[n] = element(s, n, tick);
            s->stage[n] = UNLOADED;
        }
        break;
    }
}

/* "GATE Pin Operations Summary" */
static void set_gate(struct pit_state *s, unsigned n, uint64_t tick, bool level)
{
    bool rises = level && !s->gate[n], falls = !level && s->gate[n];
    unsigned mode = mode_of(s, n);

    settle(s, n, tick);
    if (falls && s->stage[n] == COUNTING && mode != 1 && mode != 5) {
        s->frozen[n] = element(s, n, tick);
        s->held_run[n] = run_of(s, n, tick);
        s->reload_at[n] = NEVER;
        s->stage[n] = PAUSED;
    }
    s->gate[n] = level;
    if (!rises)
        return;
    if (s->stage[n] == PAUSED && (mode == 0 || mode == 4)) {
        s->origin[n] = tick - s->held_run[n];
        s->stage[n] = COUNTING;
    } else if (s->stage[n] == PAUSED || ((mode == 1 || mode == 5) && s->stage[n] != UNLOADED)) {
        load(s, n, tick);
    }
}

static void latch_count(struct pit_state *s, unsigned n, uint64_t tick)
{
    uint16_t value = element(s, n, tick);

    if (s->latched[n])
        return;
    s->latch[n] = is_bcd(s, n) ? to_bcd(value) : value;
    s->latched[n] = (uint8_t)access_of(s, n);
}

static void latch_status(struct pit_state *s, unsigned n, uint64_t tick)
{
    bool null = s->null[n] || (s->stage[n] == COUNTING && tick < s->origin[n]);

    if (s->status_latched[n])
        return;
    s->status[n] = (uint8_t)(out_level(s, n, tick) << 7 | null << 6 | s->control[n]);
    s->status_latched[n] = 1;
}

static void write_control(struct pit_state *s, uint64_t tick, uint8_t v)
{
    unsigned n = v >> 6;

    if (n == 3) {                               /* "Read-Back Command" */
        for (unsigned k = 0; k < COUNTERS; k++) {
            if (!(v & BIT(k + 1)))
                continue;
            settle(s, k, tick);
            if (!(v & 0x20))
                latch_count(s, k, tick);
            if (!(v & 0x10))
                latch_status(s, k, tick);
        }
        return;
    }
    settle(s, n, tick);
    if ((v & 0x30) == 0) {                      /* "Counter Latch Command" */
        latch_count(s, n, tick);
        return;
    }
    s->frozen[n] = element(s, n, tick);
    s->control[n] = v & 0x3f;
    s->stage[n] = UNLOADED;
    s->reload_at[n] = NEVER;
    s->null[n] = 1;
    s->latched[n] = s->status_latched[n] = s->read_msb[n] = s->write_msb[n] = 0;
}

static void write_port(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct pit8254 *pit = (struct pit8254 *)dev;
    unsigned n = port & 3;
    uint64_t tick;

    (void)bytes;
    report(pit);
    tick = tick_now(pit);
    if (n == 3) {
        write_control(&pit->state, tick, (uint8_t)value);
    } else {
        settle(&pit->state, n, tick);
        write_counter(&pit->state, n, tick, (uint8_t)value);
    }
    report(pit);
}

static uint64_t read_latched(struct pit_state *s, unsigned n)
{
    if (s->latched[n] & LSB) {
        s->latched[n] &= (uint8_t)~LSB;
        return s->latch[n] & 0xff;
    }
    s->latched[n] = 0;
    return s->latch[n] >> 8;
}

static uint64_t read_port(struct device *dev, uint32_t port, unsigned bytes)
{
    struct pit8254 *pit = (struct pit8254 *)dev;
    struct pit_state *s = &pit->state;
    unsigned n = port & 3;
    uint64_t tick = tick_now(pit);
    uint16_t value;
    bool high;

    (void)bytes;
    if (n == 3)
        return 0xff;                            /* the control word cannot be read back from here */
    settle(s, n, tick);
    if (s->status_latched[n]) {
        s->status_latched[n] = 0;
        return s->status[n];
    }
    if (s->latched[n])
        return read_latched(s, n);
    value = element(s, n, tick);
    if (is_bcd(s, n))
        value = to_bcd(value);
    high = access_of(s, n) == MSB || (access_of(s, n) == BOTH && s->read_msb[n]);
    s->read_msb[n] ^= access_of(s, n) == BOTH;
    return high ? value >> 8 : value & 0xff;
}

/* Port B of the PC: bits 3-0 as written, refresh in bit 4, OUT2 in bit 5; no parity or channel error ever. */
static uint64_t read_port61(struct device *dev, uint32_t port, unsigned bytes)
{
    struct pit8254 *pit = (struct pit8254 *)dev;
    uint64_t tick = tick_now(pit);

    (void)port, (void)bytes;
    settle(&pit->state, SPEAKER, tick);
    return pit->state.port61 | (tick / REFRESH_TICKS & 1) << 4 | (uint64_t)out_level(&pit->state, SPEAKER, tick) << 5;
}

static void write_port61(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct pit8254 *pit = (struct pit8254 *)dev;

    (void)port, (void)bytes;
    pit->state.port61 = value & PORT61_WRITABLE;
    set_gate(&pit->state, SPEAKER, tick_now(pit), value & PORT61_GATE2);
}

uint32_t pit_speaker_hz(const struct pit8254 *pit)
{
    const struct pit_state *s = &pit->state;

    if (!(s->port61 & PORT61_SPEAKER) || s->stage[SPEAKER] != COUNTING || mode_of(s, SPEAKER) != 3 || s->count[SPEAKER] < 2)
        return 0;
    return PIT_HZ / s->count[SPEAKER];
}

static const struct reg ports[] = {
    { 0x40, 1, "counters", read_port,   write_port,   4 },
    { 0x61, 1, "port b",   read_port61, write_port61, 0 },
};

static void reset(struct device *dev)
{
    struct pit8254 *pit = (struct pit8254 *)dev;
    struct pit_state *s = &pit->state;

    *s = (struct pit_state){ .seen = tick_now(pit) };
    for (unsigned n = 0; n < COUNTERS; n++) {
        s->count[n] = s->next[n] = 65536;
        s->reload_at[n] = NEVER;
        s->control[n] = BOTH << 4;      /* undefined on the chip; mode 0 without a count keeps IRQ 0 quiet */
        s->gate[n] = n != SPEAKER;
        s->null[n] = 1;
    }
    irq_set(&pit->out, false);
    timer_cancel(pit->clock, &pit->timer);
}

static void loaded(struct device *dev)
{
    struct pit8254 *pit = (struct pit8254 *)dev;
    struct pit_state *s = &pit->state;

    for (unsigned n = 0; n < COUNTERS; n++)     /* a hostile file must not divide by zero */
        s->count[n] = s->count[n] != 0 && s->count[n] <= 65536 ? s->count[n] : 65536;
    timer_set(pit->clock, &pit->timer, ns_of_ticks(next_change(s, IRQ_COUNTER, s->seen), PIT_HZ));
}

static const struct device_class pit_class = {
    .name = "pit8254", .size = sizeof(struct pit8254),
    .state = &pit_state_schema, .state_at = offsetof(struct pit8254, state),
    .reset = reset, .loaded = loaded,
};

struct pit8254 *pit_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq out)
{
    struct pit8254 *pit = (struct pit8254 *)device_create(tree, &pit_class, "pit8254");

    pit->clock = clock;
    pit->out = out;
    timer_init(clock, &pit->timer, "pit8254", fire, pit);
    space_add_device(io, 0, &pit->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return pit;
}
