/* SPDX-License-Identifier: MIT
 * Code that ends by jumping back to its beginning is made twice where that pays: the second copy begins with flags that are nowhere as the
 * first, and then it itself, left them, with what several accesses share, and with units known to be on. The jumps back are links
 * like others, so that they go as soon as the code is forgotten. */
#include "cpu/jit/a64/lift.h"

static uint64_t head_rip(const struct lift *l)
{
    return l->t->parts[0].run->rip;
}

/* The end within a round: falls through when it goes on. */
static void test(struct lift *l)
{
    const bool taken = (uint64_t)l->i->disp == head_rip(l);
    enum a64_cond cc;

    if (l->i->op != OP_JCC)
        return;
    cc = lift_condition(l, l->i->opcode & 15);
    lift_leave_to(l, a64_b_if(&l->a, taken ? (enum a64_cond)(cc ^ 1) : cc), taken ? lift_rip_after(l, l->k) : (uint64_t)l->i->disp);
}

static void back(struct lift *l, const uint8_t *loop)
{
    lift_link(l, a64_b(&l->a), head_rip(l))->loop = loop;
}

static void round_again(struct lift *l)
{
    lift_body(l, false);
    if (op_then[l->i->op] == FALLS)
        lift_insn(l);
    else
        l->insn_cold = l->ncold;
    test(l);
}

/* What does the end do by itself? */
static bool goes_back(const struct lift *l)
{
    return op_then[l->i->op] == FALLS || l->i->op == OP_JMP || l->i->op == OP_JCC;
}

bool lift_loop(struct lift *l)
{
    const uint8_t *loop;
    bool shares;

    if (!l->c->loops || !goes_back(l))
        return false;
    shares = lift_share_around(l);
    if (!shares && l->owed.i == NULL && l->vec_ready == 0 && !lift_vec_any(l))
        return false;
    test(l);
    l->around_owed = l->owed;
    l->around_vec = l->vec;
    loop = codebuf_runs_at(&l->jit->code, (uint8_t *)(l->a.at + 1));        /* behind the jump, which at first leads elsewhere */
    back(l, loop);
    l->flags.host = 0;
    l->loop_dry = lift_take_budget(l, l->t->parts[0].run->count + l->rest[0]);
    round_again(l);
    l->lost |= !same_owed(l->owed, l->around_owed) || !lift_share_is_around(l);        /* never: both rounds are lifted alike */
    lift_vec_become(l, &l->around_vec);
    back(l, loop);
    return true;
}
