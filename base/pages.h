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

const uint8_t *pages_get(const struct pages *p, uint64_t at);   /* NULL: no such page; good until a write to it or pages_squeeze() */
bool           pages_has(const struct pages *p, uint64_t at);
/* To be looked at once: in `room` if it lies packed. */
const uint8_t *pages_look(const struct pages *p, uint64_t at, uint8_t *room);
uint64_t       pages_hash(const struct pages *p, uint64_t at);  /* of an existing page's bytes; calculated once */

/* Make the page hold these bytes. All zeros take no memory but are a page nevertheless. */
void     pages_put(struct pages *p, uint64_t at, const uint8_t *bytes);
uint8_t *pages_edit(struct pages *p, uint64_t at);              /* for writing now; new pages are zero */
/* A page of the pool (base/pages_pool.h), which may hang in many places. Returns it. */
uint32_t pages_hang(struct pages *p, uint64_t at, uint32_t page);
void     pages_remove(struct pages *p, uint64_t at);

/* In ascending order. */
void pages_each(const struct pages *p, void (*page)(void *arg, uint64_t at, const uint8_t *bytes), void *arg);
/* Pages that only one of two maps of one size has (the other is NULL) or that do not share their bytes, ascending. */
void pages_compare(const struct pages *a, const struct pages *b,
                   void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b), void *arg);

/* The same, by the pages' numbers (base/pages_pool.h): for those who may not need the bytes. */
void pages_different(const struct pages *a, const struct pages *b, void (*differs)(void *arg, uint64_t at, uint32_t a), void *arg);
uint32_t pages_number(const struct pages *p, uint64_t at);

/* The same, but the bytes of the second are not to be used. */
void pages_changed(const struct pages *a, const struct pages *b, void (*differs)(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b),
                  void *arg);

/* Packs pages that were not asked for lately, and keeps equal ones once, until all take no more than so many bytes, if that is possible
 * with so many pages. */
void     pages_squeeze(uint64_t bytes, uint64_t most);
uint64_t pages_memory(void);    /* bytes that all pages and trees of this process take now */

#endif
