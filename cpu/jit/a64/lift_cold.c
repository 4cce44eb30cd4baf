/* SPDX-License-Identifier: MIT
 * Handlers: those that do an instruction that has no translation, and what lies out of line, where the plain path is left. */
#include "cpu/jit/a64/lift.h"

#include <string.h>

/* ---- calls of handlers ---- */

insn_fn *lift_handler_of(const struct lift *l, unsigned k)
{
    const struct jit_part *p = lift_part(l, k);

    return k == p->first ? p->from->first : p->from->insns[k - p->first].fn;
}

static const uint32_t *glue_at(const struct lift *l, const uint8_t *glue)
{
    return (const uint32_t *)codebuf_writable(&l->jit->code, glue);
}

static void call_glue(struct lift *l, const uint8_t *glue)
{
    a64_aim(&l->a, a64_bl(&l->a), glue_at(l, glue));
}

void lift_jump_to_glue(struct lift *l, const uint8_t *glue)
{
    a64_aim(&l->a, a64_b(&l->a), glue_at(l, glue));
}

/* X1: instruction k in block b, T4: its handler, X2: the block. */
static void handler_args(struct lift *l, const struct block *b, unsigned k)
{
    const struct insn *i = &b->insns[k - lift_part(l, k)->first];

    a64_mov_imm(&l->a, 2, (uintptr_t)b);
    lift_add(l, 8, 1, 2, (int64_t)((uintptr_t)i - (uintptr_t)b), T4);
    a64_mov_imm(&l->a, T4, (uintptr_t)lift_handler_of(l, k));
}

static const uint8_t *call_for(const struct lift *l, unsigned op)
{
    const struct jit_glue *g = &l->jit->glue;

    return op_flags_written[op] & FLAGS_ARITH ? g->call_flags : jit_keeps_flags(op) ? g->call_plain : g->call;
}

/* A handler may have used more than its own share: what the path needs is taken again. NZCV is lost. */
static void after_handler(struct lift *l, unsigned k, unsigned unused)
{
    uint32_t *enough;

    if (unused == 0)
        return;
    a64_sum_imm(&l->a, A64_SUBS, 8, HOST_BUDGET, HOST_BUDGET, unused);
    enough = a64_b_if(&l->a, A64_CS);
    lift_give_back(l, unused);
    if (jit_inner_end(l->c, k))
        lift_leave_before(l, lift_part(l, k + 1));
    else
        lift_bail_now(l, k + 1, l->jit->glue.tail);
    a64_aim(&l->a, enough, l->a.at);
}

void lift_call_handler(struct lift *l)
{
    l->called = true;
    lift_share_none(l);
    lift_flags_pay(l, l->owed);
    lift_vec_flush(l);
    lift_give_back(l, lift_rest(l, l->k));
    handler_args(l, lift_part(l, l->k)->run, l->k);
    call_glue(l, call_for(l, l->i->op));
    after_handler(l, l->k, lift_rest(l, l->k));
    l->flags.host = 0;
}

void lift_tail_to_handler(struct lift *l, unsigned k)
{
    const struct jit_glue *g = &l->jit->glue;
    const unsigned op = l->c->insns[k]->op;

    handler_args(l, lift_part(l, k)->run, k);
    lift_jump_to_glue(l, jit_jumps(op) ? g->tail : jit_keeps_flags(op) ? g->last_plain : g->last);
}

/* The rest of the block as it was before it was translated: its instructions hand on to one another. */
void lift_bail_now(struct lift *l, unsigned k, const uint8_t *glue)
{
    handler_args(l, lift_part(l, k)->from, k);
    lift_jump_to_glue(l, glue);
}

/* ---- ways out of the plain path ---- */

/* A block with more ways out than there is room for stays interpreted. */
struct cold *lift_new_cold(struct lift *l, uint32_t *site)
{
    struct cold *c = &l->cold[l->ncold];

    if (l->ncold + 1 < COUNT_OF(l->cold))
        l->ncold++;
    else
        l->lost = true;
    *c = (struct cold){ .site = site, .k = (uint8_t)l->k, .owed = l->owed, .vec = l->vec };
    c->unused = (uint16_t)lift_rest(l, l->k);
    return c;
}

void lift_cold(struct lift *l, uint32_t *site)
{
    lift_new_cold(l, site)->resume = site;       /* lift_resume() will know where the plain path goes on */
}

void lift_tail(struct lift *l, uint32_t *site)
{
    lift_new_cold(l, site);
}

void lift_tail_or_find(struct lift *l, uint32_t *site, unsigned rip)
{
    struct cold *c = lift_new_cold(l, site);

    c->look = FIND_CODE;
    c->address = (uint8_t)rip;
    c->found = l->a.at;
}

void lift_bail(struct lift *l, uint32_t *site)
{
    lift_new_cold(l, site)->whole = true;
}

/* ---- out of line ---- */

/* The handler may change what is mapped, saves no operands of which flags are to be made, and its result may be anything: behind it
 * nothing may rely on a probe made before, on those, or on what the plain path has looked at. */
void lift_resume(struct lift *l)
{
    const bool needed = lift_share_needed(l) || l->saves != 0 || l->vec_looked;

    for (unsigned n = l->insn_cold; n < l->ncold; n++)
        if (l->cold[n].resume != NULL) {
            l->cold[n].resume = needed ? NULL : l->a.at;
            l->cold[n].whole |= needed;
            l->cold[n].after = l->flags;
            l->cold[n].vec_after = l->vec;
            l->cold[n].saved = l->owed.i != NULL && l->owed.saved != 0 && same_owed(l->owed, l->cold[n].owed);
        }
}

/* NZCV as the plain path has it. */
static void restore_nzcv(struct lift *l, struct flag_state after)
{
    unsigned from = HOST_NZCV;

    if (after.host == 0)
        return;
    if (after.sum) {
        a64_logic_imm(&l->a, A64_EOR, 4, T5, HOST_NZCV, NZCV_C);
        from = T5;
    }
    a64_write_nzcv(&l->a, from);
}

/* Among the TLB's victims, or in all of it; or for code that has lost its shortcut. */
static void look_again(struct lift *l, const struct cold *c)
{
    const struct jit_glue *g = &l->jit->glue;

    if (c->look == LOOK_VECTOR) {
        lift_vec_look(l, c);
        a64_aim(&l->a, a64_cbz(&l->a, 4, true, T2), c->found);
        return;
    }
    if (c->address != T0)
        a64_mov(&l->a, 8, T0, c->address);
    if (c->look == FIND_CODE) {
        call_glue(l, g->find);
        a64_aim(&l->a, a64_cbz(&l->a, 8, true, T4), c->found);
    } else {
        if (c->strict)
            a64_logic_imm(&l->a, A64_AND, 8, T2, T0, PAGE_MASK | (c->bytes - 1u));
        else
            lift_page_of_last(&l->a, T2, T0, c->bytes);
        call_glue(l, (c->aligned && !c->strict ? g->near : g->reprobe)[c->look == PROBE_WRITE]);
        a64_aim(&l->a, a64_cbz(&l->a, 8, false, T2), c->found);
    }
}

/* What is owed is paid to the handler only. */
static void call_and_resume(struct lift *l, const struct cold *c)
{
    const unsigned op = l->c->insns[c->k]->op;

    if (c->saved)
        a64_pair(&l->a, A64_STP, HOST_RESULT, HOST_OPERANDS, A64_SP, GLUE_FRAME_SAVED);
    lift_flags_pay(l, c->owed);
    handler_args(l, lift_part(l, c->k)->run, c->k);
    call_glue(l, call_for(l, op));
    after_handler(l, c->k, c->unused);
    lift_vec_load(l, &c->vec_after);
    restore_nzcv(l, c->after);
    if (c->saved)
        a64_pair(&l->a, A64_LDP, HOST_RESULT, HOST_OPERANDS, A64_SP, GLUE_FRAME_SAVED);
    a64_aim(&l->a, a64_b(&l->a), c->resume);
}

static void cold_path(struct lift *l, struct cold *c)
{
    c->at = l->a.at;
    a64_aim(&l->a, c->site, c->at);
    if (c->found != NULL)
        look_again(l, c);
    lift_vec_store(l, &c->vec);
    if (c->whole || c->resume == NULL)
        lift_flags_pay(l, c->owed);
    lift_give_back(l, c->unused);
    if (c->whole) {
        lift_bail_now(l, c->k, c->missed ? l->jit->glue.missed : l->jit->glue.tail);
    } else if (c->resume == NULL) {
        lift_tail_to_handler(l, c->k);
    } else {
        call_and_resume(l, c);
    }
}

/* Ways out of one instruction that differ in nothing are one. */
static bool alike(const struct cold *a, const struct cold *b)
{
    return a->k == b->k && a->found == b->found && a->resume == b->resume && a->whole == b->whole && a->missed == b->missed &&
           a->aligned == b->aligned && a->unused == b->unused && same_owed(a->owed, b->owed) &&
           memcmp(&a->vec, &b->vec, sizeof a->vec) == 0;
}

void lift_cold_paths(struct lift *l)
{
    for (unsigned n = 0; n < l->ncold; n++) {
        struct cold *c = &l->cold[n], *last = n > 0 ? c - 1 : NULL;

        if (last != NULL && alike(last, c)) {
            c->at = last->at;
            a64_aim(&l->a, c->site, c->at);
        } else {
            cold_path(l, c);
        }
    }
}
