/* SPDX-License-Identifier: MIT
 * Time is the host's here, for what counts is how long a user waits; no guest can notice. */
#include "machine/checkpoint_log.h"

#include <stdlib.h>

#include "base/invariant.h"
#include "machine/internal.h"

#define LOOK_INSNS  (UINT64_C(1) << 20)     /* how often the host's clock is looked at */
#define TAKE_NS     300000u                 /* what one takes beside its pages */
#define PAGE_NS     8000u                   /* what a page takes, before it is known: hashing, packing, writing */
#define STORE_NS    1000u                   /* ... and what it takes the guest to store to it again */
#define PAGE_BYTES  1600u
#define PARTS       64u                     /* a run whose end is known is cut in so many, if they are neither */
#define LEAST_INSNS (UINT64_C(1) << 24)     /* ... shorter */
#define MOST_INSNS  (UINT64_C(1) << 26)     /* ... nor longer: some 50 to 150 ms to run, from code that is to be translated first */
#define PIECE_INSNS (UINT64_C(1) << 20)     /* while the run goes on: so often some pages of a checkpoint are written */
#define PIECE_PAGES 64u                     /* ... in half a millisecond */
#define SPREAD      16u                     /* if the end is not known, and room is short: each comes 1/16 later than the one before */

struct checkpoint_log {
    struct machine *m;
    struct ndlog_writer *out;
    struct checkpointer *maker;
    struct checkpoint_pace pace;
    uint64_t look_at, last_at, piece_at;    /* instructions */
    uint64_t began_ns, last_ns, bytes;
    uint64_t page_ns, page_bytes;           /* what a page took and takes */
    uint64_t pages, took_ns, before;        /* of the checkpoint that was begun; `bytes` before it */
};

static void sink(void *arg, enum frame_kind kind, const void *bytes, size_t len)
{
    struct checkpoint_log *l = arg;

    ndlog_frame(l->out, kind, bytes, len);
    l->bytes += len;
}

static void wait(struct checkpoint_log *l)
{
    l->look_at = l->m->clock.state.insns + (l->pace.every != 0 ? l->pace.every : LOOK_INSNS);
}

struct checkpoint_log *checkpoint_log_create(struct machine *m, struct ndlog_writer *out, const struct checkpoint_pace *pace)
{
    struct checkpoint_log *l = calloc(1, sizeof *l);

    invariant(l != NULL, "out of memory for checkpoints");
    *l = (struct checkpoint_log){ .m = m, .out = out, .pace = *pace, .bytes = pace->bytes, .page_ns = PAGE_NS, .page_bytes = PAGE_BYTES };
    l->maker = checkpointer_create(m, sink, l);
    l->began_ns = l->last_ns = host_monotonic_ns();
    l->last_at = m->clock.state.insns;
    wait(l);
    return l;
}

void checkpoint_log_free(struct checkpoint_log *l)
{
    if (l == NULL)
        return;
    checkpointer_free(l->maker);
    free(l);
}

static double bound(const struct checkpoint_log *l)
{
    return (double)ram_pages_touched(l->m->ram) * PAGE_SIZE * 1.5;
}

/* All together take at most one and a half times the memory in use, and leave room for what is still to come. */
static bool has_room(const struct checkpoint_log *l, uint64_t pages, uint64_t now)
{
    const double with = (double)(l->bytes + pages * l->page_bytes);

    return with <= bound(l) && (double)(now - l->last_ns) * SPREAD * bound(l) >= (double)(now - l->began_ns) * with;
}

static bool is_due_in_time(const struct checkpoint_log *l)
{
    const uint64_t now = host_monotonic_ns(), since = now - l->last_ns;
    uint64_t pages;

    if (since < l->pace.least_ns || !checkpointer_finished(l->maker))
        return false;
    pages = checkpointer_pages(l->maker);
    return since >= (TAKE_NS + pages * (l->page_ns + STORE_NS)) * l->pace.share && has_room(l, pages, now);
}

/* Who seeks waits for what lies between two. So where memory changes much, and its share of the room is used up, they are farther
 * apart, but not more than twice while there is any room at all. */
static bool is_due_in_space(const struct checkpoint_log *l)
{
    const uint64_t now = l->m->clock.state.insns, part = l->pace.end / PARTS;
    const uint64_t gap = part < LEAST_INSNS ? LEAST_INSNS : part > MOST_INSNS ? MOST_INSNS : part;
    double with;

    if (now - l->last_at < gap)
        return false;
    with = (double)(l->bytes + checkpointer_pages(l->maker) * l->page_bytes);
    return with <= bound(l) / 2 + bound(l) / 2 * (double)now / (double)l->pace.end || (now - l->last_at >= 2 * gap && (double)l->bytes <= bound(l));
}

static bool is_due(const struct checkpoint_log *l)
{
    return l->pace.every != 0 || (l->pace.end != 0 ? is_due_in_space(l) : is_due_in_time(l));
}

/* Fewer pages say nothing of one. */
static void go_on(struct checkpoint_log *l, uint64_t pages)
{
    const uint64_t start = host_monotonic_ns();
    const bool more = checkpointer_go_on(l->maker, pages);

    l->took_ns += host_monotonic_ns() - start;
    l->piece_at = l->m->clock.state.insns + PIECE_INSNS;
    if (more || l->pages <= 1000)
        return;
    l->page_ns = l->took_ns / l->pages;
    l->page_bytes = (l->bytes - l->before) / l->pages;
}

void checkpoint_log_finish(struct checkpoint_log *l)
{
    if (l != NULL && !checkpointer_finished(l->maker))
        go_on(l, UINT64_MAX);
}

static void begin(struct checkpoint_log *l, size_t records)
{
    const uint64_t start = host_monotonic_ns();

    checkpoint_log_finish(l);
    l->pages = checkpointer_pages(l->maker);
    l->before = l->bytes;
    checkpointer_begin(l->maker, records);
    l->last_at = l->m->clock.state.insns;
    l->piece_at = l->last_at + PIECE_INSNS;
    l->last_ns = host_monotonic_ns();
    l->took_ns = l->last_ns - start;
    wait(l);
}

void checkpoint_log_take(struct checkpoint_log *l, size_t records)
{
    begin(l, records);
    checkpoint_log_finish(l);
}

/* Nobody plays while checkpoints are added, so they are written whole. */
void checkpoint_log_look(struct checkpoint_log *l, size_t records)
{
    const uint64_t now = l->m->clock.state.insns;

    if (!checkpointer_finished(l->maker) && now >= l->piece_at)
        go_on(l, PIECE_PAGES);
    if (now < l->look_at)
        return;
    if (!is_due(l))
        wait(l);
    else if (l->pace.end != 0)
        checkpoint_log_take(l, records);
    else
        begin(l, records);
}

uint64_t checkpoint_log_point(const struct checkpoint_log *l)
{
    return l->pace.every != 0 ? l->look_at : UINT64_MAX;
}
