/* SPDX-License-Identifier: MIT
 * A snapshot is a row of page maps (base/pages.h): one for what all devices save, one for each memory. The maps of the last take or
 * restore are kept apart as `base`: of each memory they hold what it held then, so only pages that are dirty since need a look. The
 * machine's own memory is copied only when it changes after a take, and only when it is looked at after a restore. */
#include "machine/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/pages_pool.h"
#include "machine/snapshot_internal.h"

/* All that was ever written is new to us. */
static void begin(struct snapshots *s)
{
    memories_find(s->m, &s->memories);
    pages_init(&s->base[STATE_MAP], STATE_PAGES);
    for (unsigned k = 0; k < s->memories.n; k++) {
        struct ram *ram = s->memories.list[k].ram;

        pages_init(&s->base[1 + k], s->memories.list[k].limit);
        for (uint64_t page = 0; ram != NULL && page < ram->len >> PAGE_SHIFT; page++)
            ram->dirty[page] |= ram->touched[page] ? DIRTY_SNAPSHOT : 0;
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
    begin(s);
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
    for (uint64_t page = 0; page < s->m->ram->len >> PAGE_SHIFT; page++)
        ram_present(s->m->ram, page);
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

/* ---- memories ---- */

/* Of the machine's own memory nothing is copied until it is written again. What lies elsewhere is in the map already. */
static void lend_dirty(struct pages *map, struct ram *ram)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_SNAPSHOT)) < pages; page++) {
        if (ram->away[page])
            continue;
        pages_hang(map, page, ram_lend(ram, page));
        pool_drop(ram->lent[page]);
    }
    ram_clear_dirty(ram, DIRTY_SNAPSHOT);
}

static void copy_dirty(struct pages *map, struct ram *ram)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_SNAPSHOT)) < pages; page++)
        pages_put(map, page, ram->bytes + (page << PAGE_SHIFT));
    ram_clear_dirty(ram, DIRTY_SNAPSHOT);
}

struct snapshot *snapshot_take(struct snapshots *s)
{
    struct snapshot *at = calloc(1, sizeof *at);

    invariant(at != NULL, "out of memory for a snapshot");
    lend_dirty(&s->base[RAM_MAP], s->m->ram);
    for (unsigned k = 1; k < s->memories.n; k++)
        if (s->memories.list[k].ram != NULL)
            copy_dirty(&s->base[1 + k], s->memories.list[k].ram);
        else
            pages_copy(&s->base[1 + k], s->memories.list[k].pages);
    state_map_put(s->m, &s->base[STATE_MAP], &s->scratch);
    for (unsigned k = 0; k < 1 + s->memories.n; k++)
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
void memory_put_back(struct ram *ram, uint64_t page, const uint8_t *bytes)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint8_t *to = ram->bytes + (page << PAGE_SHIFT);
    const uint8_t *from = bytes != NULL ? bytes : zeros;
    uint64_t lines = 0;

    ram_present(ram, page);
    for (unsigned at = 0; at < PAGE_SIZE; at += LINE)
        lines |= (uint64_t)(memcmp(to + at, from + at, LINE) != 0) << at / LINE;
    if (lines != 0) {
        ram_wrote_lines(ram, page, lines);
        memcpy(to, from, PAGE_SIZE);
    }
    ram->touched[page] = bytes != NULL || ram->dirty[page] == RAM_DIRTY;     /* what is dirty is touched (ram_will_write()) */
}

static void page_differs(void *arg, uint64_t page, const uint8_t *then, const uint8_t *now)
{
    (void)now;
    memory_put_back(arg, page, then);
}

static void put_back(struct ram *ram, const struct pages *now, const struct pages *then)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;
    uint8_t room[PAGE_SIZE];

    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_SNAPSHOT)) < pages; page++)
        memory_put_back(ram, page, pages_look(then, page, room));
    pages_changed(then, now, page_differs, ram);
}

/* ---- the machine's own memory ---- */

/* Most of what differs will not be looked at before the next restore, so it stays away until it is; but for pages with decoded code,
 * which must be right. */
static void will_hold(void *arg, uint64_t page, uint32_t number)
{
    struct ram *ram = arg;
    uint8_t room[PAGE_SIZE];

    if (ram->code[page] != 0) {
        memory_put_back(ram, page, pool_look(number, room));
        return;
    }
    ram->away[page] = number == POOL_NONE || number != ram->lent[page];     /* or it was lent from here and is here still */
    ram->touched[page] = number != POOL_NONE;
    ram->dirty[page] |= DIRTY_CHECKPOINT;
}

static void fetch(void *arg, uint64_t page, uint8_t *to)
{
    const struct snapshots *s = arg;
    const uint8_t *bytes = pages_look(&s->base[RAM_MAP], page, to);

    if (bytes == NULL)
        memset(to, 0, PAGE_SIZE);
    else if (bytes != to)
        memcpy(to, bytes, PAGE_SIZE);
}

static void put_back_own(struct snapshots *s, const struct pages *then)
{
    struct ram *ram = s->m->ram;
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    ram->fetch = fetch;
    ram->fetch_arg = s;
    for (uint64_t page = 0; (page = ram_next_dirty(ram, page, DIRTY_SNAPSHOT)) < pages; page++)
        will_hold(ram, page, pages_number(then, page));
    pages_different(then, &s->base[RAM_MAP], will_hold, ram);
    pages_copy(&s->base[RAM_MAP], then);
}

struct err snapshot_restore(struct snapshots *s, const struct snapshot *at)
{
    struct err e;

    put_back_own(s, &at->maps[RAM_MAP]);
    for (unsigned k = 1; k < s->memories.n; k++) {
        const struct backing *b = &s->memories.list[k];

        if (b->ram != NULL)
            put_back(b->ram, &s->base[1 + k], &at->maps[1 + k]);
        else
            pages_copy(b->pages, &at->maps[1 + k]);
    }
    e = state_map_load(s->m, &at->maps[STATE_MAP], &s->scratch);
    for (unsigned k = 0; k < 1 + s->memories.n; k++) {
        pages_copy(&s->base[k], &at->maps[k]);
        if (k > 0 && s->memories.list[k - 1].ram != NULL)
            ram_clear_dirty(s->memories.list[k - 1].ram, DIRTY_SNAPSHOT);
    }
    board_select_vp(s->m, s->m->loop.current);
    machine_restored(s->m);
    return e;
}
