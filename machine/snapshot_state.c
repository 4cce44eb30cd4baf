/* SPDX-License-Identifier: MIT
 * What a machine consists of: its memories, and the rest in the state map, which has a range of pages for the machine itself and for
 * each device. */
#include <string.h>

#include "base/invariant.h"
#include "machine/snapshot_internal.h"

static void add(struct memories *all, const char *name, const struct backing *b)
{
    invariant(all->n < SNAPSHOT_MAX_BACKINGS, "too many memories");
    all->list[all->n] = *b;
    all->names[all->n] = name;
    if (b->ram != NULL)
        all->list[all->n].limit = b->ram->len >> PAGE_SHIFT;
    all->n++;
}

/* RAM comes first. */
void memories_find(const struct machine *m, struct memories *out)
{
    struct backing b = { .ram = m->ram };

    out->n = 0;
    add(out, "ram", &b);
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next)
        for (unsigned n = 0; dev->class->backing != NULL && dev->class->backing(dev, n, &b); n++)
            add(out, dev->name, &b);
}

/* ---- the state map ---- */

/* The length, then the bytes; what an earlier one had beyond stays nowhere. */
static void put_stream(struct pages *map, const struct writer *w, unsigned stream)
{
    uint64_t first = (uint64_t)stream * STREAM_PAGES, n;

    store64(w->bytes, w->len - 8);
    for (n = 0; n * PAGE_SIZE < w->len; n++) {
        uint8_t page[PAGE_SIZE] = { 0 };
        size_t left = w->len - n * PAGE_SIZE;

        invariant(n < STREAM_PAGES, "a device saves more than %u pages", STREAM_PAGES);
        memcpy(page, w->bytes + n * PAGE_SIZE, left < PAGE_SIZE ? left : PAGE_SIZE);
        pages_put(map, first + n, page);
    }
    while (n < STREAM_PAGES && pages_has(map, first + n))
        pages_remove(map, first + n++);
}

/* Packed pages stay so: this is looked at once. */
static struct err get_stream(const struct pages *from, struct writer *scratch, unsigned stream, struct reader *out)
{
    const uint64_t first = (uint64_t)stream * STREAM_PAGES;
    uint8_t room[PAGE_SIZE];
    const uint8_t *page = pages_look(from, first, room);
    uint64_t len = page == NULL ? UINT64_MAX : load64(page);

    scratch->len = 0;
    if (len > (uint64_t)STREAM_PAGES * PAGE_SIZE - 8)
        return err_make(ERR_FORMAT, "the snapshot lacks the state of a device");
    for (uint64_t n = 0; n * PAGE_SIZE < len + 8; n++) {
        page = pages_look(from, first + n, room);
        if (page == NULL)
            return err_make(ERR_FORMAT, "the snapshot lacks a part of the state of a device");
        writer_copy(scratch, page, PAGE_SIZE);
    }
    *out = reader_of(scratch->bytes + 8, (size_t)len);
    return OK;
}

static struct writer *begin_stream(struct writer *scratch)
{
    scratch->len = 0;
    writer_uint(scratch, 8, 0);
    return scratch;
}

void state_map_put(struct machine *m, struct pages *map, struct writer *scratch)
{
    struct writer *w = begin_stream(scratch);
    unsigned stream = 0;

    state_save(&clock_state_schema, &m->clock.state, w);
    state_save(&loop_state_schema, &m->loop, w);
    space_order_save(m->memory, w);
    space_order_save(m->smm_memory, w);
    space_order_save(m->io, w);
    put_stream(map, w, stream++);
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next, stream++) {
        device_save(dev, begin_stream(scratch));
        put_stream(map, w, stream);
    }
}

/* Files may say anything. */
static bool plausible(const struct machine *m, const struct clock_state *c, const struct loop_state *l)
{
    return c->ps_per_insn > 0 && c->ps_per_insn < (uint64_t)1 << 40 && c->anchor_insns <= c->insns &&
           c->insns < (uint64_t)1 << 62 && c->anchor_ns < (uint64_t)1 << 61 && c->anchor_ps < 1000 &&
           l->current < m->nvps && l->stopped <= RUN_FAILED && l->mces_done <= m->cfg.nmces;
}

static struct err load_machine(struct machine *m, struct reader *in)
{
    struct clock_state clock = { 0 };
    struct loop_state loop = { 0 };

    TRY(state_load(&clock_state_schema, &clock, in));
    TRY(state_load(&loop_state_schema, &loop, in));
    if (!plausible(m, &clock, &loop))
        return err_make(ERR_FORMAT, "the snapshot has an impossible time or turn");
    m->clock.state = clock;
    m->loop = loop;
    return OK;
}

static struct err load_order(struct machine *m, struct reader *in)
{
    TRY(space_order_load(m->memory, in));
    TRY(space_order_load(m->smm_memory, in));
    TRY(space_order_load(m->io, in));
    return reader_done(in) ? OK : err_make(ERR_FORMAT, "the snapshot's state of the machine has another length");
}

struct err state_map_load(struct machine *m, const struct pages *from, struct writer *scratch)
{
    unsigned stream = 1;
    struct reader in;

    TRY(get_stream(from, scratch, 0, &in));
    TRY(load_machine(m, &in));
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next, stream++) {
        TRY(get_stream(from, scratch, stream, &in));
        TRY(device_load(dev, &in));
        if (!reader_done(&in))
            return err_make(ERR_FORMAT, "the snapshot's state of %s has another length", dev->name);
    }
    TRY(get_stream(from, scratch, 0, &in));
    TRY(load_machine(m, &in));          /* once more: the order of regions lies behind it */
    return load_order(m, &in);
}
