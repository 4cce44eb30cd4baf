/* SPDX-License-Identifier: MIT */
#include "cpu/jit/share.h"

#include "base/bits.h"

#define ANY 0xffu           /* no register */

/* Bytes that one probe may serve, more being too often on two pages; the more often it fails, the fewer. */
static const int64_t spans[] = { 512, 96, 32 };

int64_t share_span(const struct block *b)
{
    const unsigned narrow = b->narrow;

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
bool share_steps(const struct insn *i, uint8_t base, int64_t *by)
{
    const unsigned n = guest_number(base);

    *by = 0;
    if (base == REG_ZERO)
        return jit_leaves(i, ANY);
    if (by_constant(i, n, by))
        return true;
    if ((i->op == OP_PUSH || i->op == OP_CALL || i->op == OP_CALL_IND) && n == RSP)
        *by = -(int64_t)i->width;
    else if (i->op == OP_RET && n == RSP)
        *by = i->width + (int64_t)i->imm;
    else if (i->op == OP_POP && n == RSP && FORM_KIND(i->form, 0) == KIND_REG && guest_number(i->o[0]) != RSP)
        *by = i->width;
    else
        return jit_leaves(i, n);
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
bool share_near_enough(int64_t at)
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
        i->base != base || i->index != REG_ZERO || i->mem_bytes == 0 || i->mem_bytes > 32 || !share_near_enough(i->disp))
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

/* Those from instruction `from` on, as `now` is its own. */
struct share share_plan(const struct jit_code *c, unsigned from, uint8_t base, const struct place *now, int64_t most)
{
    struct share s = { .on = true, .base = base, .lo = now->at, .hi = now->at + now->bytes, .write = now->write, .left = 1 };
    int64_t moved = 0, by;
    struct place x;

    for (unsigned k = from; k < c->count; k++) {
        if (k > from && accesses(c->insns[k], base, &x)) {
            x.at += moved;
            include(&s, &x, most);
        }
        if (!share_steps(c->insns[k], base, &by))
            break;
        moved += by;
    }
    return s;
}

/* Is register `base` after a round of the loop what it was before? */
bool share_comes_back(const struct jit_code *c, uint8_t base)
{
    int64_t moved = 0, by;

    if (!c->loops)
        return false;
    for (unsigned k = 0; k < c->count; k++) {
        if (!share_steps(c->insns[k], base, &by))
            return false;
        moved += by;
    }
    return moved == 0;
}

static bool serves(const struct share *s, uint8_t base, const struct place *x)
{
    const int64_t at = x->at + s->moved;

    return s->on && s->base == base && at >= s->lo && at + x->bytes <= s->hi && (s->write || !x->write);
}

/* ---- those of a translation ---- */

void share_after(struct share *s, unsigned count, const struct insn *i)
{
    int64_t by;

    for (unsigned n = 0; n < count; n++) {
        if (!s[n].on)
            continue;
        s[n].on = share_steps(i, s[n].base, &by);
        s[n].moved += by;
    }
}

bool share_needed(const struct share *s, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        if (s[n].on && (s[n].stays || s[n].left > 0))
            return true;
    return false;
}

/* One that nobody was going to use any more may be out of date: a handler may have run since. */
struct share *share_find(struct share *s, unsigned count, uint8_t base, const struct place *x)
{
    for (unsigned n = 0; n < count; n++)
        if (share_needed(&s[n], 1) && serves(&s[n], base, x))
            return &s[n];
    return NULL;
}

unsigned share_free(const struct share *s, unsigned count)
{
    unsigned n = 0;

    while (n < count && share_needed(&s[n], 1))
        n++;
    return n;
}

/* A handler within the round would have to be followed by the probes. */
bool share_around(struct share *s, unsigned count, const struct jit_code *c, bool called)
{
    bool any = false;

    for (unsigned n = 0; n < count; n++) {
        s[n].on = s[n].stays = s[n].on && !called && share_comes_back(c, s[n].base);
        any |= s[n].on;
    }
    return any;
}

bool share_is_around(const struct share *s, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        if (s[n].stays && !s[n].on)
            return false;
    return true;
}

void share_none(struct share *s, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        s[n].on = false;
}
