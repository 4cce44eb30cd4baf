/* SPDX-License-Identifier: MIT */
#include "machine/serial.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define QUEUE_BYTES 16384u
#define BYTE_NS     86806u      /* ten bits at 115200 baud */

#define SERIAL_STATE(ONE, MANY)                                         \
    ONE (u64, due_ns,       "when the next byte reaches the port")      \
    ONE (u32, head,         "index of the oldest byte")                 \
    ONE (u32, count,        "bytes waiting")                            \
    MANY(u8,  queue, 16384, "ring of waiting bytes")
STATE_STRUCT(serial_state, SERIAL_STATE);
STATE_SCHEMA(serial_state, SERIAL_STATE);

struct serial_line {
    struct device dev;
    struct serial_state state;
    struct clock *clock;
    struct timer timer;
    struct uart16550 *uart;
};

static void arm(struct serial_line *line)
{
    line->state.due_ns = line->state.count == 0 ? TIMER_OFF : clock_ns(line->clock) + BYTE_NS;
    timer_set(line->clock, &line->timer, line->state.due_ns);
}

/* A byte that the port has no room for waits: the sender honours the handshake lines. */
static void deliver(void *arg)
{
    struct serial_line *line = arg;
    struct serial_state *s = &line->state;

    if (s->count > 0 && uart_room(line->uart) > 0 && uart_receive(line->uart, &s->queue[s->head], 1) == 1) {
        s->head = (s->head + 1) % QUEUE_BYTES;
        s->count--;
    }
    arm(line);
}

void serial_line_push(struct serial_line *line, const void *bytes, size_t len)
{
    struct serial_state *s = &line->state;
    const uint8_t *p = bytes;

    for (size_t k = 0; k < len; k++) {
        if (s->count == QUEUE_BYTES) {
            log_once(LOG_DEV, "%s: input comes faster than the guest reads it, some is lost", line->dev.name);
            break;
        }
        s->queue[(s->head + s->count++) % QUEUE_BYTES] = p[k];
    }
    if (s->due_ns == TIMER_OFF)
        arm(line);
}

static void reset(struct device *dev)
{
    struct serial_line *line = (struct serial_line *)dev;

    memset(&line->state, 0, sizeof line->state);
    arm(line);
}

static void loaded(struct device *dev)
{
    struct serial_line *line = (struct serial_line *)dev;

    line->state.head %= QUEUE_BYTES;            /* whoever made a state up may have put anything there */
    line->state.count = line->state.count < QUEUE_BYTES ? line->state.count : QUEUE_BYTES;
    timer_set(line->clock, &line->timer, line->state.due_ns);
}

static const struct device_class serial_class = {
    .name = "serial-line", .size = sizeof(struct serial_line), .state = &serial_state_schema,
    .state_at = offsetof(struct serial_line, state), .reset = reset, .loaded = loaded,
};

struct serial_line *serial_line_create(struct device_tree *tree, struct clock *clock, unsigned index, struct uart16550 *uart)
{
    char name[32];
    struct serial_line *line;

    snprintf(name, sizeof name, "serial-line.%u", index);
    line = (struct serial_line *)device_create(tree, &serial_class, name);
    line->clock = clock;
    line->uart = uart;
    timer_init(clock, &line->timer, "serial-line", deliver, line);
    return line;
}
