/* SPDX-License-Identifier: MIT
 * Which accesses lie close together, at constant distances from the same register, so that they can share one probe of the TLB. How
 * they do is the backend's. */
#ifndef CPU_JIT_SHARE_H
#define CPU_JIT_SHARE_H

#include "cpu/jit/live.h"

/* Accesses that share a probe; where the first byte is in the host's memory is kept. */
struct share {
    bool on;
    bool write;
    bool stays;                 /* in a loop: from round to round */
    uint8_t base;               /* the register, as struct insn has it */
    unsigned left;              /* accesses that will come */
    int64_t lo, hi;             /* bytes that were probed, from what the register was then */
    int64_t moved;              /* by how much it changed since */
};

/* An access: from what its register is. */
struct place {
    int64_t at;
    unsigned bytes;
    bool write;
};

int64_t share_span(const struct block *b);          /* bytes that one probe of this block may serve */
bool share_near_enough(int64_t at);
bool share_steps(const struct insn *i, uint8_t base, int64_t *by);
struct share share_plan(const struct jit_code *c, unsigned from, uint8_t base, const struct place *now, int64_t most);
bool share_comes_back(const struct jit_code *c, uint8_t base);

/* Of `count` that are kept at a time. */
void share_after(struct share *s, unsigned count, const struct insn *i);        /* what this instruction leaves of them */
bool share_needed(const struct share *s, unsigned count);                       /* accesses that will come rely on one */
struct share *share_find(struct share *s, unsigned count, uint8_t base, const struct place *x);     /* that serves this access, or NULL */
unsigned share_free(const struct share *s, unsigned count);                     /* a place for one; `count`: all are needed */
bool share_around(struct share *s, unsigned count, const struct jit_code *c, bool called);  /* what stays from round to round: is there any? */
bool share_is_around(const struct share *s, unsigned count);
void share_none(struct share *s, unsigned count);               /* C code will run, or nobody knows where this comes from */

#endif
