/* SPDX-License-Identifier: MIT
 * Travel in time: to any instruction of a run whose input is fixed, a replay or a run without input. Checkpoints (snapshot.h) lie
 * densely near where the machine stands and ever more thinly away from it, within a bound of memory. What the guest sent to the
 * host the first time is not sent again. */
#ifndef MACHINE_TRAVEL_H
#define MACHINE_TRAVEL_H

#include "machine/machine.h"

struct travel;

/* From now on; earlier than this one cannot go. Fails when input is still open, or state cannot be kept. Freed before the machine. */
struct err travel_create(struct travel **out, struct machine *m) MUST_USE;
void       travel_free(struct travel *t);
void       travel_set_memory(struct travel *t, uint64_t bytes);     /* default: half of the RAM in use beyond one copy of it */

/* The machine as it was, or will be, when so many instructions had retired. An error when the run ends before (the machine then
 * stands at its end) or begins later (it stays where it is). */
struct err travel_to(struct travel *t, uint64_t insns) MUST_USE;
uint64_t   travel_begin(const struct travel *t);
uint64_t   travel_end(const struct travel *t);      /* the farthest that was ever reached */

/* The machine was run by others and stands: a chance for a checkpoint. */
void       travel_note(struct travel *t);
/* The machine was changed by hand: what came later will not come like that. */
void       travel_forget_future(struct travel *t);

/* Looks backwards: restores checkpoint after checkpoint, each time has `scan` run the machine up to exactly `until`, noting what it
 * finds last, and ends with the first stretch in which it returned true: all before `before`, down to the stretch that `since` lies
 * in. *found: there was one. Where the machine then stands is of no meaning: travel_to() follows. */
typedef bool travel_scan_fn(void *arg, uint64_t until);
/* Only what writes these pages of RAM is looked for: stretches in which nothing does are passed over. NULL: each counts. */
#define TRAVEL_RANGES 64u
struct travel_pages { struct { uint64_t first, last; } ranges[TRAVEL_RANGES]; unsigned n; };
struct err travel_back(struct travel *t, uint64_t before, uint64_t since, const struct travel_pages *only, travel_scan_fn *scan, void *arg,
                       bool *found) MUST_USE;

/* Forwards: *at, up to `before`, is moved over stretches in which nothing writes there; the next one worth running ends where this says. */
uint64_t   travel_next(const struct travel *t, const struct travel_pages *only, uint64_t *at, uint64_t before);

struct travel_about { uint64_t checkpoints, bytes, bound, spacing; };
void       travel_about(const struct travel *t, struct travel_about *out);

#endif
