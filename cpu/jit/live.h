/* SPDX-License-Identifier: MIT
 * Which arithmetic flags of a block anybody can want, whatever the host. */
#ifndef CPU_JIT_LIVE_H
#define CPU_JIT_LIVE_H

#include "cpu/block.h"

/* For each instruction: the flags that later ones, or the end of the block, take from after it; and those that only what
 * lies off the plain path (a fault, a handler, a device) may look at. `read` and `seen`: at the end of the block. Returns what
 * is read of the flags at its beginning. */
unsigned jit_live_flags(const struct block *b, unsigned read, unsigned seen, uint16_t read_after[], uint16_t seen_after[]);

bool jit_jumps(unsigned op);                    /* its handler goes on to the next block itself */
bool jit_keeps_flags(unsigned op);              /* its handler does not know there are flags */
unsigned jit_condition_flags(unsigned cc);      /* those that a condition reads */

#endif
