/* SPDX-License-Identifier: MIT */
#include "cpu/jit/x64/lift.h"

#include <string.h>

const uint8_t pinned_always[16] = {
    [RAX] = HOST_BX, [RCX] = HOST_8, [RDX] = HOST_9, [RBX] = HOST_10, [RSP] = HOST_12, [RBP] = HOST_13, [RSI] = HOST_SI,
    [RDI] = HOST_DI, [R8] = HOST_11, [R9] = HOST_NONE, [R10] = HOST_NONE, [R11] = HOST_NONE, [R12] = HOST_NONE,
    [R13] = HOST_NONE, [R14] = HOST_NONE, [R15] = HOST_NONE,
};

/* ---- ways out of line ---- */

/* A block with more ways out than there is room for stays interpreted. */
struct cold *lift_new_cold(struct lift *l, uint8_t *site)
{
    struct cold *c = &l->cold[l->ncold];

    if (l->ncold + 1 < COUNT_OF(l->cold))
        l->ncold++;
    else
        l->lost = true;
    *c = (struct cold){ .site = site, .k = (uint8_t)l->k, .swapped = l->swapped, .owed = l->owed, .before = l->vec };
    c->unused = (uint16_t)lift_rest(l, l->k);
    return c;
}

void lift_cold(struct lift *l, uint8_t *site)
{
    lift_new_cold(l, site)->resume = site;       /* lift_resume() will know where the plain path goes on */
}

void lift_tail(struct lift *l, uint8_t *site)
{
    lift_new_cold(l, site);
}

void lift_tail_unless(struct lift *l, uint8_t *const *sites, unsigned count, const uint8_t *again)
{
    for (unsigned n = 0; n < count; n++) {
        struct cold *c = lift_new_cold(l, sites[n]);

        c->again = again;
        c->found = l->a.at;
    }
}

void lift_bail(struct lift *l, uint8_t *site)
{
    lift_new_cold(l, site)->whole = true;
}

void lift_share_missed(struct lift *l, uint8_t *miss, bool write, unsigned bytes, const struct site *site)
{
    struct cold *c = lift_new_cold(l, miss);

    c->whole = c->missed = true;
    c->again = site != NULL ? site->again : l->jit->glue.reprobe[write];
    c->bytes = (uint16_t)bytes;
    c->site_kept = site != NULL ? (uint16_t)site->number : 0;
    c->found = l->a.at;
}

/* From out of line the host's flags come right only where the instruction makes flags: see cold_path(). The handler may change
 * what is mapped: behind it nothing may rely on a probe made before. */
void lift_resume(struct lift *l)
{
    const bool needed = lift_share_needed(l);

    for (unsigned n = l->insn_cold; n < l->ncold; n++) {
        struct cold *c = &l->cold[n];

        if (c->resume == NULL)
            continue;
        c->resume = needed ? NULL : l->a.at;
        c->whole |= needed;
        c->after = l->vec;
        if (!needed && !(op_flags_written[l->i->op] & FLAGS_ARITH))
            l->host_flags = 0;
    }
}

/* ---- calls of handlers ---- */

static insn_fn *handler_of(const struct lift *l, unsigned k)
{
    const struct jit_part *p = lift_part(l, k);

    return k == p->first ? p->from->first : p->from->insns[k - p->first].fn;
}

static void call_glue(struct lift *l, unsigned k, const uint8_t *glue, bool jump)
{
    struct asm_buf *a = &l->a;

    asm_mov_imm(a, HOST_DX, (uintptr_t)lift_part(l, k)->run);
    asm_aim(jump ? asm_jmp(a) : asm_call(a), codebuf_writable(&l->jit->code, glue));
}

/* SI: the instruction, AX: its handler, DX: the block. What is pinned in SI is saved first: by the glue, from CX. */
static void handler_args(struct lift *l, unsigned k)
{
    asm_mov(&l->a, 8, HOST_CX, rm_reg(HOST_SI));
    asm_mov_imm(&l->a, HOST_SI, (uintptr_t)l->c->insns[k]);
    asm_mov_imm(&l->a, HOST_AX, (uintptr_t)handler_of(l, k));
}

static void after_handler(struct lift *l, unsigned k, unsigned unused);

static void call_handler(struct lift *l)
{
    const struct jit_glue *g = &l->jit->glue;
    const unsigned op = l->i->op, written = op_flags_written[op] & FLAGS_ARITH;
    const bool swapped = l->swapped;

    lift_flags_pay(l, l->owed);
    l->owed = (struct owed){ NULL, 0, NULL };
    l->nowhere = false;
    lift_vec_flush(l);
    lift_share_none(l);
    l->called = true;
    if (swapped)
        lift_pins_out(l);
    lift_give_back(l, lift_rest(l, l->k));
    handler_args(l, l->k);
    call_glue(l, l->k, written ? g->call_flags : jit_keeps_flags(op) ? g->call_plain : g->call, false);
    after_handler(l, l->k, lift_rest(l, l->k));
    l->known_from = l->c->part[l->k];
    if (swapped)
        lift_pins_in(l);
    lift_near_forget(l);
    l->host_flags = 0;
}

/* The rest of the block as it was before it was translated: its instructions hand on to one another. */
static void bail(struct lift *l, unsigned k, const uint8_t *glue)
{
    const struct jit_part *p = lift_part(l, k);
    struct block *b = p->from;

    asm_mov(&l->a, 8, HOST_CX, rm_reg(HOST_SI));
    asm_mov_imm(&l->a, HOST_SI, (uintptr_t)&b->insns[k - p->first]);
    asm_mov_imm(&l->a, HOST_AX, (uintptr_t)handler_of(l, k));
    asm_mov_imm(&l->a, HOST_DX, (uintptr_t)b);
    asm_aim(asm_jmp(&l->a), codebuf_writable(&l->jit->code, glue));
}

void lift_give_back(struct lift *l, unsigned insns)
{
    if (insns != 0)
        asm_alu_imm(&l->a, ALU_ADD, 8, rm_reg(HOST_BUDGET), (int32_t)insns);
}

static void tail_to_handler(struct lift *l, unsigned k)
{
    const struct jit_glue *g = &l->jit->glue;
    const unsigned op = l->c->insns[k]->op;

    handler_args(l, k);
    call_glue(l, k, jit_jumps(op) ? g->tail : jit_keeps_flags(op) ? g->last_plain : g->last, true);
}

/* ---- the block ---- */

void lift_link_as(struct lift *l, struct jit_link *link, uint8_t *site, uint64_t rip)
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

struct jit_link *lift_link(struct lift *l, uint8_t *site, uint64_t rip)
{
    struct jit_link *link = arena_alloc(&l->jit->arena, sizeof *link);

    lift_link_as(l, link, site, rip);
    return link;
}

uint8_t *lift_tag_check(struct lift *l)
{
    struct asm_buf *a = &l->a;
    uint8_t *good, *stale;

    asm_alu(a, ALU_CMP, 8, HOST_CX, CPU_AT(code_tag));
    good = asm_jcc(a, CC_E);
    asm_alu(a, ALU_CMP, 8, HOST_CX, CPU_AT(global_tag));
    stale = asm_jcc(a, CC_NE);
    asm_aim(good, a->at);
    return stale;
}

/* From its beginning. */
static void out_of_loop(struct lift *l)
{
    lift_pins_are(l, l->nswaps != 0);
    lift_vec_store(l, &l->around);
    lift_flags_pay(l, l->around_owed);
    lift_pins_out(l);
}

static void link_stub(struct lift *l, struct jit_link *link, uint8_t *site)
{
    struct asm_buf *a = &l->a;
    uint8_t *stale;

    asm_aim(site, a->at);
    link->site = site;
    link->stub = a->at;
    if (link->loop != NULL)
        out_of_loop(l);
    asm_mov_imm(a, HOST_AX, (uintptr_t)link);
    if (!link->near) {
        asm_mov(a, 8, HOST_CX, rm_at(HOST_AX, (int32_t)offsetof(struct jit_link, tag)));
        stale = lift_tag_check(l);
        asm_jmp_rm(a, rm_at(HOST_AX, (int32_t)offsetof(struct jit_link, target)));
        asm_aim(stale, a->at);
    }
    asm_aim(asm_jmp(a), codebuf_writable(&l->jit->code, l->jit->glue.follow));
}

/* Its budget was not taken. */
static void leave_before(struct lift *l, const struct jit_part *p)
{
    asm_mov_imm(&l->a, HOST_AX, (uintptr_t)p);
    asm_aim(asm_jmp(&l->a), codebuf_writable(&l->jit->code, l->jit->glue.dry));
}

/* A handler may have used more than its own share: what the path needs is taken again. */
static void after_handler(struct lift *l, unsigned k, unsigned unused)
{
    uint8_t *enough;

    if (unused == 0)
        return;
    asm_alu_imm(&l->a, ALU_SUB, 8, rm_reg(HOST_BUDGET), (int32_t)unused);
    enough = asm_jcc(&l->a, CC_AE);
    lift_give_back(l, unused);
    if (jit_inner_end(l->c, k))
        leave_before(l, lift_part(l, k + 1));
    else
        bail(l, k + 1, l->jit->glue.tail);
    asm_aim(enough, l->a.at);
}

static void cold_path(struct lift *l, struct cold *c)
{
    const struct insn *i = l->c->insns[c->k];
    const bool flags = op_flags_written[i->op] & FLAGS_ARITH;

    asm_aim(c->site, l->a.at);
    c->at = l->a.at;
    lift_pins_are(l, c->swapped);
    if (c->page) {              /* as the plain probe leaves it in DX */
        asm_mov(&l->a, 8, HOST_DX, rm_reg(HOST_AX));
        asm_alu_imm(&l->a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
    }
    if (c->near != 0) {
        lift_near_again(l, c);
    } else if (c->site_kept != 0) {
        lift_site_again(l, c);
    } else if (c->again != NULL) {
        asm_aim(asm_call(&l->a), codebuf_writable(&l->jit->code, c->again));
        asm_aim(asm_jcc(&l->a, CC_E), c->found);
    }
    lift_flags_pay(l, c->owed);
    lift_vec_store(l, &c->before);
    if (c->swapped)
        lift_pins_out(l);
    lift_give_back(l, c->unused);
    if (c->whole) {
        bail(l, c->k, c->missed ? l->jit->glue.missed : l->jit->glue.tail);
        return;
    }
    if (c->resume == NULL) {
        tail_to_handler(l, c->k);
        return;
    }
    handler_args(l, c->k);
    call_glue(l, c->k, flags ? l->jit->glue.call_flags : jit_keeps_flags(i->op) ? l->jit->glue.call_plain : l->jit->glue.call, false);
    after_handler(l, c->k, c->unused);
    lift_near_forget(l);
    if (c->swapped)
        lift_pins_in(l);
    lift_vec_load(l, &c->after);
    if (flags)
        lift_flags_restore(l);          /* as after the plain path */
    asm_aim(asm_jmp(&l->a), c->resume);
}

/* Ways out of one instruction with nothing between them that matters to the handler. In a loop's other copy registers are elsewhere,
 * and so is what follows. */
static bool alike(const struct cold *a, const struct cold *b)
{
    return a->k == b->k && a->found == b->found && a->resume == b->resume && a->whole == b->whole && a->unused == b->unused &&
           a->swapped == b->swapped && same_owed(a->owed, b->owed) && memcmp(&a->before, &b->before, sizeof a->before) == 0;
}

static void cold_paths(struct lift *l)
{
    for (unsigned n = 0; n < l->ncold; n++) {
        struct cold *c = &l->cold[n];

        if (n > 0 && alike(c - 1, c)) {
            c->at = c[-1].at;
            asm_aim(c->site, c->at);
        } else {
            cold_path(l, c);
        }
    }
}

static bool lift_any(struct lift *l)
{
    const struct jit *j = l->jit;

    if (!jit_does(j, PASS_LIFT))
        return false;
    return lift_move(l) || lift_int(l) || lift_muldiv(l) || (jit_does(j, PASS_VECTORS) && lift_vec(l)) ||
           (jit_does(j, PASS_X87) && lift_x87(l)) ||
           lift_count(l) || lift_bits(l) || lift_exchange(l) || lift_string(l) || lift_system(l);
}

void lift_insn(struct lift *l)
{
    l->insn_cold = l->ncold;
    l->vec_busy = 0;
    lift_flags_plan(l);
    if (!lift_any(l))
        call_handler(l);
    lift_share_after(l);
    lift_resume(l);         /* in either case: a family may have left the plain path before it gave up */
}

/* Where the code of instruction k begins, for whoever looks at it. */
static void mark(struct lift *l, unsigned k)
{
    l->jit->begins[k] = (uint32_t)(l->a.at - (l->jit->code.write + l->jit->code.used));
}

void lift_end_by_handler(struct lift *l)
{
    tail_to_handler(l, l->k);
}

/* The last instruction, or what follows when a block ends for its length. */
static void lift_end(struct lift *l)
{
    insn_fn *fn = handler_of(l, l->k);
    const bool falls = fn != exec_undefined && fn != exec_too_long && op_then[l->i->op] == FALLS;

    if (falls)
        lift_insn(l);
    else
        l->insn_cold = l->ncold;
    if (lift_loop(l))
        return;
    lift_vec_flush(l);
    if (falls)
        lift_link(l, asm_jmp(&l->a), lift_rip_after(l, l->k));
    if (falls || lift_branch(l) || lift_system_end(l))
        return;
    lift_flags_pay(l, l->owed);
    tail_to_handler(l, l->k);
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

/* The first block's budget is taken before its code is reached; what is behind it must suffice for the whole path, or only that
 * block is done, by the interpreter. The jump taken then; NULL: there is no more. */
static uint8_t *pay_for_the_path(struct lift *l)
{
    for (unsigned n = l->t->nparts - 1; n-- > 0;)
        l->rest[n] = (uint16_t)(l->rest[n + 1] + l->t->parts[n + 1].run->count);
    if (l->rest[0] == 0)
        return NULL;
    asm_alu_imm(&l->a, ALU_SUB, 8, rm_reg(HOST_BUDGET), l->rest[0]);
    return asm_jcc(&l->a, CC_B);
}

/* Where the budget did not suffice: from one round to the next, for the first block, or for those behind it. */
static void dry_ends(struct lift *l, uint8_t *dry, uint8_t *short_of)
{
    if (l->loop_dry != NULL) {
        asm_aim(l->loop_dry, l->a.at);
        out_of_loop(l);
        lift_give_back(l, l->rest[0]);
    }
    asm_aim(dry, l->a.at);
    lift_give_back(l, l->t->parts[0].run->count);
    leave_before(l, &l->t->parts[0]);
    if (short_of != NULL) {
        asm_aim(short_of, l->a.at);
        lift_give_back(l, l->rest[0]);
        bail(l, 0, l->jit->glue.tail);
    }
}

static void lift_code(struct lift *l)
{
    uint8_t *dry, *short_of;

    l->t->check = codebuf_runs_at(&l->jit->code, l->a.at);
    asm_alu_imm(&l->a, ALU_SUB, 8, rm_reg(HOST_BUDGET), l->t->parts[0].run->count);
    dry = asm_jcc(&l->a, CC_B);
    l->t->code = codebuf_runs_at(&l->jit->code, l->a.at);
    if (l->jit->counts) {
        asm_mov_imm(&l->a, HOST_AX, (uintptr_t)&l->t->runs);
        asm_step(&l->a, false, 8, rm_at(HOST_AX, 0));
    }
    short_of = pay_for_the_path(l);
    lift_near_forget(l);
    lift_body(l, true);
    lift_end(l);
    mark(l, l->c->count);
    lift_ways_out(l);
    cold_paths(l);
    for (unsigned n = 0; n < l->nlinks; n++)
        link_stub(l, l->links[n], l->link_sites[n]);
    dry_ends(l, dry, short_of);
}

/* A loop: what its beginning reads is what its end must keep; who leaves it may see all. */
static void live_flags(struct lift *l)
{
    if (l->c->loops) {
        jit_live_flags(l->c, jit_live_flags(l->c, 0, FLAGS_ARITH, l->read, l->seen), FLAGS_ARITH, l->read, l->seen);
        jit_kept_flags(l->c, jit_kept_flags(l->c, 0, l->read, l->seen, l->kept), l->read, l->seen, l->kept);
    } else {
        jit_live_flags(l->c, FLAGS_ARITH, 0, l->read, l->seen);
        jit_kept_flags(l->c, FLAGS_ARITH, l->read, l->seen, l->kept);
    }
}

#define SLACK 16u       /* asm_aim() may write where a full buffer ended */

const bool backend_has_paths = true;
const bool backend_keeps = true;

bool backend_translate(struct jit *j, struct jit_block *t)
{
    struct lift l;

    memset(&l, 0, offsetof(struct lift, ways));
    l.jit = j;
    l.t = t;
    l.c = &j->insns;
    l.a = (struct asm_buf){ j->code.write + j->code.used, codebuf_limit(&j->code) - SLACK, false };
    lift_vec_begin(&l);
    live_flags(&l);
    lift_near_plan(&l);
    lift_pins_plan(&l);
    lift_pins_are(&l, false);
    lift_code(&l);
    lift_pins_are(&l, false);
    if (l.a.full || l.lost)
        return false;
    j->code.used = (size_t)(l.a.at - j->code.write + 15) & ~(size_t)15;
    return true;
}

void backend_link(struct jit *j, struct jit_link *link, const uint8_t *target)
{
    link->target = target;
    if (link->loop != NULL)
        target = target == link->from->of->check ? link->loop : codebuf_runs_at(&j->code, link->stub);
    if (link->direct)
        asm_aim(link->site, codebuf_writable(&j->code, target));
}

void backend_unlink(struct jit *j, struct jit_link *link)
{
    (void)j;
    if (link->direct)
        asm_aim(link->site, link->stub);
}
