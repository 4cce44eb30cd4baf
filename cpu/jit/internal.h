/* SPDX-License-Identifier: MIT
 * What the engine shares with its backends. */
#ifndef CPU_JIT_INTERNAL_H
#define CPU_JIT_INTERNAL_H

#include "base/arena.h"
#include "cpu/jit/codebuf.h"
#include "cpu/jit/jit.h"

/* From the end of a block to where it goes on. A link within one page holds as long as its target does: who runs a page has
 * its mapping. One to another page holds as a shortcut does, under the same tag. */
struct jit_link {
    uint64_t rip;               /* of the target */
    uint64_t tag;               /* far links: the shortcut's; 0: not linked */
    const uint8_t *target;      /* far links: where the code goes */
    uint8_t *site, *stub;       /* near links: the jump's distance and where it leads while unlinked; written view */
    bool near;
    const uint8_t *loop;        /* only to `from` itself: where it begins again with what it has in registers */
    struct jit_block *from;
    struct jit_link *next, **before;    /* others with this target; before NULL: not linked */
};

struct jit_block {
    const uint8_t *code;        /* its budget is taken */
    const uint8_t *check;       /* takes its budget, or leaves */
    struct block *from;         /* what was translated */
    struct block *run;          /* its copy, whose instructions the handlers see: each is followed by a handler that returns */
    struct jit_link *incoming;
};

/* Ways out of translated code and back, made once. */
struct jit_glue {
    const uint8_t *enter;       /* insn_fn */
    const uint8_t *call, *call_flags;   /* one handler; afterwards its flags are also jit_of and jit_szapc */
    const uint8_t *call_plain;  /* one that has nothing to do with flags */
    const uint8_t *x87_on;      /* puts the guest's x87 state into the host's unit; CF: the interpreter must do */
    const uint8_t *fp_on;       /* puts the guest's MXCSR in force; CF: the interpreter must do */
    const uint8_t *reprobe[2];  /* the probe again among the victims: reading, writing */
    const uint8_t *near[2];     /* the probe of an access that remembers its page */
    const uint8_t *share[2];    /* the probe of several accesses, reading or writing */
    const uint8_t *missed;      /* as tail, and such a probe has failed */
    const uint8_t *find;        /* the translation of an indirect jump's target that is not at hand */
    const uint8_t *tail;        /* a handler that ends the block */
    const uint8_t *last, *last_plain;   /* one that jumps to no other block itself; plain: as call_plain */
    const uint8_t *follow;      /* the end of a link */
    const uint8_t *dry;         /* the budget does not suffice for the block */
};

struct jit {
    struct cpu *cpu;
    struct codebuf code;
    size_t glue_bytes;
    struct jit_glue glue;
    struct arena arena;
    unsigned threshold;
    uint32_t begins[BLOCK_INSNS + 1];   /* of the block at hand: where each instruction's code begins, then what is out of line */
    void (*translated)(void *arg, const struct cpu_translation *t);
    void *translated_arg;
    uint64_t *handler_calls;            /* by enum op; NULL: not counted */
};

/* ---- a backend ---- */

bool backend_glue(struct jit *j);                           /* fills j->glue from the start of the empty buffer */
bool backend_translate(struct jit *j, struct jit_block *t); /* also fills j->begins; false: no translation */
void backend_link(struct jit *j, struct jit_link *l, const uint8_t *target);
void backend_unlink(struct jit *j, struct jit_link *l);
#define JIT_SITE_BYTES 4u       /* those two change at a link's site */

/* What translated code has instead (cpu/internal.h) to cpu->flags. Also jit_flags_get() and jit_flags_to_raw() are the backend's. */
void jit_flags_from_raw(struct cpu *cpu);

/* ---- what translated code calls ---- */

#define JIT_MISSES 16u
void jit_missed(struct cpu *cpu);       /* cpu->block was left because a probe for several accesses failed; flags as above */

const uint8_t *jit_follow(struct cpu *cpu, struct jit_link *l);    /* where to go on; NULL: leave, all is prepared */
const uint8_t *jit_find(struct cpu *cpu, uint64_t rip);     /* where an indirect jump goes on; NULL: by its handler */
const uint8_t *jit_go_on(struct cpu *cpu);      /* the same after an instruction that ends its block; NULL: by the run loop */
void jit_dry(struct cpu *cpu, struct jit_block *t);             /* leave before this block */
unsigned jit_next(struct cpu *cpu, const struct insn *i);       /* an insn_fn: EXEC_NEXT */
unsigned jit_next_counted(struct cpu *cpu, const struct insn *i);       /* the same; the one before i has been called */

#endif
