/* SPDX-License-Identifier: MIT
 * A block, or a path, from its beginning to its links. */
#include "cpu/jit/a64/lift.h"

#include <string.h>

/* ---- links ---- */

uint32_t *lift_tag_check(struct lift *l, unsigned tag)
{
    struct a64_buf *a = &l->a;
    uint32_t *good, *stale;

    a64_mem(a, A64_LDRX, T2, HOST_CPU, CPU_AT(code_tag));
    a64_rrr(a, A64_EOR, 8, T2, T2, tag);
    good = a64_cbz(a, 8, false, T2);
    a64_mem(a, A64_LDRX, T2, HOST_CPU, CPU_AT(global_tag));
    a64_rrr(a, A64_EOR, 8, T2, T2, tag);
    stale = a64_cbz(a, 8, true, T2);
    a64_aim(a, good, a->at);
    return stale;
}

void lift_link_as(struct lift *l, struct jit_link *link, uint32_t *site, uint64_t rip)
{
    *link = (struct jit_link){ .rip = rip, .from = &l->t->parts[l->c->part[l->k]] };
    link->near = link->direct = jit_near(link->from->run, rip);
    l->links[l->nlinks] = link;
    l->link_sites[l->nlinks] = site;
    if (l->nlinks + 1 < LIFT_LINKS)
        l->nlinks++;
    else
        l->lost = true;
}

struct jit_link *lift_link(struct lift *l, uint32_t *site, uint64_t rip)
{
    struct jit_link *link = arena_alloc(&l->jit->arena, sizeof *link);

    lift_link_as(l, link, site, rip);
    return link;
}

/* What lies between two rounds of a loop, for who goes elsewhere. */
static void around(struct lift *l)
{
    lift_flags_pay(l, l->around_owed);
    lift_vec_store(l, &l->around_vec);
}

static void link_stub(struct lift *l, struct jit_link *link, uint32_t *site)
{
    struct a64_buf *a = &l->a;
    uint32_t *stale;

    a64_aim(a, site, a->at);
    link->site = (uint8_t *)site;
    link->stub = (uint8_t *)a->at;
    if (link->loop != NULL)
        around(l);
    a64_mov_imm(a, 0, (uintptr_t)link);
    if (!link->near) {
        a64_mem(a, A64_LDRX, T1, 0, (int32_t)offsetof(struct jit_link, tag));
        stale = lift_tag_check(l, T1);
        a64_mem(a, A64_LDRX, T4, 0, (int32_t)offsetof(struct jit_link, target));
        a64_br(a, T4);
        a64_aim(a, stale, a->at);
    }
    lift_jump_to_glue(l, l->jit->glue.follow);
}

/* ---- the block ---- */

static bool lift_any(struct lift *l)
{
    const struct jit *j = l->jit;

    if (!jit_does(j, PASS_LIFT))
        return false;
    return lift_move(l) || lift_int(l) || lift_shift(l) || lift_muldiv(l) || lift_bits(l) ||
           (jit_does(j, PASS_VECTORS) && (lift_vec_move(l) || lift_vec(l) || lift_vec_fp(l)));
}

void lift_insn(struct lift *l)
{
    struct flag_state before;

    l->insn_cold = l->ncold;
    l->vec_busy = 0;
    l->vec_looked = false;
    lift_flags_plan(l);
    before = l->flags;
    if (lift_any(l)) {
        lift_flags_done(l);
    } else {
        l->flags = before;
        l->owes = false;
        l->saves = 0;
        lift_call_handler(l);
    }
    lift_share_after(l);
    lift_resume(l);         /* in either case: a family may have left the plain path before it gave up */
}

/* Where the code of instruction k begins, for whoever looks at it. */
static void mark(struct lift *l, unsigned k)
{
    l->jit->begins[k] = (uint32_t)((uint8_t *)l->a.at - (l->jit->code.write + l->jit->code.used));
}

/* The last instruction, or what follows when a block ends for its length. */
static void lift_end(struct lift *l)
{
    insn_fn *fn = lift_handler_of(l, l->k);
    const bool falls = fn != exec_undefined && fn != exec_too_long && op_then[l->i->op] == FALLS;

    l->owes = false;
    l->saves = 0;
    if (falls)
        lift_insn(l);
    else
        l->insn_cold = l->ncold;
    if (lift_loop(l))
        return;
    lift_flags_pay(l, l->owed);
    lift_vec_flush(l);
    if (falls)
        lift_link(l, a64_b(&l->a), lift_rip_after(l, l->k));
    else if (!lift_branch(l))
        lift_tail_to_handler(l, l->k);
}

void lift_body(struct lift *l, bool marks)
{
    for (l->k = 0; l->k + 1 < l->c->count; l->k++) {
        l->i = l->c->insns[l->k];
        if (marks)
            mark(l, l->k);
        if (jit_inner_end(l->c, l->k))
            lift_inner(l);
        else
            lift_insn(l);
    }
    l->i = l->c->insns[l->k];
    if (marks)
        mark(l, l->k);
}

/* ---- the budget ---- */

uint32_t *lift_take_budget(struct lift *l, unsigned insns)
{
    l->flags.host = 0;
    l->lost |= !a64_sum_imm(&l->a, A64_SUBS, 8, HOST_BUDGET, HOST_BUDGET, insns);
    return a64_b_if(&l->a, A64_CC);
}

void lift_give_back(struct lift *l, unsigned insns)
{
    if (insns != 0)
        a64_sum_imm(&l->a, A64_ADD, 8, HOST_BUDGET, HOST_BUDGET, insns);
}

void lift_leave_before(struct lift *l, const struct jit_part *p)
{
    a64_mov_imm(&l->a, 0, (uintptr_t)p);
    lift_jump_to_glue(l, l->jit->glue.dry);
}

static void count_run(struct lift *l)
{
    a64_mov_imm(&l->a, 0, (uintptr_t)&l->t->runs);
    a64_mem(&l->a, A64_LDRX, 1, 0, 0);
    a64_sum_imm(&l->a, A64_ADD, 8, 1, 1, 1);
    a64_mem(&l->a, A64_STRX, 1, 0, 0);
}

/* A path pays for all of its blocks at once; NULL: there are no others. Ways out and handlers get back what is not used. */
static uint32_t *pay_for_the_path(struct lift *l)
{
    for (unsigned n = l->t->nparts - 1; n-- > 0;)
        l->rest[n] = (uint16_t)(l->rest[n + 1] + l->t->parts[n + 1].run->count);
    return l->rest[0] != 0 ? lift_take_budget(l, l->rest[0]) : NULL;
}

/* Where the budget did not suffice: from one round to the next, for the first block, or for those behind it. */
static void dry_ends(struct lift *l, uint32_t *dry, uint32_t *short_of)
{
    if (l->loop_dry != NULL) {
        a64_aim(&l->a, l->loop_dry, l->a.at);
        around(l);
        lift_give_back(l, l->rest[0]);
    }
    a64_aim(&l->a, dry, l->a.at);
    lift_give_back(l, l->t->parts[0].run->count);
    lift_leave_before(l, &l->t->parts[0]);
    if (short_of != NULL) {
        a64_aim(&l->a, short_of, l->a.at);
        lift_give_back(l, l->rest[0]);
        lift_bail_now(l, 0, l->jit->glue.tail);
    }
}

static void lift_code(struct lift *l)
{
    struct a64_buf *a = &l->a;
    uint32_t *dry, *short_of;

    l->t->check = codebuf_runs_at(&l->jit->code, (uint8_t *)a->at);
    dry = lift_take_budget(l, l->t->parts[0].run->count);
    l->t->code = codebuf_runs_at(&l->jit->code, (uint8_t *)a->at);
    if (l->jit->counts)
        count_run(l);
    short_of = pay_for_the_path(l);
    lift_body(l, true);
    lift_end(l);
    mark(l, l->c->count);
    lift_ways_out(l);
    lift_cold_paths(l);
    for (unsigned n = 0; n < l->nlinks; n++)
        link_stub(l, l->links[n], l->link_sites[n]);
    dry_ends(l, dry, short_of);
}

/* A loop: what its beginning reads is what its end must keep; who leaves it may see all. */
static void live_flags(struct lift *l)
{
    if (l->c->loops)
        jit_live_flags(l->c, jit_live_flags(l->c, 0, FLAGS_ARITH, l->read, l->seen), FLAGS_ARITH, l->read, l->seen);
    else
        jit_live_flags(l->c, FLAGS_ARITH, 0, l->read, l->seen);
}

const bool backend_has_paths = true;
const bool backend_keeps = false;

bool backend_translate(struct jit *j, struct jit_block *t)
{
    struct lift l;

    memset(&l, 0, offsetof(struct lift, ways));
    l.jit = j;
    l.t = t;
    l.c = &j->insns;
    l.a = (struct a64_buf){ (uint32_t *)(j->code.write + j->code.used), (uint32_t *)codebuf_limit(&j->code), false };
    live_flags(&l);
    lift_code(&l);
    if (l.a.full || l.lost)
        return false;
    j->code.used = (size_t)((uint8_t *)l.a.at - j->code.write + 15) & ~(size_t)15;
    return true;
}

void backend_link(struct jit *j, struct jit_link *link, const uint8_t *target)
{
    link->target = target;
    if (link->loop != NULL)
        target = target == link->from->of->check ? link->loop : codebuf_runs_at(&j->code, link->stub);
    if (link->direct)
        a64_reaim((uint32_t *)link->site, (const uint32_t *)codebuf_writable(&j->code, target));
}

void backend_unlink(struct jit *j, struct jit_link *link)
{
    (void)j;
    if (link->direct)
        a64_reaim((uint32_t *)link->site, (const uint32_t *)link->stub);
}
