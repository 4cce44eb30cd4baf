/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE     /* SEEK_DATA */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    int fd;
    uint64_t size;
    char path[];
};

static struct err io_error(const char *verb, const char *path)
{
    return err_make(ERR_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

struct err file_open(struct file **out, const char *path, enum file_mode mode)
{
    int fd = open(path, (mode == FILE_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    struct stat st;
    struct file *f;
    off_t size;

    if (fd < 0)
        return io_error(mode == FILE_READ ? "open" : "open for writing", path);
    if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        close(fd);
        return err_make(ERR_IO, "cannot use '%s': it is not a file", path);
    }
    size = S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);    /* block devices tell their size by seeking */
    f = malloc(sizeof *f + strlen(path) + 1);
    if (f == NULL || size < 0) {
        free(f);
        close(fd);
        return err_make(ERR_IO, "cannot find the size of '%s'", path);
    }
    f->fd = fd;
    f->size = (uint64_t)size;
    memcpy(f->path, path, strlen(path) + 1);
    *out = f;
    return OK;
}

uint64_t file_size(const struct file *f)
{
    return f->size;
}

uint64_t file_data_from(const struct file *f, uint64_t at)
{
#ifdef SEEK_DATA
    off_t data = lseek(f->fd, (off_t)at, SEEK_DATA);

    if (data >= 0)
        return (uint64_t)data;
    return errno == ENXIO ? f->size : at;
#else
    (void)f;
    return at;
#endif
}

struct err file_read_at(struct file *f, uint64_t at, void *to, size_t len)
{
    uint8_t *p = to;

    while (len > 0) {
        ssize_t n = pread(f->fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error("read", f->path);
        if (n == 0)
            return err_make(ERR_IO, "cannot read '%s': it ends before byte %llu", f->path, (unsigned long long)(at + len));
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return OK;
}

struct err file_write_at(struct file *f, uint64_t at, const void *from, size_t len)
{
    const uint8_t *p = from;

    while (len > 0) {
        ssize_t n = pwrite(f->fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error("write", f->path);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
        if (at > f->size)
            f->size = at;
    }
    return OK;
}

struct err file_flush(struct file *f)
{
    return fsync(f->fd) == 0 ? OK : io_error("flush", f->path);
}

void file_close(struct file *f)
{
    if (f != NULL) {
        close(f->fd);
        free(f);
    }
}

struct err file_read_all(const char *path, struct blob *out)
{
    struct file *f;
    struct err e;

    *out = (struct blob){ 0 };
    TRY(file_open(&f, path, FILE_READ));
    out->len = f->size;
    out->bytes = malloc(f->size + 1);       /* one spare byte: text files can be ended */
    if (out->bytes == NULL)
        e = err_make(ERR_MEMORY, "no memory for the %llu bytes of '%s'", (unsigned long long)f->size, path);
    else
        e = file_read_at(f, 0, out->bytes, out->len);
    file_close(f);
    if (failed(&e))
        blob_free(out);
    else
        out->bytes[out->len] = 0;
    return e;
}

#define MAPPED_LEAST (16u << 20)    /* smaller ones are read: who shortens the file then does no harm */

struct err file_map(const char *path, struct blob *out)
{
    struct file *f;
    void *at = MAP_FAILED;

    TRY(file_open(&f, path, FILE_READ));
    if (f->size >= MAPPED_LEAST && f->size <= SIZE_MAX)
        at = mmap(NULL, (size_t)f->size, PROT_READ, MAP_SHARED, f->fd, 0);
    *out = (struct blob){ .bytes = at, .len = (size_t)f->size };
    file_close(f);
    if (at != MAP_FAILED)
        return OK;
    if (out->len >= MAPPED_LEAST)
        return io_error("map", path);
    TRY(file_read_all(path, out));
    out->len = out->len < MAPPED_LEAST ? out->len : MAPPED_LEAST - 1;      /* it grew meanwhile */
    return OK;
}

void file_unmap(struct blob *b)
{
    if (b->len >= MAPPED_LEAST)
        munmap(b->bytes, b->len);
    else
        free(b->bytes);
    *b = (struct blob){ 0 };
}

#define PART ".part"

struct err file_create(struct file **out, const char *path)
{
    char temporary[4096];
    int fd;

    if (snprintf(temporary, sizeof temporary, "%s" PART, path) >= (int)sizeof temporary)
        return err_make(ERR_IO, "the path '%.100s...' is too long", path);
    fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_error("create", temporary);
    close(fd);
    return file_open(out, temporary, FILE_READ_WRITE);
}

void file_abandon(struct file *f)
{
    unlink(f->path);
    file_close(f);
}

struct err file_publish(struct file *f)
{
    struct err e = file_flush(f);
    char path[4096];

    snprintf(path, sizeof path, "%.*s", (int)(strlen(f->path) - strlen(PART)), f->path);
    if (!failed(&e) && rename(f->path, path) != 0)
        e = io_error("rename to", path);
    if (failed(&e))
        file_abandon(f);
    else
        file_close(f);
    return e;
}

struct err file_write_all(const char *path, const void *bytes, size_t len)
{
    struct file *f;
    struct err e;

    TRY(file_create(&f, path));
    e = file_write_at(f, 0, bytes, len);
    if (failed(&e)) {
        file_abandon(f);
        return e;
    }
    return file_publish(f);
}

void blob_free(struct blob *b)
{
    free(b->bytes);
    *b = (struct blob){ 0 };
}
