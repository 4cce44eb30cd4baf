/* SPDX-License-Identifier: MIT
 * Snapshots in memory, and files of them. Snapshots of one machine share all pages that did not change in between; taking one
 * costs what was written since the last take or restore, restoring one what differs. Between calls of machine_run() only. */
#ifndef MACHINE_SNAPSHOT_H
#define MACHINE_SNAPSHOT_H

#include "machine/machine.h"

struct snapshots;           /* those of one machine */
struct snapshot;

/* One for each machine; fails when the machine has state that cannot be put back: disks that are written in place. Freed with
 * the machine, or before. */
struct err snapshots_create(struct snapshots **out, struct machine *m) MUST_USE;
void       snapshots_free(struct snapshots *s);

struct snapshot *snapshot_take(struct snapshots *s);                /* never changes what the guest sees */
/* The machine is as it was, up to what is cached. An error (only of a snapshot that came out of a file) leaves it undefined. */
struct err snapshot_restore(struct snapshots *s, const struct snapshot *at) MUST_USE;
void       snapshot_drop(struct snapshots *s, struct snapshot *at); /* NULL is none */
uint64_t   snapshot_insns(const struct snapshot *at);

uint64_t   snapshots_memory(const struct snapshots *s);             /* bytes that they take together */

/* The bytes of a page of RAM then; NULL: never written, zeros. Equal pointers of two snapshots are equal contents. */
const uint8_t *snapshot_ram_page(const struct snapshot *at, uint64_t page);

/* In what the two differ first, as a sentence; false: the guest cannot tell them apart. */
bool       snapshot_difference(struct snapshots *s, const struct snapshot *a, const struct snapshot *b, char *text, size_t room);

#endif
