/* SPDX-License-Identifier: MIT
 * A bump allocator: many small pieces, freed all at once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    uint8_t *at, *end;
    size_t used_bytes;
};

void *arena_alloc(struct arena *a, size_t bytes);   /* zeroed, aligned to 16; never NULL */
void  arena_reset(struct arena *a);                 /* forgets all; may be filled again */
void  arena_free(struct arena *a);                  /* the same, and frees its memory */

#endif
