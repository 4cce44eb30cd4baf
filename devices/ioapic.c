/* SPDX-License-Identifier: MIT
 * Redirection table, edge and level inputs. Titles in quotes are sections of the Intel 82093AA data sheet. */
#include "devices/ioapic.h"

#include "base/attrs.h"
#include "base/bits.h"

enum { INDEX_ID = 0x00, INDEX_VERSION = 0x01, INDEX_ARBITRATION = 0x02, INDEX_TABLE = 0x10 };
enum { VERSION = (IOAPIC_PINS - 1) << 16 | 0x20 };
enum { ENTRY_LOGICAL = 1 << 11, ENTRY_REMOTE_IRR = 1 << 14, ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16 };

#define ENTRY_WRITABLE  0xff0000000001afffu     /* all but delivery status and remote IRR */

#define IOAPIC_STATE(ONE, MANY)                              \
    MANY(u64, entry, 24,  "redirection table")               \
    ONE (u32, lines,      "inputs that are asserted")        \
    ONE (u32, id,         "bits 27-24")                      \
    ONE (u8,  index,      "register behind the data window") \
    MANY(u8,  reserved, 7, "")
STATE_STRUCT(ioapic_state, IOAPIC_STATE);
STATE_SCHEMA(ioapic_state, IOAPIC_STATE);

struct ioapic {
    struct device dev;
    struct ioapic_state state;
    struct apic_bus *bus;
};

/* Send what a pin asks for; a level interrupt that was taken waits for its EOI. */
static void deliver(struct ioapic *io, unsigned pin)
{
    uint64_t *entry = &io->state.entry[pin];
    uint32_t dest = (uint32_t)(*entry >> 56);
    bool level = *entry & ENTRY_LEVEL;
    bool taken = apic_bus_send(io->bus, dest == 0xff ? APIC_DEST_ALL : dest, *entry & ENTRY_LOGICAL,
                               (enum apic_mode)bits_get(*entry, 10, 8), *entry & 0xff, level);

    if (level && taken)
        *entry |= ENTRY_REMOTE_IRR;
}

/* A level pin is looked at whenever something about it changed. */
static void poll_level(struct ioapic *io, unsigned pin)
{
    uint64_t entry = io->state.entry[pin];

    if ((entry & ENTRY_LEVEL) && !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) && (io->state.lines & BIT(pin)))
        deliver(io, pin);
}

/* "Interrupt Mask": an edge on a masked pin is neither delivered nor held pending. */
void ioapic_set_irq(void *self, unsigned pin, bool level)
{
    struct ioapic *io = self;
    bool rises;

    if (pin >= IOAPIC_PINS)
        return;
    rises = level && !(io->state.lines & BIT(pin));
    io->state.lines = level ? io->state.lines | BIT(pin) : io->state.lines & ~BIT(pin);
    if (io->state.entry[pin] & ENTRY_LEVEL)
        poll_level(io, pin);
    else if (rises && !(io->state.entry[pin] & ENTRY_MASKED))
        deliver(io, pin);
}

static void end_of_interrupt(void *self, unsigned vector)
{
    struct ioapic *io = self;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if ((io->state.entry[pin] & 0xff) != vector || !(io->state.entry[pin] & ENTRY_REMOTE_IRR))
            continue;
        io->state.entry[pin] &= ~(uint64_t)ENTRY_REMOTE_IRR;
        poll_level(io, pin);
    }
}

static uint64_t read_index(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)at, (void)bytes;
    return ((struct ioapic *)dev)->state.index;
}

static void write_index(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)at, (void)bytes;
    ((struct ioapic *)dev)->state.index = (uint8_t)value;
}

static uint64_t read_data(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct ioapic_state *s = &((struct ioapic *)dev)->state;
    unsigned pin = (s->index - INDEX_TABLE) / 2u;

    (void)at, (void)bytes;
    if (s->index >= INDEX_TABLE && pin < IOAPIC_PINS)
        return s->index & 1 ? s->entry[pin] >> 32 : s->entry[pin] & 0xffffffff;
    switch (s->index) {
    case INDEX_ID:
    case INDEX_ARBITRATION: return s->id;
    case INDEX_VERSION:     return VERSION;
    default:                return 0;
    }
}

/* "I/O Redirection Table Registers": turning an entry to edge forgets its remote IRR. */
static void write_entry(struct ioapic *io, unsigned pin, bool high, uint32_t v)
{
    uint64_t *entry = &io->state.entry[pin];
    uint64_t wanted = high ? bits_put(*entry, 63, 32, v) : bits_put(*entry, 31, 0, v);

    *entry = (wanted & ENTRY_WRITABLE) | (*entry & ENTRY_REMOTE_IRR);
    if (!(*entry & ENTRY_LEVEL))
        *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
    poll_level(io, pin);
}

static void write_data(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct ioapic *io = (struct ioapic *)dev;
    unsigned index = io->state.index, pin = (index - INDEX_TABLE) / 2u;

    (void)at, (void)bytes;
    if (index == INDEX_ID)
        io->state.id = value & 0x0f000000;
    else if (index >= INDEX_TABLE && pin < IOAPIC_PINS)
        write_entry(io, pin, index & 1, (uint32_t)value);
}

static void write_eoi(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)at, (void)bytes;
    end_of_interrupt(dev, value & 0xff);
}

static uint64_t read_nothing(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    return 0;
}

static const struct reg rows[] = {
    { 0x00, 4, "index", read_index,   write_index, 0 },
    { 0x10, 4, "data",  read_data,    write_data,  0 },
    { 0x40, 4, "eoi",   read_nothing, write_eoi,   0 },
};

static void reset(struct device *dev)
{
    struct ioapic *io = (struct ioapic *)dev;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        io->state.entry[pin] = ENTRY_MASKED;
    io->state.id = 0;
    io->state.index = 0;
}

static const struct device_class ioapic_class = {
    .name = "ioapic", .size = sizeof(struct ioapic),
    .state = &ioapic_state_schema, .state_at = offsetof(struct ioapic, state),
    .reset = reset,
};

struct ioapic *ioapic_create(struct device_tree *tree, struct space *memory, struct apic_bus *bus)
{
    struct ioapic *io = (struct ioapic *)device_create(tree, &ioapic_class, "ioapic");

    io->bus = bus;
    apic_bus_connect_eoi(bus, end_of_interrupt, io);
    space_add_device(memory, IOAPIC_BASE, &io->dev, rows, COUNT_OF(rows), LAYER_APIC);
    return io;
}
