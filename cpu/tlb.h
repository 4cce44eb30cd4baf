/* SPDX-License-Identifier: MIT
 * Filling the software TLB. Lookups are inline in mem.h, walks are mmu.c's, flushes and address spaces tlb_space.c's, fetches of
 * code tlb_fetch.c's. */
#ifndef CPU_TLB_H
#define CPU_TLB_H

#include "cpu/internal.h"

/* Where an access goes after translation. host is NULL when it must go through the address space: devices, ROM being
 * written, pages that are only partly memory. */
struct tlb_place {
    gpa_t gpa;                  /* only when host is NULL */
    uint8_t *host;
    struct ram *ram;
    uint64_t ram_offset;
};

/* With the others of core/types.h: a shadow-stack access. It never goes through a bank, which knows ordinary rights only. */
#define ACCESS_SHADOW 8u

/* Where an access within a page goes that an entry allows; also one with a tag that the inline hit does not match because RAM or
 * a watchpoint must hear of it. Entries do not move: what is known is the same whichever engine looks. */
bool tlb_known(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out);

/* The same, else translate one byte's address, and enter it into `bank` (never BANK_SLOW); false: fault recorded. */
bool tlb_fill(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out);

/* The watchpoints changed: mark the entries of their pages, and no others. */
void tlb_mark_watched(struct cpu *cpu);

/* The entry of page lin serves the address `tagged`, which linear-address masking makes lin: so the next access hits. */
void tlb_rename(struct cpu *cpu, gva_t lin, gva_t tagged, enum tlb_bank bank);

/* Remember where a shadow-stack store went, and forget all such places. */
void shadow_remember(struct cpu *cpu, gva_t lin, bool user, const struct tlb_place *at);
static inline void shadow_flush(struct cpu *cpu)
{
    cpu->shadow[0].page = cpu->shadow[1].page = TLB_INVALID;
}

/* The bank that explicit data accesses belong to, also when all of them take the slow path. */
static inline enum tlb_bank tlb_data_bank(const struct cpu *cpu)
{
    if (cpu->p.cpl == 3)
        return BANK_USER;
    return (cpu->p.cr4 & CR4_SMAP) && (cpu->p.rflags & FLAG_AC) ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

static inline enum tlb_bank tlb_fetch_bank(const struct cpu *cpu)
{
    return cpu->p.cpl == 3 ? BANK_USER : BANK_SUPERVISOR;
}

/* What lies at a guest-physical page, remembered until the map changes. */
const struct space_page *tlb_phys_page(struct cpu *cpu, gpa_t page);

/* ---- entries, for tlb_space.c too ---- */

static inline unsigned tlb_slot_of(gva_t lin)
{
    return (unsigned)(lin >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
}

/* Where an entry goes when another page takes its slot. The bits are those that pages of one slot differ in (tags of
 * linear-address masking lie above them), but for the lowest: neighbours never meet, see mem_hit_read(). */
static inline unsigned tlb_victim_of(gva_t lin)
{
    return TLB_ENTRIES + ((unsigned)(lin >> PAGE_SHIFT ^ lin >> (PAGE_SHIFT + TLB_BITS) << 1) & (TLB_VICTIMS - 1));
}

/* The page an entry stands for: whichever tag is valid, both valid ones agree. */
static inline uint64_t tlb_entry_page(const struct tlb_entry *e)
{
    return !(e->read & TLB_INVALID) ? e->read & ~TLB_WATCH : e->write & ~(TLB_CODE | TLB_WATCH);
}

/* The GiB of an address, whatever tag lies above. */
static inline uint32_t tlb_gib(gva_t lin)
{
    return (uint32_t)bits_get(lin, 47, 30);
}

static inline bool tlb_gibs_have(const struct tlb_gibs *g, gva_t lin)
{
    bool have = g->count > TLB_GIBS;

    for (unsigned n = 0; n < g->count && !have; n++)
        have = g->gib[n] == tlb_gib(lin);
    return have;
}

static inline void tlb_gibs_add(struct tlb_gibs *g, gva_t lin)
{
    if (tlb_gibs_have(g, lin))
        return;
    if (g->count < TLB_GIBS)
        g->gib[g->count] = tlb_gib(lin);
    g->count++;
}

/* ---- the pages that translated code keeps ---- */

static inline unsigned tlb_page_bit(gva_t page)
{
    return (unsigned)(page >> PAGE_SHIFT ^ page >> (PAGE_SHIFT + 9)) & (JIT_PAGES - 1);
}

/* The TLB lost entries, or a write tag does not match any more: nothing is kept of this page, or of any. */
void tlb_forget_sites_of(struct cpu *cpu, gva_t page);
void tlb_forget_sites(struct cpu *cpu);

/* ---- address spaces ---- */

void tlb_create(struct cpu *cpu);       /* empty, one space */
void tlb_destroy(struct cpu *cpu);

/* No write to this page may take the fast path any more. */
void tlb_poison_writes(struct cpu *cpu, const uint8_t *host_page);

/* The memory's pages are clean: stores are told of once, without a walk of the tables, which would be seen in accessed bits. */
void tlb_clean_writes(struct cpu *cpu, struct ram *ram);

/* The map of the address space changed. */
void tlb_map_changed(void *cpu);

/* ---- code ---- */

/* Where the code at lin lies: host, or gpa where that is NULL. False: fault recorded. */
bool tlb_fetch(struct cpu *cpu, gva_t lin, struct tlb_place *out);

/* The same if it is known already, else NULL; is its page global? */
const uint8_t *tlb_fetched(const struct cpu *cpu, gva_t lin, bool *global);

void fetch_table_create(struct fetch_table *t, unsigned size);
void fetch_table_flush(struct fetch_table *t);
bool fetch_table_drop(struct fetch_table *t, gva_t lin);    /* at both levels; false: it was not there */

#endif
