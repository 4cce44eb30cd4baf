/* SPDX-License-Identifier: MIT
 * Whole files, positional I/O. All failures are sentences that name the file. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct blob {
    uint8_t *bytes;     /* malloc'ed; blob_free */
    size_t len;
};

struct err file_read_all(const char *path, struct blob *out) MUST_USE;
/* Not to be written; pages of a large file come when they are looked at. file_unmap(). */
struct err file_map(const char *path, struct blob *out) MUST_USE;
void       file_unmap(struct blob *b);
struct err file_write_all(const char *path, const void *bytes, size_t len) MUST_USE;   /* temp file, fsync, rename */
void       blob_free(struct blob *b);

struct file;
enum file_mode { FILE_READ, FILE_READ_WRITE };

struct err file_open(struct file **out, const char *path, enum file_mode mode) MUST_USE;
uint64_t   file_size(const struct file *f);
uint64_t   file_data_from(const struct file *f, uint64_t at);     /* at or behind it: the first byte that is in no hole; or the size */
struct err file_read_at(struct file *f, uint64_t at, void *to, size_t len) MUST_USE;
struct err file_write_at(struct file *f, uint64_t at, const void *from, size_t len) MUST_USE;
struct err file_flush(struct file *f) MUST_USE;
void       file_close(struct file *f);

/* A new file, which takes its place (and that of what was there) in one step, when it is whole. */
struct err file_create(struct file **out, const char *path) MUST_USE;
struct err file_publish(struct file *f) MUST_USE;      /* closes it too, whatever it returns */
void       file_abandon(struct file *f);               /* nothing has happened */

#endif
