/* SPDX-License-Identifier: MIT */
#include "cpu/jit/a64/lift.h"

#include <string.h>

/* ---- registers ---- */

unsigned lift_read(struct lift *l, uint8_t o, unsigned bytes, unsigned scratch)
{
    if (!high_byte(o, bytes))
        return pinned(guest_number(o));
    a64_ubfx(&l->a, 4, scratch, pinned(guest_number(o)), 8, 8);
    return scratch;
}

/* Of 4 bytes the register's upper half becomes zero. */
void lift_write(struct lift *l, uint8_t o, unsigned bytes, unsigned from)
{
    const unsigned to = pinned(guest_number(o));

    if (bytes < 4)
        a64_bfi(&l->a, 8, to, from, high_byte(o, bytes) ? 8 : 0, 8 * bytes);
    else if (bytes == 4 || to != from)
        a64_mov(&l->a, bytes, to, from);
}

void lift_add(struct lift *l, unsigned bytes, unsigned to, unsigned from, int64_t by, unsigned scratch)
{
    const uint64_t size = by < 0 ? -(uint64_t)by : (uint64_t)by;

    if (by == 0 && to == from)
        return;
    if (a64_sum_imm(&l->a, by < 0 ? A64_SUB : A64_ADD, bytes, to, from, size))
        return;
    a64_mov_imm(&l->a, scratch, (uint64_t)by);
    a64_rrr(&l->a, A64_ADD, bytes, to, from, scratch);
}

/* ---- memory ---- */

/* Base and index in T0, or the one register that is all there is. */
static unsigned address_sum(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned base = pinned(guest_number(i->base)), index = pinned(guest_number(i->index));

    if (i->index == REG_ZERO)
        return base;
    if (i->base != REG_ZERO)
        a64_rrr_by(&l->a, A64_ADD, 8, T0, base, index, A64_LSL, i->scale);
    else if (i->scale == 0)
        return index;
    else
        a64_shift(&l->a, A64_LSL, 8, T0, index, i->scale);
    return T0;
}

/* FS and GS lie below HOST_CPU or above it; their bases are reached with an address. */
static void add_segment(struct lift *l, unsigned address)
{
    a64_mem(&l->a, A64_LDRX, T1, HOST_CPU, CPU_AT(p.seg_base) + 8 * l->i->seg);
    a64_rrr(&l->a, A64_ADD, 8, T0, address, T1);
}

unsigned lift_address(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address = T0;

    l->address = (struct address){ i->index == REG_ZERO && !(i->flags & INSN_SEGMENT), i->base, i->disp, l->a.at, l->a.at };
    if (i->asize != 8)
        return HOST_NONE;
    if (i->base == REG_ZERO && i->index == REG_ZERO) {
        a64_mov_imm(&l->a, T0, (uint64_t)i->disp);
    } else {
        address = address_sum(l);
        if (i->disp != 0) {
            lift_add(l, 8, T0, address, i->disp, T1);
            address = T0;
        }
    }
    if (i->flags & INSN_SEGMENT) {
        add_segment(l, address);
        address = T0;
    }
    l->address.end = l->a.at;
    return address;
}

unsigned lift_stack_address(struct lift *l, int32_t at)
{
    l->address = (struct address){ true, REG_AT(RSP), at, l->a.at, l->a.at };
    if (at == 0)
        return pinned(RSP);
    lift_add(l, 8, T0, pinned(RSP), at, T1);
    l->address.end = l->a.at;
    return T0;
}

/* A block with more ways out than there is room for stays interpreted. */
static struct cold *cold(struct lift *l, uint32_t *site)
{
    struct cold *c = &l->cold[l->ncold];

    if (l->ncold + 1 < COUNT_OF(l->cold))
        l->ncold++;
    else
        l->lost = true;
    *c = (struct cold){ .site = site, .k = (uint8_t)l->k, .owed = l->owed };
    return c;
}

void lift_cold(struct lift *l, uint32_t *site)
{
    cold(l, site)->resume = site;       /* lift_resume() will know where the plain path goes on */
}

void lift_tail(struct lift *l, uint32_t *site)
{
    cold(l, site);
}

void lift_tail_or_find(struct lift *l, uint32_t *site, unsigned rip)
{
    struct cold *c = cold(l, site);

    c->look = FIND_CODE;
    c->address = (uint8_t)rip;
    c->found = l->a.at;
}

void lift_bail(struct lift *l, uint32_t *site)
{
    cold(l, site)->whole = true;
}

static void page_of_last(struct a64_buf *a, unsigned to, unsigned address, unsigned bytes)
{
    if (bytes > 1) {
        a64_sum_imm(a, A64_ADD, 8, to, address, bytes - 1);
        address = to;
    }
    a64_logic_imm(a, A64_AND, 8, to, address, PAGE_MASK);
}

/* One load has the tag (T2) and what turns the address into the host's (T1). */
static void load_entry(struct a64_buf *a, bool write)
{
    _Static_assert(offsetof(struct tlb_entry, read) == 0 && offsetof(struct tlb_entry, addend) == 8 &&
                   offsetof(struct tlb_entry, write) == 16, "the addend is beside either tag");
    if (write)
        a64_pair(a, A64_LDP, T1, T2, T1, 8);
    else
        a64_pair(a, A64_LDP, T2, T1, T1, 0);
}

/* As mem_hit_read() and mem_hit_write(): the slot is that of the first byte's page, the tag must be the last byte's page. Of an
 * access that is likely to be aligned it must be the address itself but for the page's offset, so that one that is not misses; it is
 * looked up out of line (look_again()). No mark in a tag is a bit that is left then. */
static struct cold *tlb_probe(struct lift *l, unsigned address, bool write, unsigned bytes, bool aligned)
{
    struct a64_buf *a = &l->a;
    struct cold *miss;

    _Static_assert(sizeof(struct tlb_entry) == 32 && TLB_ENTRIES == 2048, "the slot's number is 11 bits, times 32");
    _Static_assert(TLB_INVALID > 7 && TLB_CODE > 7 && TLB_WATCH > 7, "an aligned access is of 8 bytes at most");
    a64_ubfx(a, 8, T1, address, PAGE_SHIFT, 11);
    a64_rrr_by(a, A64_ADD, 8, T1, HOST_TLB, T1, A64_LSL, 5);
    load_entry(a, write);
    if (aligned)
        a64_logic_imm(a, A64_AND, 8, T3, address, PAGE_MASK | (bytes - 1));
    else
        page_of_last(a, T3, address, bytes);
    a64_rrr(a, A64_EOR, 8, T2, T2, T3);
    miss = cold(l, a64_cbz(a, 8, true, T2));
    miss->found = a->at;
    miss->look = write ? PROBE_WRITE : PROBE_READ;
    miss->address = (uint8_t)address;
    miss->bytes = (uint16_t)bytes;
    miss->aligned = aligned;
    return miss;
}

/* Frames, elements of arrays, members and variables mostly are. */
static bool likely_aligned(const struct lift *l, unsigned bytes)
{
    const struct address *at = &l->address;

    if (bytes < 2 || bytes > 8 || (bytes & (bytes - 1)) != 0)
        return false;
    if (at->simple)
        return at->at % (int64_t)bytes == 0 && (at->at != 0 || at->base == REG_AT(RSP));
    return l->i->index != REG_ZERO && 1u << l->i->scale == bytes && !(l->i->flags & INSN_SEGMENT);
}

static void probe(struct lift *l, unsigned address, bool write, unsigned bytes, bool tail)
{
    struct cold *miss;

    if (lift_shared(l, write, bytes))
        return;
    miss = tlb_probe(l, address, write, bytes, likely_aligned(l, bytes));
    miss->resume = tail ? NULL : miss->site;
    l->mem.base = (uint8_t)address;
    l->mem.index = T1;
}

void lift_share_probe(struct lift *l, bool write, unsigned bytes)
{
    struct cold *miss = tlb_probe(l, T0, write, bytes, false);

    miss->whole = miss->missed = true;
}

void lift_probe(struct lift *l, unsigned address, bool write, unsigned bytes)
{
    probe(l, address, write, bytes, false);
}

void lift_probe_or_tail(struct lift *l, unsigned address, bool write, unsigned bytes)
{
    probe(l, address, write, bytes, true);
}

static unsigned log2_of(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

static void access(struct lift *l, uint32_t op, unsigned reg)
{
    if (l->mem.index != HOST_NONE)
        a64_mem_x(&l->a, op, reg, l->mem.base, l->mem.index);
    else
        a64_mem(&l->a, op, reg, l->mem.base, l->mem.at);
}

void lift_load(struct lift *l, unsigned bytes, unsigned to)
{
    static const uint32_t op[] = { A64_LDRB, A64_LDRH, A64_LDRW, A64_LDRX };

    access(l, op[log2_of(bytes)], to);
}

void lift_store(struct lift *l, unsigned bytes, unsigned from)
{
    static const uint32_t op[] = { A64_STRB, A64_STRH, A64_STRW, A64_STRX };

    access(l, op[log2_of(bytes)], from);
}

void lift_host_address(struct lift *l, unsigned to)
{
    if (l->mem.index != HOST_NONE)
        a64_rrr(&l->a, A64_ADD, 8, to, l->mem.base, l->mem.index);
    else
        lift_add(l, 8, to, l->mem.base, l->mem.at, to);
}

unsigned lift_operand(struct lift *l, unsigned n, unsigned bytes, unsigned scratch)
{
    unsigned address;

    if (!in_memory(l->i, n))
        return lift_read(l, l->i->o[n], bytes, scratch);
    address = lift_address(l);
    if (address == HOST_NONE)
        return HOST_NONE;
    lift_probe(l, address, false, bytes);
    lift_load(l, bytes, scratch);
    return scratch;
}

unsigned lift_rmw(struct lift *l, unsigned *address)
{
    const unsigned bytes = l->i->width;

    *address = HOST_NONE;
    if (!in_memory(l->i, 0))
        return lift_read(l, l->i->o[0], bytes, T3);
    *address = lift_address(l);
    if (*address == HOST_NONE)
        return HOST_NONE;
    lift_probe(l, *address, true, bytes);
    lift_load(l, bytes, T3);
    return T3;
}

void lift_rmw_end(struct lift *l, unsigned address, unsigned from)
{
    if (address == HOST_NONE)
        lift_write(l, l->i->o[0], l->i->width, from);
    else
        lift_store(l, l->i->width, from);
}

/* ---- calls of handlers ---- */

static insn_fn *handler_of(const struct lift *l, unsigned k)
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

static void jump_to_glue(struct lift *l, const uint8_t *glue)
{
    a64_aim(&l->a, a64_b(&l->a), glue_at(l, glue));
}

/* X1: instruction k in block b, T4: its handler, X2: the block. */
static void handler_args(struct lift *l, const struct block *b, unsigned k)
{
    const struct insn *i = &b->insns[k - lift_part(l, k)->first];

    a64_mov_imm(&l->a, 2, (uintptr_t)b);
    lift_add(l, 8, 1, 2, (int64_t)((uintptr_t)i - (uintptr_t)b), T4);
    a64_mov_imm(&l->a, T4, (uintptr_t)handler_of(l, k));
}

static const uint8_t *call_for(const struct lift *l, unsigned op)
{
    const struct jit_glue *g = &l->jit->glue;

    return op_flags_written[op] & FLAGS_ARITH ? g->call_flags : jit_keeps_flags(op) ? g->call_plain : g->call;
}

static void call_handler(struct lift *l)
{
    l->called = true;
    lift_share_none(l);
    lift_flags_pay(l, l->owed);
    handler_args(l, lift_part(l, l->k)->run, l->k);
    call_glue(l, call_for(l, l->i->op));
    l->flags.host = 0;
}

static void tail_to_handler(struct lift *l, unsigned k)
{
    const struct jit_glue *g = &l->jit->glue;
    const unsigned op = l->c->insns[k]->op;

    handler_args(l, lift_part(l, k)->run, k);
    jump_to_glue(l, jit_jumps(op) ? g->tail : jit_keeps_flags(op) ? g->last_plain : g->last);
}

/* The rest of the block as it was before it was translated: its instructions hand on to one another. */
static void bail(struct lift *l, unsigned k, const uint8_t *glue)
{
    handler_args(l, lift_part(l, k)->from, k);
    jump_to_glue(l, glue);
}

/* ---- out of line ---- */

/* The handler may change what is mapped, and saves no operands of which flags are to be made: behind it nothing may rely on a probe
 * made before, or on those. */
void lift_resume(struct lift *l)
{
    const bool needed = lift_share_needed(l) || l->saves != 0;

    for (unsigned n = l->insn_cold; n < l->ncold; n++)
        if (l->cold[n].resume != NULL) {
            l->cold[n].resume = needed ? NULL : l->a.at;
            l->cold[n].whole |= needed;
            l->cold[n].after = l->flags;
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

    if (c->address != T0)
        a64_mov(&l->a, 8, T0, c->address);
    if (c->look == FIND_CODE) {
        call_glue(l, g->find);
        a64_aim(&l->a, a64_cbz(&l->a, 8, true, T4), c->found);
    } else {
        page_of_last(&l->a, T2, T0, c->bytes);
        call_glue(l, (c->aligned ? g->near : g->reprobe)[c->look == PROBE_WRITE]);
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
    if (c->whole || c->resume == NULL)
        lift_flags_pay(l, c->owed);
    if (c->whole) {
        bail(l, c->k, c->missed ? l->jit->glue.missed : l->jit->glue.tail);
    } else if (c->resume == NULL) {
        tail_to_handler(l, c->k);
    } else {
        call_and_resume(l, c);
    }
}

/* Ways out of one instruction that differ in nothing are one. */
static bool alike(const struct cold *a, const struct cold *b)
{
    return a->k == b->k && a->found == b->found && a->resume == b->resume && a->whole == b->whole && a->missed == b->missed && a->aligned == b->aligned &&
           same_owed(a->owed, b->owed);
}

static void cold_paths(struct lift *l)
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
    link->near = ((rip ^ link->from->run->rip) & PAGE_MASK) == 0 && link->from->run->tail == NULL;
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

static void link_stub(struct lift *l, struct jit_link *link, uint32_t *site)
{
    struct a64_buf *a = &l->a;
    uint32_t *stale;

    a64_aim(a, site, a->at);
    link->site = (uint8_t *)site;
    link->stub = (uint8_t *)a->at;
    if (link->loop != NULL)
        lift_flags_pay(l, l->around_owed);
    a64_mov_imm(a, 0, (uintptr_t)link);
    if (!link->near) {
        a64_mem(a, A64_LDRX, T1, 0, (int32_t)offsetof(struct jit_link, tag));
        stale = lift_tag_check(l, T1);
        a64_mem(a, A64_LDRX, T4, 0, (int32_t)offsetof(struct jit_link, target));
        a64_br(a, T4);
        a64_aim(a, stale, a->at);
    }
    jump_to_glue(l, l->jit->glue.follow);
}

/* ---- the block ---- */

static bool lift_any(struct lift *l)
{
    return lift_move(l) || lift_int(l) || lift_shift(l) || lift_muldiv(l) || lift_bits(l) || lift_vec_move(l) ||
           lift_vec(l) || lift_vec_fp(l);
}

void lift_insn(struct lift *l)
{
    struct flag_state before;

    l->insn_cold = l->ncold;
    lift_flags_plan(l);
    before = l->flags;
    if (lift_any(l)) {
        lift_flags_done(l);
    } else {
        l->flags = before;
        l->owes = false;
        l->saves = 0;
        call_handler(l);
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
    insn_fn *fn = handler_of(l, l->k);
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
    if (falls)
        lift_link(l, a64_b(&l->a), lift_rip_after(l, l->k));
    else if (!lift_branch(l))
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

void lift_dry(struct lift *l, const struct jit_part *p)
{
    a64_sum_imm(&l->a, A64_ADD, 8, HOST_BUDGET, HOST_BUDGET, p->run->count);
    a64_mov_imm(&l->a, 0, (uintptr_t)p);
    jump_to_glue(l, l->jit->glue.dry);
}

static void count_run(struct lift *l)
{
    a64_mov_imm(&l->a, 0, (uintptr_t)&l->t->runs);
    a64_mem(&l->a, A64_LDRX, 1, 0, 0);
    a64_sum_imm(&l->a, A64_ADD, 8, 1, 1, 1);
    a64_mem(&l->a, A64_STRX, 1, 0, 0);
}

static void lift_code(struct lift *l)
{
    struct a64_buf *a = &l->a;
    uint32_t *dry;

    l->t->check = codebuf_runs_at(&l->jit->code, (uint8_t *)a->at);
    a64_sum_imm(a, A64_SUBS, 8, HOST_BUDGET, HOST_BUDGET, l->t->parts[0].run->count);
    dry = a64_b_if(a, A64_CC);
    l->t->code = codebuf_runs_at(&l->jit->code, (uint8_t *)a->at);
    if (l->jit->counts)
        count_run(l);
    lift_body(l, true);
    lift_end(l);
    mark(l, l->c->count);
    lift_ways_out(l);
    cold_paths(l);
    for (unsigned n = 0; n < l->nlinks; n++)
        link_stub(l, l->links[n], l->link_sites[n]);
    if (l->loop_dry != NULL) {
        a64_aim(a, l->loop_dry, a->at);
        lift_flags_pay(l, l->around_owed);
    }
    a64_aim(a, dry, a->at);
    lift_dry(l, &l->t->parts[0]);
}

/* A loop: what its beginning reads is what its end must keep; who leaves it may see all. */
static void live_flags(struct lift *l)
{
    if (l->c->loops)
        jit_live_flags(l->c, jit_live_flags(l->c, 0, FLAGS_ARITH, l->read, l->seen), FLAGS_ARITH, l->read, l->seen);
    else
        jit_live_flags(l->c, FLAGS_ARITH, 0, l->read, l->seen);
}

static bool translate(struct jit *j, struct jit_block *t, bool far)
{
    struct lift l;

    memset(&l, 0, offsetof(struct lift, ways));
    l.jit = j;
    l.t = t;
    l.c = &j->insns;
    l.far = far;
    l.a = (struct a64_buf){ (uint32_t *)(j->code.write + j->code.used), (uint32_t *)codebuf_limit(&j->code), false };
    live_flags(&l);
    lift_code(&l);
    if (l.a.full || l.lost)
        return false;
    j->code.used = (size_t)((uint8_t *)l.a.at - j->code.write + 15) & ~(size_t)15;
    return true;
}

const bool backend_has_paths = true;

bool backend_translate(struct jit *j, struct jit_block *t)
{
    return translate(j, t, false) || translate(j, t, true);
}

void backend_link(struct jit *j, struct jit_link *link, const uint8_t *target)
{
    link->target = target;
    if (link->loop != NULL)
        target = target == link->from->of->check ? link->loop : codebuf_runs_at(&j->code, link->stub);
    if (link->near)
        a64_reaim((uint32_t *)link->site, (const uint32_t *)codebuf_writable(&j->code, target));
}

void backend_unlink(struct jit *j, struct jit_link *link)
{
    (void)j;
    if (link->near)
        a64_reaim((uint32_t *)link->site, (const uint32_t *)link->stub);
}
