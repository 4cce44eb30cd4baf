/* SPDX-License-Identifier: MIT
 * Writes a recording while a machine runs. What comes through the door is written at once; hashes of the devices at fixed
 * distances, of memory too when the last one is so long ago that it costs nothing to speak of. */
#include <stdlib.h>

#include "base/invariant.h"
#include "base/log.h"
#include "machine/checkpoint_log.h"
#include "machine/fingerprint.h"
#include "machine/recording.h"

#define HASH_INSNS  (UINT64_C(1) << 27)
#define RAM_SHARE   400u            /* memory is hashed when that takes at most 1/RAM_SHARE of the time */
#define CHECKPOINT_SHARE    150u        /* likewise for checkpoints */
#define CHECKPOINT_LEAST_NS 250000000u
#define SMALL       65536u          /* inputs up to so many bytes are embedded */

struct recorder {
    struct machine *machine;
    struct ndlog_writer *out;
    struct ndlog_batch batch;
    struct fingerprint last;
    uint64_t ram_hashed;            /* host time when memory was hashed */
    uint64_t page_ns;               /* what a page then took */
    uint64_t hash_at;               /* the instruction of the next hash */
    struct checkpoint_log *checkpoints;     /* NULL: none are wanted, or possible */
    bool ended, complained;
};

struct recorder *recorder_create(struct machine *m)
{
    struct recorder *r = calloc(1, sizeof *r);

    invariant(r != NULL, "out of memory for a recording");
    r->machine = m;
    nondet_record(m->nondet, &r->batch);
    return r;
}

/* A recording that cannot be written is worth a line, not the end of the run. */
static void flush(struct recorder *r)
{
    const char *why;

    ndlog_flush(&r->batch, r->out);
    if (ndlog_failed(r->out, &why) && !r->complained) {
        r->complained = true;
        log_at(LOG_MACHINE, LOG_WARN, "the recording '%s' ends here: %s", r->machine->cfg.record, why);
    }
}

static void add(struct recorder *r, uint8_t kind, const struct writer *w)
{
    struct ndlog_record record = { .at = machine_moment(r->machine), .kind = kind, .len = (uint32_t)w->len, .bytes = w->bytes };

    ndlog_add(&r->batch, &record);
}

/* It would take as long a page as the last time. */
static bool ram_is_due(const struct recorder *r)
{
    const uint64_t cost = r->page_ns * ram_pages_touched(r->machine->ram);

    return r->machine->cfg.record_every != 0 || host_monotonic_ns() - r->ram_hashed >= cost * RAM_SHARE;
}

static void take(struct recorder *r, struct fingerprint *now, bool ram)
{
    const uint64_t start = host_monotonic_ns();

    fingerprint_take(r->machine, now, ram);
    if (!ram)
        return;
    r->ram_hashed = host_monotonic_ns();
    r->page_ns = 1 + (r->ram_hashed - start) / (1 + ram_pages_touched(r->machine->ram));
}

static void add_hash(struct recorder *r)
{
    const uint64_t every = r->machine->cfg.record_every != 0 ? r->machine->cfg.record_every : HASH_INSNS;
    struct fingerprint now;
    struct writer w = { 0 };

    take(r, &now, ram_is_due(r));
    fingerprint_write(&w, &r->last, &now);
    add(r, NDLOG_HASH, &w);
    writer_free(&w);
    r->last = now;
    r->hash_at = r->machine->clock.state.insns + every;
}

/* A disk that is written in place would not go back; recordings have none. */
static void begin_checkpoints(struct recorder *r)
{
    const struct checkpoint_pace pace = { .every = r->machine->cfg.checkpoints, .least_ns = CHECKPOINT_LEAST_NS, .share = CHECKPOINT_SHARE };

    if (r->machine->cfg.checkpoints != CHECKPOINTS_OFF)
        r->checkpoints = checkpoint_log_create(r->machine, r->out, &pace);
}

/* Where the loop must stop. */
static void next_point(struct recorder *r)
{
    const uint64_t checkpoint = r->checkpoints == NULL ? UINT64_MAX : checkpoint_log_point(r->checkpoints);

    r->machine->record_at = checkpoint < r->hash_at ? checkpoint : r->hash_at;
}

struct err recorder_begin(struct recorder *r)
{
    struct machine *m = r->machine;
    struct writer manifest = { 0 };

    for (unsigned k = 0; k < m->inputs.count; k++)
        if (m->cfg.record_whole && m->inputs.list[k].len > EMBEDDED_MAX)
            return err_make(ERR_USAGE, "-self-contained: '%.150s' is larger than 64 GiB", m->inputs.list[k].path);
    TRY(ndlog_create(&r->out, m->cfg.record));
    for (unsigned k = 0; k < m->inputs.count; k++)
        m->inputs.list[k].embedded = m->cfg.record_whole || m->inputs.list[k].len <= SMALL;
    manifest_write(&m->cfg, &m->inputs, &manifest);
    ndlog_frame(r->out, FRAME_MANIFEST, manifest.bytes, manifest.len);
    writer_free(&manifest);
    for (unsigned k = 0; k < m->inputs.count; k++)
        if (m->inputs.list[k].embedded)
            TRY(embedded_write(r->out, &m->inputs.list[k], k));
    add_hash(r);
    flush(r);
    begin_checkpoints(r);
    next_point(r);
    return OK;
}

void recorder_look(struct recorder *r)
{
    if (r->ended)
        return;
    if (r->machine->clock.state.insns >= r->hash_at)
        add_hash(r);
    flush(r);
    if (r->checkpoints != NULL)
        checkpoint_log_look(r->checkpoints, r->batch.records);
    next_point(r);
}

void recorder_end(struct recorder *r, enum run why)
{
    struct fingerprint now;
    struct writer w = { 0 };

    if (r->ended || r->out == NULL)
        return;
    r->ended = true;
    checkpoint_log_finish(r->checkpoints);
    take(r, &now, true);
    writer_uint(&w, 1, why);
    writer_uint(&w, 4, r->machine->loop.exit_value);
    fingerprint_write(&w, &r->last, &now);
    add(r, NDLOG_END, &w);
    writer_free(&w);
    flush(r);
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    checkpoint_log_free(r->checkpoints);
    ndlog_close(r->out);
    writer_free(&r->batch.bytes);
    free(r);
}
