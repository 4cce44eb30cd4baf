/* SPDX-License-Identifier: MIT
 * Code that ends by jumping back to its beginning is made twice: the second copy begins with the guest vector registers
 * that the first, and then it itself, left in the host's. Flags that the next round does not read are kept nowhere meanwhile,
 * where they can be made again, accesses remember their pages (lift_near.c), and what several share (lift_share.c) stays. The
 * jumps back are links like others, so that they go as soon as the code is forgotten. */
#include "cpu/jit/x64/lift.h"

static bool anything(const struct vec_state *v)
{
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->host[n] != HOST_NONE)
            return true;
    return v->x87;
}

/* What is not known to be zero again after the next round is not known. */
static struct vec_state to_keep(const struct vec_state *v)
{
    struct vec_state kept = *v;

    kept.clear = 0;
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->host[n] != HOST_NONE && v->dirty[n] == DIRTY_UPPER_ZERO)
            kept.clear |= v->clear & 1u << n;
    return kept;
}

static uint64_t head_rip(const struct lift *l)
{
    return l->t->parts[0].run->rip;
}

/* The end within a round: falls through when it goes on. */
static void test(struct lift *l)
{
    const bool taken = (uint64_t)l->i->disp == head_rip(l);
    const enum condition ends = (enum condition)((l->i->opcode & 15) ^ (taken ? 1 : 0));

    lift_vec_settle(l);
    if (l->i->op != OP_JCC)
        return;
    lift_flags_need(l, jit_condition_flags(ends));
    lift_leave_to(l, asm_jcc(&l->a, ends), taken ? lift_rip_after(l, l->k) : (uint64_t)l->i->disp);
}

static void back(struct lift *l, const uint8_t *loop)
{
    lift_link(l, asm_jmp(&l->a), head_rip(l))->loop = loop;
}

/* All of it, but for what the last instruction decides. */
static void round_again(struct lift *l)
{
    lift_body(l, false);
    if (op_then[l->i->op] == FALLS)
        lift_insn(l);
    else
        l->insn_cold = l->ncold;
    test(l);
}

bool lift_loop(struct lift *l)
{
    const uint8_t *loop;
    bool shares;

    if (!l->c->loops)
        return false;
    shares = lift_share_around(l);
    if (!shares && !anything(&l->vec) && l->owed.i == NULL && l->nnear == 0 && l->nswaps == 0)
        return false;
    test(l);
    l->around = l->vec = to_keep(&l->vec);
    l->around_owed = l->owed;
    l->in_loop = true;
    l->site_taken = 0;
    l->known_from = 0;
    lift_pins_in(l);
    loop = codebuf_runs_at(&l->jit->code, l->a.at + 5);        /* behind the jump, which at first leads elsewhere */
    back(l, loop);
    asm_alu_imm(&l->a, ALU_SUB, 8, rm_reg(HOST_BUDGET), l->t->parts[0].run->count + l->rest[0]);
    l->loop_dry = asm_jcc(&l->a, CC_B);
    l->host_flags = 0;
    round_again(l);
    /* never: both rounds are lifted alike */
    l->lost |= !same_owed(l->owed, l->around_owed) || !lift_share_is_around(l);
    if (lift_vec_become(l, &l->around)) {
        back(l, loop);
    } else {
        lift_leave_to(l, asm_jmp(&l->a), head_rip(l));
    }
    lift_pins_are(l, false);
    return true;
}
