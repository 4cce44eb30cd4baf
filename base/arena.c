/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

#define CHUNK_BYTES ((size_t)1 << 20)

struct arena_chunk {
    struct arena_chunk *next;
    size_t pad;             /* keeps the bytes 16-aligned */
    uint8_t bytes[];
};

void *arena_alloc(struct arena *a, size_t bytes)
{
    void *piece;

    bytes = (bytes + 15) & ~(size_t)15;
    if ((size_t)(a->end - a->at) < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct arena_chunk *chunk = malloc(sizeof *chunk + room);

        invariant(chunk != NULL, "out of memory for %zu bytes", room);
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->at = chunk->bytes;
        a->end = chunk->bytes + room;
    }
    piece = a->at;
    a->at += bytes;
    a->used_bytes += bytes;
    return memset(piece, 0, bytes);
}

void arena_reset(struct arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    *a = (struct arena){ 0 };
}
