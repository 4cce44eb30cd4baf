/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

/* What was forgotten is as good as freed. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FORBID(at, bytes)   __asan_poison_memory_region(at, bytes)
#define ALLOW(at, bytes)    __asan_unpoison_memory_region(at, bytes)
#else
#define FORBID(at, bytes)   ((void)(at), (void)(bytes))
#define ALLOW(at, bytes)    ((void)(at), (void)(bytes))
#endif

#define CHUNK_BYTES ((size_t)1 << 20)

struct arena_chunk {
    struct arena_chunk *next;
    size_t room;            /* of the bytes, which are 16-aligned */
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
        chunk->room = room;
        a->chunks = chunk;
        a->at = chunk->bytes;
        a->end = chunk->bytes + room;
    }
    piece = a->at;
    ALLOW(piece, bytes);
    a->at += bytes;
    a->used_bytes += bytes;
    return memset(piece, 0, bytes);
}

/* The first chunk stays, for who fills it anew at once. */
void arena_reset(struct arena *a)
{
    struct arena_chunk *first = a->chunks;

    size_t used;

    if (first == NULL)
        return;
    used = first->next == NULL ? (size_t)(a->at - first->bytes) : first->room;
    while (first->next != NULL) {
        struct arena_chunk *next = first->next;

        free(first);
        first = next;
    }
    FORBID(first->bytes, used);
    *a = (struct arena){ .chunks = first, .at = first->bytes, .end = first->bytes + first->room };
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    if (a->chunks != NULL)
        ALLOW(a->chunks->bytes, a->chunks->room);
    free(a->chunks);
    *a = (struct arena){ 0 };
}
