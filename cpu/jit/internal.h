/* SPDX-License-Identifier: MIT
 * What the engine shares with its backends. */
#ifndef CPU_JIT_INTERNAL_H
#define CPU_JIT_INTERNAL_H

#include "base/arena.h"
#include "cpu/block.h"
#include "cpu/jit/codebuf.h"
#include "cpu/jit/jit.h"
#include "cpu/jit/live.h"
#include "cpu/jit/passes.h"

/* From the end of a block to where it goes on. A link within one page holds as long as its target does: who runs a page has
 * its mapping. One to another page holds as a shortcut does, under the same tag: its stub looks. One to a global page needs no look
 * either, since all of them are cut when global pages are flushed. */
struct jit_link {
    uint64_t rip;               /* of the target */
    uint64_t tag;               /* far links: the shortcut's; 0: not linked */
    const uint8_t *target;      /* far links: where the code goes */
    uint8_t *site, *stub;       /* the jump's distance, and where it leads while the link is not direct; written view */
    bool near;
    bool direct;                /* the jump itself leads to the target: near links, and those to global pages */
    bool listed;                /* in jit->globals */
    const uint8_t *loop;        /* only to where this code begins: where it begins again with what it has in registers */
    struct jit_part *from;
    const struct block *inner;  /* a path goes on with this block of another page ... */
    uint64_t inner_tag;         /* ... while this is a good tag */
    struct jit_link *next, **before;    /* others with this target; before NULL: not linked */
    struct jit_link *next_global;
};

/* One block of what was translated. */
struct jit_part {
    struct block *from;
    struct block *run;          /* its copy, whose instructions the handlers see: each is followed by a handler that returns */
    struct jit_block *of;
    struct jit_part *next;      /* others made of the same block: block->parts */
    unsigned first;             /* its first instruction among all */
};

/* A translation: of one block, or of a path (path.c), which is entered where its first block is. */
struct jit_block {
    const uint8_t *code;        /* its budget is taken */
    const uint8_t *check;       /* takes its budget, or leaves */
    struct jit_part *parts;
    unsigned nparts, insns;
    bool loops;                 /* the last part is followed by the first */
    bool gone;                  /* forgotten */
    struct jit_link *incoming;
    uint64_t runs;              /* while jit->counts */
    size_t at;                  /* in the buffer */
    uint32_t bytes;
    const uint32_t *begins;     /* as jit->begins */
};

/* Ways out of translated code and back, made once. */
struct jit_glue {
    const uint8_t *enter;       /* insn_fn */
    const uint8_t *call, *call_flags;   /* one handler; afterwards its flags are also jit_of and jit_szapc */
    const uint8_t *call_plain;  /* one that has nothing to do with flags */
    const uint8_t *x87_on;      /* puts the guest's x87 state into the host's unit; CF: the interpreter must do */
    const uint8_t *x87_function[3];     /* by enum x87_shape: CX the operation, DX what FSW must not have; equal: done */
    const uint8_t *fp_on;       /* puts the guest's MXCSR in force; CF: the interpreter must do */
    const uint8_t *reprobe[2];  /* the probe again among the victims: reading, writing */
    const uint8_t *site[2], *site_place[2];     /* the probe of an access that keeps a page, or the place of an entry */
    const uint8_t *near[2];     /* the probe in all of the TLB: of an access that remembers its page, or is not aligned */
    const uint8_t *fp_look[24]; /* a64/lift_vec_guard.c */
    const uint8_t *missed;      /* as tail, and such a probe has failed */
    const uint8_t *find;        /* the translation of an indirect jump's target that is not at hand */
    const uint8_t *tail;        /* a handler that ends the block */
    const uint8_t *last, *last_plain;   /* one that jumps to no other block itself; plain: as call_plain */
    const uint8_t *follow;      /* the end of a link */
    const uint8_t *dry;         /* the budget does not suffice for the block */
};

struct jit_site {
    struct jit_part *part;
    unsigned k;                 /* which instruction of it */
    bool write;
    uint16_t bytes;
    uint64_t since;             /* how many instructions had run when the counting began */
};

#define JIT_SEEN 64u
#define JIT_HOT  5u             /* samples: a block that is still alone then is made again, and its accesses keep something, too */

struct jit {
    struct cpu *cpu;
    struct codebuf code;
    size_t glue_bytes;
    struct jit_glue glue;
    struct arena arena;
    unsigned threshold;
    unsigned off;                       /* a bit for each enum jit_pass */
    bool pages_always;                  /* for tests: accesses keep pages at each level (x64/lift_site.c) */
    bool counts;                        /* each translation counts in `runs` how often it is entered */
    uint32_t begins[JIT_INSNS + 1];     /* of the block at hand: where each instruction's code begins, then what is out of line */
    void (*translated)(void *arg, const struct cpu_translation *t);
    void *translated_arg;
    uint64_t *handler_calls;            /* by enum op; NULL: not counted */
    struct jit_code insns;              /* of what is being translated */
    struct block *seen[JIT_SEEN];       /* path.c: blocks that ran one after another, while cpu->jit_looks */
    unsigned nseen, nown;               /* and how many of them before the first that begins another path */
    struct jit_block *doubted;          /* the path whose beginning the look began with, or NULL */
    struct jit_link *globals;           /* that have been direct without being near since the last flush of global pages */
    struct jit_site *sites;             /* by number, from 1 on: what cpu->jit_sites are of */
    unsigned nsites;
};

/* Do both begin on one page, of the guest's and of the host's memory? */
static inline bool jit_one_page(const struct block *a, const struct block *b)
{
    return ((a->rip ^ b->rip) & PAGE_MASK) == 0 && (uintptr_t)(a->host - b->host) == (uintptr_t)(a->rip - b->rip);
}

/* Does a link from here stay on the page? What begins near its end may run into the next one. */
static inline bool jit_near(const struct block *from, uint64_t rip)
{
    return ((rip ^ from->rip) & PAGE_MASK) == 0 && from->tail == NULL && (rip & ~PAGE_MASK) <= PAGE_SIZE - INSN_BYTES;
}

static inline bool jit_does(const struct jit *j, enum jit_pass pass)
{
    return !(j->off >> pass & 1);
}

/* ---- a backend ---- */

bool backend_glue(struct jit *j);                           /* fills j->glue from the start of the empty buffer */
bool backend_translate(struct jit *j, struct jit_block *t); /* of j->insns; also fills j->begins; false: no translation */
bool backend_vector_alone(unsigned op);                     /* of its tables: changes no general register */
extern const bool backend_has_paths;                        /* it can translate several blocks at once */
extern const bool backend_keeps;                            /* accesses keep something of the TLB: jit_site() */
void backend_link(struct jit *j, struct jit_link *l, const uint8_t *target);
void backend_unlink(struct jit *j, struct jit_link *l);
#define JIT_SITE_BYTES 4u       /* those two change at a link's site */

/* What translated code has instead (cpu/internal.h) to cpu->flags. Also jit_flags_get() and jit_flags_to_raw() are the backend's. */
void jit_flags_from_raw(struct cpu *cpu);

/* ---- what translated code calls ---- */

void jit_missed(struct cpu *cpu);       /* cpu->block was left because a probe for several accesses failed; flags as above */

const uint8_t *jit_follow(struct cpu *cpu, struct jit_link *l);    /* where to go on; NULL: leave, all is prepared */
const uint8_t *jit_find(struct cpu *cpu, uint64_t rip);     /* where an indirect jump goes on; NULL: by its handler */
const uint8_t *jit_go_on(struct cpu *cpu);      /* the same after an instruction that ends its block; NULL: by the run loop */
void jit_dry(struct cpu *cpu, struct jit_part *p);              /* leave before this block */
unsigned jit_next(struct cpu *cpu, const struct insn *i);       /* an insn_fn: EXEC_NEXT */
unsigned jit_next_counted(struct cpu *cpu, const struct insn *i);       /* the same; the one before i has been called */

/* A place for an access of this part, by its instruction; 0: there is none left. */
unsigned jit_site(struct jit *j, struct jit_part *p, unsigned k, bool write, unsigned bytes);

/* ---- paths ---- */

/* A slice of time ended before this. */
void jit_sample(struct jit *j, struct jit_block *t);

/* This block is forgotten, or all are: NULL. */
void jit_look_away(struct jit *j, const struct block *b);

/* It does not pay: its first block gets another translation of its own, unless it has one already. */
void jit_exchange(struct jit *j, struct jit_block *t);

/* Of blocks of which each follows the one before; takes the place of the first one's translation. */
void jit_translate_path(struct jit *j, struct block *const *blocks, unsigned count, bool loops);

#endif
