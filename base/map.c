/* SPDX-License-Identifier: MIT
 * Open addressing over indices into an insertion-ordered array; removed entries stay as tombstones until a rebuild. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

static size_t slot_of(const struct map *m, uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u;

    return (size_t)(h >> 20) & (m->nslots - 1);
}

static uint32_t *find_slot(const struct map *m, uint64_t key)
{
    size_t at = slot_of(m, key);

    while (m->slots[at] != 0 && m->entries[m->slots[at] - 1].key != key)
        at = (at + 1) & (m->nslots - 1);
    return &m->slots[at];
}

void *map_get(const struct map *m, uint64_t key)
{
    uint32_t index;

    if (m->nslots == 0)
        return NULL;
    index = *find_slot(m, key);
    return index == 0 ? NULL : m->entries[index - 1].value;
}

/* Room for twice the live entries, tombstones dropped, order kept. */
static void rebuild(struct map *m)
{
    size_t nslots = 16, used = 0;
    struct map_entry *entries;

    while (nslots < m->live * 4 + 4)
        nslots *= 2;
    entries = calloc(nslots / 2, sizeof *entries);
    free(m->slots);
    m->slots = calloc(nslots, sizeof *m->slots);
    invariant(entries != NULL && m->slots != NULL, "out of memory for a map of %zu", nslots);
    m->nslots = nslots;
    for (size_t k = 0; k < m->used; k++)
        if (m->entries[k].value != NULL)
            entries[used++] = m->entries[k];
    free(m->entries);
    m->entries = entries;
    m->used = used;
    for (size_t k = 0; k < used; k++)
        *find_slot(m, entries[k].key) = (uint32_t)k + 1;
}

void map_put(struct map *m, uint64_t key, void *value)
{
    uint32_t *slot;

    if (m->nslots == 0 || m->used == m->nslots / 2)
        rebuild(m);
    slot = find_slot(m, key);
    if (*slot == 0) {
        if (value == NULL)
            return;
        m->entries[m->used] = (struct map_entry){ key, value };
        *slot = (uint32_t)++m->used;
        m->live++;
        return;
    }
    m->live += (value != NULL) - (m->entries[*slot - 1].value != NULL);
    m->entries[*slot - 1].value = value;
}

void map_clear(struct map *m)
{
    free(m->entries);
    free(m->slots);
    *m = (struct map){ 0 };
}
