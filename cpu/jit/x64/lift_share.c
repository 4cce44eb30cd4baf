/* SPDX-License-Identifier: MIT
 * Accesses that lie close together, at constant distances from the same register, share one probe of the TLB: all bytes from the
 * first to the last must lie on one page, and where the first one is in the host's memory is kept for the others, which then are
 * no longer than on the host itself. Frames, structures and pushes are such. Several are kept at a time: one in a host register,
 * the others in struct cpu; in a loop they stay from round to round when their register does. No handler runs while any is
 * needed: what needs one has the interpreter do the rest of the block. When such a probe fails often the block is made anew with
 * fewer bytes to each, and in the end without. */
#include "cpu/jit/x64/lift.h"

/* Some are cheaper alone. In a loop what is kept from round to round is not, and what remembers its page (lift_near.c) mostly is. */
static bool worthwhile(const struct lift *l, const struct share *s)
{
    return s->left >= (share_comes_back(l->c, s->base) ? 1u : l->near_of[l->k] != 0 ? 3u : 2u);
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
    const unsigned bytes = (unsigned)(s->hi - s->lo);
    struct site site;
    uint8_t *miss;
    bool keeps;

    first_byte(l, s);
    miss = lift_site(l, s->write, bytes, &site);
    keeps = miss != NULL;
    if (!keeps) {
        asm_lea(&l->a, 8, HOST_DX, rm_at(HOST_AX, (int32_t)bytes - 1));
        asm_alu_imm(&l->a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
        lift_slot(&l->a, HOST_AX);
        asm_alu(&l->a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, (int32_t)tag));
        miss = asm_jcc(&l->a, CC_NE);
        asm_alu(&l->a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    }
    lift_share_missed(l, miss, s->write, bytes, keeps ? &site : NULL);
    asm_store(&l->a, 8, kept_at(n), HOST_AX);
    l->host_flags = 0;
}

/* A place for one that is not kept yet; NULL: all are needed, or nobody else would use it. */
static struct share *begin(struct lift *l, uint8_t base, const struct place *now)
{
    const struct share s = share_plan(l->c, l->k, base, now, share_span(lift_part(l, l->k)->from));
    unsigned n;

    if (!worthwhile(l, &s) || (base != REG_ZERO && s.lo != (int32_t)s.lo))
        return NULL;
    n = share_free(l->shares, LIFT_SHARES);
    if (n == LIFT_SHARES)
        return NULL;
    probe(l, &s, n);
    l->shares[n] = s;
    return &l->shares[n];
}

bool lift_shared(struct lift *l, bool write, unsigned bytes)
{
    const struct place now = { l->address.at, bytes, write };
    const struct address made = l->address;
    struct share *s;
    int32_t off;

    if (!jit_does(l->jit, PASS_SHARE) || !made.simple || !share_near_enough(now.at) || l->a.at != made.end ||
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
