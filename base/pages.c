/* SPDX-License-Identifier: MIT
 * A radix tree of 64 ways. What a reference count above one protects is never written: whoever wants to write walks down from
 * the root and replaces what is shared on the way. */
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"

#define WAYS_SHIFT 6
#define WAYS       (1u << WAYS_SHIFT)

struct page {
    uint32_t refs;
    uint32_t hashed;
    uint64_t hash;              /* of the bytes, when `hashed` */
    uint8_t bytes[PAGES_PAGE];
};

struct pages_node {
    uint32_t refs;
    void *way[WAYS];            /* nodes, or pages in the lowest level; NULL: nothing there */
};

static struct page zero_page = { .refs = 1 };      /* stands for all pages of zeros; this first reference is never given up */
static uint64_t memory;

uint64_t pages_memory(void) { return memory; }

static void *allocate(size_t bytes)
{
    void *at = malloc(bytes);

    invariant(at != NULL, "out of memory for saved pages: %llu bytes are kept", (unsigned long long)memory);
    memory += bytes;
    return at;
}

static void release(void *at, size_t bytes)
{
    memory -= bytes;
    free(at);
}

static void page_unref(struct page *page)
{
    if (page != NULL && --page->refs == 0)
        release(page, sizeof *page);
}

static void node_unref(struct pages_node *node, unsigned level)
{
    if (node == NULL || --node->refs != 0)
        return;
    for (unsigned k = 0; k < WAYS; k++)
        if (level > 0)
            node_unref(node->way[k], level - 1);
        else
            page_unref(node->way[k]);
    release(node, sizeof *node);
}

static struct pages_node *node_new(void)
{
    struct pages_node *node = allocate(sizeof *node);

    memset(node, 0, sizeof *node);
    node->refs = 1;
    return node;
}

/* The node for writing: alone, whatever shares it keeps the old one. */
static struct pages_node *node_own(struct pages_node *node, unsigned level)
{
    struct pages_node *own;

    if (node == NULL)
        return node_new();
    if (node->refs == 1)
        return node;
    own = allocate(sizeof *own);
    *own = *node;
    own->refs = 1;
    node->refs--;
    for (unsigned k = 0; k < WAYS; k++)
        if (own->way[k] != NULL && level > 0)
            ((struct pages_node *)own->way[k])->refs++;
        else if (own->way[k] != NULL)
            ((struct page *)own->way[k])->refs++;
    return own;
}

void pages_init(struct pages *p, uint64_t limit)
{
    *p = (struct pages){ .levels = 1 };
    while (p->levels * WAYS_SHIFT < 64 && limit > (uint64_t)1 << (p->levels * WAYS_SHIFT))
        p->levels++;
}

void pages_drop(struct pages *p)
{
    node_unref(p->root, p->levels - 1);
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
        node_unref(old, levels - 1);
}

static unsigned way_of(uint64_t at, unsigned level)
{
    return (unsigned)(at >> (level * WAYS_SHIFT)) & (WAYS - 1);
}

static struct page *find(const struct pages *p, uint64_t at)
{
    const struct pages_node *node = p->root;

    for (unsigned level = p->levels - 1; node != NULL && level > 0; level--)
        node = node->way[way_of(at, level)];
    return node == NULL ? NULL : node->way[way_of(at, 0)];
}

/* Where the page hangs, in a tree that is this map's own down to there. */
static struct page **place(struct pages *p, uint64_t at)
{
    struct pages_node *node = p->root = node_own(p->root, p->levels - 1);

    for (unsigned level = p->levels - 1; level > 0; level--) {
        void **way = &node->way[way_of(at, level)];

        node = *way = node_own(*way, level - 1);
    }
    return (struct page **)(void *)&node->way[way_of(at, 0)];
}

const uint8_t *pages_get(const struct pages *p, uint64_t at)
{
    const struct page *page = find(p, at);

    return page == NULL ? NULL : page->bytes;
}

uint64_t pages_hash(const struct pages *p, uint64_t at)
{
    struct page *page = find(p, at);

    invariant(page != NULL, "no page %llu to hash", (unsigned long long)at);
    if (!page->hashed) {
        page->hash = bytes_hash(page->bytes, PAGES_PAGE, 0);
        page->hashed = 1;
    }
    return page->hash;
}

static struct page *page_new(void)
{
    struct page *page = allocate(sizeof *page);

    page->refs = 1;
    page->hashed = 0;
    return page;
}

void pages_put(struct pages *p, uint64_t at, const uint8_t *bytes)
{
    struct page **way, *page = find(p, at);

    if (page != NULL && memcmp(page->bytes, bytes, PAGES_PAGE) == 0)
        return;
    way = place(p, at);
    if (memcmp(bytes, zero_page.bytes, PAGES_PAGE) == 0) {
        page_unref(*way);
        *way = &zero_page;
        zero_page.refs++;
        return;
    }
    if (*way == NULL || (*way)->refs > 1) {
        page_unref(*way);
        *way = page_new();
    }
    memcpy((*way)->bytes, bytes, PAGES_PAGE);
    (*way)->hashed = 0;
}

uint8_t *pages_edit(struct pages *p, uint64_t at)
{
    struct page **way = place(p, at);

    if (*way == NULL || (*way)->refs > 1) {
        struct page *own = page_new();

        memcpy(own->bytes, *way != NULL ? (*way)->bytes : zero_page.bytes, PAGES_PAGE);
        page_unref(*way);
        *way = own;
    }
    (*way)->hashed = 0;
    return (*way)->bytes;
}

void pages_remove(struct pages *p, uint64_t at)
{
    struct page **way;

    if (find(p, at) == NULL)
        return;
    way = place(p, at);
    page_unref(*way);
    *way = NULL;
}

struct walk {
    void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b);
    void (*page)(void *arg, uint64_t at, const uint8_t *bytes);
    void *arg;
};

/* Nodes that are the same one differ nowhere below. */
static void compare(const struct walk *w, const struct pages_node *a, const struct pages_node *b, unsigned level, uint64_t first)
{
    for (unsigned k = 0; k < WAYS; k++) {
        const void *x = a == NULL ? NULL : a->way[k], *y = b == NULL ? NULL : b->way[k];
        uint64_t at = first << WAYS_SHIFT | k;

        if (x == y)
            continue;
        if (level > 0)
            compare(w, x, y, level - 1, at);
        else
            w->differs(w->arg, at, x == NULL ? NULL : ((const struct page *)x)->bytes,
                       y == NULL ? NULL : ((const struct page *)y)->bytes);
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
