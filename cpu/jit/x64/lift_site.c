/* SPDX-License-Identifier: MIT
 * An access of a path keeps which entry of the TLB it found last. The next one asks that entry first: where it lies does not have
 * to wait for the address, and the entry itself says whether it is the right one, so nothing that changes the TLB has to tell
 * anybody. What is kept is a place in the bank, whichever that is. An access that finds its page there too seldom pays for it:
 * then its path is made anew without (jit_site_missed()). */
#include "cpu/jit/x64/lift.h"

static struct rm kept(unsigned site)
{
    return rm_at(HOST_CPU, CPU_AT(jit_sites).disp + (int32_t)(site * sizeof(struct jit_site_kept)));
}

/* The place for the access at hand; 0: it has none. */
static unsigned place(struct lift *l)
{
    struct jit_part *p = &l->t->parts[l->c->part[l->k]];

    if ((l->t->nparts == 1 && !l->t->loops) || l->site_taken == l->k + 1u || (p->from->unsited >> (l->k - p->first) & 1))
        return 0;
    l->site_taken = (uint8_t)(l->k + 1);        /* an instruction that probes twice has it for the first */
    if (l->site_of[l->k] == 0)
        l->site_of[l->k] = (uint16_t)jit_site(l->jit, p, l->k - p->first);
    return l->site_of[l->k];
}

/* An address that is not a multiple of the length never is the tag: it might lie on two pages. Out of line it still is no miss. */
unsigned lift_site(struct lift *l, unsigned bytes)
{
    const unsigned site = bytes != 0 && (bytes & (bytes - 1)) == 0 ? place(l) : 0;

    if (site != 0) {
        asm_mov(&l->a, 4, HOST_CX, kept(site));
        asm_alu(&l->a, ALU_ADD, 8, HOST_CX, CPU_AT(tlb));
        asm_mov(&l->a, 8, HOST_DX, rm_reg(HOST_AX));
        asm_alu_imm(&l->a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE | (int32_t)(bytes - 1));
    }
    return site;
}

void lift_site_again(struct lift *l, const struct cold *c)
{
    struct asm_buf *a = &l->a;
    uint8_t *none;

    asm_lea(a, 8, HOST_DX, rm_at(HOST_AX, c->bytes - 1));
    asm_alu_imm(a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
    asm_mov_imm(a, HOST_CX, c->site_kept);
    asm_aim(asm_call(a), codebuf_writable(&l->jit->code, c->again));
    none = asm_jcc(a, CC_NE);
    asm_alu(a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    asm_aim(asm_jmp(a), c->found);
    asm_aim(none, a->at);
}
