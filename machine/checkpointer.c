/* SPDX-License-Identifier: MIT
 * Makes checkpoints: pages that are dirty since the last one, each packed, unless the same bytes were written before; then their
 * number stands for them. Nothing is kept of memory itself but hashes. A machine need not stand while its memory is packed: its pages
 * are lent (core/ram.h), and those that it writes meanwhile are copied by that. */
#include "machine/checkpoints.h"

#include <stdlib.h>

#include "base/invariant.h"
#include "base/pack.h"
#include "base/pages_pool.h"
#include "machine/checkpoints_internal.h"
#include "machine/identity.h"

#define FRAME_BYTES (256u << 10)    /* a frame of pages is closed when it has so many */

/* What was written under which number. Two hashes of 64 bits stand for the bytes of a page. */
struct known { uint64_t a, b; uint32_t number; };

/* A page of RAM that is still to be written, and what it held. */
struct owed { uint64_t page; uint32_t number; };

struct checkpointer {
    struct machine *m;
    checkpoint_sink_fn *sink;
    void *arg;
    struct memories memories;
    struct pages state, before[SNAPSHOT_MAX_BACKINGS];      /* as at the last one; `before` of memories that are page maps */
    struct known *known;            /* open addressing */
    uint32_t nknown, room;          /* `room` is a power of two */
    uint32_t next;                  /* number of the next contents */
    struct writer frame, scratch;
    unsigned map;
    uint64_t expected, changes;     /* next page of this frame; since the last one */
    struct owed *owed;              /* of the one that was begun, in ascending order */
    size_t nowed, owed_room, paid;
    struct moment at;               /* ... and where it was */
    size_t records;
    bool begun;
};

/* ---- contents ---- */

static struct known *place(struct known *table, uint32_t room, uint64_t a, uint64_t b)
{
    uint32_t at = (uint32_t)(a >> 32) & (room - 1);

    while (table[at].number != 0 && (table[at].a != a || table[at].b != b))
        at = (at + 1) & (room - 1);
    return &table[at];
}

static void grow(struct checkpointer *c)
{
    const uint32_t room = c->room == 0 ? 1u << 14 : c->room * 2;
    struct known *table = calloc(room, sizeof *table);

    invariant(table != NULL && room != 0, "out of memory for checkpoints");
    for (uint32_t k = 0; k < c->room; k++)
        if (c->known[k].number != 0)
            *place(table, room, c->known[k].a, c->known[k].b) = c->known[k];
    free(c->known);
    c->known = table;
    c->room = room;
}

/* Their number; *fresh: it is a new one. */
static uint32_t number_of(struct checkpointer *c, const uint8_t *bytes, bool *fresh)
{
    struct known *k;
    uint64_t a, b;

    *fresh = false;
    if (bytes_zero(bytes, PAGE_SIZE))
        return CONTENTS_ZERO;
    a = bytes_hash(bytes, PAGE_SIZE, 0);
    b = bytes_hash(bytes, PAGE_SIZE, a);
    if (c->nknown >= c->room / 2)
        grow(c);
    k = place(c->known, c->room, a, b);
    if (k->number == 0) {
        *fresh = true;
        *k = (struct known){ a, b, c->next++ };
        c->nknown++;
    }
    return k->number;
}

/* ---- frames ---- */

static void close_frame(struct checkpointer *c)
{
    if (c->frame.len > 0)
        c->sink(c->arg, FRAME_CHECKPOINT_PAGES, c->frame.bytes, c->frame.len);
    c->frame.len = 0;
}

static void open_frame(struct checkpointer *c)
{
    if (c->frame.len >= FRAME_BYTES)
        close_frame(c);
    if (c->frame.len > 0)
        return;
    writer_varint(&c->frame, c->map);
    c->expected = 0;
}

static void put_packed(struct checkpointer *c, const uint8_t *bytes)
{
    uint8_t packed[PAGE_SIZE];
    const size_t len = pack(packed, bytes, PAGE_SIZE);

    writer_varint(&c->frame, len != 0 ? len : PAGE_SIZE);
    writer_copy(&c->frame, len != 0 ? packed : bytes, len != 0 ? len : PAGE_SIZE);
}

/* `bytes` NULL: there is no such page any more. Returns what it holds. It is mentioned, too, when it holds what it held: it was written,
 * and who wrote it may be asked for. */
static uint32_t put_page(struct checkpointer *c, uint64_t page, const uint8_t *bytes)
{
    const uint32_t newest = c->next - 1;
    bool fresh = false;
    const uint32_t number = bytes == NULL ? CONTENTS_NONE : number_of(c, bytes, &fresh);

    open_frame(c);
    writer_varint(&c->frame, page - c->expected);
    writer_varint(&c->frame, fresh ? PAGE_FRESH : number < CONTENTS_FIRST ? number : PAGE_KNOWN + (newest - number));
    if (fresh)
        put_packed(c, bytes);
    c->expected = page + 1;
    c->changes++;
    return number;
}

static void lend_ram(struct checkpointer *c, struct ram *ram)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    c->nowed = c->paid = 0;
    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_CHECKPOINT)) < pages; page++) {
        ram_present(ram, page);
        if (c->nowed == c->owed_room) {
            c->owed_room = c->owed_room * 2 + 1024;
            c->owed = realloc(c->owed, c->owed_room * sizeof *c->owed);
            invariant(c->owed != NULL, "out of memory for checkpoints");
        }
        c->owed[c->nowed++] = (struct owed){ page, ram_lend(ram, page) };
    }
    ram_clear_dirty(ram, DIRTY_CHECKPOINT);
}

static void put_ram(struct checkpointer *c, struct ram *ram)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_CHECKPOINT)) < pages; page++)
        (void)put_page(c, page, ram->bytes + (page << PAGE_SHIFT));
    ram_clear_dirty(ram, DIRTY_CHECKPOINT);
}

static void differs(void *arg, uint64_t page, const uint8_t *now, const uint8_t *before)
{
    (void)before;
    (void)put_page(arg, page, now);
}

static void put_map(struct checkpointer *c, const struct pages *now, struct pages *before)
{
    pages_changed(now, before, differs, c);
    pages_copy(before, now);
}

static void put_state(struct checkpointer *c)
{
    struct pages now = { 0 };

    pages_copy(&now, &c->state);
    state_map_put(c->m, &now, &c->scratch);
    c->map = STATE_MAP;
    put_map(c, &now, &c->state);
    pages_drop(&now);
    close_frame(c);
}

/* What is small is written at once; the machine's own memory comes first. */
void checkpointer_begin(struct checkpointer *c, size_t records)
{
    while (checkpointer_go_on(c, UINT64_MAX))
        ;
    c->begun = true;
    c->at = machine_moment(c->m);
    c->records = records;
    c->changes = 0;
    put_state(c);
    lend_ram(c, c->m->ram);
    for (unsigned k = 1; k < c->memories.n; k++) {
        const struct backing *b = &c->memories.list[k];

        c->map = 1 + k;
        if (b->ram != NULL)
            put_ram(c, b->ram);
        else
            put_map(c, b->pages, &c->before[k]);
        close_frame(c);
    }
    c->map = RAM_MAP;
}

static void put_end(struct checkpointer *c)
{
    struct writer w = { 0 };

    writer_varint(&w, c->at.insns);
    writer_varint(&w, c->at.idles);
    writer_varint(&w, c->records);
    writer_varint(&w, c->changes);
    c->sink(c->arg, FRAME_CHECKPOINT, w.bytes, w.len);
    writer_free(&w);
}

bool checkpointer_go_on(struct checkpointer *c, uint64_t pages)
{
    uint8_t room[PAGE_SIZE];

    if (!c->begun)
        return false;
    for (; c->paid < c->nowed && pages > 0; pages--) {
        const struct owed *o = &c->owed[c->paid++];

        (void)put_page(c, o->page, pool_look(o->number, room));
        pool_drop(o->number);
    }
    if (c->paid < c->nowed)
        return true;
    close_frame(c);
    put_end(c);
    c->begun = false;
    return false;
}

bool checkpointer_finished(const struct checkpointer *c)
{
    return !c->begun;
}

/* ---- life ---- */

static void put_begin(struct checkpointer *c)
{
    struct writer w = { 0 };

    writer_uint(&w, 8, chain_identity(c->m));
    writer_varint(&w, machine_insns(c->m));
    writer_varint(&w, c->memories.n);
    for (unsigned k = 0; k < c->memories.n; k++)
        writer_varint(&w, c->memories.list[k].limit);
    c->sink(c->arg, FRAME_CHECKPOINT_CHAIN, w.bytes, w.len);
    writer_free(&w);
}

struct checkpointer *checkpointer_create(struct machine *m, checkpoint_sink_fn *sink, void *arg)
{
    struct checkpointer *c = calloc(1, sizeof *c);

    invariant(c != NULL, "out of memory for checkpoints");
    *c = (struct checkpointer){ .m = m, .sink = sink, .arg = arg, .next = CONTENTS_FIRST };
    memories_find(m, &c->memories);
    pages_init(&c->state, STATE_PAGES);
    for (unsigned k = 0; k < c->memories.n; k++) {
        const struct backing *b = &c->memories.list[k];

        if (b->ram != NULL) {
            ram_clear_dirty(b->ram, DIRTY_CHECKPOINT);
        } else {
            pages_init(&c->before[k], b->limit);
            pages_copy(&c->before[k], b->pages);
        }
    }
    put_begin(c);
    return c;
}

void checkpointer_free(struct checkpointer *c)
{
    if (c == NULL)
        return;
    while (c->begun && c->paid < c->nowed)
        pool_drop(c->owed[c->paid++].number);
    free(c->owed);
    pages_drop(&c->state);
    for (unsigned k = 0; k < c->memories.n; k++) {
        if (c->memories.list[k].ram == NULL)
            pages_drop(&c->before[k]);
    }
    free(c->known);
    writer_free(&c->frame);
    writer_free(&c->scratch);
    free(c);
}

uint64_t checkpointer_pages(const struct checkpointer *c)
{
    uint64_t n = 0;

    for (unsigned k = 0; k < c->memories.n; k++) {
        const struct ram *ram = c->memories.list[k].ram;

        for (uint64_t page = 0; ram != NULL && (page = ram_next_dirty(ram, page, DIRTY_CHECKPOINT)) < ram->len >> PAGE_SHIFT; page++)
            n++;
    }
    return n;
}
