/* SPDX-License-Identifier: MIT
 * A hash map from uint64_t to pointer. Iteration runs in insertion order, so that order never depends on addresses. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    uint64_t key;
    void *value;        /* NULL: removed */
};

struct map {
    struct map_entry *entries;   /* in insertion order */
    uint32_t *slots;             /* index + 1 into entries, 0: free */
    size_t used, live, nslots;
};

void  *map_get(const struct map *m, uint64_t key);
void   map_put(struct map *m, uint64_t key, void *value);      /* value NULL removes */
void   map_clear(struct map *m);

#define MAP_EACH(m, e) \
    for (struct map_entry *e = (m)->entries; e != NULL && e < (m)->entries + (m)->used; e++) if (e->value)

#endif
