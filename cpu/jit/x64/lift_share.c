/* SPDX-License-Identifier: MIT
 * Accesses of one block that lie close together, at constant distances from the same register, share one probe of the TLB:
 * all bytes from the first to the last must lie on one page, and what turns its addresses into the host's stays in a register
 * for the others. Frames, structures and pushes are such. Whenever a handler ran in between, the probe is made again behind
 * it. When it fails the interpreter does the rest of the block; when it fails often, the block is translated without. */
#include "cpu/jit/x64/lift.h"

#define SPAN 512            /* bytes that one probe may serve: more are too often on two pages */

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

static void include(struct share *s, const struct place *x)
{
    const int64_t lo = x->at < s->lo ? x->at : s->lo, end = x->at + x->bytes, hi = end > s->hi ? end : s->hi;

    if (hi - lo > SPAN)
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
    int64_t moved = 0, by;
    struct place x;

    for (unsigned k = l->k; k < c->count; k++) {
        if (k > l->k && accesses(c->insns[k], base, &x)) {
            x.at += moved;
            include(&s, &x);
        }
        if (!steps(c->insns[k], base, &by))
            break;
        moved += by;
    }
    return s;
}

/* ---- code ---- */

static unsigned base_register(struct lift *l, uint8_t base)
{
    return base == REG_ZERO ? HOST_NONE : lift_read(l, base, 8, HOST_AX);
}

static void base_and(struct lift *l, uint8_t base, unsigned index, int64_t at)
{
    const unsigned reg = base_register(l, base);

    if (reg == HOST_NONE && (index == HOST_NONE || at != (int32_t)at)) {
        asm_mov_imm(&l->a, HOST_AX, (uint64_t)at);
        if (index != HOST_NONE)
            asm_lea(&l->a, 8, HOST_AX, rm_sum(HOST_AX, index, 0, 0));
    } else {
        asm_lea(&l->a, 8, HOST_AX, reg == HOST_NONE ? rm_at(index, (int32_t)at) : rm_sum(reg, index, 0, (int32_t)at));
    }
}

/* AX: the first byte's linear address, DX: the last one's page. */
static void span_of(struct lift *l, const struct share *s)
{
    base_and(l, s->base, HOST_NONE, s->lo - s->moved);
    asm_lea(&l->a, 8, HOST_DX, rm_at(HOST_AX, (int32_t)(s->hi - s->lo) - 1));
    asm_alu_imm(&l->a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
}

static void anchor(struct lift *l, const struct share *s)
{
    const size_t tag = s->write ? offsetof(struct tlb_entry, write) : offsetof(struct tlb_entry, read);

    span_of(l, s);
    lift_slot(&l->a, HOST_AX);
    asm_alu(&l->a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, (int32_t)tag));
    lift_share_missed(l, asm_jcc(&l->a, CC_NE), s->write);
    l->host_flags = 0;
}

static bool serves(const struct share *s, uint8_t base, const struct place *x)
{
    const int64_t at = x->at + s->moved;

    return s->on && s->base == base && at >= s->lo && at + x->bytes <= s->hi && (s->write || !x->write);
}

bool lift_shared(struct lift *l, bool write, unsigned bytes)
{
    const struct place now = { l->address.at, bytes, write };
    struct share s;

    if (!jit_does(l->jit, PASS_SHARE) || !l->address.simple || !near_enough(now.at) || l->a.at != l->address.end || lift_part(l, l->k)->from->missed >= JIT_MISSES)
        return false;
    if (!serves(&l->share, l->address.base, &now)) {
        s = plan(l, l->address.base, &now);
        if (s.left < 2 || (l->share.on && l->share.left >= s.left))
            return false;
        l->a.at = l->address.begin;
        anchor(l, &s);
        l->share = s;
    } else {
        l->a.at = l->address.begin;
    }
    base_and(l, l->address.base, HOST_SHARE, now.at);
    if (l->share.left > 0)
        l->share.left--;
    return true;
}

void lift_share_after(struct lift *l)
{
    struct share *s = &l->share;
    int64_t by, lo;

    if (!s->on)
        return;
    s->on = steps(l->i, s->base, &by);
    s->moved += by;
    lo = s->lo - s->moved;
    if (s->base != REG_ZERO && lo != (int32_t)lo)
        s->on = false;
}

uint8_t *lift_share_again(struct lift *l, const struct share *s)
{
    span_of(l, s);
    asm_aim(asm_call(&l->a), codebuf_writable(&l->jit->code, l->jit->glue.share[s->write]));
    return asm_jcc(&l->a, CC_NE);
}
