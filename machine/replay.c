/* SPDX-License-Identifier: MIT
 * Reads recordings, and compares a replay with one as it goes. */
#include "machine/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "machine/fingerprint.h"
#include "machine/recording.h"

/* ---- opening ---- */

const char *recording_path(const struct recording *r)
{
    return r->path;
}

const struct input *recording_input(const struct recording *r, const char *path)
{
    for (unsigned k = 0; k < r->inputs.count; k++)
        if (strcmp(r->inputs.list[k].path, path) == 0)
            return &r->inputs.list[k];
    return NULL;
}

static struct err check_embedded(struct recording *r)
{
    for (unsigned k = 0; k < r->inputs.count; k++) {
        struct input *i = &r->inputs.list[k];
        bool zeros;

        if (!i->embedded)
            continue;
        zeros = i->bytes == NULL;
        if (zeros)
            i->bytes = calloc(1, i->len + 1);
        if (i->bytes == NULL)
            return err_make(ERR_MEMORY, "no memory for the %" PRIu64 " bytes of '%.100s' in it", i->len, i->path);
        if ((zeros ? i->len : input_hash(i->bytes, i->len)) != i->hash)
            return err_make(ERR_FORMAT, r->log.cut_short ? "it is cut short before the run begins" : "the input file '%.100s' in it is damaged",
                            i->path);
    }
    return OK;
}

static struct err read_all(struct recording *r)
{
    bool manifest = false;

    TRY(ndlog_read(&r->log, r->file.bytes, r->file.len));
    for (size_t k = 0; k < r->log.nframes; k++) {
        const struct ndlog_frame *f = &r->log.frames[k];

        if (f->kind == FRAME_MANIFEST && !manifest) {
            TRY(manifest_read(r, (const char *)f->bytes, f->len));
            manifest = true;
        } else if (f->kind == FRAME_INPUT && manifest) {
            TRY(embedded_read(r, f));
        } else if (f->kind < 'a') {                 /* small letters: what a reader may pass over */
            return err_make(ERR_UNSUPPORTED, "it has a part '%c' that this build does not know", f->kind > ' ' ? f->kind : '?');
        }
    }
    if (!manifest || r->log.nrecords == 0)
        return err_make(ERR_FORMAT, "it is cut short before the run begins");
    return check_embedded(r);
}

struct err recording_of(struct recording **out, const char *path, struct blob file)
{
    struct recording *r = calloc(1, sizeof *r);
    struct err e;

    invariant(r != NULL && (r->path = strdup(path)) != NULL, "out of memory for a recording");
    r->file = file;
    e = read_all(r);
    if (!failed(&e)) {
        *out = r;
        return e;
    }
    recording_close(r);
    return err_make(e.code, "cannot replay '%.80s': %.150s", path, e.text);
}

struct err recording_open(struct recording **out, const char *path)
{
    struct blob file;

    TRY(file_read_all(path, &file));
    return recording_of(out, path, file);
}

void recording_close(struct recording *r)
{
    if (r == NULL)
        return;
    inputs_free(&r->inputs);
    ndlog_free(&r->log);
    blob_free(&r->file);
    while (r->nstrings > 0)
        free(r->strings[--r->nstrings]);
    free(r->path);
    free(r);
}

void recording_config(const struct recording *r, struct machine_config *cfg)
{
    *cfg = r->cfg;
    cfg->replay = r;
}

void recording_about(const struct recording *r, struct recording_about *out)
{
    const struct ndlog_record *last = &r->log.records[r->log.nrecords - 1];

    *out = (struct recording_about){ .insns = last->at.insns, .records = r->log.nrecords, .file_bytes = r->file.len,
                                     .complete = last->kind == NDLOG_END, .made_by = r->made_by };
    for (size_t k = 0; k < r->log.nrecords; k++) {
        out->hashes += r->log.records[k].kind >= NDLOG_HASH;
        out->inputs += r->log.records[k].kind < NONDET_KINDS;
    }
    if (out->complete && last->len > 0)
        out->end = (enum run)last->bytes[0];
    out->log_bytes = r->file.len;
    for (size_t k = 0; k < r->log.nframes; k++)
        if (r->log.frames[k].kind == FRAME_INPUT)
            out->log_bytes -= r->log.frames[k].len;
}

/* ---- comparing ---- */

struct replayer {
    struct machine *machine;
    const struct recording *from;
    struct fingerprint recorded;    /* of the last hash record before record `next` */
    size_t next;
    uint64_t equal_at, equal;       /* the last hash that was equal, and how many were */
};

struct replayer *replayer_create(struct machine *m)
{
    struct replayer *r = calloc(1, sizeof *r);

    invariant(r != NULL, "out of memory for a replay");
    r->machine = m;
    r->from = m->cfg.replay;
    nondet_replay(m->nondet, &r->from->log);
    return r;
}

uint64_t replayer_equal(const struct replayer *r)
{
    return r->equal;
}

void replayer_free(struct replayer *r)
{
    free(r);
}

/* Hash records hold differences, so the one before must be known: after a jump backwards all are read again. */
static bool recorded_hash(struct replayer *r, size_t cursor)
{
    const struct ndlog *log = &r->from->log;

    if (cursor < r->next) {
        memset(&r->recorded, 0, sizeof r->recorded);
        r->next = 0;
    }
    for (; r->next <= cursor; r->next++) {
        const struct ndlog_record *record = &log->records[r->next];
        struct reader in = reader_of(record->bytes, record->len);

        if (record->kind == NDLOG_END)
            reader_uint(&in, 5);
        if (record->kind >= NDLOG_HASH && (record->kind > NDLOG_END || !fingerprint_read(&in, &r->recorded)))
            return false;
    }
    return true;
}

static bool differs(struct replayer *r, const char *what)
{
    struct machine *m = r->machine;

    snprintf(m->error, sizeof m->error, "at instruction %" PRIu64 " the replay differs from the recording: %s (equal at %" PRIu64 ")",
             m->clock.state.insns, what, r->equal_at);
    return false;
}

static bool compare(struct replayer *r)
{
    struct fingerprint now;
    char text[160];

    if (r->machine->cfg.replay_blind)
        return true;
    if (!recorded_hash(r, nondet_cursor(r->machine->nondet)))
        return differs(r, "a hash in it cannot be read");
    fingerprint_take(r->machine, &now, r->recorded.has_ram);
    if (fingerprint_differs(r->machine, &r->recorded, &now, text, sizeof text))
        return differs(r, text);
    r->equal_at = r->machine->clock.state.insns;
    r->equal++;
    return true;
}

/* The recorded run ends here. */
static bool at_end(struct replayer *r, const struct ndlog_record *end, enum run *why)
{
    const struct machine *m = r->machine;
    const enum run was = end->len < 5 ? RUN_FAILED : (enum run)end->bytes[0];
    const uint8_t stopped = m->loop.stopped;

    *why = RUN_DIFFERS;
    if (was != RUN_LIMIT && stopped != was)
        return differs(r, stopped == 0 ? "the recorded run ended here, this one goes on" : "the recorded run ended in another way");
    if (was != RUN_LIMIT && load32(end->bytes + 1) != m->loop.exit_value)
        return differs(r, "the recorded run ended with another exit value");
    if (!compare(r))
        return false;
    nondet_skip(m->nondet);
    *why = was == RUN_LIMIT ? RUN_RECORDING_LEFT : was;
    return false;
}

bool replayer_look(struct replayer *r, enum run *why)
{
    struct machine *m = r->machine;
    const struct moment now = machine_moment(m);
    const struct ndlog_record *next;
    const char *how;

    *why = RUN_DIFFERS;
    if (nondet_lost(m->nondet, &how))
        return differs(r, how);
    while ((next = nondet_next(m->nondet)) != NULL && next->at.insns == now.insns && next->at.idles == now.idles) {
        if (next->kind == NDLOG_END)
            return at_end(r, next, why);
        if (next->kind != NDLOG_HASH)
            break;                                      /* a value that will be asked for */
        if (!compare(r))
            return false;
        nondet_skip(m->nondet);
    }
    if (next != NULL && moment_before(&next->at, &now))
        return differs(r, "what came from outside earlier was not taken");
    if (next != NULL && m->loop.stopped == 0)
        return true;
    *why = next == NULL ? RUN_RECORDING_CUT : RUN_DIFFERS;
    return next == NULL ? false : differs(r, "the replay ends here, the recording goes on");
}
