/* SPDX-License-Identifier: MIT
 * Recordings: what a machine was made of, what came in from outside and when, and hashes of its state (docs/recording.md). */
#ifndef MACHINE_RECORDING_H
#define MACHINE_RECORDING_H

#include "base/err.h"
#include "core/ndlog.h"
#include "machine/checkpoints.h"
#include "machine/inputs.h"
#include "machine/machine.h"

/* ---- writing: machine_config.record; called by machine.c and loop.c ---- */

struct recorder;

struct recorder *recorder_create(struct machine *m);                /* before the machine is made: it asks the host already */
struct err       recorder_begin(struct recorder *r) MUST_USE;       /* when it is made */
void             recorder_look(struct recorder *r);                 /* the loop stands between instructions */
void             recorder_end(struct recorder *r, enum run why);    /* the machine stopped; RUN_LIMIT: it is left */
void             recorder_free(struct recorder *r);

/* ---- reading ---- */

struct recording {
    char *path;
    struct blob file;
    bool mapped;                    /* file_map() */
    struct ndlog log;
    struct machine_config cfg;
    struct inputs inputs;
    struct checkpoints *checkpoints;
    char *strings[64];              /* of cfg */
    unsigned nstrings;
    char made_by[48];
};

struct err          recording_of(struct recording **out, const char *path, struct blob file) MUST_USE;     /* takes the bytes over */
const char         *recording_path(const struct recording *r);
const struct input *recording_input(const struct recording *r, const char *path);      /* NULL: unknown */

/* The text of a manifest, both ways. */
void       manifest_write(const struct machine_config *cfg, const struct inputs *inputs, struct writer *out);
struct err manifest_read(struct recording *r, const char *text, size_t len) MUST_USE;
#define EMBEDDED_MAX (UINT64_C(1) << 36)        /* it is unpacked in memory */
/* Pieces of input files. */
struct err embedded_write(struct ndlog_writer *out, const struct input *i, unsigned index) MUST_USE;
struct err embedded_read(struct recording *r, const struct ndlog_frame *f) MUST_USE;

/* ---- replaying: machine_config.replay; called by machine.c and loop.c ---- */

struct replayer;

struct replayer *replayer_create(struct machine *m);
struct err       replayer_begin(struct replayer *r) MUST_USE;       /* when the machine is made */
/* The loop stands between instructions, and the machine stopped or did not. False: the run is over, and why. */
bool             replayer_look(struct replayer *r, enum run *why);
uint64_t         replayer_equal(const struct replayer *r);      /* hashes that were equal so far */
void             replayer_free(struct replayer *r);
/* Machines that stand where their run began go to a checkpoint of their recording. An error leaves them undefined, but for
 * ERR_UNSUPPORTED: then they stay where they are. */
struct err       replay_checkpoint(struct machine *m, size_t k) MUST_USE;
/* They were put to the instant of this checkpoint: the log goes on from there. False: it cannot be. */
bool             replay_from_checkpoint(struct machine *m, size_t k);

#endif
