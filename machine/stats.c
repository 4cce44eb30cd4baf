/* SPDX-License-Identifier: MIT
 * -stats: counters of a run as one JSON object. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "machine/board.h"
#include "machine/internal.h"

static const struct { const char *name; size_t at; } counters[] = {
#define COUNTER(field) { #field, offsetof(struct cpu_stats, field) }
    COUNTER(retired), COUNTER(blocks_built), COUNTER(block_hits), COUNTER(tlb_fills), COUNTER(tlb_fetches), COUNTER(tlb_victims),
    COUNTER(tlb_flushes), COUNTER(tlb_switches), COUNTER(tlb_kept),
    COUNTER(code_invalidations), COUNTER(exceptions), COUNTER(interrupts), COUNTER(smis),
#undef COUNTER
};

static const struct { const char *name; size_t at; } translator[] = {
#define COUNTER(field) { #field, offsetof(struct cpu_stats, jit_##field) }
    COUNTER(blocks), COUNTER(paths), COUNTER(lost), COUNTER(insns), COUNTER(bytes), COUNTER(links), COUNTER(finds), COUNTER(share_misses),
    COUNTER(unshared), COUNTER(unsited), COUNTER(resets), COUNTER(handlers),
#undef COUNTER
};

static uint64_t counter(const struct machine *m, size_t at)
{
    uint64_t sum = 0, one;

    for (unsigned k = 0; k < m->nvps; k++) {
        memcpy(&one, (const char *)cpu_stats(m->vps[k]) + at, sizeof one);
        sum += one;
    }
    return sum;
}

struct text {
    char bytes[8192];
    size_t len;
    const char *separator;
};

static void add_counter(void *arg, const char *name, uint64_t value)
{
    struct text *t = arg;
    size_t room = sizeof t->bytes - t->len;
    int n = snprintf(t->bytes + t->len, room, "%s\n    \"%s\": %" PRIu64, t->separator, name, value);

    if (n > 0 && (size_t)n < room)
        t->len += (size_t)n;
    t->separator = ",";
}

/* What translated code called handlers for, most first; the long tail is left out. */
static void add_handlers(struct machine *m, struct text *t)
{
    uint64_t most = UINT64_MAX;

    for (unsigned listed = 0; listed < 32; listed++) {
        const char *name, *best = NULL;
        uint64_t calls, next = 0;

        for (unsigned n = 0; cpu_handler_calls(m->vps[0], n, &name, &calls); n++) {
            for (unsigned k = 1; k < m->nvps; k++) {
                uint64_t more;

                if (cpu_handler_calls(m->vps[k], n, &name, &more))
                    calls += more;
            }
            if (calls > next && calls < most) {
                next = calls;
                best = name;
            }
        }
        if (best == NULL)
            return;
        add_counter(t, best, next);
        most = next;
    }
}

/* Of all processors. */
static void add_code_use(const struct machine *m, struct text *t)
{
    struct cpu_code_use sum = { 0 };

    for (unsigned k = 0; k < m->nvps; k++) {
        const struct cpu_code_use one = cpu_code_use(m->vps[k]);

        sum.translated_bytes += one.translated_bytes;
        sum.translated_room += one.translated_room;
        sum.decoded_bytes += one.decoded_bytes;
        sum.pages += one.pages;
        sum.spaces += one.spaces;
    }
    add_counter(t, "translated_bytes", sum.translated_bytes);
    add_counter(t, "translated_room", sum.translated_room);
    add_counter(t, "decoded_bytes", sum.decoded_bytes);
    add_counter(t, "pages", sum.pages);
    add_counter(t, "spaces", sum.spaces);
}

static void add_rate(struct text *t, const char *name, uint64_t of, uint64_t among, double times)
{
    size_t room = sizeof t->bytes - t->len;
    int n = snprintf(t->bytes + t->len, room, "%s\n    \"%s\": %.4f", t->separator, name,
                     among != 0 ? times * (double)of / (double)among : 0.0);

    if (n > 0 && (size_t)n < room)
        t->len += (size_t)n;
    t->separator = ",";
}

#define COUNTED(field) counter(m, offsetof(struct cpu_stats, field))

/* How well caches do: parts of one, and events in a million instructions. */
static void add_rates(const struct machine *m, struct text *t)
{
    const uint64_t insns = COUNTED(retired), found = COUNTED(block_hits), made = COUNTED(blocks_built);

    add_rate(t, "blocks_found", found, found + made, 1);
    add_rate(t, "spaces_kept", COUNTED(tlb_kept), COUNTED(tlb_switches), 1);
    add_rate(t, "tlb_fills_per_million", COUNTED(tlb_fills) + COUNTED(tlb_fetches), insns, 1e6);
    add_rate(t, "tlb_flushes_per_million", COUNTED(tlb_flushes), insns, 1e6);
    add_rate(t, "block_lookups_per_million", found + made, insns, 1e6);
    add_rate(t, "handlers_per_million", COUNTED(jit_handlers), insns, 1e6);
    add_rate(t, "code_invalidations_per_million", COUNTED(code_invalidations), insns, 1e6);
}

struct err machine_write_stats(struct machine *m, const char *path, double host_seconds)
{
    char text[2048 + 5 * sizeof(struct text)];
    struct text hv = { .separator = "" }, jit = { .separator = "" }, handlers = { .separator = "" };
    struct text rates = { .separator = "" }, code = { .separator = "" };
    size_t len;

    len = (size_t)snprintf(text, sizeof text,
                           "{\n  \"insns\": %" PRIu64 ",\n  \"host_seconds\": %.3f,\n  \"mips\": %.1f,\n  \"virtual_ns\": %" PRIu64
                           ",\n  \"idle_ns\": %" PRIu64 ",\n  \"processors\": %u",
                           m->clock.state.insns, host_seconds,
                           host_seconds > 0 ? (double)m->clock.state.insns / host_seconds * 1e-6 : 0.0, clock_ns(&m->clock),
                           m->clock.state.idle_ns, m->nvps);
    for (size_t k = 0; k < COUNT_OF(counters); k++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",\n  \"%s\": %" PRIu64, counters[k].name, counter(m, counters[k].at));
    for (size_t k = 0; k < COUNT_OF(translator); k++)
        add_counter(&jit, translator[k].name, counter(m, translator[k].at));
    add_handlers(m, &handlers);
    add_rates(m, &rates);
    add_code_use(m, &code);
    len += (size_t)snprintf(text + len, sizeof text - len, ",\n  \"rates\": {%s\n  },\n  \"code\": {%s\n  }", rates.bytes, code.bytes);
    len += (size_t)snprintf(text + len, sizeof text - len, ",\n  \"jit\": {%s\n  },\n  \"handlers\": {%s\n  }", jit.bytes, handlers.bytes);
    board_counters(m, add_counter, &hv);
    if (hv.len != 0)
        len += (size_t)snprintf(text + len, sizeof text - len, ",\n  \"hv\": {%s\n  }", hv.bytes);
    len += (size_t)snprintf(text + len, sizeof text - len, "\n}\n");
    return file_write_all(path, text, len);
}
