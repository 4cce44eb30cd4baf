/* SPDX-License-Identifier: MIT
 * Reads recordings, and compares a replay with one as it goes. */
#include "machine/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "machine/checkpoint_log.h"
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

        if (!i->embedded)
            continue;
        TRY(input_embed(i));
        if (i->read_hash != i->hash)
            return err_make(ERR_FORMAT, r->log.cut_short ? "it is cut short before the run begins" : "the input file '%.100s' in it is damaged",
                            i->path);
    }
    return OK;
}

static struct err read_all(struct recording *r)
{
    bool manifest = false;

    r->checkpoints = checkpoints_create();
    TRY(ndlog_read(&r->log, r->file.bytes, r->file.len));
    for (size_t k = 0; k < r->log.nframes; k++) {
        const struct ndlog_frame *f = &r->log.frames[k];

        if (f->kind == FRAME_MANIFEST && !manifest) {
            TRY(manifest_read(r, (const char *)f->bytes, f->len));
            manifest = true;
        } else if (f->kind == FRAME_INPUT && manifest) {
            TRY(embedded_read(r, f));
        } else if (checkpoints_frame(f->kind)) {
            if (!checkpoints_add(r->checkpoints, f))
                return err_make(ERR_FORMAT, "a checkpoint in it is damaged");
        } else if (f->kind < 'a') {                 /* small letters: what a reader may pass over */
            return err_make(ERR_UNSUPPORTED, "it has a part '%c' that this build does not know", f->kind > ' ' ? f->kind : '?');
        }
    }
    if (!manifest || r->log.nrecords == 0)
        return err_make(ERR_FORMAT, "it is cut short before the run begins");
    return check_embedded(r);
}

static struct err recording_from(struct recording **out, const char *path, struct blob file, bool mapped)
{
    struct recording *r = calloc(1, sizeof *r);
    struct err e;

    invariant(r != NULL && (r->path = strdup(path)) != NULL, "out of memory for a recording");
    r->file = file;
    r->mapped = mapped;
    e = read_all(r);
    if (!failed(&e)) {
        *out = r;
        return e;
    }
    recording_close(r);
    return err_make(e.code, "cannot replay '%.80s': %.150s", path, e.text);
}

struct err recording_of(struct recording **out, const char *path, struct blob file)
{
    return recording_from(out, path, file, false);
}

struct err recording_open(struct recording **out, const char *path)
{
    struct blob file;

    TRY(file_map(path, &file));
    return recording_from(out, path, file, true);
}

void recording_close(struct recording *r)
{
    if (r == NULL)
        return;
    inputs_free(&r->inputs);
    checkpoints_free(r->checkpoints);
    ndlog_free(&r->log);
    if (r->mapped)
        file_unmap(&r->file);
    else
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
    for (size_t k = 0; k < r->log.nframes; k++) {
        const struct ndlog_frame *f = &r->log.frames[k];

        out->checkpoint_bytes += checkpoints_frame(f->kind) ? f->len : 0;
        out->log_bytes -= f->kind == FRAME_INPUT || checkpoints_frame(f->kind) ? f->len : 0;
    }
    out->checkpoints = checkpoints_count(r->checkpoints);
    out->whole = out->checkpoints > 0 && checkpoint_at(r->checkpoints, out->checkpoints - 1).insns == last->at.insns;
}

/* ---- checkpoints ---- */

/* The next record to take: of a checkpoint of a file, so it is looked at. */
static bool records_fit(const struct ndlog *log, size_t taken, const struct moment *at)
{
    return taken <= log->nrecords && (taken == 0 || !moment_before(at, &log->records[taken - 1].at)) &&
           (taken == log->nrecords || !moment_before(&log->records[taken].at, at));
}

struct err replay_checkpoint(struct machine *m, size_t k)
{
    const struct recording *r = m->cfg.replay;
    const struct moment at = checkpoint_at(r->checkpoints, k);
    const size_t records = checkpoint_records(r->checkpoints, k);

    if (!records_fit(&r->log, records, &at))
        return err_make(ERR_FORMAT, "cannot replay '%.80s': a checkpoint in it is damaged: it is of another time than the log", r->path);
    TRY(checkpoint_restore(r->checkpoints, k, m));
    nondet_set_cursor(m->nondet, records);
    return OK;
}

bool replay_from_checkpoint(struct machine *m, size_t k)
{
    const struct recording *r = m->cfg.replay;
    const struct moment at = checkpoint_at(r->checkpoints, k), now = machine_moment(m);
    const size_t records = checkpoint_records(r->checkpoints, k);

    if (moment_before(&at, &now) || moment_before(&now, &at) || !records_fit(&r->log, records, &at))
        return false;
    nondet_set_cursor(m->nondet, records);
    return true;
}

struct err replay_skip(struct machine *m, uint64_t insns)
{
    struct err e;
    size_t k;

    if (!checkpoints_before(m->cfg.replay->checkpoints, insns, &k) || checkpoint_at(m->cfg.replay->checkpoints, k).insns <= machine_insns(m))
        return OK;
    e = replay_checkpoint(m, k);
    if (e.code != ERR_UNSUPPORTED)
        return e;
    log_at(LOG_MACHINE, LOG_WARN, "%s; the replay begins at the beginning", e.text);
    return OK;
}

/* ---- comparing ---- */

struct replayer {
    struct machine *machine;
    const struct recording *from;
    struct fingerprint recorded;    /* of the last hash record before record `next` */
    size_t next;
    uint64_t equal_at, equal;       /* the last hash that was equal, and how many were */
    struct ndlog_writer *out;       /* checkpoints are added: NULL: they are not */
    struct checkpoint_log *checkpoints;
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

struct err replayer_begin(struct replayer *r)
{
    struct machine *m = r->machine;
    struct recording_about about;
    struct checkpoint_pace pace = { .every = m->cfg.checkpoints };

    if (!m->cfg.add_checkpoints)
        return OK;
    recording_about(r->from, &about);
    pace.end = about.insns + 1;
    pace.bytes = about.checkpoint_bytes;
    TRY(ndlog_append(&r->out, r->from->path, &r->from->log));
    r->checkpoints = checkpoint_log_create(m, r->out, &pace);
    m->record_at = checkpoint_log_point(r->checkpoints);
    return OK;
}

/* One at the end tells that there are such everywhere. */
static void add_checkpoint(struct replayer *r, bool last)
{
    if (r->checkpoints == NULL)
        return;
    if (last)
        checkpoint_log_take(r->checkpoints, nondet_cursor(r->machine->nondet));
    else
        checkpoint_log_look(r->checkpoints, nondet_cursor(r->machine->nondet));
    r->machine->record_at = checkpoint_log_point(r->checkpoints);
    if (!last)
        return;
    checkpoint_log_free(r->checkpoints);
    r->checkpoints = NULL;
}

uint64_t replayer_equal(const struct replayer *r)
{
    return r->equal;
}

void replayer_free(struct replayer *r)
{
    if (r == NULL)
        return;
    checkpoint_log_free(r->checkpoints);
    ndlog_close(r->out);
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
    add_checkpoint(r, true);
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
    if (next != NULL && m->loop.stopped == 0) {
        add_checkpoint(r, false);
        return true;
    }
    add_checkpoint(r, next == NULL);
    *why = next == NULL ? RUN_RECORDING_CUT : RUN_DIFFERS;
    return next == NULL ? false : differs(r, "the replay ends here, the recording goes on");
}
