/* SPDX-License-Identifier: MIT
 * Checkpoints on paper: chains of what changed, from the beginning of a run to each of its checkpoints, as frames of a recording
 * (docs/recording.md). Equal pages are kept once. Making one is not seen by the guest; the machine goes to any of them from where
 * its run began. */
#ifndef MACHINE_CHECKPOINTS_H
#define MACHINE_CHECKPOINTS_H

#include "core/ndlog.h"
#include "machine/machine.h"

/* ---- making ---- */

struct checkpointer;

/* Where a frame goes; it is the receiver's only during the call. */
typedef void checkpoint_sink_fn(void *arg, enum frame_kind kind, const void *bytes, size_t len);

/* The machine stands where its run began: what it holds now is in no frame. */
struct checkpointer *checkpointer_create(struct machine *m, checkpoint_sink_fn *sink, void *arg);
void     checkpointer_free(struct checkpointer *c);
/* The machine stands between instructions, and has taken so many records of its log. What it holds now is noted, but its memory is not
 * looked at yet; one that is not finished yet is finished first. */
void     checkpointer_begin(struct checkpointer *c, size_t records);
/* So many pages more of the one that was begun, as they were then; false: it is finished. */
bool     checkpointer_go_on(struct checkpointer *c, uint64_t pages);
bool     checkpointer_finished(const struct checkpointer *c);
/* How many pages the next one would have to look at. */
uint64_t checkpointer_pages(const struct checkpointer *c);

/* ---- having ---- */

struct checkpoints;

struct checkpoints *checkpoints_create(void);
void                checkpoints_free(struct checkpoints *c);
/* A frame, in the order in which they were made; its bytes are used as long as this lives. False: it is damaged. */
bool                checkpoints_add(struct checkpoints *c, const struct ndlog_frame *f);
bool                checkpoints_frame(uint8_t kind);            /* is a frame of this kind one of theirs? */

/* Those of a machine, ascending; those of other chains are of no use to it. */
size_t              checkpoints_count(const struct checkpoints *c);
struct moment       checkpoint_at(const struct checkpoints *c, size_t k);
size_t              checkpoint_records(const struct checkpoints *c, size_t k);     /* of the log that were taken until then */
/* The last one that is not behind `insns`; false: there is none. */
bool                checkpoints_before(const struct checkpoints *c, uint64_t insns, size_t *k);
/* No byte of these pages of RAM was written between the checkpoint before this one, or the beginning of the run, which was at
 * instruction *since, and this one: be it with what it held. */
struct travel_pages;
bool                checkpoint_unwritten(const struct checkpoints *c, size_t k, const struct travel_pages *pages, uint64_t *since);
/* The machine stands where its run began. An error leaves it undefined, but for ERR_UNSUPPORTED: then nothing has happened. */
struct err          checkpoint_restore(const struct checkpoints *c, size_t k, struct machine *m) MUST_USE;

struct snapshots;
struct snapshot;

/* All that fit the machine as snapshots of it (machine/snapshot.h), whose contents stay packed where they are; `beginning` is one of
 * where its run began. `each` gets them in any order. */
void                checkpoints_snapshots(const struct checkpoints *c, struct snapshots *s, const struct snapshot *beginning,
                                          void (*each)(void *arg, size_t k, struct snapshot *at), void *arg);

#endif
