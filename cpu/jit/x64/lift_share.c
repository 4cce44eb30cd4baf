/* SPDX-License-Identifier: MIT
 * Accesses that lie close together, at constant distances from the same register, share one probe of the TLB: all bytes from the
 * first to the last must lie on one page, and where the first one is in the host's memory is kept for the others, which then are
 * no longer than on the host itself. Frames, structures and pushes are such. Several are kept at a time: one in a host register,
 * the others in struct cpu; in a loop they stay from round to round when their register does. No handler runs while any is
 * needed: what needs one has the interpreter do the rest of the block. When such a probe fails often the block is made anew with
 * fewer bytes to each, and in the end without. */
#include "cpu/jit/x64/lift.h"

/* Bytes that one probe may serve, more being too often on two pages; the more often it fails, the fewer. */
static const int64_t spans[] = { 512, 96, 32 };

static int64_t span(const struct lift *l)
{
    const unsigned narrow = lift_part(l, l->k)->from->narrow;

    return narrow < COUNT_OF(spans) ? spans[narrow] : 0;
}

/* ---- what instructions do with a register and with memory ---- */

static bool has_constant(const struct insn *i)
{
    return FORM_KIND(i->form, 1) == KIND_IMM && i->width == 8 && FORM_KIND(i->form, 0) == KIND_REG;
}

static bool by_constant(const struct insn *i, unsigned n, int64_t *by)
{
    if (FORM_KIND(i->form, 0) != KIND_REG || guest_number(i->o[0]) != n || i->width != 8)
        return false;
    switch (i->op) {
    case OP_ADD: *by = (int64_t)i->imm; return has_constant(i);
    case OP_SUB: *by = -(int64_t)i->imm; return has_constant(i);
    case OP_INC: *by = 1; return true;
    case OP_DEC: *by = -1; return true;
    case OP_LEA:
        *by = i->disp;
        return i->asize == 8 && !(i->flags & INSN_SEGMENT) && i->index == REG_ZERO && i->base == REG_AT(n);
    default:
        return false;
    }
}

/* By how much i changes general register n; false: nobody knows. */
static bool steps(const struct insn *i, uint8_t base, int64_t *by)
{
    const unsigned n = guest_number(base);

    *by = 0;
    if (base == REG_ZERO)
        return lift_leaves(i, HOST_NONE);
    if (by_constant(i, n, by))
        return true;
    if ((i->op == OP_PUSH || i->op == OP_CALL || i->op == OP_CALL_IND) && n == RSP)
        *by = -(int64_t)i->width;
    else if (i->op == OP_RET && n == RSP)
        *by = i->width + (int64_t)i->imm;
    else if (i->op == OP_POP && n == RSP && FORM_KIND(i->form, 0) == KIND_REG && guest_number(i->o[0]) != RSP)
        *by = i->width;
    else
        return lift_leaves(i, n);
    return true;
}

/* Those that surely write; of others an access that does makes its own probe. */
static bool writes(const struct insn *i)
{
    switch (i->op) {
    case OP_MOV: case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_INC:
    case OP_DEC: case OP_NEG: case OP_NOT: case OP_SHL: case OP_SHR: case OP_SAR: case OP_SETCC: case OP_MOV_ALIGNED:
    case OP_MOV_UNALIGNED: case OP_MOV_STORE32: case OP_MOV_STORE64: case OP_MOV_STOREHIGH: case OP_FST: case OP_FSTP: case OP_FISTP: case OP_PUSH:
    case OP_CALL: case OP_CALL_IND:
        return true;
    default:
        return false;
    }
}

struct place {
    int64_t at;
    unsigned bytes;
    bool write;
};

static bool on_stack(const struct insn *i, struct place *out)
{
    *out = (struct place){ 0, 8, writes(i) };
    if (i->op == OP_PUSH || i->op == OP_CALL || i->op == OP_CALL_IND)
        out->at = -8;
    else if (i->op != OP_POP && i->op != OP_RET)
        return false;
    return i->width == 8;
}

/* Others are not shared; sums of these do not overflow. */
static bool near_enough(int64_t at)
{
    return bits_sign((uint64_t)at, 48) == at;
}

/* The access of i that is relative to `base`. */
static bool accesses(const struct insn *i, uint8_t base, struct place *out)
{
    bool first = FORM_KIND(i->form, 0) == KIND_MEM;
    bool any = first || FORM_KIND(i->form, 1) == KIND_MEM || FORM_KIND(i->form, 2) == KIND_MEM;

    if (base == REG_AT(RSP) && on_stack(i, out))
        return true;
    if (!any || i->op == OP_LEA || i->op == OP_NOP || i->asize != 8 || (i->flags & INSN_SEGMENT) ||
        i->base != base || i->index != REG_ZERO || i->mem_bytes == 0 || i->mem_bytes > 32 || !near_enough(i->disp))
        return false;
    *out = (struct place){ i->disp, i->mem_bytes, first && writes(i) };
    return true;
}

/* ---- which accesses may share ---- */

static void include(struct share *s, const struct place *x, int64_t most)
{
    const int64_t lo = x->at < s->lo ? x->at : s->lo, end = x->at + x->bytes, hi = end > s->hi ? end : s->hi;

    if (hi - lo > most)
        return;
    s->lo = lo;
    s->hi = hi;
    s->write |= x->write;
    s->left++;
}

/* Those from the instruction at hand on, as `now` is its own. */
static struct share plan(const struct lift *l, uint8_t base, const struct place *now)
{
    const struct jit_code *c = l->c;
    struct share s = { .on = true, .base = base, .lo = now->at, .hi = now->at + now->bytes, .write = now->write, .left = 1 };
    const int64_t most = span(l);
    int64_t moved = 0, by;
    struct place x;

    for (unsigned k = l->k; k < c->count; k++) {
        if (k > l->k && accesses(c->insns[k], base, &x)) {
            x.at += moved;
            include(&s, &x, most);
        }
        if (!steps(c->insns[k], base, &by))
            break;
        moved += by;
    }
    return s;
}

/* Is register `base` after a round of the loop what it was before? */
static bool comes_back(const struct lift *l, uint8_t base)
{
    int64_t moved = 0, by;

    if (!l->c->loops)
        return false;
    for (unsigned k = 0; k < l->c->count; k++) {
        if (!steps(l->c->insns[k], base, &by))
            return false;
        moved += by;
    }
    return moved == 0;
}

/* Some are cheaper alone. In a loop what is kept from round to round is not, and what remembers its page (lift_near.c) mostly is. */
static bool worthwhile(const struct lift *l, const struct share *s)
{
    return s->left >= (comes_back(l, s->base) ? 1u : l->near_of[l->k] != 0 ? 3u : 2u);
}

/* ---- code ---- */

static struct rm kept_at(unsigned n)
{
    return n == 0 ? rm_reg(HOST_SHARE) : rm_at(HOST_CPU, CPU_AT(jit_shares).disp + 8 * ((int32_t)n - 1));
}

/* The linear address of the first byte into AX. */
static void first_byte(struct lift *l, const struct share *s)
{
    const unsigned reg = s->base == REG_ZERO ? HOST_NONE : lift_read(l, s->base, 8, HOST_AX);

    if (reg == HOST_NONE)
        asm_mov_imm(&l->a, HOST_AX, (uint64_t)s->lo);
    else
        asm_lea(&l->a, 8, HOST_AX, rm_at(reg, (int32_t)s->lo));
}

static void probe(struct lift *l, const struct share *s, unsigned n)
{
    const size_t tag = s->write ? offsetof(struct tlb_entry, write) : offsetof(struct tlb_entry, read);

    first_byte(l, s);
    asm_lea(&l->a, 8, HOST_DX, rm_at(HOST_AX, (int32_t)(s->hi - s->lo) - 1));
    asm_alu_imm(&l->a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
    lift_slot(&l->a, HOST_AX);
    asm_alu(&l->a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, (int32_t)tag));
    lift_share_missed(l, asm_jcc(&l->a, CC_NE), s->write);
    asm_store(&l->a, 8, kept_at(n), HOST_AX);
    l->host_flags = 0;
}

static bool serves(const struct share *s, uint8_t base, const struct place *x)
{
    const int64_t at = x->at + s->moved;

    return s->on && s->base == base && at >= s->lo && at + x->bytes <= s->hi && (s->write || !x->write);
}

static struct share *that_serves(struct lift *l, uint8_t base, const struct place *x)
{
    for (unsigned n = 0; n < LIFT_SHARES; n++)
        if (serves(&l->shares[n], base, x))
            return &l->shares[n];
    return NULL;
}

/* A place for one that is not kept yet; NULL: all are needed, or nobody else would use it. */
static struct share *begin(struct lift *l, uint8_t base, const struct place *now)
{
    const struct share s = plan(l, base, now);

    if (!worthwhile(l, &s) || (base != REG_ZERO && s.lo != (int32_t)s.lo))
        return NULL;
    for (unsigned n = 0; n < LIFT_SHARES; n++) {
        if (l->shares[n].on && (l->shares[n].stays || l->shares[n].left > 0))
            continue;
        probe(l, &s, n);
        l->shares[n] = s;
        return &l->shares[n];
    }
    return NULL;
}

bool lift_shared(struct lift *l, bool write, unsigned bytes)
{
    const struct place now = { l->address.at, bytes, write };
    const struct address made = l->address;
    struct share *s;
    int32_t off;

    if (!jit_does(l->jit, PASS_SHARE) || !made.simple || !near_enough(now.at) || l->a.at != made.end || span(l) < bytes)
        return false;
    l->a.at = made.begin;
    s = that_serves(l, made.base, &now);
    if (s == NULL)
        s = begin(l, made.base, &now);
    if (s == NULL) {
        l->a.at = made.end;
        return false;
    }
    off = (int32_t)(now.at + s->moved - s->lo);
    if (s == &l->shares[0]) {
        l->mem = rm_at(HOST_SHARE, off);
    } else {
        asm_mov(&l->a, 8, HOST_AX, kept_at((unsigned)(s - l->shares)));
        l->mem = rm_at(HOST_AX, off);
    }
    if (s->left > 0)
        s->left--;
    return true;
}

void lift_share_after(struct lift *l)
{
    int64_t by;

    for (unsigned n = 0; n < LIFT_SHARES; n++) {
        struct share *s = &l->shares[n];

        if (!s->on)
            continue;
        s->on = steps(l->i, s->base, &by);
        s->moved += by;
    }
}

bool lift_share_needed(const struct lift *l)
{
    for (unsigned n = 0; n < LIFT_SHARES; n++)
        if (l->shares[n].on && (l->shares[n].stays || l->shares[n].left > 0))
            return true;
    return false;
}

/* A handler within the round would have to be followed by the probes. */
bool lift_share_around(struct lift *l)
{
    bool any = false;

    for (unsigned n = 0; n < LIFT_SHARES; n++) {
        struct share *s = &l->shares[n];

        s->on = s->stays = s->on && !l->called && comes_back(l, s->base);
        any |= s->on;
    }
    return any;
}

bool lift_share_is_around(const struct lift *l)
{
    for (unsigned n = 0; n < LIFT_SHARES; n++)
        if (l->shares[n].stays && !l->shares[n].on)
            return false;
    return true;
}

void lift_share_none(struct lift *l)
{
    for (unsigned n = 0; n < LIFT_SHARES; n++)
        l->shares[n].on = false;
}
