/* SPDX-License-Identifier: MIT
 * A radix tree of 64 ways. What a reference count above one protects is never written: whoever wants to write walks down from
 * the root and replaces what is shared on the way. Pages have numbers, and their counts lie together: copying a node of the
 * lowest level counts 64 pages, most of which were made one after the other (base/pages_pool.c). */
#include "base/pages.h"

#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"
#include "base/pages_pool.h"

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

uint64_t pages_memory(void)
{
    return pool_memory();
}

void pages_squeeze(uint64_t bytes, uint64_t most)
{
    pool_squeeze(bytes, most);
}

/* ---- nodes ---- */

static void leaf_unref(struct leaf *leaf)
{
    if (leaf == NULL || --leaf->refs != 0)
        return;
    for (unsigned k = 0; k < WAYS; k++)
        pool_drop(leaf->page[k]);
    pool_free(leaf, sizeof *leaf);
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
    pool_free(node, sizeof *node);
}

/* For writing: alone, whatever shares it keeps the old one. */
static struct leaf *leaf_own(struct leaf *leaf)
{
    struct leaf *own;

    if (leaf != NULL && leaf->refs == 1)
        return leaf;
    own = pool_allocate(sizeof *own);
    if (leaf != NULL)
        *own = *leaf;
    else
        memset(own, 0, sizeof *own);
    own->refs = 1;
    if (leaf == NULL)
        return own;
    leaf->refs--;
    for (unsigned k = 0; k < WAYS; k++)
        pool_hold(own->page[k]);
    return own;
}

/* Leaves and nodes both begin with their count. */
static struct pages_node *node_own(struct pages_node *node)
{
    struct pages_node *own;

    if (node != NULL && node->refs == 1)
        return node;
    own = pool_allocate(sizeof *own);
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
    return pool_bytes(find(p, at));
}

bool pages_has(const struct pages *p, uint64_t at)
{
    return find(p, at) != POOL_NONE;
}

const uint8_t *pages_look(const struct pages *p, uint64_t at, uint8_t *room)
{
    return pool_look(find(p, at), room);
}

uint32_t pages_number(const struct pages *p, uint64_t at)
{
    return find(p, at);
}

uint64_t pages_hash(const struct pages *p, uint64_t at)
{
    uint32_t page = find(p, at);

    invariant(page != POOL_NONE, "no page %llu to hash", (unsigned long long)at);
    return pool_hash(page);
}

/* What hangs there now is let go. */
static void hang(uint32_t *way, uint32_t page)
{
    const uint32_t old = *way;

    *way = page;
    pool_drop(old);
}

void pages_put(struct pages *p, uint64_t at, const uint8_t *bytes)
{
    uint8_t room[PAGES_PAGE];
    uint32_t page = find(p, at), *way;

    if (page != POOL_NONE && memcmp(pool_look(page, room), bytes, PAGES_PAGE) == 0)
        return;
    way = place(p, at);
    if (bytes_zero(bytes, PAGES_PAGE)) {
        hang(way, POOL_ZERO);
        return;
    }
    if (!pool_alone(*way))
        hang(way, pool_new());
    memcpy(pool_write(*way), bytes, PAGES_PAGE);
}

uint8_t *pages_edit(struct pages *p, uint64_t at)
{
    uint32_t *way = place(p, at);

    if (!pool_alone(*way)) {
        uint32_t own = pool_new();
        const uint8_t *old = *way == POOL_NONE ? NULL : pool_bytes(*way);

        if (old != NULL)
            memcpy(pool_write(own), old, PAGES_PAGE);
        else
            memset(pool_write(own), 0, PAGES_PAGE);
        hang(way, own);
    }
    return pool_write(*way);
}

uint32_t pages_hang(struct pages *p, uint64_t at, uint32_t page)
{
    pool_hold(page);
    hang(place(p, at), page);
    return page;
}

void pages_remove(struct pages *p, uint64_t at)
{
    uint32_t *way;

    if (find(p, at) == 0)
        return;
    way = place(p, at);
    hang(way, POOL_NONE);
}

struct walk {
    void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b);
    void (*page)(void *arg, uint64_t at, const uint8_t *bytes);
    void (*different)(void *arg, uint64_t at, uint32_t a);      /* or `differs` */
    void *arg;
    bool first_only;            /* the second one's bytes are not asked for */
};

static void compare_leaves(const struct walk *w, const struct leaf *a, const struct leaf *b, uint64_t first)
{
    uint8_t one[PAGES_PAGE], other[PAGES_PAGE];

    for (unsigned k = 0; k < WAYS; k++) {
        uint32_t x = a == NULL ? 0 : a->page[k], y = b == NULL ? 0 : b->page[k];

        if (x != y && w->different != NULL)
            w->different(w->arg, first << WAYS_SHIFT | k, x);
        else if (x != y)
            w->differs(w->arg, first << WAYS_SHIFT | k, pool_look(x, one), w->first_only ? NULL : pool_look(y, other));
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

void pages_different(const struct pages *a, const struct pages *b, void (*differs)(void *arg, uint64_t at, uint32_t a), void *arg)
{
    const struct walk w = { .different = differs, .arg = arg };

    invariant(a->levels == b->levels, "maps of different sizes are compared");
    if (a->root != b->root)
        compare(&w, a->root, b->root, a->levels - 1, 0);
}

void pages_changed(const struct pages *a, const struct pages *b, void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b),
                  void *arg)
{
    const struct walk w = { .differs = differs, .arg = arg, .first_only = true };

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
