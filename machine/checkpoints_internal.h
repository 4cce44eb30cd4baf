/* SPDX-License-Identifier: MIT
 * How checkpoints are written: shared by who makes and who reads them. docs/recording.md says the same in words. */
#ifndef MACHINE_CHECKPOINTS_INTERNAL_H
#define MACHINE_CHECKPOINTS_INTERNAL_H

#include "machine/checkpoints.h"
#include "machine/snapshot_internal.h"

/* Contents of pages have numbers: these two, and then one for each that is in a chain, in their order. */
enum { CONTENTS_NONE, CONTENTS_ZERO, CONTENTS_FIRST };

/* What a frame says of a page: no such page, zeros, the bytes follow, or as many contents back from the newest one. */
enum { PAGE_NONE, PAGE_ZERO, PAGE_FRESH, PAGE_KNOWN };

/* Of the machine whose checkpoints they are. 1: they mention pages, too, that were written and hold what they held. */
#define CHAIN_FORMAT 1u
uint64_t chain_identity(const struct machine *m);

#endif
