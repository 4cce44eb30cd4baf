/* SPDX-License-Identifier: MIT
 * Checkpoints into a recording, while it is made or when it is replayed: when a run is worth its next one, so that going to any
 * instant is quick, within a share of the time and a bound of bytes. */
#ifndef MACHINE_CHECKPOINT_LOG_H
#define MACHINE_CHECKPOINT_LOG_H

#include "machine/checkpoints.h"

struct checkpoint_pace {
    uint64_t every;         /* instructions, exactly; 0: by what follows */
    uint64_t least_ns;      /* not before the host has run so long since the last one */
    uint64_t share;         /* nor when it would take more than 1/share of the time since then */
    uint64_t end;           /* the instruction at which the run ends, if that is known: then time is no matter; else 0 */
    uint64_t bytes;         /* that the recording's checkpoints take already */
};

struct checkpoint_log;

/* The machine stands where its run began. */
struct checkpoint_log *checkpoint_log_create(struct machine *m, struct ndlog_writer *out, const struct checkpoint_pace *pace);
void     checkpoint_log_free(struct checkpoint_log *l);         /* NULL is none */
/* The machine stands between instructions, and has taken so many records. */
void     checkpoint_log_look(struct checkpoint_log *l, size_t records);
void     checkpoint_log_take(struct checkpoint_log *l, size_t records);         /* at once, all of it */
void     checkpoint_log_finish(struct checkpoint_log *l);                       /* the one that was begun */
/* The instruction at which it wants to look; UINT64_MAX: any will do. */
uint64_t checkpoint_log_point(const struct checkpoint_log *l);

#endif
