/* SPDX-License-Identifier: MIT
 * Unaligned little-endian loads and stores, and a bounded reader and a growing writer over bytes. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attrs.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Partita runs on little-endian hosts"
#endif

#define BYTES_LOAD(bits)                                              \
    static inline uint##bits##_t load##bits(const void *at)           \
    {                                                                 \
        uint##bits##_t v;                                             \
        memcpy(&v, at, sizeof v);                                     \
        return v;                                                     \
    }                                                                 \
    static inline void store##bits(void *at, uint##bits##_t v)        \
    {                                                                 \
        memcpy(at, &v, sizeof v);                                     \
    }
BYTES_LOAD(8)
BYTES_LOAD(16)
BYTES_LOAD(32)
BYTES_LOAD(64)
#undef BYTES_LOAD

/* Load or store 1, 2, 4 or 8 bytes, zero-extended. */
static inline uint64_t load_bytes(const void *at, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, at, bytes);
    return v;
}

static inline void store_bytes(void *at, unsigned bytes, uint64_t v)
{
    memcpy(at, &v, bytes);
}

/* A reader never runs past its end: it returns zeros and remembers that it failed. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

struct reader reader_of(const void *bytes, size_t len);
uint64_t reader_uint(struct reader *r, unsigned bytes);       /* little-endian, 1..8 bytes */
void     reader_copy(struct reader *r, void *to, size_t len);
uint64_t reader_varint(struct reader *r);                     /* seven bits a byte, the lowest first */
bool     reader_done(const struct reader *r);                 /* all consumed, nothing failed */

/* A writer grows its buffer; free with writer_free. Out of memory is an invariant. */
struct writer {
    uint8_t *bytes;
    size_t len, room;
};

void writer_uint(struct writer *w, unsigned bytes, uint64_t v);
void writer_varint(struct writer *w, uint64_t v);
void writer_copy(struct writer *w, const void *from, size_t len);
void writer_print(struct writer *w, const char *format, ...) PRINTF_LIKE(2, 3);     /* the text, without a zero behind it */
void writer_free(struct writer *w);

bool bytes_zero(const void *bytes, size_t len);     /* are all of them zero? */

/* A fast 64-bit hash of `len` bytes, the same on every host; chain with `seed`. */
uint64_t bytes_hash(const void *bytes, size_t len, uint64_t seed);

#endif
