/* SPDX-License-Identifier: MIT
 * An access of a path keeps what it found of the TLB, so that the next one does not look for it. At level 3 that is the page: while it
 * stays there no TLB is asked, and what makes the host's address does not wait for the guest's. Whoever takes entries from the TLB,
 * or forbids their fast writes, makes accesses forget their pages (tlb_forget_sites()): what is kept is always what the TLB has, and
 * both engines see the same misses. Kernels, which flush and switch, and have two banks, would forget too often: there it is the
 * place of the entry in the bank, and the entry itself says whether it is the right one. An access that finds its page so too seldom
 * pays for it: then its path is made anew without (jit_site_missed()). */
#include "cpu/jit/x64/lift.h"

#define KEPT(site, field) rm_at(HOST_CPU, CPU_AT(jit_sites).disp + \
                                (int32_t)((site) * sizeof(struct jit_site_kept) + offsetof(struct jit_site_kept, field)))

static bool runs_often(const struct lift *l)
{
    return l->t->nparts > 1 || l->t->loops || l->t->parts[0].from->samples >= JIT_HOT;
}

/* The place for the access at hand, whose copy in a loop has the same; 0: it has none. */
static unsigned place(struct lift *l, bool write, unsigned bytes)
{
    struct jit_part *p = &l->t->parts[l->c->part[l->k]];
    const struct jit_site *s = &l->jit->sites[l->site_of[l->k]];

    if (!runs_often(l) || l->site_taken == l->k + 1u || (p->from->unsited >> (l->k - p->first) & 1))
        return 0;
    l->site_taken = (uint8_t)(l->k + 1);        /* an instruction that probes twice has it for the first */
    if (l->site_of[l->k] == 0 || s->write != write || s->bytes != bytes)
        l->site_of[l->k] = (uint16_t)jit_site(l->jit, p, l->k - p->first, write, bytes);
    return l->site_of[l->k];
}

static bool keeps_page(const struct lift *l)
{
    return l->jit->pages_always || (lift_part(l, l->k)->run->mode & MODE_USER);
}

static uint8_t *page_kept(struct lift *l, unsigned site)
{
    struct asm_buf *a = &l->a;
    uint8_t *miss;

    asm_mov(a, 8, HOST_DX, rm_reg(HOST_AX));
    asm_alu(a, ALU_SUB, 8, HOST_DX, KEPT(site, page));
    asm_alu(a, ALU_CMP, 8, HOST_DX, KEPT(site, limit));
    miss = asm_jcc(a, CC_AE);
    asm_alu(a, ALU_ADD, 8, HOST_AX, KEPT(site, addend));
    return miss;
}

/* An address that is not a multiple of the length never is the tag: it might lie on two pages. Out of line it still is no miss. */
static uint8_t *place_kept(struct lift *l, unsigned site, bool write, unsigned bytes)
{
    const size_t tag = write ? offsetof(struct tlb_entry, write) : offsetof(struct tlb_entry, read);
    struct asm_buf *a = &l->a;
    uint8_t *miss;

    asm_mov(a, 4, HOST_CX, rm_at(HOST_CPU, CPU_AT(jit_site_at).disp + (int32_t)(site * sizeof(uint32_t))));
    asm_alu(a, ALU_ADD, 8, HOST_CX, CPU_AT(tlb));
    asm_mov(a, 8, HOST_DX, rm_reg(HOST_AX));
    asm_alu_imm(a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE | (int32_t)(bytes - 1));
    asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, (int32_t)tag));
    miss = asm_jcc(a, CC_NE);
    asm_alu(a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    return miss;
}

uint8_t *lift_site(struct lift *l, bool write, unsigned bytes, struct site *site)
{
    const bool page = keeps_page(l), fits = bytes != 0 && (page || (bytes & (bytes - 1)) == 0);

    *site = (struct site){ fits ? place(l, write, bytes) : 0, page ? l->jit->glue.site[write] : l->jit->glue.site_place[write] };
    if (site->number == 0)
        return NULL;
    return page ? page_kept(l, site->number) : place_kept(l, site->number, write, bytes);
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
    asm_alu(a, ALU_ADD, 8, HOST_AX, rm_reg(HOST_CX));
    asm_aim(asm_jmp(a), c->found);
    asm_aim(none, a->at);
}
