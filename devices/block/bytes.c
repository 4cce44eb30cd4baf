/* SPDX-License-Identifier: MIT
 * A disk that lies in memory and is only read: an image out of a recording. */
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "devices/block/block.h"

struct bytes_disk {
    struct block block;
    const uint8_t *bytes;
};

static struct err bytes_read(struct block *b, uint64_t at, void *to, size_t len)
{
    memcpy(to, ((struct bytes_disk *)b)->bytes + at, len);
    return OK;
}

static struct err bytes_write(struct block *b UNUSED, uint64_t at UNUSED, const void *from UNUSED, size_t len UNUSED)
{
    return err_make(ERR_USAGE, "cannot write to a disk image in a recording");
}

static struct err bytes_flush(struct block *b UNUSED)
{
    return OK;
}

static void bytes_close(struct block *b)
{
    free(b);
}

static const struct block_ops bytes_ops = { .read = bytes_read, .write = bytes_write, .flush = bytes_flush, .close = bytes_close };

struct err block_open_bytes(struct block **out, const uint8_t *bytes, uint64_t size)
{
    struct bytes_disk *d = malloc(sizeof *d);

    if (d == NULL)
        return err_make(ERR_MEMORY, "no memory for a disk");
    *d = (struct bytes_disk){ .block = { .ops = &bytes_ops, .size = size / BLOCK_SECTOR * BLOCK_SECTOR, .readonly = true },
                              .bytes = bytes };
    *out = &d->block;
    return OK;
}
