/* SPDX-License-Identifier: MIT
 * Bounds and rights are checked here once, so that implementations see only accesses they can serve. */
#include "devices/block/block.h"

#include <inttypes.h>

struct err block_open(struct block **out, const char *path, bool readonly, bool snapshot)
{
    struct block *raw;

    TRY(block_open_raw(&raw, path, readonly || snapshot));
    if (readonly || !snapshot) {
        *out = raw;
        return OK;
    }
    return block_open_overlay(out, raw);
}

static struct err check(const struct block *b, const char *verb, uint64_t at, size_t len)
{
    if (at > b->size || len > b->size - at)
        return err_make(ERR_USAGE, "cannot %s %zu bytes at %" PRIu64 ": the disk ends at %" PRIu64, verb, len, at, b->size);
    return OK;
}

struct err block_read(struct block *b, uint64_t at, void *to, size_t len)
{
    TRY(check(b, "read", at, len));
    return b->ops->read(b, at, to, len);
}

struct err block_write(struct block *b, uint64_t at, const void *from, size_t len)
{
    if (b->readonly)
        return err_make(ERR_USAGE, "cannot write to a read-only disk");
    TRY(check(b, "write", at, len));
    return b->ops->write(b, at, from, len);
}

struct err block_flush(struct block *b)
{
    return b->ops->flush(b);
}

void block_close(struct block *b)
{
    if (b != NULL)
        b->ops->close(b);
}

/* The size goes along, so that a snapshot taken with another disk is refused with a sentence. */
void block_save(struct block *b, struct writer *out)
{
    writer_uint(out, 8, b == NULL ? 0 : b->size);
}

struct err block_load(struct block *b, struct reader *in)
{
    uint64_t size = reader_uint(in, 8), have = b == NULL ? 0 : b->size;

    if (in->failed || size != have)
        return err_make(ERR_FORMAT, "the snapshot was taken with a disk of %" PRIu64 " bytes, this one has %" PRIu64,
                        size, have);
    return OK;
}

bool block_backing(struct block *b, struct backing *out)
{
    if (b == NULL || b->ops->written == NULL)
        return false;
    *out = (struct backing){ .pages = b->ops->written(b), .limit = (b->size + PAGES_PAGE - 1) / PAGES_PAGE };
    return true;
}

uint64_t block_hash(struct block *b, uint64_t seed)
{
    if (b == NULL)
        return seed;
    seed = bytes_hash(&b->size, sizeof b->size, seed);
    return b->ops->hash != NULL ? b->ops->hash(b, seed) : seed;
}
