/* SPDX-License-Identifier: MIT
 * A snapshot is a row of page maps (base/pages.h): one for what all devices save, one for each memory. The maps of the last take or
 * restore are kept apart as `base`: of each memory they hold what it held then, so only pages that are dirty since need a look. */
#include "machine/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "machine/snapshot_internal.h"

/* ---- what a machine consists of ---- */

static void add_backing(struct snapshots *s, const char *name, const struct backing *b)
{
    invariant(s->nbackings < SNAPSHOT_MAX_BACKINGS, "too many memories");
    s->backings[s->nbackings] = *b;
    s->names[s->nbackings] = name;
    if (b->ram != NULL)
        s->backings[s->nbackings].limit = b->ram->len >> PAGE_SHIFT;
    s->nbackings++;
}

/* RAM comes first. All that was ever written is new to us. */
static void find_backings(struct snapshots *s)
{
    struct backing b = { .ram = s->m->ram };

    add_backing(s, "ram", &b);
    for (struct device *dev = s->m->tree.first; dev != NULL; dev = dev->next)
        for (unsigned n = 0; dev->class->backing != NULL && dev->class->backing(dev, n, &b); n++)
            add_backing(s, dev->name, &b);
    pages_init(&s->base[STATE_MAP], STATE_PAGES);
    for (unsigned k = 0; k < s->nbackings; k++) {
        pages_init(&s->base[1 + k], s->backings[k].limit);
        if (s->backings[k].ram != NULL)
            memcpy(s->backings[k].ram->dirty, s->backings[k].ram->touched, s->backings[k].limit);
    }
}

struct err snapshots_create(struct snapshots **out, struct machine *m)
{
    struct snapshots *s;

    invariant(m->snapshots == NULL, "a machine has its snapshots in one place");
    TRY(board_can_snapshot(m));
    s = calloc(1, sizeof *s);
    invariant(s != NULL, "out of memory for snapshots");
    s->m = m;
    m->snapshots = s;
    find_backings(s);
    *out = s;
    return OK;
}

static void drop_maps(struct pages *maps)
{
    for (unsigned k = 0; k < 1 + SNAPSHOT_MAX_BACKINGS; k++)
        if (maps[k].levels != 0)
            pages_drop(&maps[k]);
}

void snapshot_drop(struct snapshots *s, struct snapshot *at)
{
    if (at == NULL)
        return;
    *at->place = at->next;
    if (at->next != NULL)
        at->next->place = at->place;
    drop_maps(at->maps);
    s->count--;
    free(at);
}

void snapshots_free(struct snapshots *s)
{
    if (s == NULL)
        return;
    while (s->first != NULL)
        snapshot_drop(s, s->first);
    drop_maps(s->base);
    s->m->snapshots = NULL;
    writer_free(&s->scratch);
    free(s);
}

uint64_t snapshots_memory(const struct snapshots *s)
{
    return pages_memory() + s->count * sizeof(struct snapshot);
}

uint64_t snapshot_insns(const struct snapshot *at)
{
    return at->insns;
}

const uint8_t *snapshot_ram_page(const struct snapshot *at, uint64_t page)
{
    return pages_get(&at->maps[RAM_MAP], page);
}

/* ---- what is no memory: the state map has a range of pages for the machine and for each device ---- */

/* The length, then the bytes; what an earlier one had beyond stays nowhere. */
static void put_stream(struct snapshots *s, unsigned stream)
{
    struct writer *w = &s->scratch;
    uint64_t first = (uint64_t)stream * STREAM_PAGES, n;

    store64(w->bytes, w->len - 8);
    for (n = 0; n * PAGE_SIZE < w->len; n++) {
        uint8_t page[PAGE_SIZE] = { 0 };
        size_t left = w->len - n * PAGE_SIZE;

        invariant(n < STREAM_PAGES, "a device saves more than %u pages", STREAM_PAGES);
        memcpy(page, w->bytes + n * PAGE_SIZE, left < PAGE_SIZE ? left : PAGE_SIZE);
        pages_put(&s->base[STATE_MAP], first + n, page);
    }
    while (n < STREAM_PAGES && pages_get(&s->base[STATE_MAP], first + n) != NULL)
        pages_remove(&s->base[STATE_MAP], first + n++);
}

static struct err get_stream(struct snapshots *s, const struct pages *from, unsigned stream, struct reader *out)
{
    const uint64_t first = (uint64_t)stream * STREAM_PAGES;
    const uint8_t *page = pages_get(from, first);
    uint64_t len = page == NULL ? UINT64_MAX : load64(page);

    s->scratch.len = 0;
    if (len > (uint64_t)STREAM_PAGES * PAGE_SIZE - 8)
        return err_make(ERR_FORMAT, "the snapshot lacks the state of a device");
    for (uint64_t n = 0; n * PAGE_SIZE < len + 8; n++) {
        page = pages_get(from, first + n);
        if (page == NULL)
            return err_make(ERR_FORMAT, "the snapshot lacks a part of the state of a device");
        writer_copy(&s->scratch, page, PAGE_SIZE);
    }
    *out = reader_of(s->scratch.bytes + 8, (size_t)len);
    return OK;
}

static struct writer *begin_stream(struct snapshots *s)
{
    s->scratch.len = 0;
    writer_uint(&s->scratch, 8, 0);
    return &s->scratch;
}

static void put_state(struct snapshots *s)
{
    struct machine *m = s->m;
    struct writer *w = begin_stream(s);
    unsigned stream = 0;

    state_save(&clock_state_schema, &m->clock.state, w);
    state_save(&loop_state_schema, &m->loop, w);
    space_order_save(m->memory, w);
    space_order_save(m->smm_memory, w);
    space_order_save(m->io, w);
    put_stream(s, stream++);
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next, stream++) {
        device_save(dev, begin_stream(s));
        put_stream(s, stream);
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

static struct err load_state(struct snapshots *s, const struct pages *from)
{
    struct machine *m = s->m;
    unsigned stream = 1;
    struct reader in;

    TRY(get_stream(s, from, 0, &in));
    TRY(load_machine(m, &in));
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next, stream++) {
        TRY(get_stream(s, from, stream, &in));
        TRY(device_load(dev, &in));
        if (!reader_done(&in))
            return err_make(ERR_FORMAT, "the snapshot's state of %s has another length", dev->name);
    }
    TRY(get_stream(s, from, 0, &in));
    TRY(load_machine(m, &in));          /* once more: the order of regions lies behind it */
    return load_order(m, &in);
}

/* ---- memories ---- */

static void put_dirty(struct pages *base, struct ram *ram)
{
    const uint8_t *end = ram->dirty + (ram->len >> PAGE_SHIFT);

    for (const uint8_t *d = ram->dirty; (d = memchr(d, 1, (size_t)(end - d))) != NULL; d++) {
        uint64_t page = (uint64_t)(d - ram->dirty);

        pages_put(base, page, ram->bytes + (page << PAGE_SHIFT));
    }
    ram_clear_dirty(ram);
}

struct snapshot *snapshot_take(struct snapshots *s)
{
    struct snapshot *at = calloc(1, sizeof *at);

    invariant(at != NULL, "out of memory for a snapshot");
    for (unsigned k = 0; k < s->nbackings; k++)
        if (s->backings[k].ram != NULL)
            put_dirty(&s->base[1 + k], s->backings[k].ram);
        else
            pages_copy(&s->base[1 + k], s->backings[k].pages);
    put_state(s);
    for (unsigned k = 0; k < 1 + s->nbackings; k++)
        pages_copy(&at->maps[k], &s->base[k]);
    at->insns = s->m->clock.state.insns;
    snapshot_enter(s, at);
    return at;
}

void snapshot_enter(struct snapshots *s, struct snapshot *at)
{
    at->next = s->first;
    at->place = &s->first;
    if (s->first != NULL)
        s->first->place = &at->next;
    s->first = at;
    s->count++;
}

#define LINE 64u        /* as code is tracked in core/ram.c */

/* Decoded code is lost on the lines that differ only. */
static void put_back(struct ram *ram, uint64_t page, const uint8_t *bytes)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint8_t *to = ram->bytes + (page << PAGE_SHIFT);
    const uint8_t *from = bytes != NULL ? bytes : zeros;

    for (unsigned at = 0; at < PAGE_SIZE; at += LINE) {
        unsigned end = at;

        while (end < PAGE_SIZE && memcmp(to + end, from + end, LINE) != 0)
            end += LINE;
        if (end == at)
            continue;
        memcpy(to + at, from + at, end - at);
        ram_wrote(ram, (page << PAGE_SHIFT) + at, end - at);
        at = end - LINE;
    }
    ram->touched[page] = bytes != NULL;
}

static void page_differs(void *arg, uint64_t page, const uint8_t *then, const uint8_t *now)
{
    (void)now;
    put_back(arg, page, then);
}

static void put_back_dirty(struct ram *ram, const struct pages *then)
{
    const uint8_t *end = ram->dirty + (ram->len >> PAGE_SHIFT);

    for (const uint8_t *d = ram->dirty; (d = memchr(d, 1, (size_t)(end - d))) != NULL; d++) {
        uint64_t page = (uint64_t)(d - ram->dirty);

        put_back(ram, page, pages_get(then, page));
    }
}

struct err snapshot_restore(struct snapshots *s, const struct snapshot *at)
{
    struct err e;

    for (unsigned k = 0; k < s->nbackings; k++) {
        const struct backing *b = &s->backings[k];

        if (b->ram != NULL) {
            put_back_dirty(b->ram, &at->maps[1 + k]);
            pages_compare(&at->maps[1 + k], &s->base[1 + k], page_differs, b->ram);
        } else {
            pages_copy(b->pages, &at->maps[1 + k]);
        }
    }
    e = load_state(s, &at->maps[STATE_MAP]);
    for (unsigned k = 0; k < 1 + s->nbackings; k++) {
        pages_copy(&s->base[k], &at->maps[k]);
        if (k > 0 && s->backings[k - 1].ram != NULL)
            ram_clear_dirty(s->backings[k - 1].ram);
    }
    board_select_vp(s->m, s->m->loop.current);
    machine_restored(s->m);
    return e;
}
