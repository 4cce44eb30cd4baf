/* SPDX-License-Identifier: MIT
 * Snapshots in files (docs/snapshots.md has the format). A file is written beside its place and renamed when it is whole; each of
 * its frames carries a checksum, and its end the hash of the machine, so that nothing damaged is ever run. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/invariant.h"
#include "machine/identity.h"
#include "machine/snapshot_internal.h"

#define MAGIC       "PtSnap\r\n"
#define VERSION     1u
#define BATCH       64u                                 /* pages of one frame */
#define FRAME_MAX   (BATCH * (PAGE_SIZE + 8) + 64)      /* bytes before compression */
#define FRAME_HEAD  20u

enum { FRAME_IDENTITY = 1, FRAME_MAPS, FRAME_PAGES, FRAME_END };

#define PAGE_IS_ZERO ((uint64_t)1 << 63)

/* ---- frames: what, length, length as stored, checksum of that, checksum of these four ---- */

struct out {
    struct file *file;
    uint64_t at;
    struct err e;
    uint8_t *packed;
    struct writer frame;
    uint32_t map, npages;
    uint64_t total;
};

static void put_frame(struct out *o, uint32_t what)
{
    uint8_t head[FRAME_HEAD];
    const uint8_t *stored = o->frame.bytes;
    uLongf len = compressBound((uLong)FRAME_MAX);

    if (failed(&o->e))
        return;
    invariant(o->frame.len <= FRAME_MAX, "a frame of %zu bytes", o->frame.len);
    if (compress2(o->packed, &len, o->frame.bytes, (uLong)o->frame.len, 1) == Z_OK && len < o->frame.len)
        stored = o->packed;
    else
        len = (uLongf)o->frame.len;
    store32(head, what);
    store32(head + 4, (uint32_t)o->frame.len);
    store32(head + 8, (uint32_t)len);
    store32(head + 12, (uint32_t)crc32(0, stored, (uInt)len));
    store32(head + 16, (uint32_t)crc32(0, head, 16));
    o->e = file_write_at(o->file, o->at, head, sizeof head);
    if (!failed(&o->e))
        o->e = file_write_at(o->file, o->at + sizeof head, stored, len);
    o->at += sizeof head + len;
    o->frame.len = 0;
}

struct in { const uint8_t *at, *end; uint8_t *frame; };

static struct err damaged(const char *how)
{
    return err_make(ERR_FORMAT, "the snapshot is damaged: %s", how);
}

static struct err get_frame(struct in *in, uint32_t *what, struct reader *out)
{
    const uint8_t *head = in->at;
    uint32_t len, stored;
    uLongf got;

    if (in->end - head < (ptrdiff_t)FRAME_HEAD || load32(head + 16) != (uint32_t)crc32(0, head, 16))
        return damaged(in->end == head ? "its end is missing" : "it breaks off, or a frame's head is wrong");
    len = load32(head + 4);
    stored = load32(head + 8);
    if (len > FRAME_MAX || stored > len || (size_t)(in->end - head) - FRAME_HEAD < stored)
        return damaged("it breaks off within a frame");
    in->at = head + FRAME_HEAD + stored;
    if (load32(head + 12) != (uint32_t)crc32(0, head + FRAME_HEAD, stored))
        return damaged("the checksum of a frame is wrong");
    *what = load32(head);
    got = len;
    if (stored == len)
        memcpy(in->frame, head + FRAME_HEAD, len);
    else if (uncompress(in->frame, &got, head + FRAME_HEAD, stored) != Z_OK || got != len)
        return damaged("a frame cannot be unpacked");
    *out = reader_of(in->frame, len);
    return OK;
}

/* ---- writing ---- */

/* The numbers of a batch come first; zeros have nothing else. */
struct batch { struct out *out; uint64_t numbers[BATCH]; const uint8_t *bytes[BATCH]; unsigned n; };

static void put_batch(struct batch *b)
{
    struct writer *w = &b->out->frame;

    writer_uint(w, 4, b->out->map);
    writer_uint(w, 4, b->n);
    writer_copy(w, b->numbers, b->n * sizeof b->numbers[0]);
    for (unsigned k = 0; k < b->n; k++)
        if (!(b->numbers[k] & PAGE_IS_ZERO))
            writer_copy(w, b->bytes[k], PAGE_SIZE);
    b->out->total += b->n;
    b->n = 0;
    put_frame(b->out, FRAME_PAGES);
}

static void add_page(void *arg, uint64_t at, const uint8_t *bytes)
{
    struct batch *b = arg;

    b->numbers[b->n] = at | (bytes_zero(bytes, PAGE_SIZE) ? PAGE_IS_ZERO : 0);
    b->bytes[b->n++] = bytes;
    if (b->n == BATCH)
        put_batch(b);
}

static void put_maps(struct out *o, const struct snapshots *s)
{
    writer_uint(&o->frame, 4, 1 + s->memories.n);
    for (unsigned k = 0; k < s->memories.n; k++)
        writer_uint(&o->frame, 8, s->memories.list[k].limit);
    put_frame(o, FRAME_MAPS);
}

static void put_all(struct out *o, struct snapshots *s, const struct snapshot *at, uint64_t hash)
{
    struct batch b = { .out = o };

    o->e = identity_write(s->m, &o->frame);
    put_frame(o, FRAME_IDENTITY);
    put_maps(o, s);
    for (o->map = 0; o->map < 1 + s->memories.n; o->map++) {
        pages_each(&at->maps[o->map], add_page, &b);
        if (b.n > 0)
            put_batch(&b);
    }
    writer_uint(&o->frame, 8, o->total);
    writer_uint(&o->frame, 8, at->insns);
    writer_uint(&o->frame, 8, hash);
    put_frame(o, FRAME_END);
}

struct err snapshot_write(struct snapshots *s, const struct snapshot *at, uint64_t hash, const char *path)
{
    struct out o = { .packed = malloc(compressBound(FRAME_MAX)) };
    uint8_t head[16] = MAGIC;

    invariant(o.packed != NULL, "out of memory for writing a snapshot");
    store32(head + 8, VERSION);
    o.e = file_create(&o.file, path);
    if (!failed(&o.e)) {
        o.e = file_write_at(o.file, 0, head, sizeof head);
        o.at = sizeof head;
        if (!failed(&o.e))
            put_all(&o, s, at, hash);
        if (failed(&o.e))
            file_abandon(o.file);
        else
            o.e = file_publish(o.file);
    }
    free(o.packed);
    writer_free(&o.frame);
    return o.e;
}

/* ---- reading ---- */

static struct err take_maps(const struct snapshots *s, struct snapshot *at, struct reader *in)
{
    if (reader_uint(in, 4) != 1 + s->memories.n)
        return damaged("it has another number of memories");
    pages_init(&at->maps[STATE_MAP], STATE_PAGES);
    for (unsigned k = 0; k < s->memories.n; k++) {
        if (reader_uint(in, 8) != s->memories.list[k].limit)
            return damaged("a memory has another size");
        pages_init(&at->maps[1 + k], s->memories.list[k].limit);
    }
    return reader_done(in) ? OK : damaged("its list of memories has another length");
}

static struct err take_pages(const struct snapshots *s, struct snapshot *at, struct reader *in, uint64_t *total)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint32_t map = (uint32_t)reader_uint(in, 4), n = (uint32_t)reader_uint(in, 4);
    uint64_t numbers[BATCH], limit;
    uint8_t page[PAGE_SIZE];

    if (map > s->memories.n || n > BATCH || at->maps[map].levels == 0)
        return damaged("pages of no memory");
    limit = map == STATE_MAP ? STATE_PAGES : s->memories.list[map - 1].limit;
    reader_copy(in, numbers, n * sizeof numbers[0]);
    for (uint32_t k = 0; k < n && !in->failed; k++) {
        if ((numbers[k] & ~PAGE_IS_ZERO) >= limit)
            return damaged("a page beyond the end of its memory");
        if (numbers[k] & PAGE_IS_ZERO) {
            pages_put(&at->maps[map], numbers[k] & ~PAGE_IS_ZERO, zeros);
            continue;
        }
        reader_copy(in, page, PAGE_SIZE);
        if (!in->failed)
            pages_put(&at->maps[map], numbers[k], page);
    }
    *total += n;
    return reader_done(in) ? OK : damaged("pages are cut short");
}

/* In this order: identity, maps, pages, end. */
static struct err take_all(struct snapshots *s, struct snapshot *at, struct in *in, uint64_t *hash)
{
    uint32_t what = 0, before = 0;
    uint64_t total = 0;

    for (;;) {
        struct reader r;

        TRY(get_frame(in, &what, &r));
        if (what < before || what > before + 1 || (what == before && what != FRAME_PAGES))
            return damaged("its frames are not in order");
        before = what;
        if (what == FRAME_IDENTITY)
            TRY(identity_check(s->m, (const char *)r.at, (size_t)(r.end - r.at)));
        else if (what == FRAME_MAPS)
            TRY(take_maps(s, at, &r));
        else if (what == FRAME_PAGES)
            TRY(take_pages(s, at, &r, &total));
        else if (reader_uint(&r, 8) != total)
            return damaged("pages are missing");
        if (what != FRAME_END)
            continue;
        at->insns = reader_uint(&r, 8);
        *hash = reader_uint(&r, 8);
        return reader_done(&r) && in->at == in->end ? OK : damaged("something follows its end");
    }
}

struct err snapshot_read(struct snapshots *s, const uint8_t *bytes, size_t len, struct snapshot **out, uint64_t *hash)
{
    struct in in = { 0 };
    struct snapshot *at;
    struct err e;

    if (len < 16 || memcmp(bytes, MAGIC, 8) != 0)
        return err_make(ERR_FORMAT, "this is no snapshot of Partita");
    if (load32(bytes + 8) != VERSION || load32(bytes + 12) != 0)
        return err_make(ERR_FORMAT, "the snapshot has format %u, this version of Partita reads %u", load32(bytes + 8), VERSION);
    at = calloc(1, sizeof *at);
    in = (struct in){ bytes + 16, bytes + len, malloc(FRAME_MAX) };
    invariant(at != NULL && in.frame != NULL, "out of memory for reading a snapshot");
    snapshot_enter(s, at);
    e = take_all(s, at, &in, hash);
    free(in.frame);
    if (failed(&e))
        snapshot_drop(s, at);
    else
        *out = at;
    return e;
}

/* ---- of a machine ---- */

static struct err have_snapshots(struct machine *m, struct snapshots **out)
{
    *out = m->snapshots;
    return *out != NULL ? OK : snapshots_create(out, m);
}

struct err machine_save(struct machine *m, const char *path)
{
    struct snapshots *s;
    struct snapshot *at;
    struct err e;

    TRY(have_snapshots(m, &s));
    at = snapshot_take(s);
    e = snapshot_write(s, at, machine_hash(m), path);
    snapshot_drop(s, at);
    return e;
}

/* The host ended that run; this one goes on. What the guest did to end it stays. */
static void go_on(struct machine *m)
{
    if (m->loop.stopped == RUN_STOP_AT || m->loop.stopped == RUN_QUIT)
        m->loop.stopped = 0;
}

static struct err restore_checked(struct snapshots *s, const struct snapshot *at, uint64_t hash)
{
    TRY(snapshot_restore(s, at));
    if (machine_hash(s->m) != hash || machine_insns(s->m) != at->insns)
        return damaged("the machine that it makes is not the one that was saved");
    go_on(s->m);
    return OK;
}

static struct err load_bytes_of(struct snapshots *s, const struct blob *file)
{
    struct snapshot *at, *before;
    struct err e, undone;
    uint64_t hash;

    TRY(snapshot_read(s, file->bytes, file->len, &at, &hash));
    before = snapshot_take(s);
    e = restore_checked(s, at, hash);
    if (failed(&e)) {
        undone = snapshot_restore(s, before);
        invariant(!failed(&undone), "the machine cannot go back: %s", undone.text);
    }
    snapshot_drop(s, before);
    snapshot_drop(s, at);
    return e;
}

struct err machine_load(struct machine *m, const char *path)
{
    struct snapshots *s;
    struct blob file;
    struct err e;

    if (m->recorder != NULL && m->made)
        return err_make(ERR_UNSUPPORTED, "'%.100s' cannot be loaded in the middle of a recording", path);
    TRY(have_snapshots(m, &s));
    TRY(input_file(&m->inputs, path, &file));
    e = load_bytes_of(s, &file);
    blob_free(&file);
    return failed(&e) ? err_make(e.code, "'%.100s': %.130s", path, e.text) : OK;
}
