/* SPDX-License-Identifier: MIT
 * Filling the software TLB. Lookups are inline in mem.h, walks are mmu.c's. */
#ifndef CPU_TLB_H
#define CPU_TLB_H

#include "cpu/internal.h"

/* Where an access goes after translation. host is NULL when it must go through the address space: devices, ROM being
 * written, pages that are only partly memory. */
struct tlb_place {
    gpa_t gpa;
    uint8_t *host;
    struct ram *ram;
    uint64_t ram_offset;
};

/* With the others of core/types.h: a shadow-stack access. It never goes through a bank, which knows ordinary rights only. */
#define ACCESS_SHADOW 8u

/* Translate one byte's address for access, enter it into `bank` (never BANK_SLOW), false: fault recorded. */
bool tlb_fill(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out);

/* A store to a page of code whose translation is still known: no walk. False: ask tlb_fill(). */
bool tlb_code_write(struct cpu *cpu, gva_t lin, enum tlb_bank bank, struct tlb_place *out);

/* The access, within one page, would have hit but for TLB_WATCH: where it goes, without a walk. False: ask tlb_fill(). */
bool tlb_watched(const struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out);

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

/* Code at lin, whose translation has just been used: does a flush of what is not global leave it? */
bool tlb_is_global(const struct cpu *cpu, gva_t lin);

/* What lies at a guest-physical page, remembered until the map changes. */
const struct space_page *tlb_phys_page(struct cpu *cpu, gpa_t page);

/* No write to this page may take the fast path any more. */
void tlb_poison_writes(struct cpu *cpu, const uint8_t *host_page);

/* The memory's pages are clean: stores are told of once, without a walk of the tables, which would be seen in accessed bits. */
void tlb_clean_writes(struct cpu *cpu, struct ram *ram);

/* The map of the address space changed. */
void tlb_map_changed(void *cpu);

#endif
