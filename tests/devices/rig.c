/* SPDX-License-Identifier: MIT */
#include "tests/devices/rig.h"

#include <string.h>

#include "base/bytes.h"

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    device_tree_init(&r->tree);
    clock_init(&r->clock, 1000);
    r->memory = space_create("memory", 0);
    r->io = space_create("io", 0x10000);
    MUST(ram_create(&r->ram, "ram", RIG_RAM));
    space_add_ram(r->memory, 0, r->ram, 0, RIG_RAM, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
}

void rig_free(struct rig *r)
{
    device_tree_free(&r->tree);
    space_free(r->memory);
    space_free(r->io);
    ram_free(r->ram);
    clock_free(&r->clock);
}

static void set_line(void *self, unsigned line, bool level)
{
    struct rig *r = self;

    r->edges[line] += level && !r->lines[line];
    r->lines[line] = level;
}

struct irq rig_irq(struct rig *r, unsigned line) { return (struct irq){ set_line, r, line }; }

uint8_t  in8(struct rig *r, uint16_t port) { return (uint8_t)space_read(r->io, port, 1); }
uint16_t in16(struct rig *r, uint16_t port) { return (uint16_t)space_read(r->io, port, 2); }
uint32_t in32(struct rig *r, uint16_t port) { return (uint32_t)space_read(r->io, port, 4); }
void     out8(struct rig *r, uint16_t port, uint8_t value) { space_write(r->io, port, 1, value); }
void     out16(struct rig *r, uint16_t port, uint16_t value) { space_write(r->io, port, 2, value); }
void     out32(struct rig *r, uint16_t port, uint32_t value) { space_write(r->io, port, 4, value); }

void rig_wait(struct rig *r, uint64_t ns)
{
    uint64_t until = clock_ns(&r->clock) + ns;

    while (clock_next_deadline(&r->clock) <= until)
        rig_wait_next(r);
    clock_skip_to(&r->clock, until);
}

void rig_wait_next(struct rig *r)
{
    uint64_t due = clock_next_deadline(&r->clock);

    if (due == TIMER_OFF)
        return;
    clock_skip_to(&r->clock, due);
    clock_fire_due(&r->clock);
}

uint32_t rig_config(struct rig *r, unsigned devfn, unsigned at, unsigned bytes)
{
    out32(r, 0xcf8, 0x80000000 | devfn << 8 | (at & 0xfc));
    return (uint32_t)space_read(r->io, 0xcfc + (at & 3), bytes);
}

void rig_set_config(struct rig *r, unsigned devfn, unsigned at, unsigned bytes, uint32_t value)
{
    out32(r, 0xcf8, 0x80000000 | devfn << 8 | (at & 0xfc));
    space_write(r->io, 0xcfc + (at & 3), bytes, value);
}

static uint64_t hash_all(const struct rig *r)
{
    uint64_t hash = 0;

    for (const struct device *d = r->tree.first; d != NULL; d = d->next)
        hash = device_hash(d, hash);
    return hash;
}

void rig_check_snapshot(struct rig *r)
{
    uint64_t before = hash_all(r);
    struct writer w = { 0 };
    struct reader in;

    for (struct device *d = r->tree.first; d != NULL; d = d->next)
        device_save(d, &w);
    in = reader_of(w.bytes, w.len);
    for (struct device *d = r->tree.first; d != NULL; d = d->next)
        MUST(device_load(d, &in));
    assert_true(reader_done(&in));
    assert_true(hash_all(r) == before);
    writer_free(&w);
}
