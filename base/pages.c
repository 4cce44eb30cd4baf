/* SPDX-License-Identifier: MIT
 * A radix tree of 64 ways. What a reference count above one protects is never written: whoever wants to write walks down from
 * the root and replaces what is shared on the way. Pages have numbers, and their counts lie together: copying a node of the
 * lowest level counts 64 pages, most of which were made one after the other. */
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/invariant.h"

#ifndef MAP_POPULATE
#define MAP_POPULATE 0
#endif

#define WAYS_SHIFT 6
#define WAYS       (1u << WAYS_SHIFT)

struct leaf {
    uint32_t refs;
    uint32_t page[WAYS];        /* numbers of pages, 0: none */
};

struct pages_node {
    uint32_t refs;
    void *way[WAYS];            /* nodes, or leaves in the lowest level but one; NULL: nothing there */
};

/* ---- the pages of this process ---- */

#define SLAB_SHIFT 6
#define SLAB_PAGES (1u << SLAB_SHIFT)
#define SLAB_BYTES ((size_t)SLAB_PAGES * PAGES_PAGE)
#define ZERO_PAGE  1u           /* stands for all pages of zeros; is never freed, its count means "shared" */

static struct {
    uint8_t **slabs;
    uint32_t *refs;             /* of a free page: the next free one */
    uint64_t *hash;             /* 0: not known */
    uint32_t nslabs, room, next, free, live;
} pool = { .next = ZERO_PAGE + 1 };

static uint64_t node_bytes;

uint64_t pages_memory(void)
{
    return (uint64_t)pool.live * PAGES_PAGE + node_bytes;
}

static uint8_t *bytes_of(uint32_t page)
{
    return pool.slabs[page >> SLAB_SHIFT] + (size_t)(page & (SLAB_PAGES - 1)) * PAGES_PAGE;
}

static void pool_make_room(void)
{
    uint32_t n = pool.room == 0 ? 64 : pool.room * 2;

    pool.slabs = realloc(pool.slabs, n * sizeof(uint8_t *));
    pool.refs = realloc(pool.refs, (size_t)n * SLAB_PAGES * sizeof(uint32_t));
    pool.hash = realloc(pool.hash, (size_t)n * SLAB_PAGES * sizeof(uint64_t));
    invariant(pool.slabs != NULL && pool.refs != NULL && pool.hash != NULL, "out of memory for saved pages: %u are kept", pool.live);
    pool.room = n;
}

/* A slab is filled soon, and one call for all of it is half as dear as a fault for each page. */
static void pool_grow(void)
{
    uint8_t *slab = mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    invariant(slab != MAP_FAILED, "out of memory for saved pages: %u are kept", pool.live);
    if (pool.nslabs == pool.room)
        pool_make_room();
    pool.slabs[pool.nslabs++] = slab;
    if (pool.nslabs == 1) {
        pool.hash[ZERO_PAGE] = 0;
        pool.refs[ZERO_PAGE] = 2;
    }
}

static uint32_t page_new(void)
{
    uint32_t page = pool.free;

    if (page != 0) {
        pool.free = pool.refs[page];
    } else {
        page = pool.next++;
        if (page >> SLAB_SHIFT >= pool.nslabs)
            pool_grow();
    }
    pool.refs[page] = 1;
    pool.hash[page] = 0;
    pool.live++;
    return page;
}

static void page_unref(uint32_t page)
{
    if (page <= ZERO_PAGE || --pool.refs[page] != 0)
        return;
    pool.refs[page] = pool.free;
    pool.free = page;
    pool.live--;
}

static const uint8_t *page_bytes(uint32_t page)
{
    return page == 0 ? NULL : bytes_of(page);
}

/* ---- nodes ---- */

static void *node_allocate(size_t bytes)
{
    void *at = malloc(bytes);

    invariant(at != NULL, "out of memory for saved pages: %u are kept", pool.live);
    node_bytes += bytes;
    return at;
}

static void node_free(void *at, size_t bytes)
{
    node_bytes -= bytes;
    free(at);
}

static void leaf_unref(struct leaf *leaf)
{
    if (leaf == NULL || --leaf->refs != 0)
        return;
    for (unsigned k = 0; k < WAYS; k++)
        page_unref(leaf->page[k]);
    node_free(leaf, sizeof *leaf);
}

/* `level` 0 are leaves. */
static void unref(void *at, unsigned level)
{
    struct pages_node *node = at;

    if (level == 0) {
        leaf_unref(at);
        return;
    }
    if (node == NULL || --node->refs != 0)
        return;
    for (unsigned k = 0; k < WAYS; k++)
        unref(node->way[k], level - 1);
    node_free(node, sizeof *node);
}

/* For writing: alone, whatever shares it keeps the old one. */
static struct leaf *leaf_own(struct leaf *leaf)
{
    struct leaf *own;

    if (leaf != NULL && leaf->refs == 1)
        return leaf;
    own = node_allocate(sizeof *own);
    if (leaf != NULL)
        *own = *leaf;
    else
        memset(own, 0, sizeof *own);
    own->refs = 1;
    if (leaf == NULL)
        return own;
    leaf->refs--;
    for (unsigned k = 0; k < WAYS; k++)
        if (own->page[k] > ZERO_PAGE)
            pool.refs[own->page[k]]++;
    return own;
}

/* Leaves and nodes both begin with their count. */
static struct pages_node *node_own(struct pages_node *node)
{
    struct pages_node *own;

    if (node != NULL && node->refs == 1)
        return node;
    own = node_allocate(sizeof *own);
    if (node != NULL)
        *own = *node;
    else
        memset(own, 0, sizeof *own);
    own->refs = 1;
    if (node == NULL)
        return own;
    node->refs--;
    for (unsigned k = 0; k < WAYS; k++)
        if (own->way[k] != NULL)
            ++*(uint32_t *)own->way[k];
    return own;
}

/* ---- maps ---- */

void pages_init(struct pages *p, uint64_t limit)
{
    *p = (struct pages){ .levels = 2 };
    while (p->levels * WAYS_SHIFT < 60 && limit > (uint64_t)1 << (p->levels * WAYS_SHIFT))
        p->levels++;
}

void pages_drop(struct pages *p)
{
    unref(p->root, p->levels - 1);
    p->root = NULL;
}

void pages_copy(struct pages *to, const struct pages *from)
{
    struct pages_node *old = to->root;
    unsigned levels = to->levels;

    if (from->root != NULL)
        from->root->refs++;
    *to = *from;
    if (old != NULL)
        unref(old, levels - 1);
}

static unsigned way_of(uint64_t at, unsigned level)
{
    return (unsigned)(at >> (level * WAYS_SHIFT)) & (WAYS - 1);
}

static uint32_t find(const struct pages *p, uint64_t at)
{
    const void *node = p->root;

    for (unsigned level = p->levels - 1; node != NULL && level > 0; level--)
        node = ((const struct pages_node *)node)->way[way_of(at, level)];
    return node == NULL ? 0 : ((const struct leaf *)node)->page[way_of(at, 0)];
}

/* Where the page hangs, in a tree that is this map's own down to there. */
static uint32_t *place(struct pages *p, uint64_t at)
{
    struct pages_node *node = p->root = node_own(p->root);
    void **way = &node->way[way_of(at, p->levels - 1)];
    struct leaf *leaf;

    for (unsigned level = p->levels - 2; level > 0; level--) {
        node = *way = node_own(*way);
        way = &node->way[way_of(at, level)];
    }
    leaf = *way = leaf_own(*way);
    return &leaf->page[way_of(at, 0)];
}

const uint8_t *pages_get(const struct pages *p, uint64_t at)
{
    return page_bytes(find(p, at));
}

uint64_t pages_hash(const struct pages *p, uint64_t at)
{
    uint32_t page = find(p, at);

    invariant(page != 0, "no page %llu to hash", (unsigned long long)at);
    if (pool.hash[page] == 0)
        pool.hash[page] = bytes_hash(bytes_of(page), PAGES_PAGE, 0);
    return pool.hash[page];
}

void pages_put(struct pages *p, uint64_t at, const uint8_t *bytes)
{
    uint32_t page = find(p, at), *way;

    if (page != 0 && memcmp(bytes_of(page), bytes, PAGES_PAGE) == 0)
        return;
    way = place(p, at);
    if (bytes_zero(bytes, PAGES_PAGE)) {
        page_unref(*way);
        if (pool.nslabs == 0)
            pool_grow();
        *way = ZERO_PAGE;
        return;
    }
    if (*way == 0 || pool.refs[*way] > 1) {
        page_unref(*way);
        *way = page_new();
    }
    memcpy(bytes_of(*way), bytes, PAGES_PAGE);
    pool.hash[*way] = 0;
}

uint8_t *pages_edit(struct pages *p, uint64_t at)
{
    uint32_t *way = place(p, at);

    if (*way == 0 || pool.refs[*way] > 1) {
        uint32_t own = page_new();

        if (*way != 0)
            memcpy(bytes_of(own), bytes_of(*way), PAGES_PAGE);
        else
            memset(bytes_of(own), 0, PAGES_PAGE);
        page_unref(*way);
        *way = own;
    }
    pool.hash[*way] = 0;
    return bytes_of(*way);
}

void pages_remove(struct pages *p, uint64_t at)
{
    uint32_t *way;

    if (find(p, at) == 0)
        return;
    way = place(p, at);
    page_unref(*way);
    *way = 0;
}

struct walk {
    void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b);
    void (*page)(void *arg, uint64_t at, const uint8_t *bytes);
    void *arg;
};

static void compare_leaves(const struct walk *w, const struct leaf *a, const struct leaf *b, uint64_t first)
{
    for (unsigned k = 0; k < WAYS; k++) {
        uint32_t x = a == NULL ? 0 : a->page[k], y = b == NULL ? 0 : b->page[k];

        if (x != y)
            w->differs(w->arg, first << WAYS_SHIFT | k, page_bytes(x), page_bytes(y));
    }
}

/* Nodes that are the same one differ nowhere below. */
static void compare(const struct walk *w, const void *a, const void *b, unsigned level, uint64_t first)
{
    const struct pages_node *m = a, *n = b;

    if (level == 0) {
        compare_leaves(w, a, b, first);
        return;
    }
    for (unsigned k = 0; k < WAYS; k++) {
        const void *x = m == NULL ? NULL : m->way[k], *y = n == NULL ? NULL : n->way[k];

        if (x != y)
            compare(w, x, y, level - 1, first << WAYS_SHIFT | k);
    }
}

void pages_compare(const struct pages *a, const struct pages *b,
                   void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b), void *arg)
{
    const struct walk w = { .differs = differs, .arg = arg };

    invariant(a->levels == b->levels, "maps of different sizes are compared");
    if (a->root != b->root)
        compare(&w, a->root, b->root, a->levels - 1, 0);
}

static void only_one(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b)
{
    const struct walk *w = arg;

    (void)b;
    w->page(w->arg, at, a);
}

void pages_each(const struct pages *p, void (*page)(void *arg, uint64_t at, const uint8_t *bytes), void *arg)
{
    const struct pages nothing = { .levels = p->levels };
    struct walk w = { .page = page, .arg = arg };

    pages_compare(p, &nothing, only_one, &w);
}
