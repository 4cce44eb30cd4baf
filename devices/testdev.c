/* SPDX-License-Identifier: MIT
 * Ports E0h-E3h and E8h-EBh show one four-byte latch, the second window byte by byte; E4h takes a page address whose host
 * mapping should go, of which there is none to drop here; 2000h-2017h are interrupt lines; FF000000h is 64 KiB of RAM behind
 * register rows. */
#include "devices/testdev.h"

#include "base/attrs.h"
#include "base/bytes.h"

enum { LATCH_BYTES = 4, MEMORY_BYTES = 0x10000 };
#define MEMORY_BASE 0xff000000u

#define TESTDEV_STATE(ONE, MANY)                      \
    MANY(u8, latch, 4,      "ports E0h-E3h")          \
    MANY(u8, memory, 65536, "the trapping memory")
STATE_STRUCT(testdev_state, TESTDEV_STATE);
STATE_SCHEMA(testdev_state, TESTDEV_STATE);

struct testdev {
    struct device dev;
    struct testdev_state state;
    struct irq lines;
};

static uint64_t read_latch(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct testdev *t = (struct testdev *)dev;

    return load_bytes(t->state.latch + (at & 3), bytes);
}

static void write_latch(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct testdev *t = (struct testdev *)dev;

    store_bytes(t->state.latch + (at & 3), bytes, value);
}

static void write_line(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct irq irq = ((struct testdev *)dev)->lines;

    (void)bytes;
    irq.line += at - 0x2000;
    irq_set(&irq, value != 0);
}

static uint64_t read_memory(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct testdev *t = (struct testdev *)dev;

    return load_bytes(t->state.memory + at, bytes);
}

static void write_memory(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct testdev *t = (struct testdev *)dev;

    store_bytes(t->state.memory + at, bytes, value);
}

static const struct reg ports[] = {
    { 0xe0,   4, "latch",         read_latch,   write_latch, 0 },
    { 0xe4,   4, "flush page",    reg_open_bus, reg_ignore,  0 },
    { 0xe8,   1, "latch, bytes",  read_latch,   write_latch, LATCH_BYTES },
    { 0x2000, 1, "interrupt lines", reg_open_bus, write_line, TESTDEV_LINES },
};

static const struct reg memory_rows[] = {
    { 0, 8, "memory", read_memory, write_memory, MEMORY_BYTES },
};

static const struct device_class testdev_class = {
    .name = "testdev", .size = sizeof(struct testdev),
    .state = &testdev_state_schema, .state_at = offsetof(struct testdev, state),
};

struct device *testdev_create(struct device_tree *tree, struct space *io, struct space *memory, struct irq lines)
{
    struct testdev *t = (struct testdev *)device_create(tree, &testdev_class, "testdev");

    t->lines = lines;
    space_add_device(io, 0, &t->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    space_add_device(memory, MEMORY_BASE, &t->dev, memory_rows, COUNT_OF(memory_rows), LAYER_DEVICE);
    return &t->dev;
}
