/* SPDX-License-Identifier: MIT
 * A raw image: byte n of the file is byte n of the disk. Writes go to the file at once; flush is fsync. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "devices/block/block.h"

struct raw {
    struct block block;
    struct file *file;
};

static struct err raw_read(struct block *b, uint64_t at, void *to, size_t len)
{
    return file_read_at(((struct raw *)b)->file, at, to, len);
}

static struct err raw_write(struct block *b, uint64_t at, const void *from, size_t len)
{
    return file_write_at(((struct raw *)b)->file, at, from, len);
}

static struct err raw_flush(struct block *b)
{
    return b->readonly ? OK : file_flush(((struct raw *)b)->file);
}

static void raw_close(struct block *b)
{
    file_close(((struct raw *)b)->file);
    free(b);
}

static const struct block_ops raw_ops = { .read = raw_read, .write = raw_write, .flush = raw_flush, .close = raw_close };

struct err block_open_raw(struct block **out, const char *path, bool readonly)
{
    struct file *file;
    struct raw *raw;
    uint64_t size;

    TRY(file_open(&file, path, readonly ? FILE_READ : FILE_READ_WRITE));
    size = file_size(file) / BLOCK_SECTOR * BLOCK_SECTOR;
    if (size == 0) {
        uint64_t bytes = file_size(file);

        file_close(file);
        return err_make(ERR_FORMAT, "the disk image '%s' has %" PRIu64 " bytes, less than one sector of 512", path, bytes);
    }
    if (size != file_size(file))
        log_at(LOG_DEV, LOG_WARN, "the last %" PRIu64 " bytes of the disk image '%s' are no whole sector and stay unseen",
               file_size(file) - size, path);
    raw = malloc(sizeof *raw);
    if (raw == NULL) {
        file_close(file);
        return err_make(ERR_MEMORY, "no memory to open the disk image '%s'", path);
    }
    *raw = (struct raw){ .block = { .ops = &raw_ops, .size = size, .readonly = readonly }, .file = file };
    *out = &raw->block;
    return OK;
}
