/* SPDX-License-Identifier: MIT
 * A file is a header of 16 bytes and frames: length, kind, bytes, checksum. Each checksum goes on from the one before, so frames
 * can neither be swapped nor taken from another file. */
#include "core/ndlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

#include "base/invariant.h"

#define VERSION     1u
#define HEADER      16u
#define CHECKSUM    4u
#define FRAME_MAX   (UINT64_C(1) << 30)

static const uint8_t magic[8] = { 0x89, 'P', 'T', 'R', '\r', '\n', 0x1a, '\n' };    /* text modes of copying damage it */

/* A record's first byte. */
enum { TAG_KIND = 0x1f, TAG_INSNS = 0x20, TAG_IDLES = 0x40, TAG_RESERVED = 0x80 };

/* ---- writing ---- */

struct ndlog_writer {
    int fd;
    uint32_t sum;
    char failure[160];
};

static void fail(struct ndlog_writer *w, int code)
{
    if (w->failure[0] == '\0')
        strncpy(w->failure, strerror(code), sizeof w->failure - 1);
}

static void write_all(struct ndlog_writer *w, const uint8_t *bytes, size_t len)
{
    while (len > 0 && w->failure[0] == '\0') {
        ssize_t n = write(w->fd, bytes, len);

        if (n < 0 && errno != EINTR)
            fail(w, errno);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

static uint32_t checksum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    return (uint32_t)crc32_z(sum, bytes, len);
}

/* One at a time writes to a recording. A file system that cannot lock does not matter. */
static struct err open_locked(struct ndlog_writer **out, const char *path, int flags)
{
    struct ndlog_writer *w = calloc(1, sizeof *w);
    int code = 0;

    invariant(w != NULL, "out of memory for a recording");
    w->fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0666);
    if (w->fd < 0)
        code = errno;
    else if (flock(w->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        code = EWOULDBLOCK;
    *out = code == 0 ? w : NULL;
    if (code == 0)
        return OK;
    if (w->fd >= 0)
        close(w->fd);
    free(w);
    return err_make(ERR_IO, "cannot write the recording '%s': %s", path, code == EWOULDBLOCK ? "somebody else is writing to it" : strerror(code));
}

struct err ndlog_append(struct ndlog_writer **out, const char *path, const struct ndlog *log)
{
    TRY(open_locked(out, path, 0));
    if (ftruncate((*out)->fd, (off_t)log->whole) == 0 && lseek((*out)->fd, 0, SEEK_END) >= 0) {
        (*out)->sum = log->sum;
        return OK;
    }
    ndlog_close(*out);
    *out = NULL;
    return err_make(ERR_IO, "cannot write to the end of the recording '%s'", path);
}

struct err ndlog_create(struct ndlog_writer **out, const char *path)
{
    struct ndlog_writer *w;
    uint8_t header[HEADER] = { 0 };

    TRY(open_locked(out, path, O_CREAT));
    w = *out;
    if (ftruncate(w->fd, 0) != 0 && errno != EINVAL)        /* a pipe, a device */
        fail(w, errno);
    memcpy(header, magic, sizeof magic);
    store32(header + 8, VERSION);
    w->sum = checksum(0, header, 12);
    store32(header + 12, w->sum);
    write_all(w, header, sizeof header);
    return OK;
}

void ndlog_frame(struct ndlog_writer *w, enum frame_kind kind, const void *bytes, size_t len)
{
    struct writer frame = { 0 };

    writer_varint(&frame, len);
    writer_uint(&frame, 1, kind);
    writer_copy(&frame, bytes, len);
    w->sum = checksum(w->sum, frame.bytes, frame.len);
    writer_uint(&frame, CHECKSUM, w->sum);
    write_all(w, frame.bytes, frame.len);
    writer_free(&frame);
}

void ndlog_close(struct ndlog_writer *w)
{
    if (w == NULL)
        return;
    close(w->fd);
    free(w);
}

bool ndlog_failed(const struct ndlog_writer *w, const char **why)
{
    *why = w->failure;
    return w->failure[0] != '\0';
}

void ndlog_add(struct ndlog_batch *b, const struct ndlog_record *r)
{
    bool insns = r->at.insns != b->last.insns, idles = r->at.idles != (insns ? 0 : b->last.idles);

    invariant(!moment_before(&r->at, &b->last), "a record of the past");
    writer_uint(&b->bytes, 1, (unsigned)r->kind | (insns ? TAG_INSNS : 0u) | (idles ? TAG_IDLES : 0u));
    if (insns)
        writer_varint(&b->bytes, r->at.insns - b->last.insns);
    if (idles)
        writer_varint(&b->bytes, r->at.idles);
    writer_varint(&b->bytes, r->len);
    writer_copy(&b->bytes, r->bytes, r->len);
    b->last = r->at;
    b->records++;
}

void ndlog_flush(struct ndlog_batch *b, struct ndlog_writer *w)
{
    if (b->bytes.len != 0)
        ndlog_frame(w, FRAME_LOG, b->bytes.bytes, b->bytes.len);
    b->bytes.len = 0;
}

/* ---- reading ---- */

struct parse {
    struct ndlog *log;
    size_t frame_room, record_room;
    struct moment last;
};

static void *grown(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return array;
    *room = *room == 0 ? 64 : *room * 2;
    array = realloc(array, *room * size);
    invariant(array != NULL, "out of memory for a recording");
    return array;
}

static bool read_record(struct reader *in, struct moment *last, struct ndlog_record *r)
{
    unsigned tag = (unsigned)reader_uint(in, 1);
    uint64_t insns = tag & TAG_INSNS ? reader_varint(in) : 0, len;

    if ((tag & TAG_RESERVED) || last->insns + insns < insns)
        return false;
    r->at = (struct moment){ last->insns + insns, insns != 0 ? 0 : last->idles };
    if (tag & TAG_IDLES)
        r->at.idles = reader_varint(in);
    len = reader_varint(in);
    if (in->failed || len > (uint64_t)(in->end - in->at) || moment_before(&r->at, last))
        return false;
    r->kind = tag & TAG_KIND;
    r->len = (uint32_t)len;
    r->bytes = in->at;
    in->at += len;
    *last = r->at;
    return true;
}

static bool read_records(struct parse *p, const struct ndlog_frame *f)
{
    struct reader in = reader_of(f->bytes, f->len);

    while (in.at != in.end) {
        p->log->records = grown(p->log->records, p->log->nrecords, &p->record_room, sizeof *p->log->records);
        if (!read_record(&in, &p->last, &p->log->records[p->log->nrecords]))
            return false;
        p->log->nrecords++;
    }
    return true;
}

static struct err check_header(const uint8_t *bytes, size_t len)
{
    if (len < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return err_make(ERR_FORMAT, "it is no recording of Partita");
    if (len < HEADER)
        return err_make(ERR_FORMAT, "it is cut short inside its header");
    if (load32(bytes + 12) != checksum(0, bytes, 12))
        return err_make(ERR_FORMAT, "its header is damaged");
    if (load32(bytes + 8) != VERSION)
        return err_make(ERR_UNSUPPORTED, "it is of format %u, this build reads format %u", load32(bytes + 8), VERSION);
    return OK;
}

enum frame_read { FRAME_WHOLE, FRAME_PARTIAL, FRAME_BAD };

static enum frame_read read_frame(struct reader *in, uint32_t *sum, struct ndlog_frame *f)
{
    const uint8_t *start = in->at;
    uint64_t len = reader_varint(in);

    if (in->failed)
        return in->at == in->end ? FRAME_PARTIAL : FRAME_BAD;
    if (len > FRAME_MAX)
        return FRAME_BAD;
    if ((uint64_t)(in->end - in->at) < 1 + len + CHECKSUM)
        return FRAME_PARTIAL;
    f->kind = *in->at;
    f->bytes = in->at + 1;
    f->len = (size_t)len;
    in->at += 1 + len;
    *sum = checksum(*sum, start, (size_t)(in->at - start));
    return reader_uint(in, CHECKSUM) == *sum ? FRAME_WHOLE : FRAME_BAD;
}

static struct err read_frames(struct parse *p, const uint8_t *bytes, size_t len)
{
    struct reader in = reader_of(bytes + HEADER, len - HEADER);
    uint32_t sum = load32(bytes + 12);

    p->log->whole = HEADER;
    p->log->sum = sum;
    while (in.at != in.end) {
        const uint8_t *start = in.at;
        struct ndlog_frame f;
        enum frame_read got = read_frame(&in, &sum, &f);

        /* after a failure of power a file may end in zeros that were never written */
        if (got == FRAME_PARTIAL || (got == FRAME_BAD && bytes_zero(start, (size_t)(bytes + len - start)))) {
            p->log->cut_short = true;
            return OK;
        }
        if (got == FRAME_BAD || (f.kind == FRAME_LOG && !read_records(p, &f)))
            return err_make(ERR_FORMAT, "it is damaged at byte %zu", (size_t)(start - bytes));
        p->log->whole = (size_t)(in.at - bytes);
        p->log->sum = sum;
        if (f.kind == FRAME_LOG)
            continue;
        p->log->frames = grown(p->log->frames, p->log->nframes, &p->frame_room, sizeof *p->log->frames);
        p->log->frames[p->log->nframes++] = f;
    }
    return OK;
}

struct err ndlog_read(struct ndlog *out, const uint8_t *bytes, size_t len)
{
    struct parse p = { .log = out };
    struct err e;

    *out = (struct ndlog){ 0 };
    TRY(check_header(bytes, len));
    e = read_frames(&p, bytes, len);
    if (failed(&e))
        ndlog_free(out);
    return e;
}

void ndlog_free(struct ndlog *log)
{
    free(log->frames);
    free(log->records);
    *log = (struct ndlog){ 0 };
}
