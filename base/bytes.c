/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
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

/* More than ten bytes, or bits beyond the 64th, are no number. */
uint64_t reader_varint(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = reader_uint(r, 1);

        if (shift == 63 && byte > 1)
            break;
        v |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    r->failed = true;
    return 0;
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

void writer_varint(struct writer *w, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        writer_uint(w, 1, v | 0x80);
    writer_uint(w, 1, v);
}

void writer_print(struct writer *w, const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = malloc((size_t)n + 1);
    invariant(n >= 0 && text != NULL, "out of memory for a text");
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    writer_copy(w, text, (size_t)n);
    free(text);
}

void writer_free(struct writer *w)
{
    free(w->bytes);
    *w = (struct writer){ 0 };
}

bool bytes_zero(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
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
