/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdlib.h>

#include "base/invariant.h"

struct reader reader_of(const void *bytes, size_t len)
{
    return (struct reader){ .at = bytes, .end = (const uint8_t *)bytes + len };
}

void reader_copy(struct reader *r, void *to, size_t len)
{
    if ((size_t)(r->end - r->at) < len) {
        r->failed = true;
        r->at = r->end;
        memset(to, 0, len);
        return;
    }
    if (len != 0)
        memcpy(to, r->at, len);
    r->at += len;
}

uint64_t reader_uint(struct reader *r, unsigned bytes)
{
    uint64_t v = 0;

    reader_copy(r, &v, bytes);
    return v;
}

bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}

void writer_copy(struct writer *w, const void *from, size_t len)
{
    if (w->room - w->len < len) {
        size_t room = (w->room + len) * 2;

        w->bytes = realloc(w->bytes, room);
        invariant(w->bytes != NULL, "out of memory for %zu bytes", room);
        w->room = room;
    }
    if (len != 0)
        memcpy(w->bytes + w->len, from, len);
    w->len += len;
}

void writer_uint(struct writer *w, unsigned bytes, uint64_t v)
{
    writer_copy(w, &v, bytes);
}

void writer_free(struct writer *w)
{
    free(w->bytes);
    *w = (struct writer){ 0 };
}

/* Multiply and fold: the 128-bit product's halves xor-ed mix every input bit into every output bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define HASH_K0 0x9e3779b97f4a7c15u     /* odd constants with balanced bits: golden ratio, and two digit strings of pi */
#define HASH_K1 0x243f6a8885a308d3u
#define HASH_K2 0x13198a2e03707345u

uint64_t bytes_hash(const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *at = bytes;
    uint64_t a = seed ^ HASH_K0, b = seed ^ HASH_K1;
    size_t left = len;

    for (; left >= 16; left -= 16, at += 16) {
        a = fold(a ^ load64(at), HASH_K1);
        b = fold(b ^ load64(at + 8), HASH_K2);
    }
    if (left > 8) {
        a = fold(a ^ load64(at), HASH_K1);
        b = fold(b ^ load_bytes(at + 8, (unsigned)left - 8), HASH_K2);
    } else if (left > 0) {
        a = fold(a ^ load_bytes(at, (unsigned)left), HASH_K2);
    }
    return fold(a ^ HASH_K2, b ^ fold(len ^ HASH_K0, HASH_K1));
}
