/* SPDX-License-Identifier: MIT
 * In what two snapshots of one machine differ first: the device, field and values, or the byte of memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine/snapshot_internal.h"

struct finding {
    char *text;
    size_t room;
    const char *memory;
    bool found;
};

static void note_page(void *arg, uint64_t page, const uint8_t *a, const uint8_t *b)
{
    static const uint8_t zeros[PAGE_SIZE];
    struct finding *f = arg;
    unsigned at = 0;

    if (f->found)
        return;
    f->found = true;
    if (a == NULL || b == NULL) {
        snprintf(f->text, f->room, "%s: page %" PRIx64 "000 was never written in %s", f->memory, page, a == NULL ? "one" : "other");
        f->found = memcmp(a == NULL ? b : a, zeros, PAGE_SIZE) != 0;     /* equal to the guest */
        return;
    }
    while (at < PAGE_SIZE && a[at] == b[at])
        at++;
    f->found = at < PAGE_SIZE;
    if (f->found)
        snprintf(f->text, f->room, "%s: byte %" PRIx64 " is %02x in one, %02x in the other", f->memory, page * PAGE_SIZE + at, a[at], b[at]);
}

static size_t stream_copy(const struct snapshot *at, unsigned stream, uint8_t *to)
{
    const uint64_t first = (uint64_t)stream * STREAM_PAGES;
    const uint8_t *page = pages_get(&at->maps[STATE_MAP], first);
    size_t len = page == NULL ? 0 : (size_t)load64(page) + 8;

    for (size_t n = 0; n * PAGE_SIZE < len; n++)
        memcpy(to + n * PAGE_SIZE, pages_get(&at->maps[STATE_MAP], first + n), PAGE_SIZE);
    return len;
}

/* The streams begin with their length, then a schema's with its size. */
static bool differs_by_schema(const struct state_schema *schema, const char *name, const uint8_t *a, const uint8_t *b, struct finding *f)
{
    struct state_difference d;

    if (!state_first_difference(schema, a, b, &d))
        return false;
    snprintf(f->text, f->room, "%s: %s[%u] is %" PRIx64 " in one, %" PRIx64 " in the other", name, d.field->name, d.index, d.a, d.b);
    return true;
}

static bool machine_differs(const uint8_t *a, const uint8_t *b, struct finding *f)
{
    const size_t loop = 8 + 4 + sizeof(struct clock_state) + 4;

    return differs_by_schema(&clock_state_schema, "clock", a + 12, b + 12, f) ||
           differs_by_schema(&loop_state_schema, "loop", a + loop, b + loop, f);
}

static bool stream_differs(const struct device *dev, const uint8_t *a, size_t alen, const uint8_t *b, size_t blen, struct finding *f)
{
    size_t at = 0, less = alen < blen ? alen : blen;

    while (at < less && a[at] == b[at])
        at++;
    if (at == alen && at == blen)
        return false;
    if (dev == NULL && machine_differs(a, b, f))
        return true;
    if (dev != NULL && dev->class->state != NULL && differs_by_schema(dev->class->state, dev->name, a + 12, b + 12, f))
        return true;
    snprintf(f->text, f->room, "%s: byte %zu of %zu and %zu behind the state", dev == NULL ? "regions" : dev->name, at, alen, blen);
    return true;
}

bool snapshot_difference(struct snapshots *s, const struct snapshot *a, const struct snapshot *b, char *text, size_t room)
{
    static uint8_t one[(size_t)STREAM_PAGES * PAGE_SIZE], other[sizeof one];
    struct finding f = { .text = text, .room = room };
    const struct device *dev = NULL;
    unsigned stream = 0;

    do {
        size_t alen = stream_copy(a, stream, one), blen = stream_copy(b, stream, other);

        if (stream_differs(dev, one, alen, other, blen, &f))
            return true;
        dev = stream++ == 0 ? s->m->tree.first : dev->next;
    } while (dev != NULL);
    for (unsigned k = 0; k < s->memories.n && !f.found; k++) {
        f.memory = s->memories.names[k];
        pages_compare(&a->maps[1 + k], &b->maps[1 + k], note_page, &f);
    }
    return f.found;
}
