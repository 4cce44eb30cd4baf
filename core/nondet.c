/* SPDX-License-Identifier: MIT
 * The door: one thread-safe queue of events and the only calls of the host's clocks. This is the one file below gui/ that
 * may use threads, <time.h> and the like; devices/stream.c posts from its own reader thread. */
#include "core/nondet.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attrs.h"
#include "base/invariant.h"

struct queued {
    struct queued *next;
    struct nondet_event event;
};

struct nondet {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct queued *first, **last;
    atomic_bool waiting;

    struct moment at;
    struct ndlog_batch *batch;      /* recording: where to */
    const struct ndlog *log;        /* replaying: where from */
    size_t taken;
    char lost[160];
};

struct nondet *nondet_create(void)
{
    struct nondet *nd = calloc(1, sizeof *nd);

    invariant(nd != NULL, "out of memory for the input queue");
    pthread_mutex_init(&nd->lock, NULL);
    pthread_cond_init(&nd->posted, NULL);
    nd->last = &nd->first;
    return nd;
}

void nondet_free(struct nondet *nd)
{
    if (nd == NULL)
        return;
    while (nd->first != NULL) {
        struct queued *next = nd->first->next;

        free(nd->first);
        nd->first = next;
    }
    pthread_cond_destroy(&nd->posted);
    pthread_mutex_destroy(&nd->lock);
    free(nd);
}

/* ---- modes ---- */

void nondet_record(struct nondet *nd, struct ndlog_batch *batch)
{
    nd->batch = batch;
}

void nondet_replay(struct nondet *nd, const struct ndlog *log)
{
    nd->log = log;
}

void nondet_go_live(struct nondet *nd)
{
    nd->log = NULL;
    nd->taken = 0;
    nd->lost[0] = '\0';
}

bool nondet_replaying(const struct nondet *nd)
{
    return nd->log != NULL;
}

void nondet_stand(struct nondet *nd, struct moment at)
{
    nd->at = at;
}

static void keep(struct nondet *nd, enum nondet_kind kind, const void *bytes, uint32_t len)
{
    const struct ndlog_record r = { .at = nd->at, .kind = (uint8_t)kind, .len = len, .bytes = bytes };

    if (nd->batch != NULL)
        ndlog_add(nd->batch, &r);
}

static void keep_value(struct nondet *nd, enum nondet_kind kind, uint64_t v)
{
    struct writer w = { 0 };

    if (nd->batch == NULL)
        return;
    writer_varint(&w, v);
    keep(nd, kind, w.bytes, (uint32_t)w.len);
    writer_free(&w);
}

const struct ndlog_record *nondet_next(const struct nondet *nd)
{
    return nd->log != NULL && nd->taken < nd->log->nrecords ? &nd->log->records[nd->taken] : NULL;
}

void nondet_skip(struct nondet *nd)
{
    nd->taken++;
}

size_t nondet_cursor(const struct nondet *nd)
{
    return nd->taken;
}

void nondet_set_cursor(struct nondet *nd, size_t taken)
{
    nd->taken = taken;
}

/* What belongs to that moment was taken, but for the end of a wait that only follows. Before the first instruction nothing was
 * but what the machine's making asked for. */
void nondet_seek(struct nondet *nd, struct moment at)
{
    size_t low = 0, high = nd->log == NULL ? 0 : nd->log->nrecords;

    nd->at = at;
    nd->lost[0] = '\0';
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ndlog_record *r = &nd->log->records[middle];
        const bool same = !moment_before(&r->at, &at) && !moment_before(&at, &r->at);
        const bool ahead = moment_before(&at, &r->at) ||
                           (same && (r->kind == NONDET_IDLE || (at.insns == 0 && at.idles == 0 && r->kind != NONDET_WALL_CLOCK)));

        if (ahead)
            high = middle;
        else
            low = middle + 1;
    }
    nd->taken = low;
}

bool nondet_lost(const struct nondet *nd, const char **how)
{
    *how = nd->lost;
    return nd->lost[0] != '\0';
}

static bool here(const struct nondet *nd, const struct ndlog_record *r)
{
    return r != NULL && r->at.insns == nd->at.insns && r->at.idles == nd->at.idles;
}

/* The next record if it is the value of this kind for this moment. */
static bool recorded_value(struct nondet *nd, enum nondet_kind kind, uint64_t *v)
{
    const struct ndlog_record *r = nondet_next(nd);
    struct reader in;

    if (!here(nd, r) || r->kind != kind)
        return false;
    in = reader_of(r->bytes, r->len);
    *v = reader_varint(&in);
    if (!reader_done(&in))
        return false;
    nd->taken++;
    return true;
}

static bool is_event(const struct ndlog_record *r)
{
    return r->kind < NONDET_KINDS && r->kind != NONDET_WALL_CLOCK && r->kind != NONDET_IDLE;
}

uint64_t nondet_value(struct nondet *nd, enum nondet_kind kind, uint64_t (*ask_host)(void))
{
    uint64_t v = 0;

    if (nd->log == NULL) {
        v = ask_host();
        keep_value(nd, kind, v);
    } else if (!recorded_value(nd, kind, &v)) {
        snprintf(nd->lost, sizeof nd->lost, "the guest makes the machine ask for the wall clock, which it did not then");
    }
    return v;
}

uint64_t nondet_idle_end(struct nondet *nd, uint64_t due, uint64_t (*ask_host)(void))
{
    uint64_t early = 0, now;

    if (nd->log != NULL) {
        if (!recorded_value(nd, NONDET_IDLE, &early) && due == UINT64_MAX)
            snprintf(nd->lost, sizeof nd->lost, "every processor is idle for good where the recording goes on");
        return nd->lost[0] != '\0' ? 0 : due - early;
    }
    now = ask_host();
    if (now >= due)
        return due;
    keep_value(nd, NONDET_IDLE, due - now);
    return now;
}

uint64_t nondet_horizon(const struct nondet *nd)
{
    const struct ndlog_record *r = nondet_next(nd);

    return r != NULL && r->at.insns > nd->at.insns ? r->at.insns : UINT64_MAX;
}

bool nondet_expects(const struct nondet *nd)
{
    const struct ndlog_record *r = nondet_next(nd);

    return r != NULL && r->kind < NONDET_KINDS && r->at.insns == nd->at.insns;
}

/* ---- events ---- */

void nondet_post(struct nondet *nd, enum nondet_kind kind, const void *event, size_t len)
{
    struct queued *q;

    if (nd->log != NULL)
        return;
    q = calloc(1, sizeof *q);
    invariant(q != NULL && len <= NONDET_EVENT_MAX, "cannot queue an event of %zu bytes", len);
    q->event.kind = kind;
    q->event.len = (uint32_t)len;
    memcpy(q->event.bytes, event, len);
    pthread_mutex_lock(&nd->lock);
    *nd->last = q;
    nd->last = &q->next;
    atomic_store_explicit(&nd->waiting, true, memory_order_release);
    pthread_cond_signal(&nd->posted);
    pthread_mutex_unlock(&nd->lock);
}

bool nondet_waiting(const struct nondet *nd)
{
    const struct ndlog_record *r;

    if (LIKELY(nd->log == NULL))
        return atomic_load_explicit(&nd->waiting, memory_order_acquire);
    r = nondet_next(nd);
    return here(nd, r) && is_event(r);
}

static bool take_recorded(struct nondet *nd, struct nondet_event *out)
{
    const struct ndlog_record *r = nondet_next(nd);

    if (!nondet_waiting(nd))
        return false;
    *out = (struct nondet_event){ .kind = (enum nondet_kind)r->kind, .len = r->len };
    nd->taken++;
    if (r->len > sizeof out->bytes) {
        snprintf(nd->lost, sizeof nd->lost, "the recording holds an event of %u bytes", (unsigned)r->len);
        return false;
    }
    memcpy(out->bytes, r->bytes, r->len);
    return true;
}

bool nondet_take(struct nondet *nd, struct nondet_event *out)
{
    struct queued *q;

    if (nd->log != NULL)
        return take_recorded(nd, out);
    if (!nondet_waiting(nd))
        return false;
    pthread_mutex_lock(&nd->lock);
    q = nd->first;
    if (q != NULL) {
        nd->first = q->next;
        if (nd->first == NULL) {
            nd->last = &nd->first;
            atomic_store_explicit(&nd->waiting, false, memory_order_release);
        }
    }
    pthread_mutex_unlock(&nd->lock);
    if (q == NULL)
        return false;
    *out = q->event;
    free(q);
    keep(nd, out->kind, out->bytes, out->len);
    return true;
}

static uint64_t clock_read_ns(clockid_t which)
{
    struct timespec ts;

    clock_gettime(which, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void nondet_wait(struct nondet *nd, uint64_t ns)
{
    uint64_t until = clock_read_ns(CLOCK_REALTIME) + (ns < 3600000000000u ? ns : 3600000000000u);
    struct timespec ts = { .tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u) };
    int result = 0;

    pthread_mutex_lock(&nd->lock);
    while (nd->first == NULL && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&nd->posted, &nd->lock, &ts);
    pthread_mutex_unlock(&nd->lock);
}

uint64_t host_wall_clock_ns(void) { return clock_read_ns(CLOCK_REALTIME); }
uint64_t host_monotonic_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
