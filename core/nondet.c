/* SPDX-License-Identifier: MIT
 * The door: one thread-safe queue of events and the only calls of the host's clocks. This is the one file below gui/ that
 * may use threads, <time.h> and the like; devices/stream.c posts from its own reader thread. */
#include "core/nondet.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

uint64_t nondet_value(struct nondet *nd, enum nondet_kind kind, uint64_t (*ask_host)(void))
{
    (void)nd, (void)kind;
    return ask_host();
}

void nondet_post(struct nondet *nd, enum nondet_kind kind, const void *event, size_t len)
{
    struct queued *q = calloc(1, sizeof *q);

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
    return atomic_load_explicit(&nd->waiting, memory_order_acquire);
}

bool nondet_take(struct nondet *nd, uint64_t now, struct nondet_event *out)
{
    struct queued *q;

    (void)now;
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
    return true;
}

uint64_t nondet_horizon(const struct nondet *nd)
{
    (void)nd;
    return UINT64_MAX;
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
