/* SPDX-License-Identifier: MIT
 * Reads chains of checkpoints and puts machines to them. Files may say anything: every number is checked when a frame is added, the
 * bytes of a page when they are used. */
#include "machine/checkpoints.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "base/pack.h"
#include "base/pages_pool.h"
#include "machine/checkpoints_internal.h"
#include "machine/identity.h"
#include "machine/travel.h"

struct contents { const uint8_t *bytes; uint32_t len; };        /* PAGE_SIZE: as they are, else packed */
struct change { uint32_t map, page, number; };
struct point { struct moment at; size_t records, changes; };    /* so many changes until then */

struct chain {
    uint64_t identity, begins;
    unsigned nmaps;
    uint64_t limit[1 + SNAPSHOT_MAX_BACKINGS];
    struct contents *contents;
    struct change *changes;
    struct point *points;
    size_t ncontents, nchanges, npoints, contents_room, changes_room, points_room;
};

/* A recording may have several: one made while it was recorded, others since. Points of all of them together, ascending. */
struct checkpoints {
    struct chain **chains;
    struct ref { struct moment at; struct chain *chain; size_t point; } *refs;
    size_t nchains, nrefs, chains_room, refs_room;
};

struct checkpoints *checkpoints_create(void)
{
    struct checkpoints *c = calloc(1, sizeof *c);

    invariant(c != NULL, "out of memory for checkpoints");
    return c;
}

void checkpoints_free(struct checkpoints *c)
{
    if (c == NULL)
        return;
    for (size_t k = 0; k < c->nchains; k++) {
        free(c->chains[k]->contents);
        free(c->chains[k]->changes);
        free(c->chains[k]->points);
        free(c->chains[k]);
    }
    free(c->chains);
    free(c->refs);
    free(c);
}

static void *grown(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return array;
    *room = *room == 0 ? 64 : *room * 2;
    array = realloc(array, *room * size);
    invariant(array != NULL, "out of memory for checkpoints");
    return array;
}

/* ---- frames ---- */

bool checkpoints_frame(uint8_t kind)
{
    return kind == FRAME_CHECKPOINT_CHAIN || kind == FRAME_CHECKPOINT_PAGES || kind == FRAME_CHECKPOINT;
}

static bool add_chain(struct checkpoints *c, struct reader *in)
{
    struct chain *chain = calloc(1, sizeof *chain);

    invariant(chain != NULL, "out of memory for checkpoints");
    c->chains = grown(c->chains, c->nchains, &c->chains_room, sizeof *c->chains);
    c->chains[c->nchains++] = chain;
    chain->identity = reader_uint(in, 8);
    chain->begins = reader_varint(in);
    chain->nmaps = 1;
    chain->limit[STATE_MAP] = STATE_PAGES;
    for (uint64_t n = reader_varint(in); n > 0 && chain->nmaps <= SNAPSHOT_MAX_BACKINGS; n--)
        chain->limit[chain->nmaps++] = reader_varint(in);
    return reader_done(in);
}

/* Its contents' number, or UINT64_MAX. */
static uint64_t read_contents(struct chain *chain, struct reader *in)
{
    const uint64_t what = reader_varint(in), newest = chain->ncontents - 1;
    uint64_t len;

    if (what < PAGE_FRESH)
        return what;
    if (what >= PAGE_KNOWN)
        return what - PAGE_KNOWN < chain->ncontents ? CONTENTS_FIRST + newest - (what - PAGE_KNOWN) : UINT64_MAX;
    len = reader_varint(in);
    if (in->failed || len == 0 || len > PAGE_SIZE || len > (uint64_t)(in->end - in->at) || chain->ncontents >= UINT32_MAX - CONTENTS_FIRST)
        return UINT64_MAX;
    chain->contents = grown(chain->contents, chain->ncontents, &chain->contents_room, sizeof *chain->contents);
    chain->contents[chain->ncontents++] = (struct contents){ in->at, (uint32_t)len };
    in->at += len;
    return CONTENTS_FIRST + chain->ncontents - 1;
}

static bool add_pages(struct chain *chain, struct reader *in)
{
    const uint64_t map = reader_varint(in);
    uint64_t page = 0;

    if (in->failed || map >= chain->nmaps)
        return false;
    for (; in->at != in->end; page++) {
        const uint64_t skip = reader_varint(in), number = read_contents(chain, in);

        if (in->failed || number == UINT64_MAX || page + skip < skip || page + skip >= chain->limit[map] || page + skip > UINT32_MAX)
            return false;
        page += skip;
        chain->changes = grown(chain->changes, chain->nchanges, &chain->changes_room, sizeof *chain->changes);
        chain->changes[chain->nchanges++] = (struct change){ (uint32_t)map, (uint32_t)page, (uint32_t)number };
    }
    return true;
}

static bool add_ref(struct checkpoints *c, struct chain *chain)
{
    const struct moment at = chain->points[chain->npoints - 1].at;
    size_t k = c->nrefs;

    c->refs = grown(c->refs, c->nrefs, &c->refs_room, sizeof *c->refs);
    for (; k > 0 && moment_before(&at, &c->refs[k - 1].at); k--)
        c->refs[k] = c->refs[k - 1];
    c->refs[k] = (struct ref){ at, chain, chain->npoints - 1 };
    c->nrefs++;
    return true;
}

static bool add_point(struct checkpoints *c, struct chain *chain, struct reader *in)
{
    const struct point *before = chain->npoints == 0 ? NULL : &chain->points[chain->npoints - 1];
    struct point p = { .changes = chain->nchanges };

    p.at.insns = reader_varint(in);
    p.at.idles = reader_varint(in);
    p.records = (size_t)reader_varint(in);
    if (reader_varint(in) != p.changes - (before == NULL ? 0 : before->changes) || !reader_done(in))
        return false;
    if (p.at.insns < chain->begins || (before != NULL && moment_before(&p.at, &before->at)))
        return false;
    chain->points = grown(chain->points, chain->npoints, &chain->points_room, sizeof *chain->points);
    chain->points[chain->npoints++] = p;
    return add_ref(c, chain);
}

bool checkpoints_add(struct checkpoints *c, const struct ndlog_frame *f)
{
    struct reader in = reader_of(f->bytes, f->len);

    if (f->kind == FRAME_CHECKPOINT_CHAIN)
        return add_chain(c, &in);
    if (c->nchains == 0)
        return false;
    if (f->kind == FRAME_CHECKPOINT_PAGES)
        return add_pages(c->chains[c->nchains - 1], &in);
    return add_point(c, c->chains[c->nchains - 1], &in);
}

uint64_t chain_identity(const struct machine *m)
{
    return identity_devices(m) + CHAIN_FORMAT;
}

/* ---- which ---- */

size_t checkpoints_count(const struct checkpoints *c)
{
    return c->nrefs;
}

struct moment checkpoint_at(const struct checkpoints *c, size_t k)
{
    return c->refs[k].at;
}

size_t checkpoint_records(const struct checkpoints *c, size_t k)
{
    return c->refs[k].chain->points[c->refs[k].point].records;
}

bool checkpoints_before(const struct checkpoints *c, uint64_t insns, size_t *k)
{
    size_t low = 0, high = c->nrefs;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (c->refs[middle].at.insns <= insns)
            low = middle + 1;
        else
            high = middle;
    }
    *k = low - 1;
    return low > 0;
}

#define RAM_PLACE 1u       /* of memories RAM comes first, behind the state */

static bool among(const struct travel_pages *pages, uint64_t page)
{
    for (unsigned k = 0; k < pages->n; k++)
        if (page >= pages->ranges[k].first && page <= pages->ranges[k].last)
            return true;
    return false;
}

bool checkpoint_unwritten(const struct checkpoints *c, size_t k, const struct travel_pages *pages, uint64_t *since)
{
    const struct ref *ref = &c->refs[k];
    const struct point *p = &ref->chain->points[ref->point], *before = ref->point > 0 ? p - 1 : NULL;

    *since = before != NULL ? before->at.insns : ref->chain->begins;
    for (size_t n = before != NULL ? before->changes : 0; n < p->changes; n++) {
        const struct change *change = &ref->chain->changes[n];

        if (change->map == RAM_PLACE && among(pages, change->page))
            return false;
    }
    return true;
}

/* ---- going there ---- */

struct place {
    struct machine *m;
    const struct chain *chain;
    struct memories memories;
    struct pages state;
    uint64_t *done[1 + SNAPSHOT_MAX_BACKINGS];      /* a bit for each page that is as it was then */
};

static struct err fits(const struct chain *chain, const struct machine *m, uint64_t begins, struct memories *memories)
{
    memories_find(m, memories);
    if (chain->identity != chain_identity(m) || chain->nmaps != 1 + memories->n || chain->begins != begins)
        return err_make(ERR_UNSUPPORTED, "its checkpoints are of another version of Partita or another machine");
    for (unsigned k = 0; k < memories->n; k++)
        if (chain->limit[1 + k] != memories->list[k].limit)
            return err_make(ERR_UNSUPPORTED, "its checkpoints are of a machine with memories of other sizes");
    return OK;
}

/* The bytes, in `room` if they must be unpacked; NULL: no such page. */
static struct err bytes_of(const struct chain *chain, uint32_t number, uint8_t *room, const uint8_t **out)
{
    static const uint8_t zeros[PAGE_SIZE];
    const struct contents *c = number < CONTENTS_FIRST ? NULL : &chain->contents[number - CONTENTS_FIRST];

    *out = c == NULL ? zeros : c->len == PAGE_SIZE ? c->bytes : room;
    if (number == CONTENTS_NONE)
        *out = NULL;
    else if (c != NULL && c->len != PAGE_SIZE && !unpack(room, PAGE_SIZE, c->bytes, c->len))
        return err_make(ERR_FORMAT, "a checkpoint in it is damaged: a page cannot be unpacked");
    return OK;
}

static struct err put(struct place *p, const struct change *change)
{
    const struct backing *b = change->map == STATE_MAP ? NULL : &p->memories.list[change->map - 1];
    struct pages *map = b == NULL ? &p->state : b->pages;
    uint8_t room[PAGE_SIZE];
    const uint8_t *bytes;

    TRY(bytes_of(p->chain, change->number, room, &bytes));
    if (b != NULL && b->ram != NULL)
        memory_put_back(b->ram, change->page, bytes);
    else if (bytes != NULL)
        pages_put(map, change->page, bytes);
    else
        pages_remove(map, change->page);
    return OK;
}

/* The last change of a page counts, so the last comes first. */
static struct err put_all(struct place *p, size_t changes)
{
    while (changes > 0) {
        const struct change *change = &p->chain->changes[--changes];
        uint64_t *done = &p->done[change->map][change->page / 64];

        if (*done >> change->page % 64 & 1)
            continue;
        *done |= UINT64_C(1) << change->page % 64;
        TRY(put(p, change));
    }
    return OK;
}

static struct err restore(struct place *p, const struct point *to)
{
    struct writer scratch = { 0 };
    struct err e = put_all(p, to->changes);

    if (!failed(&e))
        e = state_map_load(p->m, &p->state, &scratch);
    writer_free(&scratch);
    if (failed(&e))
        return e;
    board_select_vp(p->m, p->m->loop.current);
    machine_restored(p->m);
    return machine_insns(p->m) == to->at.insns ? OK : err_make(ERR_FORMAT, "a checkpoint in it is damaged: it is of another instant");
}

struct err checkpoint_restore(const struct checkpoints *c, size_t k, struct machine *m)
{
    const struct ref *ref = &c->refs[k];
    struct place p = { .m = m, .chain = ref->chain };
    struct err e;

    TRY(fits(ref->chain, m, machine_insns(m), &p.memories));
    pages_init(&p.state, STATE_PAGES);
    for (unsigned n = 0; n < ref->chain->nmaps; n++) {
        p.done[n] = calloc(ref->chain->limit[n] / 64 + 1, sizeof *p.done[n]);
        invariant(p.done[n] != NULL, "out of memory for going to a checkpoint");
    }
    e = restore(&p, &ref->chain->points[ref->point]);
    for (unsigned n = 0; n < ref->chain->nmaps; n++)
        free(p.done[n]);
    pages_drop(&p.state);
    return e;
}

/* ---- as snapshots ---- */

/* A page of the pool for contents; made when they are first asked for. */
static uint32_t page_of(const struct chain *chain, uint32_t *pages, uint32_t number)
{
    const struct contents *c;

    if (number < CONTENTS_FIRST)
        return number == CONTENTS_ZERO ? POOL_ZERO : POOL_NONE;
    c = &chain->contents[number - CONTENTS_FIRST];
    if (pages[number - CONTENTS_FIRST] == POOL_NONE)
        pages[number - CONTENTS_FIRST] = pool_new_frozen(c->bytes, c->len);
    return pages[number - CONTENTS_FIRST];
}

/* From the checkpoint before. */
static struct snapshot *next_snapshot(const struct chain *chain, size_t point, const struct snapshot *before, uint32_t *pages)
{
    struct snapshot *at = calloc(1, sizeof *at);

    invariant(at != NULL, "out of memory for checkpoints");
    for (unsigned k = 0; k < chain->nmaps; k++)
        pages_copy(&at->maps[k], &before->maps[k]);
    if (point == 0) {
        pages_drop(&at->maps[STATE_MAP]);       /* a chain has the whole of it */
        pages_init(&at->maps[STATE_MAP], STATE_PAGES);
    }
    for (size_t k = point == 0 ? 0 : chain->points[point - 1].changes; k < chain->points[point].changes; k++) {
        const struct change *change = &chain->changes[k];

        pages_hang(&at->maps[change->map], change->page, page_of(chain, pages, change->number));
    }
    at->insns = chain->points[point].at.insns;
    return at;
}

static size_t ref_of(const struct checkpoints *c, const struct chain *chain, size_t point)
{
    size_t k = 0;

    while (c->refs[k].chain != chain || c->refs[k].point != point)
        k++;
    return k;
}

void checkpoints_snapshots(const struct checkpoints *c, struct snapshots *s, const struct snapshot *beginning,
                           void (*each)(void *arg, size_t k, struct snapshot *at), void *arg)
{
    for (size_t n = 0; n < c->nchains; n++) {
        const struct chain *chain = c->chains[n];
        const struct snapshot *before = beginning;
        struct memories memories;
        struct err e = fits(chain, s->m, beginning->insns, &memories);
        uint32_t *pages = failed(&e) ? NULL : calloc(chain->ncontents + 1, sizeof *pages);

        if (failed(&e))
            continue;
        invariant(pages != NULL, "out of memory for checkpoints");
        for (size_t point = 0; point < chain->npoints; point++) {
            struct snapshot *at = next_snapshot(chain, point, before, pages);

            snapshot_enter(s, at);
            each(arg, ref_of(c, chain, point), at);
            before = at;
        }
        for (size_t k = 0; k < chain->ncontents; k++)
            pool_drop(pages[k]);
        free(pages);
    }
}
