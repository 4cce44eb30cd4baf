/* SPDX-License-Identifier: MIT
 * Where one block of a path goes on with the next: flags in NZCV and what is known of units stay. Whatever else the transfer may
 * do leaves the path, out of line. Transfers are as wide as path.c lets them be: 64 bits. */
#include "cpu/jit/a64/lift.h"

/* ---- ways out ---- */

static struct way_out *way_out(struct lift *l, uint32_t *site, unsigned kind)
{
    struct way_out *w = &l->ways[l->nways];

    if (l->nways + 1 < LIFT_WAYS)
        l->nways++;
    else
        l->lost = true;
    *w = (struct way_out){ .site = site, .kind = kind, .k = (uint8_t)l->k, .owed = l->owed, .vec = l->vec };
    return w;
}

struct way_out *lift_leave_to(struct lift *l, uint32_t *site, uint64_t rip)
{
    struct way_out *w = way_out(l, site, WAY_LINK);

    w->rip = rip;
    return w;
}

static void link_out(struct lift *l, const struct way_out *w)
{
    if (w->link == NULL) {
        lift_link(l, a64_b(&l->a), w->rip);
        return;
    }
    lift_link_as(l, w->link, a64_b(&l->a), w->rip);
    w->link->inner = w->inner;
}

static void make_way_out(struct lift *l, const struct way_out *w)
{
    l->k = w->k;
    l->i = l->c->insns[w->k];
    l->insn_cold = l->ncold;
    a64_aim(&l->a, w->site, l->a.at);
    lift_flags_pay(l, w->owed);
    l->vec = w->vec;
    lift_vec_flush(l);
    lift_give_back(l, l->rest[l->c->part[w->k]]);
    if (w->kind == WAY_LINK)
        link_out(l, w);
    else
        lift_go_to(l, w->target);
}

void lift_ways_out(struct lift *l)
{
    lift_share_none(l);
    l->leaves = true;
    l->owed = (struct owed){ NULL, 0, NULL };
    for (unsigned n = 0; n < l->nways; n++)
        make_way_out(l, &l->ways[n]);
}

/* ---- the transfers ---- */

static void condition(struct lift *l, uint64_t next)
{
    const uint64_t taken = (uint64_t)l->i->disp, not_taken = lift_rip_after(l, l->k);
    enum a64_cond cc;

    if (taken == not_taken)
        return;
    cc = lift_condition(l, l->i->opcode & 15);
    if (next == taken)
        lift_leave_to(l, a64_b_if(&l->a, (enum a64_cond)(cc ^ 1)), not_taken);
    else
        lift_leave_to(l, a64_b_if(&l->a, cc), taken);
}

/* `rip` must be where the path goes on. T2 is lost. */
static void guard(struct lift *l, unsigned rip, uint64_t next)
{
    a64_mov_imm(&l->a, T2, next);
    a64_rrr(&l->a, A64_EOR, 8, T2, T2, rip);
    way_out(l, a64_cbz(&l->a, 8, true, T2), WAY_TARGET)->target = (uint8_t)rip;
}

static bool transfer(struct lift *l, uint64_t next)
{
    unsigned rip;

    switch (l->i->op) {
    case OP_JCC:
        condition(l, next);
        return true;
    case OP_JMP:
        return true;
    case OP_CALL:
        lift_push_next(l);
        return true;
    case OP_RET:
        lift_return_address(l);
        guard(l, T0, next);
        lift_pop_return(l);
        return true;
    case OP_JMP_IND: case OP_CALL_IND:
        rip = lift_target(l);
        if (rip == HOST_NONE)
            return false;
        guard(l, rip, next);
        if (l->i->op == OP_CALL_IND)
            lift_push_next(l);
        return true;
    default:
        return false;
    }
}

/* ---- the next block ---- */

/* Is that page still where the block was made of? Its tag stands in a link that is followed when it is not known. */
static void check_mapping(struct lift *l, const struct block *next)
{
    struct jit_link *link = arena_alloc(&l->jit->arena, sizeof *link);
    struct way_out *w;

    a64_mov_imm(&l->a, T0, (uintptr_t)link);
    a64_mem(&l->a, A64_LDRX, T1, T0, (int32_t)offsetof(struct jit_link, inner_tag));
    w = lift_leave_to(l, lift_tag_check(l, T1), next->rip);
    w->inner = next;
    w->link = link;
}

void lift_inner(struct lift *l)
{
    const struct jit_part *next = lift_part(l, l->k + 1);

    if (op_then[l->i->op] == FALLS) {
        lift_insn(l);
    } else {
        l->insn_cold = l->ncold;
        l->owes = false;
        l->saves = 0;
        l->lost |= !transfer(l, next->run->rip);
        lift_share_after(l);
        lift_resume(l);
    }
    if (!jit_one_page(lift_part(l, l->k)->run, next->run))
        check_mapping(l, next->from);
}
