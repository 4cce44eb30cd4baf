/* SPDX-License-Identifier: MIT
 * A replay becomes a run of its own, recorded from where it stands: the machine is saved beside the new recording, which begins there,
 * and the door opens. What the old recording was made of, the new one is made of too. */
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "machine/debug_internal.h"
#include "machine/recording.h"

#define START ".start"

static char *joined(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    char *text = malloc(n + m + 1);

    invariant(text != NULL, "out of memory");
    memcpy(text, a, n);
    memcpy(text + n, b, m + 1);
    return text;
}

static void add_input(struct inputs *in, const struct input *i)
{
    struct input copy = { .path = joined(i->path, ""), .hash = i->hash, .len = i->len, .embedded = i->embedded };
    struct blob bytes = { 0 };
    struct err e = i->bytes != NULL ? input_copy(i, &bytes) : OK;

    invariant(!failed(&e), "%s", e.text);
    copy.bytes = bytes.bytes;
    in->list[in->count++] = copy;
}

/* But for the snapshot that the old one may have begun with. */
static void take_inputs(struct machine *m, const struct recording *from, const struct input *start)
{
    const char *old = m->cfg.start_from;

    inputs_free(&m->inputs);
    m->inputs.from = NULL;
    for (unsigned k = 0; k < from->inputs.count; k++)
        if (old == NULL || strcmp(from->inputs.list[k].path, old) != 0)
            add_input(&m->inputs, &from->inputs.list[k]);
    add_input(&m->inputs, start);
}

static struct err check(const struct machine *m, const char *path)
{
    if (m->recorder != NULL)
        return err_make(ERR_USAGE, "this run is being recorded already");
    if (m->replayer == NULL)
        return err_make(ERR_USAGE, "only a replay can go on as a recording: save this run (monitor savevm NAME FILE) and record from there with its options "
                        "(partita record -snapshot-load FILE), or record it from its beginning");
    if (m->loop.stopped != 0)
        return err_make(ERR_USAGE, "the run has ended here: go back first");
    if (m->cfg.replay->inputs.count >= INPUTS_MAX)
        return err_make(ERR_USAGE, "a recording has room for %d input files", INPUTS_MAX);
    return strcmp(path, recording_path(m->cfg.replay)) != 0 ? OK : err_make(ERR_USAGE, "'%.150s' is what is replayed", path);
}

static struct err save_start(struct machine *m, const char *path, struct input *start)
{
    struct blob file;

    TRY(machine_save(m, path));
    TRY(file_read_all(path, &file));
    start->len = file.len;
    start->hash = input_hash(file.bytes, file.len);
    blob_free(&file);
    return OK;
}

struct err debug_record(struct debug *d, const char *path)
{
    struct machine *m = d->machine;
    struct input start = { 0 };
    struct err e;

    TRY(check(m, path));
    start.path = joined(path, START);
    e = save_start(m, start.path, &start);
    if (failed(&e)) {
        free(start.path);
        return e;
    }
    debug_travel_free(d);
    debug_forget_histories(d);
    take_inputs(m, m->cfg.replay, &start);
    nondet_go_live(m->nondet);
    replayer_free(m->replayer);
    m->replayer = NULL;
    m->cfg.replay = NULL;
    free(m->live_record);
    free(m->live_start);
    m->cfg.record = m->live_record = joined(path, "");
    m->cfg.start_from = m->live_start = start.path;
    m->pace.host_start = 0;
    m->recorder = recorder_create(m);
    e = recorder_begin(m->recorder);
    if (failed(&e)) {                   /* it is live, but nobody writes */
        nondet_record(m->nondet, NULL);
        recorder_free(m->recorder);
        m->recorder = NULL;
    }
    return e;
}
