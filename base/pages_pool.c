/* SPDX-License-Identifier: MIT
 * Pages that are awake have a slot of memory; slots come in slabs. What a page froze to is kept while it is
 * awake and was not written: to freeze it again costs nothing. Pages that are lent have no memory at all. */
#include "base/pages_pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/invariant.h"
#include "base/pack.h"
#include "base/pages.h"

#ifndef MAP_POPULATE
#define MAP_POPULATE 0
#endif

#define SLAB_SHIFT  6
#define SLAB_SLOTS  (1u << SLAB_SHIFT)
#define SLAB_BYTES  ((size_t)SLAB_SLOTS * PAGES_PAGE)
#define ASLEEP      UINT32_MAX
#define LENT        (UINT32_MAX - 1)

/* Packed bytes, or a page's own where that is no gain. */
struct frozen {
    uint32_t refs, len;
    uint64_t hash;              /* of the page */
    struct frozen *next;        /* in its bucket; unless the bytes are somebody else's */
    const uint8_t *bytes;
    uint8_t own[];
};

struct page {
    uint32_t refs, slot;        /* of a free page: 0, and the next free one */
    uint64_t hash;              /* 0: not known */
    union {
        struct frozen *frozen;  /* NULL: not packed since it was written */
        uint32_t *note;         /* of a lent page: the lender's */
    };
    union {
        uint64_t looked_at;     /* since pool_squeeze() came by */
        const uint8_t *lender;
    };
};

static struct {
    uint8_t **slabs;
    uint32_t nslabs, slabs_room, next_slot, free_slot;     /* a free slot begins with the number of the next, ASLEEP: the last */
    struct page *pages;
    uint32_t npages, pages_room, free_page, hand;
    struct frozen **buckets;
    uint32_t nbuckets, nfrozen;
    uint64_t awake, bytes;      /* pages; all other memory */
} pool = { .free_slot = ASLEEP };

uint64_t pool_memory(void)
{
    return pool.awake * PAGES_PAGE + pool.bytes;
}

void *pool_allocate(uint64_t bytes)
{
    void *at = malloc(bytes);

    invariant(at != NULL, "out of memory for saved pages: %llu are kept", (unsigned long long)pool.awake);
    pool.bytes += bytes;
    return at;
}

void pool_free(void *at, uint64_t bytes)
{
    pool.bytes -= bytes;
    free(at);
}

static void *more(void *array, uint32_t *room, size_t size)
{
    *room = *room == 0 ? 64 : *room * 2;
    array = realloc(array, *room * size);
    invariant(array != NULL, "out of memory for saved pages: %llu are kept", (unsigned long long)pool.awake);
    return array;
}

/* ---- slots ---- */

/* It is filled soon, and one call for all of it is half as dear as a fault for each page. Large pages of the host would be dearer: it
 * must make room for them first. */
static uint8_t *slab_new(void)
{
    uint8_t *slab = mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    invariant(slab != MAP_FAILED, "out of memory for saved pages: %llu are kept", (unsigned long long)pool.awake);
    return slab;
}

static uint8_t *slot_bytes(uint32_t slot)
{
    return pool.slabs[slot >> SLAB_SHIFT] + (size_t)(slot & (SLAB_SLOTS - 1)) * PAGES_PAGE;
}

static uint32_t slot_new(void)
{
    uint32_t slot = pool.free_slot;

    pool.awake++;
    if (slot != ASLEEP) {
        pool.free_slot = load32(slot_bytes(slot));
        return slot;
    }
    slot = pool.next_slot++;
    if (slot >> SLAB_SHIFT >= pool.nslabs) {
        if (pool.nslabs == pool.slabs_room)
            pool.slabs = more(pool.slabs, &pool.slabs_room, sizeof *pool.slabs);
        pool.slabs[pool.nslabs++] = slab_new();
    }
    return slot;
}

static void slot_free(uint32_t slot)
{
    store32(slot_bytes(slot), pool.free_slot);
    pool.free_slot = slot;
    pool.awake--;
}

/* ---- frozen bytes ---- */

static struct frozen **bucket(uint64_t hash)
{
    return &pool.buckets[hash & (pool.nbuckets - 1)];
}

static void more_buckets(void)
{
    struct frozen **old = pool.buckets;
    const uint32_t n = pool.nbuckets;

    pool.nbuckets = n == 0 ? 4096 : n * 2;
    pool.buckets = calloc(pool.nbuckets, sizeof(struct frozen *));
    invariant(pool.buckets != NULL, "out of memory for saved pages: %llu are kept", (unsigned long long)pool.awake);
    for (uint32_t k = 0; k < n; k++)
        for (struct frozen *f = old[k], *next; f != NULL; f = next) {
            next = f->next;
            f->next = *bucket(f->hash);
            *bucket(f->hash) = f;
        }
    free(old);
}

/* Equal pages pack to equal bytes, so a hash alone is never believed. */
static struct frozen *frozen_find(uint64_t hash, const uint8_t *bytes, uint32_t len)
{
    struct frozen *f = pool.nbuckets == 0 ? NULL : *bucket(hash);

    while (f != NULL && (f->hash != hash || f->len != len || memcmp(f->bytes, bytes, len) != 0))
        f = f->next;
    return f;
}

static struct frozen *frozen_new(uint64_t hash, const uint8_t *bytes, uint32_t len)
{
    struct frozen *f;

    if (pool.nfrozen >= pool.nbuckets)
        more_buckets();
    f = pool_allocate(sizeof *f + len);
    *f = (struct frozen){ .len = len, .hash = hash, .next = *bucket(hash), .bytes = f->own };
    memcpy(f->own, bytes, len);
    *bucket(hash) = f;
    pool.nfrozen++;
    return f;
}

static void frozen_drop(struct frozen *f)
{
    struct frozen **at;

    if (f == NULL || --f->refs != 0)
        return;
    if (f->bytes != f->own) {
        pool_free(f, sizeof *f);
        return;
    }
    for (at = bucket(f->hash); *at != f; at = &(*at)->next)
        ;
    *at = f->next;
    pool.nfrozen--;
    pool_free(f, sizeof *f + f->len);
}

static void thaw_to(const struct frozen *f, uint8_t *to)
{
    if (f->len == PAGES_PAGE)
        memcpy(to, f->bytes, PAGES_PAGE);
    else if (!unpack(to, PAGES_PAGE, f->bytes, f->len))
        memset(to, 0, PAGES_PAGE);          /* of a file that somebody made up */
}

/* One that gets no smaller may still be the same as others. */
static void freeze(struct page *p)
{
    uint8_t packed[PAGES_PAGE];
    const uint8_t *bytes = slot_bytes(p->slot);

    if (p->frozen == NULL) {
        const uint64_t hash = p->hash != 0 ? p->hash : bytes_hash(bytes, PAGES_PAGE, 0);
        uint32_t len = (uint32_t)pack(packed, bytes, PAGES_PAGE);
        const uint8_t *from = len == 0 ? bytes : packed;

        len = len == 0 ? PAGES_PAGE : len;
        p->hash = hash;
        p->frozen = frozen_find(hash, from, len);
        if (p->frozen == NULL)
            p->frozen = frozen_new(hash, from, len);
        p->frozen->refs++;
    }
    slot_free(p->slot);
    p->slot = ASLEEP;
}

void pool_squeeze(uint64_t bytes, uint64_t most)
{
    for (uint64_t left = 2 * (uint64_t)pool.npages; left > 0 && most > 0 && pool_memory() > bytes; left--) {
        struct page *p = &pool.pages[pool.hand = (pool.hand + 1) % pool.npages];

        if (p->refs == 0 || p->slot == ASLEEP || p->slot == LENT || pool.hand <= POOL_ZERO)
            continue;
        if (!p->looked_at) {
            freeze(p);
            most--;
        }
        p->looked_at = 0;
    }
}

/* ---- pages ---- */

static struct page *page_of(uint32_t page)
{
    return &pool.pages[page];
}

static uint32_t page_new(void)
{
    uint32_t page = pool.free_page;

    if (page != 0) {
        pool.free_page = pool.pages[page].slot;
    } else {
        page = pool.npages++;
        if (page >= pool.pages_room)
            pool.pages = more(pool.pages, &pool.pages_room, sizeof *pool.pages);
    }
    pool.pages[page] = (struct page){ .refs = 1, .slot = ASLEEP, .looked_at = 1 };
    pool.bytes += sizeof(struct page);
    return page;
}

/* The first two are not like others. */
static void begin(void)
{
    if (pool.npages != 0)
        return;
    (void)page_new();
    (void)page_new();
    pool.bytes -= 2 * sizeof(struct page);
}

uint32_t pool_new(void)
{
    uint32_t page;

    begin();
    page = page_new();
    page_of(page)->slot = slot_new();
    return page;
}

uint32_t pool_new_frozen(const uint8_t *packed, uint32_t len)
{
    struct frozen *f = pool_allocate(sizeof *f);
    uint32_t page;

    begin();
    *f = (struct frozen){ .refs = 1, .len = len, .bytes = packed };
    page = page_new();
    page_of(page)->frozen = f;
    return page;
}

uint32_t pool_lend(const uint8_t *bytes, uint32_t *note)
{
    uint32_t page;

    begin();
    page = page_new();
    page_of(page)->slot = LENT;
    page_of(page)->lender = bytes;
    page_of(page)->note = note;
    *note = page;
    return page;
}

void pool_settle(uint32_t page)
{
    struct page *p = page_of(page);
    const uint8_t *from = p->lender;

    *p->note = POOL_NONE;
    p->slot = slot_new();
    p->frozen = NULL;
    p->looked_at = 1;
    memcpy(slot_bytes(p->slot), from, PAGES_PAGE);
}

void pool_hold(uint32_t page)
{
    if (page > POOL_ZERO)
        page_of(page)->refs++;
}

void pool_drop(uint32_t page)
{
    struct page *p;

    if (page <= POOL_ZERO || --pool.pages[page].refs != 0)
        return;
    p = page_of(page);
    if (p->slot == LENT)
        *p->note = POOL_NONE;
    else
        frozen_drop(p->frozen);
    if (p->slot != ASLEEP && p->slot != LENT)
        slot_free(p->slot);
    p->frozen = NULL;
    p->slot = pool.free_page;
    pool.free_page = page;
    pool.bytes -= sizeof(struct page);
}

bool pool_alone(uint32_t page)
{
    return page > POOL_ZERO && page_of(page)->refs == 1;
}

static const uint8_t zeros[PAGES_PAGE];

const uint8_t *pool_bytes(uint32_t page)
{
    struct page *p;

    if (page <= POOL_ZERO)
        return page == POOL_NONE ? NULL : zeros;
    p = page_of(page);
    if (p->slot == LENT)
        return p->lender;
    p->looked_at = 1;
    if (p->slot == ASLEEP) {
        p->slot = slot_new();
        thaw_to(p->frozen, slot_bytes(p->slot));
    }
    return slot_bytes(p->slot);
}

uint8_t *pool_write(uint32_t page)
{
    struct page *p = page_of(page);

    invariant(pool_alone(page), "a saved page that is shared is written");
    if (p->slot == LENT)
        pool_settle(page);
    (void)pool_bytes(page);
    frozen_drop(p->frozen);
    p->frozen = NULL;
    p->hash = 0;
    return slot_bytes(p->slot);
}

const uint8_t *pool_look(uint32_t page, uint8_t *room)
{
    if (page <= POOL_ZERO)
        return pool_bytes(page);
    if (page_of(page)->slot == LENT)
        return page_of(page)->lender;
    if (page_of(page)->slot != ASLEEP)
        return slot_bytes(page_of(page)->slot);
    thaw_to(page_of(page)->frozen, room);
    return room;
}

uint64_t pool_hash(uint32_t page)
{
    uint8_t room[PAGES_PAGE];

    begin();
    if (page_of(page)->hash == 0)
        page_of(page)->hash = bytes_hash(pool_look(page, room), PAGES_PAGE, 0);
    return page_of(page)->hash;
}
