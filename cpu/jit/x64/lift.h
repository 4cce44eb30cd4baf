/* SPDX-License-Identifier: MIT
 * One block from guest to host instructions, in one pass. Shared by the files that know the families of instructions.
 *
 * Host registers: AX CX DX are free within an instruction; BP points to the guest's general registers in struct cpu, 14 holds
 * the budget, 15 what lift_share.c keeps first; nine guest registers live in others, the rest in struct cpu. Guest flags are host flags right
 * after the instruction that made them, and otherwise cpu->jit_of and jit_szapc, which are written only where somebody may look. */
#ifndef CPU_JIT_X64_LIFT_H
#define CPU_JIT_X64_LIFT_H

#include <stddef.h>

#include "cpu/exec.h"
#include "cpu/jit/internal.h"
#include "cpu/jit/owed.h"
#include "cpu/jit/share.h"
#include "cpu/jit/x64/asm.h"

#define HOST_CPU    HOST_BP
#define HOST_BUDGET HOST_14
#define HOST_SHARE  HOST_15

#define CPU_BASE    ((int32_t)offsetof(struct cpu, s.gpr))
#define CPU_AT(field)   rm_at(HOST_CPU, (int32_t)offsetof(struct cpu, field) - CPU_BASE)

/* Guest vector registers that are in the host's, within a block. Those from 16 on, which only EVEX has, are in the host's of
 * the same number; so are opmask registers. */
#define VEC_REGS    32u

enum { DIRTY_NOT, DIRTY_LOW = 16, DIRTY_UPPER_ZERO = 64, DIRTY_WHOLE = 128 };

struct vec_state {
    uint8_t host[VEC_REGS];     /* HOST_NONE: in struct cpu only */
    uint8_t have[VEC_REGS];     /* bytes of it that are right there: 16, 32 or 64 */
    uint8_t dirty[VEC_REGS];    /* what struct cpu does not have: nothing, 16 bytes, all 64 of which the upper half is zero, all */
    uint32_t clear;             /* by register: bytes 32 to 63 are zero in struct cpu */
    uint8_t k_have, k_dirty;    /* opmask registers: they are there; struct cpu does not have them */
    uint8_t fp;                 /* the guest's MXCSR is in force */
    uint8_t x87;                /* the guest's x87 state is in the host's unit; 0: it may be */
    uint8_t x87_last;           /* the last x87 instruction that fpu_ip does not tell of: its number and 1 */
};

#define LIFT_SHARES (1u + JIT_SHARES)

/* What lift_address() has put into AX, for as long as nothing else was made. */
struct address {
    bool simple;                /* a register, or none, and a constant */
    uint8_t base;
    int64_t at;
    uint8_t *begin, *end;       /* its code */
};

/* A way out of a path where it goes on otherwise than it did when it was looked at: made after the plain path. */
struct way_out {
    uint8_t *site;              /* the jump that leads here */
    enum { WAY_LINK, WAY_END } kind;    /* to `rip`; as the block's end does it */
    uint64_t rip;
    const struct block *inner;  /* behind a check of the mapping: the block that would be next, and the link that knows */
    struct jit_link *link;
    uint8_t k;
    bool swapped;               /* as in struct cold */
    struct owed owed;           /* as in struct lift, on the way here */
    struct vec_state vec;
};

/* A place out of line, made after the block's plain path: the handler of instruction `k` does it. */
struct cold {
    uint8_t *site;              /* the jump that leads here */
    const uint8_t *resume;      /* NULL: the handler ends the block */
    const uint8_t *again;       /* glue that tries once more before the handler does; NULL: none */
    const uint8_t *found;       /* where the plain path goes on when that has found it */
    uint8_t k;
    bool whole;                 /* the interpreter does the rest of the block */
    bool page;                  /* DX does not have the page of the address in AX yet */
    bool missed;                /* because a shared probe failed */
    uint16_t site_kept;         /* lift_site.c: the place that this access has, or 0 */
    uint8_t near;               /* lift_near.c: the place that this access has, or 0 */
    uint16_t bytes;             /* its length, if it has either */
    uint16_t unused;            /* budget of blocks that the path would go on with, which the handler must not miss */
    bool swapped;               /* lift_pins.c: registers are as the loop has them */
    uint8_t *at;                /* where this begins */
    struct owed owed;           /* as in struct lift, on the way here */
    struct vec_state before, after;
};

#define LIFT_WAYS   (JIT_PARTS * 4)     /* each part may have two, in both copies of a loop */
#define LIFT_LINKS  (LIFT_WAYS + 8)

struct lift {
    struct asm_buf a;
    struct jit *jit;
    struct jit_block *t;
    const struct jit_code *c;
    const struct insn *i;       /* the one at hand */
    unsigned k;
    uint16_t read[JIT_INSNS];           /* flags that later instructions, or the end of the code, take from after each one */
    uint16_t seen[JIT_INSNS];           /* flags that only what lies out of line may look at */
    uint16_t kept[JIT_INSNS];           /* of those that are read, what cannot be made again for the reader */
    bool lost;                          /* no translation: too many ways out, or flags were read that nobody kept */
    struct owed owed;                   /* flags that are only seen are in no place, but can be made again */
    uint8_t saves;                      /* SAVED_* of the instruction at hand, whose flags will be owed; 0: they will not */
    bool nowhere;                       /* the flags are in the host's only, if they are */
    uint16_t host_flags;                /* guest flags that are right in the host's now */
    unsigned ncold, insn_cold;          /* and how many there were before this instruction */
    struct vec_state vec;
    uint16_t vec_busy;                  /* host registers that this instruction needs */
    uint8_t vec_next;                   /* the next to be taken */
    uint8_t vec_ready;                  /* units known to be on: VEC_READY_* */
    struct share shares[LIFT_SHARES];   /* the first is kept in HOST_SHARE, the others in cpu->jit_shares */
    struct rm mem;                      /* the operand that the last probe has found */
    bool called;                        /* a handler, where no way out of the plain path is taken */
    struct address address;
    struct jit_link *links[LIFT_LINKS];
    uint8_t *link_sites[LIFT_LINKS];
    unsigned nlinks;
    unsigned nways;
    uint8_t near_of[JIT_INSNS];       /* lift_near.c: the place of each instruction, or 0, and how many have one */
    unsigned nnear, near_taken, near_found;
    uint16_t site_of[JIT_INSNS];        /* lift_site.c */
    uint8_t site_taken;
    bool in_loop;                       /* in the copy of a loop's body that remembers pages */
    struct vec_state around;            /* lift_loop.c: what is in registers from one round to the next */
    struct owed around_owed;            /* ... and the flags that are nowhere */
    uint8_t *loop_dry;
    uint16_t rest[JIT_PARTS];           /* by part: instructions of those behind it, which the path has paid for at its beginning */
    bool settled;                       /* the code that is made now has them back */
    unsigned known_from;                /* parts whose pages are known to be where they were, up to the one at hand */
    uint8_t pins[16], swaps[8][2];      /* lift_pins.c: where registers are in a loop; which is in the place of which */
    unsigned nswaps;
    bool swapped;                       /* the code that is made now has them there */
    struct way_out ways[LIFT_WAYS];
    struct cold cold[JIT_INSNS * 8 + 8];
};

extern const uint8_t pinned_always[16];         /* the host register of each guest register, HOST_NONE: none */
extern _Thread_local const uint8_t *pinned;     /* the same where code is made now: another order in a loop (lift_pins.c) */

/* ---- what is made ---- */

static inline unsigned lift_rest(const struct lift *l, unsigned k) { return l->settled ? 0 : l->rest[l->c->part[k]]; }
static inline const struct jit_part *lift_part(const struct lift *l, unsigned k) { return &l->t->parts[l->c->part[k]]; }

/* What is shared (cpu/jit/share.h), around the instruction at hand. */
static inline void lift_share_after(struct lift *l) { share_after(l->shares, LIFT_SHARES, l->i); }
static inline bool lift_share_needed(const struct lift *l) { return share_needed(l->shares, LIFT_SHARES); }
static inline bool lift_share_around(struct lift *l) { return share_around(l->shares, LIFT_SHARES, l->c, l->called); }
static inline bool lift_share_is_around(const struct lift *l) { return share_is_around(l->shares, LIFT_SHARES); }
static inline void lift_share_none(struct lift *l) { share_none(l->shares, LIFT_SHARES); }

/* The RIP behind instruction k. */
static inline uint64_t lift_rip_after(const struct lift *l, unsigned k) { return lift_part(l, k)->run->rip + l->c->insns[k]->end; }

/* ---- registers ---- */

/* A guest register as an operand; not the high byte of a pinned one. */
static inline struct rm guest(uint8_t o)
{
    return pinned[o >> 3] != HOST_NONE ? rm_reg(pinned[o >> 3]) : rm_at(HOST_CPU, o);
}

static inline bool awkward(uint8_t o, unsigned bytes)
{
    return high_byte(o, bytes) && pinned[o >> 3] != HOST_NONE;
}

unsigned lift_read(struct lift *l, uint8_t o, unsigned bytes, unsigned scratch);    /* where it is now; may lose host flags */
void lift_write(struct lift *l, uint8_t o, unsigned bytes, unsigned from);          /* not awkward */

/* ---- memory ---- */

/* The linear address of the operand into AX; false: only the handler can. */
bool lift_address(struct lift *l);
/* The same for a place on the stack. */
void lift_stack_address(struct lift *l, int32_t at);
/* AX is still what lift_address() has made of it. */
void lift_address_kept(struct lift *l);
/* The TLB slot of a linear address in `reg`, into CX. */
void lift_slot(struct asm_buf *a, unsigned reg);
/* AX holds a linear address (DX that of the last byte, when `bytes` is 0): l->mem is the operand there, which needs what is in AX
 * for as long as l->mem says so; of an address that is not lift_address()'s it always is the host's. CX and DX are lost. The handler
 * does the instruction when it is no hit. */
void lift_probe(struct lift *l, bool write, unsigned bytes);
void lift_probe_or_tail(struct lift *l, bool write, unsigned bytes);
struct cold *lift_new_cold(struct lift *l, uint8_t *site);        /* the jump at `site` leads there */
/* A jump from the plain path to the handler, which does this instruction, or ends the block with it. */
void lift_cold(struct lift *l, uint8_t *site);
void lift_tail(struct lift *l, uint8_t *site);
/* The same, but `again` may find what is missing, and what follows from here on is right then. */
void lift_tail_unless(struct lift *l, uint8_t *const *sites, unsigned count, const uint8_t *again);
/* CX holds a tag of a shortcut or link: falls through when it is good; where to jump else. */
uint8_t *lift_tag_check(struct lift *l);
void lift_bail(struct lift *l, uint8_t *site);      /* the interpreter does this instruction and the rest of the block */

/* lift_site.c: what an access keeps of the TLB. */
struct site {
    unsigned number;
    const uint8_t *again;       /* glue, for out of line */
};

/* A probe in common for this access and others: l->mem is the operand. False: it makes its own. */
bool lift_shared(struct lift *l, bool write, unsigned bytes);
/* The way out of such a probe, of so many bytes; NULL: it keeps nothing; AX is the host's address then. */
void lift_share_missed(struct lift *l, uint8_t *miss, bool write, unsigned bytes, const struct site *site);
/* AX: the linear address, and then the host's. The jump that is taken where this is not the page that was found last; NULL: nothing is
 * kept for this access. */
uint8_t *lift_site(struct lift *l, bool write, unsigned bytes, struct site *site);
void lift_site_again(struct lift *l, const struct cold *c);         /* out of line */
void lift_pins_plan(struct lift *l);
void lift_pins_in(struct lift *l);      /* from here on; no flags change */
void lift_pins_out(struct lift *l);
void lift_pins_are(struct lift *l, bool swapped);       /* what the code that is made next finds */
void lift_near_plan(struct lift *l);
uint8_t *lift_near(struct lift *l, unsigned bytes);
bool lift_near_first(struct lift *l, unsigned bytes);
void lift_near_again(struct lift *l, const struct cold *c);         /* out of line */
void lift_near_forget(struct lift *l);                              /* C code has run, or the loop begins */

/* ---- flags ---- */

void lift_flags_plan(struct lift *l);                           /* before an instruction that makes some */
void lift_flags_made(struct lift *l, unsigned which);           /* the host has just made them: keep what is wanted */
void lift_flags_need(struct lift *l, unsigned which);           /* into the host's; AX is lost, or CX when only CF is asked */
bool lift_flags_wanted(const struct lift *l, unsigned which);
void lift_flags_store(struct lift *l);                          /* AL is OF, AH the others */
void lift_flags_restore(struct lift *l);                        /* all of them into the host's; AX is lost */
void lift_flags_pay(struct lift *l, struct owed owed);          /* make owed flags again, and keep them; AX, CX and DX are lost */
void lift_flags_operand(struct lift *l);                        /* if `saves`: of a comparison, read and saved */
bool lift_flags_step(const struct lift *l);                     /* an INC or DEC may leave all flags owed: those of l->owed with it */
bool lift_flags_owed(struct lift *l);                           /* those of the instruction at hand are: as planned */
unsigned lift_shift_leaves(const struct insn *i);               /* what the host has of such a shift's flags */
void lift_shift_flags(struct lift *l, const struct insn *i);    /* of a shift by a constant: the operand is in DX; kept; AX and CX are lost */
void lift_resume(struct lift *l);       /* the plain path of this instruction is complete */

/* ---- vector registers ---- */

bool lift_host_has(unsigned feature);   /* of enum feature, those that matter here */
bool lift_vec_possible(void);           /* the host has what all of this is made of: AVX2 */
bool lift_avx512_possible(void);        /* and what lift_evex() is made of */
static inline bool lift_is_avx512(const struct insn *i) { return (i->flags & INSN_EVEX) || (i->op >= OP_KMOV && i->op <= OP_KTEST); }
void lift_vec_fp_on(struct asm_buf *a);
void lift_vec_begin(struct lift *l);
void lift_x87_note(struct lift *l, const struct vec_state *v);      /* fpu_ip; AX is lost */
void lift_x87_on(struct lift *l);       /* all but the nine guest registers is lost */
bool jit_x87_give(struct cpu *cpu);     /* to the image; false: it may not leave the interpreter */
void jit_x87_take(struct cpu *cpu);
/* Functions of the x87, whose operands are taken from the stack: one; two; one, with two results. */
enum x87_shape { X87_ONE, X87_TWO, X87_PAIR };
bool jit_x87_function(struct cpu *cpu, uint32_t op);    /* false: its handler must do */
void jit_x87_glue(struct asm_buf *a, enum x87_shape shape);
void lift_vec_flush(struct lift *l);                                /* all in struct cpu, none in the host's; no flags change */
void lift_vec_store(struct lift *l, const struct vec_state *v);     /* what `v` has dirty */
void lift_vec_load(struct lift *l, const struct vec_state *v);      /* what `v` has in the host's */

void lift_vec_zero_upper(struct lift *l);
void lift_vec_settle(struct lift *l);                               /* zeros above 32 bytes are in struct cpu */
bool lift_vec_become(struct lift *l, const struct vec_state *v);    /* false: that cannot be */

/* For one instruction: where `bytes` (16, 32 or 64) of guest register n are; where its result may go; what the result is. */
unsigned vec_use(struct lift *l, unsigned n, unsigned bytes);
unsigned vec_make(struct lift *l, unsigned n, bool legacy);
void vec_made(struct lift *l, unsigned n, bool legacy);
void vec_made_whole(struct lift *l, unsigned n);       /* all 64 bytes */
unsigned mask_use(struct lift *l, unsigned n);          /* the same for opmask registers */
void mask_made(struct lift *l, unsigned n);
void vec_ready(struct lift *l, bool fp);        /* the unit is on, else the interpreter goes on; before the operands */
bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align);   /* the operand's host address into AX */

/* ---- the families; false: its handler must do, and what was made until then has changed nothing of the guest's ---- */

bool lift_int(struct lift *l);
bool lift_move(struct lift *l);
bool lift_muldiv(struct lift *l);
bool lift_vec(struct lift *l);
bool lift_vec_move(struct lift *l);
bool lift_evex(struct lift *l);                 /* AVX-512, and opmask instructions */
bool lift_x87(struct lift *l);
bool lift_count(struct lift *l);
bool lift_bits(struct lift *l);
bool lift_exchange(struct lift *l);
bool lift_string(struct lift *l);
bool lift_system(struct lift *l);
bool lift_system_end(struct lift *l);           /* the last of a block, too */
bool lift_branch(struct lift *l);               /* the last of a block */
void lift_push_next(struct lift *l);            /* CALL's push */
bool lift_return_address(struct lift *l);       /* RET's into AX; RSP is as before */
bool lift_target(struct lift *l);               /* the target of JMP_IND and CALL_IND into AX */
void lift_pop_return(struct lift *l);           /* the rest of RET */
bool lift_loop(struct lift *l);                 /* instead of that, when it goes back to the beginning */
void lift_inner(struct lift *l);                /* the last instruction of a block that another follows here */
void lift_ways_out(struct lift *l);
/* The jump at `site` leaves for `rip`, with everything in its place. */
struct way_out *lift_leave_to(struct lift *l, uint8_t *site, uint64_t rip);
void lift_give_back(struct lift *l, unsigned insns);                /* to the budget; flags are lost */
void lift_insn(struct lift *l);
void lift_body(struct lift *l, bool mark);      /* all but the last instruction */
struct jit_link *lift_link(struct lift *l, uint8_t *site, uint64_t rip);
void lift_link_as(struct lift *l, struct jit_link *link, uint8_t *site, uint64_t rip);      /* memory of its own */
void lift_end_by_handler(struct lift *l);

#endif
