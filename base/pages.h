/* SPDX-License-Identifier: MIT
 * A map from page number to a 4 KiB page, of which copies are free: copies share pages and the tree above them by reference
 * counts, and a write to a shared page makes one of its own. Two maps that have a common past are compared by identity, so
 * the cost is that of what differs. All maps of the process share their pool, so one thread has them all. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGES_PAGE 4096u

struct pages_node;

struct pages {
    struct pages_node *root;    /* NULL: no page */
    unsigned levels;
};

void pages_init(struct pages *p, uint64_t limit);               /* page numbers are below `limit` */
void pages_drop(struct pages *p);                               /* leaves an empty map */
void pages_copy(struct pages *to, const struct pages *from);    /* `to` is dropped first */

const uint8_t *pages_get(const struct pages *p, uint64_t at);   /* NULL: no such page */
uint64_t       pages_hash(const struct pages *p, uint64_t at);  /* of an existing page's bytes; calculated once */

/* Make the page hold these bytes. All zeros take no memory but are a page nevertheless. */
void     pages_put(struct pages *p, uint64_t at, const uint8_t *bytes);
uint8_t *pages_edit(struct pages *p, uint64_t at);              /* for writing now; new pages are zero */
void     pages_remove(struct pages *p, uint64_t at);

/* In ascending order. */
void pages_each(const struct pages *p, void (*page)(void *arg, uint64_t at, const uint8_t *bytes), void *arg);
/* Pages that only one of two maps of one size has (the other is NULL) or that do not share their bytes, ascending. */
void pages_compare(const struct pages *a, const struct pages *b,
                   void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b), void *arg);

uint64_t pages_memory(void);    /* bytes that all pages and trees of this process take now */

#endif
