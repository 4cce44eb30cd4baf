/* SPDX-License-Identifier: MIT
 * Which arithmetic flags of a block anybody can want, whatever the host. */
#ifndef CPU_JIT_LIVE_H
#define CPU_JIT_LIVE_H

#include "cpu/block.h"

#define JIT_INSNS 128u          /* most that are translated at once: of one block, or of several that run one after another */
#define JIT_PARTS 24u

/* What is translated at once. */
struct jit_code {
    const struct insn *insns[JIT_INSNS];
    uint8_t part[JIT_INSNS];    /* which of the blocks it comes from */
    unsigned count;
    bool loops;                 /* from the last one back to the first */
    bool keeps_flags;           /* whether or not anybody reads them */
};

static inline unsigned guest_number(uint8_t o) { return o >> 3; }
static inline bool high_byte(uint8_t o, unsigned bytes) { return bytes == 1 && (o & 7) == 1; }

/* The last instruction of a block: another one follows here. Where it goes on otherwise, this code is left. */
static inline bool jit_inner_end(const struct jit_code *c, unsigned k)
{
    return k + 1 < c->count ? c->part[k] != c->part[k + 1] : c->loops;
}

/* For each instruction: the flags that later ones, or the end of the code, take from after it; and those that only what
 * lies off the plain path (a fault, a handler, a device, another way out) may look at. `read` and `seen`: at the end. Returns
 * what is read of the flags at the beginning. */
unsigned jit_live_flags(const struct jit_code *c, unsigned read, unsigned seen, uint16_t read_after[], uint16_t seen_after[]);

/* For each instruction: of those, what others take after it than jit_taken_flags() tells of. Those take flags wherever they are, or from
 * operands of which they are made again; all others from where they are kept. `kept`: at the end; returns it at the beginning. */
unsigned jit_kept_flags(const struct jit_code *c, unsigned kept, const uint16_t read_after[], const uint16_t seen_after[],
                        uint16_t kept_after[]);
unsigned jit_taken_flags(const struct insn *i);         /* by a condition, with a carry, or to leave it; 0: it takes none so */

bool jit_jumps(unsigned op);                    /* its handler goes on to the next block itself */
bool jit_keeps_flags(unsigned op);              /* its handler does not know there are flags */
bool jit_observes(const struct insn *i);        /* flags may be seen as they are before i */
bool jit_vector_alone(const struct insn *i);             /* a vector or x87 instruction that changes no general register */
bool jit_leaves(const struct insn *i, unsigned n);     /* general register n is what it was; above 15: i is known to change few */
unsigned jit_condition_flags(unsigned cc);      /* those that a condition reads */

#endif
