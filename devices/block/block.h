/* SPDX-License-Identifier: MIT
 * One interface to disk images behind IDE, floppy and SCSI. A block device is an array of bytes whose length is a multiple
 * of 512; calls are synchronous, and whoever calls decides on a virtual deadline when the guest sees the result. */
#ifndef DEVICES_BLOCK_BLOCK_H
#define DEVICES_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/pages.h"
#include "core/device.h"

#define BLOCK_SECTOR 512u

struct block;

struct block_ops {
    struct err (*read)(struct block *b, uint64_t at, void *to, size_t len);
    struct err (*write)(struct block *b, uint64_t at, const void *from, size_t len);
    struct err (*flush)(struct block *b);
    void       (*close)(struct block *b);
    /* Contents that live in this process only and so belong to the machine's state; both or none. */
    struct pages *(*written)(struct block *b);
    uint64_t   (*hash)(struct block *b, uint64_t seed);
};

/* First member of every implementation. */
struct block {
    const struct block_ops *ops;
    uint64_t size;          /* bytes */
    bool readonly;          /* writes fail */
};

/* The one call most users need: a raw image, written in place, or with `snapshot` kept as it is under an overlay. */
struct err block_open(struct block **out, const char *path, bool readonly, bool snapshot) MUST_USE;

struct err block_open_raw(struct block **out, const char *path, bool readonly) MUST_USE;
/* Takes over `base`, which is never written. */
struct err block_open_overlay(struct block **out, struct block *base) MUST_USE;
/* A disk of zeros in memory, for tests and for scratch disks: an overlay over nothing. */
struct err block_open_memory(struct block **out, uint64_t size) MUST_USE;

/* Read-only; the bytes are borrowed. */
struct err block_open_bytes(struct block **out, const uint8_t *bytes, uint64_t size) MUST_USE;

/* Accesses beyond the end and writes to a read-only device fail with ERR_USAGE. */
struct err block_read(struct block *b, uint64_t at, void *to, size_t len) MUST_USE;
struct err block_write(struct block *b, uint64_t at, const void *from, size_t len) MUST_USE;
struct err block_flush(struct block *b) MUST_USE;
void       block_close(struct block *b);

/* For save_more, load_more, hash_more and backing of the device that owns the block; b may be NULL (no medium). What is written
 * is not in what block_save() writes: block_backing() names it, false when there is none. */
void       block_save(struct block *b, struct writer *out);
struct err block_load(struct block *b, struct reader *in) MUST_USE;
uint64_t   block_hash(struct block *b, uint64_t seed);
bool       block_backing(struct block *b, struct backing *out);

#endif
