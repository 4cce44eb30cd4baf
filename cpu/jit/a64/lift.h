/* SPDX-License-Identifier: MIT
 * One block from guest to AArch64 instructions, in one pass. Shared by the files that know the families of instructions.
 *
 * Host registers: 0 to 3, 16, 17 and 30 are free within an instruction; all sixteen guest registers live in 4 to 15 and 25
 * to 28; 18 is the system's. What handlers may not change is in registers that calls preserve: 19 points into struct cpu,
 * 20 holds the budget, 21 the TLB bank, 22 to 24 the guest's flags, 29 what lift_share.c keeps first.
 * Vectors: lift_vec_regs.c.
 *
 * Flags: NZCV as an instruction left it, for those that read it soon after; and, where anybody else may look, three
 * registers: NZCV in the processor's own form with C inverted (a borrow, as SUBS and x86 see a subtraction); the result,
 * whose low byte has PF; and what, xor-ed with the result, has AF in bit 4: the operands xor-ed, or the result where AF is
 * clear. Where nobody looks unless this code is left, flags are owed (lift_owed.c): the latter two registers then have operands, or
 * nothing. */
#ifndef CPU_JIT_A64_LIFT_H
#define CPU_JIT_A64_LIFT_H

#include <stddef.h>

#include "cpu/exec.h"
#include "cpu/jit/a64/asm.h"
#include "cpu/jit/internal.h"
#include "cpu/jit/owed.h"
#include "cpu/jit/share.h"

enum {
    T0 = 0, T1 = 1, T2 = 2, T3 = 3, T4 = 16, T5 = 17,
    HOST_CPU = 19, HOST_BUDGET = 20, HOST_TLB = 21, HOST_NZCV = 22, HOST_RESULT = 23, HOST_OPERANDS = 24,
    HOST_SHARE = 29,
    HOST_NONE = 0xff
};

/* In NZCV. */
#define NZCV_N 0x80000000u
#define NZCV_Z 0x40000000u
#define NZCV_C 0x20000000u
#define NZCV_V 0x10000000u
#define FLAGS_NZCV (FLAG_SF | FLAG_ZF | FLAG_CF | FLAG_OF)

/* HOST_CPU is so that vector registers lie at offsets divisible by their size. */
#define CPU_BASE        ((int32_t)(offsetof(struct cpu, s.zmm) % 16))
#define CPU_AT(field)   ((int32_t)offsetof(struct cpu, field) - CPU_BASE)

/* What lift_address() has made, for as long as nothing else was made. */
struct address {
    bool simple;                /* a register, or none, and a constant */
    uint8_t base;
    int64_t at;
    uint32_t *begin, *end;      /* its code */
};

#define GLUE_FRAME_SAVED 112     /* room for two registers in the frame (glue.c), from SP */

#define LIFT_SHARES (1u + JIT_SHARES)

/* Guest vector registers that are in the host's (lift_vec_regs.c), a bit for each. */
struct vec_state {
    uint16_t have[2], dirty[2];     /* bytes 0 to 15, 16 to 31: they are there; struct cpu does not have them */
    uint16_t zero[2];               /* bytes 16 to 31, 32 to 63 are zero in struct cpu, and nowhere else */
    uint16_t tame[2][3];            /* of 4 bytes, of 8: the first element, those of bytes 0 to 15, of 16 to 31 are what
                                     * lift_vec_guard.c calls tame */
    uint16_t masks;                 /* its constants are there */
};

struct flag_state {
    uint16_t host;              /* guest flags that are right in NZCV now */
    bool sum;                   /* C there is the guest's CF itself, not inverted */
};

/* A way out of a path where it goes on otherwise than it did when it was looked at: made after the plain path. */
struct way_out {
    uint32_t *site;             /* the jump that leads here */
    enum { WAY_LINK, WAY_TARGET } kind;     /* to `rip`; to the address in `target` */
    uint64_t rip;
    const struct block *inner;  /* behind a check of the mapping: the block that would be next, and the link that knows */
    struct jit_link *link;
    uint8_t k, target;
    struct owed owed;           /* as in struct lift, on the way here */
    struct vec_state vec;
};

/* A place out of line, made after the block's plain path: the handler of instruction `k` does it. */
struct cold {
    uint32_t *site;             /* the jump that leads here */
    const uint32_t *resume;     /* NULL: the handler ends the block */
    const uint32_t *found;      /* where the plain path goes on when a second look finds what was missing; or NULL */
    enum { PROBE_READ, PROBE_WRITE, FIND_CODE, LOOK_VECTOR } look;
    uint8_t k, address;         /* of a look: the register with the linear address, the size */
    uint16_t bytes;
    const uint8_t *glue;        /* of a look at floating point, and where it finds the operands and the result */
    uint8_t operands[4];
    bool whole;                 /* the interpreter does the rest of the block */
    bool aligned;               /* the look was for an aligned access only */
    bool strict;                /* and so is the next: one that is not faults */
    bool missed;                /* because a shared probe failed */
    uint16_t unused;            /* budget of blocks that the path would go on with, which the handler must not miss */
    const uint32_t *at;         /* where this begins */
    struct owed owed;           /* as in struct lift, on the way here */
    bool saved;                 /* operands of which flags can be made still are behind it */
    struct flag_state after;
    struct vec_state vec, vec_after;
};

#define LIFT_WAYS   (JIT_PARTS * 6)     /* each part may have three, in both copies of a loop */
#define LIFT_LINKS  (LIFT_WAYS + 8)

struct lift {
    struct a64_buf a;
    struct jit *jit;
    struct jit_block *t;
    const struct jit_code *c;
    const struct insn *i;       /* the one at hand */
    unsigned k;
    uint16_t read[JIT_INSNS], seen[JIT_INSNS];          /* of jit_live_flags() */
    bool lost;                  /* no translation: too many ways out */
    struct flag_state flags;
    struct owed owed;                   /* flags that can be made again; SAVED_FIRST is in HOST_RESULT, SAVED_SECOND in HOST_OPERANDS */
    bool owes;                          /* those of the instruction at hand will be: as planned, with these operands saved */
    uint8_t saves;
    bool paying;                        /* they are being made */
    unsigned ncold, insn_cold;  /* and how many there were before this instruction */
    struct jit_link *links[LIFT_LINKS];
    uint32_t *link_sites[LIFT_LINKS];
    unsigned nlinks, nways;
    struct address address;
    struct { uint8_t base, index; int32_t at; } mem;    /* the operand on the host, after a probe; index HOST_NONE: there is none */
    struct share shares[LIFT_SHARES];   /* the first is kept in HOST_SHARE, the others in cpu->jit_shares */
    bool leaves;                /* on the way out of a path: what comes next in it does not */
    uint16_t rest[JIT_PARTS];   /* by part: instructions of those behind it, which the path has paid for at its beginning */
    uint8_t vec_ready;          /* units known to be on: VEC_READY_* */
    struct vec_state vec, around_vec;   /* now; lift_loop.c: from one round to the next */
    uint8_t vec_busy;                   /* of the host's for bytes 16 to 31: this instruction needs them */
    bool vec_looked;                    /* this instruction has found something to be tame */
    bool fp_ready;              /* MXCSR is known to be as lift_vec_fp.c needs it */
    struct owed around_owed;            /* lift_loop.c: the flags that are nowhere from one round to the next */
    bool called;                        /* a handler, on the plain path */
    uint32_t *loop_dry;
    struct way_out ways[LIFT_WAYS];
    struct cold cold[JIT_INSNS * 8 + 8];
};

static inline const struct jit_part *lift_part(const struct lift *l, unsigned k) { return &l->t->parts[l->c->part[k]]; }

static inline unsigned lift_rest(const struct lift *l, unsigned k) { return l->leaves ? 0 : l->rest[l->c->part[k]]; }

/* What is shared (cpu/jit/share.h), around the instruction at hand. */
static inline void lift_share_after(struct lift *l) { share_after(l->shares, LIFT_SHARES, l->i); }
static inline bool lift_share_needed(const struct lift *l) { return share_needed(l->shares, LIFT_SHARES); }
static inline bool lift_share_around(struct lift *l) { return share_around(l->shares, LIFT_SHARES, l->c, l->called); }
static inline bool lift_share_is_around(const struct lift *l) { return share_is_around(l->shares, LIFT_SHARES); }
static inline void lift_share_none(struct lift *l) { share_none(l->shares, LIFT_SHARES); }

/* The RIP behind instruction k. */
static inline uint64_t lift_rip_after(const struct lift *l, unsigned k) { return lift_part(l, k)->run->rip + l->c->insns[k]->end; }

/* ---- operands ---- */

static inline bool in_memory(const struct insn *i, unsigned n) { return FORM_KIND(i->form, n) == KIND_MEM; }
static inline bool immediate(const struct insn *i, unsigned n) { return FORM_KIND(i->form, n) == KIND_IMM; }

static inline unsigned pinned(unsigned n)      /* the host register of guest register n */
{
    return n < 12 ? 4 + n : 13 + n;
}

/* The host register with guest register o in its low bytes, whatever lies above them; of AH and so on the scratch. */
unsigned lift_read(struct lift *l, uint8_t o, unsigned bytes, unsigned scratch);
void lift_write(struct lift *l, uint8_t o, unsigned bytes, unsigned from);
void lift_add(struct lift *l, unsigned bytes, unsigned to, unsigned from, int64_t by, unsigned scratch);     /* flags stay */

/* ---- memory ---- */

/* The linear address of the operand: the register that holds it, T0 or a guest's own; HOST_NONE: only the handler can. T1 is
 * lost, flags stay. */
unsigned lift_address(struct lift *l);
unsigned lift_stack_address(struct lift *l, int32_t at);    /* the same for a place on the stack */
/* Is it plain memory? Else the handler does the instruction, or ends the block with it. T0 and T1 may be needed for the access;
 * T2 and T3 are lost, flags stay. */
void lift_probe(struct lift *l, unsigned address, bool write, unsigned bytes);
void lift_probe_aligned(struct lift *l, unsigned address, bool write, unsigned bytes);      /* or it faults */
void lift_probe_or_tail(struct lift *l, unsigned address, bool write, unsigned bytes);
void lift_load(struct lift *l, unsigned bytes, unsigned to);        /* zero-extended; after a probe */
void lift_store(struct lift *l, unsigned bytes, unsigned from);
void lift_access(struct lift *l, uint32_t op, unsigned reg);        /* any load or store; l->mem */
void lift_host_address(struct lift *l, unsigned to);

/* A probe in common for this access and others. False: it makes its own. */
bool lift_shared(struct lift *l, bool write, unsigned bytes);
/* T0 is the address of `bytes` that several accesses share; then T1 turns it into the host's. */
void lift_share_probe(struct lift *l, bool write, unsigned bytes);
/* All of it for an operand: where its value is now; HOST_NONE: only the handler can. */
unsigned lift_operand(struct lift *l, unsigned n, unsigned bytes, unsigned scratch);

/* The first operand, to be read and written: where it is, T3 or a guest register, and back. HOST_NONE: the handler must. */
unsigned lift_rmw(struct lift *l, unsigned *address);
void lift_rmw_end(struct lift *l, unsigned address, unsigned from);

void lift_page_of_last(struct a64_buf *a, unsigned to, unsigned address, unsigned bytes);
struct cold *lift_new_cold(struct lift *l, uint32_t *site);        /* the jump at `site` leads there */
/* A jump from the plain path to the handler, which does this instruction, or ends the block with it. */
void lift_cold(struct lift *l, uint32_t *site);
void lift_tail(struct lift *l, uint32_t *site);
void lift_tail_or_find(struct lift *l, uint32_t *site, unsigned rip);  /* unless the glue finds the translation, for T4 */
void lift_bail(struct lift *l, uint32_t *site);     /* the interpreter does this instruction and the rest of the block */
/* `tag` holds a tag of a shortcut or link: falls through when it is good; where to jump else. T2 is lost. */
uint32_t *lift_tag_check(struct lift *l, unsigned tag);
struct jit_link *lift_link(struct lift *l, uint32_t *site, uint64_t rip);
void lift_link_as(struct lift *l, struct jit_link *link, uint32_t *site, uint64_t rip);     /* memory of its own */

/* ---- flags ---- */

unsigned lift_flags_wanted(const struct lift *l, unsigned which);
/* NZCV has just been made; keep what is wanted. `sum`: by an addition. */
void lift_flags_made(struct lift *l, unsigned which, bool sum);
/* Of a result: SF, ZF from it, CF and OF clear in NZCV, PF and AF (clear) kept. T2 is lost. */
void lift_flags_of_result(struct lift *l, unsigned bytes, unsigned result);
/* An operation that leaves PF and AF clear. */
void lift_flags_no_parity(struct lift *l);
void lift_flags_carry(struct lift *l, bool sum);        /* CF into C; T2 is lost */
void lift_flags_put_carry(struct lift *l, unsigned reg);        /* CF alone: bit 0 of reg, which has no other bits */
enum a64_cond lift_condition(struct lift *l, unsigned cc);      /* T4 and T5 are lost */

/* ---- flags that are made only when somebody asks ---- */

void lift_flags_plan(struct lift *l);                   /* before an instruction */
void lift_flags_done(struct lift *l);                   /* behind one that was lifted */
void lift_flags_pay(struct lift *l, struct owed owed);  /* keep them now; NZCV has them, too. T2, T4 and T5 are lost */
void lift_flags_save(struct lift *l, unsigned first, unsigned second);      /* what of the operands is planned to be */
/* By family. */
void lift_int_flags(struct lift *l, struct owed owed);
void lift_shift_flags(struct lift *l);
void lift_product_flags(struct lift *l, struct owed owed);

/* ---- vector registers ---- */

void lift_vec_flush(struct lift *l);                                /* all in struct cpu, none in the host's; flags stay */
void lift_vec_store(struct lift *l, const struct vec_state *v);     /* what `v` has dirty */
void lift_vec_load(struct lift *l, const struct vec_state *v);      /* what `v` has in the host's */
void lift_vec_become(struct lift *l, const struct vec_state *v);
bool lift_vec_any(const struct lift *l);
void lift_vec_looks(struct jit *j, struct a64_buf *a);              /* glue */
void lift_vec_look(struct lift *l, const struct cold *c);           /* out of line: W2 is zero when it must leave */

/* ---- the families; false: its handler must do, and what was made until then has changed nothing of the guest's ---- */

bool lift_move(struct lift *l);
bool lift_int(struct lift *l);
bool lift_shift(struct lift *l);
bool lift_muldiv(struct lift *l);
bool lift_bits(struct lift *l);
bool lift_vec(struct lift *l);
bool lift_vec_fp(struct lift *l);               /* after the other vectors: it sees what they leave */
bool lift_vec_move(struct lift *l);
bool lift_branch(struct lift *l);               /* the last of a block */

/* ---- handlers ---- */

insn_fn *lift_handler_of(const struct lift *l, unsigned k);
void lift_call_handler(struct lift *l);
void lift_tail_to_handler(struct lift *l, unsigned k);
void lift_jump_to_glue(struct lift *l, const uint8_t *glue);
void lift_resume(struct lift *l);               /* the plain path of this instruction is complete */
void lift_cold_paths(struct lift *l);           /* all that lies out of line */

/* ---- from block to block ---- */

void lift_push_next(struct lift *l);            /* CALL's push; T4 stays */
unsigned lift_target(struct lift *l);           /* of JMP_IND and CALL_IND: where the target is; HOST_NONE: the handler must do */
void lift_return_address(struct lift *l);       /* RET's into T0; RSP is as before */
void lift_pop_return(struct lift *l);           /* the rest of RET */
void lift_go_to(struct lift *l, unsigned rip);  /* the rest of JMP_IND, CALL_IND and RET, to wherever `rip` has it */
void lift_insn(struct lift *l);
void lift_body(struct lift *l, bool marks);     /* all but the last instruction */
bool lift_loop(struct lift *l);                 /* instead of what ends a block, when it goes back to the beginning */
uint32_t *lift_take_budget(struct lift *l, unsigned insns);     /* the jump taken when it does not suffice; NZCV is lost */
void lift_give_back(struct lift *l, unsigned insns);            /* flags stay */
void lift_inner(struct lift *l);                /* the last instruction of a block that another follows here */
void lift_ways_out(struct lift *l);
struct way_out *lift_leave_to(struct lift *l, uint32_t *site, uint64_t rip);    /* the jump at `site` leaves for `rip` */
void lift_leave_before(struct lift *l, const struct jit_part *p);       /* this block, whose budget was not taken */
void lift_bail_now(struct lift *l, unsigned k, const uint8_t *glue);    /* the interpreter does the rest of k's block */

#endif
