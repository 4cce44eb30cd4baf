/* SPDX-License-Identifier: MIT
 * The log behind the door, and the file that holds it (docs/recording.md): frames with a checksum each, appended one after the
 * other, so that whatever was written before a crash can be read. What a manifest says is none of its business. */
#ifndef CORE_NDLOG_H
#define CORE_NDLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* An instant of a run: after so many instructions and, while every processor is idle, after so many waits since then. */
struct moment {
    uint64_t insns, idles;
};

static inline bool moment_before(const struct moment *a, const struct moment *b)
{
    return a->insns != b->insns ? a->insns < b->insns : a->idles < b->idles;
}

/* Kinds of records besides enum nondet_kind. */
enum { NDLOG_HASH = 24, NDLOG_END = 25, NDLOG_KINDS = 32 };

struct ndlog_record {
    struct moment at;
    uint8_t kind;
    uint32_t len;
    const uint8_t *bytes;
};

enum frame_kind { FRAME_MANIFEST = 'M', FRAME_INPUT = 'I', FRAME_LOG = 'L',
                  FRAME_CHECKPOINT_CHAIN = 'b', FRAME_CHECKPOINT_PAGES = 'p', FRAME_CHECKPOINT = 'c' };

/* ---- writing ---- */

struct ndlog_writer;
struct ndlog;

/* A file of that name is replaced. */
struct err ndlog_create(struct ndlog_writer **out, const char *path) MUST_USE;
/* Goes on behind the whole frames of a file that was read; what is behind them is lost. Refused while somebody else writes to it. */
struct err ndlog_append(struct ndlog_writer **out, const char *path, const struct ndlog *log) MUST_USE;
void       ndlog_frame(struct ndlog_writer *w, enum frame_kind kind, const void *bytes, size_t len);
void       ndlog_close(struct ndlog_writer *w);
/* The host's file system refused; what was written until then is a recording that was cut short. */
bool       ndlog_failed(const struct ndlog_writer *w, const char **why);

/* Records gather in a frame. They must come in order of time. */
struct ndlog_batch {
    struct writer bytes;
    struct moment last;         /* of the record before */
    size_t records;             /* so many there were */
};
void       ndlog_add(struct ndlog_batch *b, const struct ndlog_record *r);
void       ndlog_flush(struct ndlog_batch *b, struct ndlog_writer *w);

/* ---- reading ---- */

struct ndlog_frame {
    uint8_t kind;
    size_t len;
    const uint8_t *bytes;
};

/* What a file holds. Bytes belong to whoever gave them. */
struct ndlog {
    struct ndlog_frame *frames;     /* of other kinds than FRAME_LOG */
    struct ndlog_record *records;
    size_t nframes, nrecords;
    bool cut_short;                 /* the last frame is incomplete */
    size_t whole;                   /* bytes before it */
    uint32_t sum;                   /* checksum of the last whole one */
};

struct err ndlog_read(struct ndlog *out, const uint8_t *bytes, size_t len) MUST_USE;
void       ndlog_free(struct ndlog *log);

#endif
