/* SPDX-License-Identifier: MIT
 * Recordings for frontends: open one, make its machine, know what it holds. */
#ifndef MACHINE_REPLAY_H
#define MACHINE_REPLAY_H

#include "machine/machine.h"

struct recording;

/* Errors are one sentence that names the file. */
struct err recording_open(struct recording **out, const char *path) MUST_USE;
void       recording_close(struct recording *r);        /* after the machines made of it */

/* The configuration of the machine that was recorded, made to replay it. What only the host sees may then be changed: engine,
 * where serial output goes, hash points. */
void       recording_config(const struct recording *r, struct machine_config *cfg);

struct recording_about {
    uint64_t insns;             /* where it ends */
    uint64_t checkpoints, checkpoint_bytes;
    bool whole;                 /* all of it has checkpoints: they were added */
    uint64_t records, inputs, hashes, file_bytes, log_bytes;
    bool complete;              /* the recorded run ended, and its end is recorded */
    enum run end;               /* if so: how */
    const char *made_by;        /* version of Partita */
};
void       recording_about(const struct recording *r, struct recording_about *out);

/* A replay that has not run yet goes to the last checkpoint that is not behind this instruction, if there is one; what the guest
 * sent to the host until then is not sent again. */
struct err replay_skip(struct machine *m, uint64_t insns) MUST_USE;

#endif
