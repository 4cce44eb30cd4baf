/* SPDX-License-Identifier: MIT
 * Where one block of a path goes on with the next: flags, registers and probes stay what they are known to be. Whatever else the
 * transfer may do leaves the path, out of line. */
#include "cpu/jit/x64/lift.h"

/* ---- ways out ---- */

static struct way_out *way_out(struct lift *l, uint8_t *site, unsigned kind)
{
    struct way_out *w = &l->ways[l->nways];

    if (l->nways + 1 < LIFT_WAYS)
        l->nways++;
    else
        l->lost = true;
    *w = (struct way_out){ .site = site, .kind = kind, .k = (uint8_t)l->k, .swapped = l->swapped, .owed = l->owed, .vec = l->vec };
    return w;
}

struct way_out *lift_leave_to(struct lift *l, uint8_t *site, uint64_t rip)
{
    struct way_out *w = way_out(l, site, WAY_LINK);

    w->rip = rip;
    return w;
}

/* As if the block were the last one. Nothing of what it does has happened yet. */
static void end_here(struct lift *l)
{
    l->host_flags = 0;
    lift_share_none(l);
    l->owed = (struct owed){ NULL, 0, NULL };
    l->in_loop = false;
    l->insn_cold = l->ncold;
    if (!lift_branch(l))
        lift_end_by_handler(l);
}

static void link_out(struct lift *l, const struct way_out *w)
{
    if (w->link == NULL) {
        lift_link(l, asm_jmp(&l->a), w->rip);
        return;
    }
    lift_link_as(l, w->link, asm_jmp(&l->a), w->rip);
    w->link->inner = w->inner;
}

static void make_way_out(struct lift *l, const struct way_out *w)
{
    l->k = w->k;
    l->i = l->c->insns[w->k];
    l->vec = w->vec;
    asm_aim(w->site, l->a.at);
    lift_pins_are(l, w->swapped);
    lift_flags_pay(l, w->owed);
    lift_vec_flush(l);
    if (w->swapped)
        lift_pins_out(l);
    lift_give_back(l, l->rest[l->c->part[w->k]]);
    if (w->kind == WAY_LINK)
        link_out(l, w);
    else
        end_here(l);
}

void lift_ways_out(struct lift *l)
{
    l->settled = true;
    for (unsigned n = 0; n < l->nways; n++)
        make_way_out(l, &l->ways[n]);
    l->settled = false;
}

/* ---- the transfers ---- */

static void condition(struct lift *l, uint64_t next)
{
    const uint64_t taken = (uint64_t)l->i->disp, not_taken = lift_rip_after(l, l->k);
    enum condition cc = (enum condition)(l->i->opcode & 15);

    if (taken == not_taken)
        return;
    lift_flags_need(l, jit_condition_flags(cc));
    if (next == taken)
        lift_leave_to(l, asm_jcc(&l->a, (enum condition)(cc ^ 1)), not_taken);
    else
        lift_leave_to(l, asm_jcc(&l->a, cc), taken);
}

/* AX must be where the path goes on. */
static void guard(struct lift *l, uint64_t next)
{
    if (next == (uint64_t)(int32_t)next) {
        asm_alu_imm(&l->a, ALU_CMP, 8, rm_reg(HOST_AX), (int32_t)next);
    } else {
        asm_mov_imm(&l->a, HOST_DX, next);
        asm_alu(&l->a, ALU_CMP, 8, HOST_AX, rm_reg(HOST_DX));
    }
    way_out(l, asm_jcc(&l->a, CC_NE), WAY_END);
    l->host_flags = 0;
}

static bool transfer(struct lift *l, uint64_t next)
{
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
        if (!lift_return_address(l))
            return false;
        guard(l, next);
        lift_pop_return(l);
        return true;
    case OP_JMP_IND: case OP_CALL_IND:
        if (!lift_target(l))
            return false;
        guard(l, next);
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

    asm_mov_imm(&l->a, HOST_AX, (uintptr_t)link);
    asm_mov(&l->a, 8, HOST_CX, rm_at(HOST_AX, (int32_t)offsetof(struct jit_link, inner_tag)));
    w = lift_leave_to(l, lift_tag_check(l), next->rip);
    w->inner = next;
    w->link = link;
}

/* The path has been on its page, and nothing can have changed what is mapped since. */
static bool known(const struct lift *l, const struct block *b)
{
    for (unsigned n = l->known_from; n <= l->c->part[l->k]; n++)
        if (jit_one_page(l->t->parts[n].run, b))
            return true;
    return false;
}

static void enter(struct lift *l, const struct jit_part *next)
{
    if (known(l, next->run))
        return;
    check_mapping(l, next->from);
    l->host_flags = 0;
}

void lift_inner(struct lift *l)
{
    const struct jit_part *next = lift_part(l, l->k + 1);
    bool done = true;

    if (op_then[l->i->op] == FALLS) {
        lift_insn(l);
    } else {
        l->insn_cold = l->ncold;
        done = transfer(l, next->run->rip);
        lift_share_after(l);
        lift_resume(l);
    }
    l->lost |= !done;
    enter(l, next);
}
