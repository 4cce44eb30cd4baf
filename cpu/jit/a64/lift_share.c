/* SPDX-License-Identifier: MIT
 * Accesses that share a probe of the TLB (cpu/jit/share.c): where the first byte is in the host's memory is kept, so that the others are
 * one load or store. No handler runs while any is needed: what needs one has the interpreter do the rest of the block. */
#include "cpu/jit/a64/lift.h"

static int32_t kept_at(unsigned n)
{
    return CPU_AT(jit_shares) + 8 * ((int32_t)n - 1);
}

static void probe(struct lift *l, const struct share *s, unsigned n)
{
    if (s->base == REG_ZERO)
        a64_mov_imm(&l->a, T0, (uint64_t)s->lo);
    else
        lift_add(l, 8, T0, pinned(guest_number(s->base)), s->lo, T1);
    lift_share_probe(l, s->write, (unsigned)(s->hi - s->lo));
    a64_rrr(&l->a, A64_ADD, 8, n == 0 ? HOST_SHARE : T1, T0, T1);
    if (n != 0)
        a64_mem(&l->a, A64_STRX, T1, HOST_CPU, kept_at(n));
}

/* A place for one that is not kept yet; NULL: all are needed, or nobody else would use it. */
static struct share *begin(struct lift *l, uint8_t base, const struct place *now)
{
    const struct share s = share_plan(l->c, l->k, base, now, share_span(lift_part(l, l->k)->from));
    unsigned n;

    if (s.left < (share_comes_back(l->c, s.base) ? 1u : 2u))
        return NULL;
    n = share_free(l->shares, LIFT_SHARES);
    if (n == LIFT_SHARES)
        return NULL;
    probe(l, &s, n);
    l->shares[n] = s;
    return &l->shares[n];
}

/* Offsets have an encoding that are multiples of the length, or small. */
static void operand(struct lift *l, const struct share *s, int32_t off, unsigned bytes)
{
    unsigned base = HOST_SHARE;

    if (s != &l->shares[0]) {
        base = T1;
        a64_mem(&l->a, A64_LDRX, T1, HOST_CPU, kept_at((unsigned)(s - l->shares)));
    }
    if (off % (int32_t)bytes != 0 && off > 255) {
        a64_sum_imm(&l->a, A64_ADD, 8, T1, base, (uint64_t)off);
        base = T1;
        off = 0;
    }
    l->mem.base = (uint8_t)base;
    l->mem.index = HOST_NONE;
    l->mem.at = off;
}

bool lift_shared(struct lift *l, bool write, unsigned bytes)
{
    const struct place now = { l->address.at, bytes, write };
    const struct address made = l->address;
    struct share *s;

    if (!jit_does(l->jit, PASS_SHARE) || l->leaves || !made.simple || !share_near_enough(now.at) || l->a.at != made.end ||
        share_span(lift_part(l, l->k)->from) < bytes)
        return false;
    l->a.at = made.begin;
    s = share_find(l->shares, LIFT_SHARES, made.base, &now);
    if (s == NULL)
        s = begin(l, made.base, &now);
    if (s == NULL) {
        l->a.at = made.end;
        return false;
    }
    operand(l, s, (int32_t)(now.at + s->moved - s->lo), bytes);
    if (s->left > 0)
        s->left--;
    return true;
}
