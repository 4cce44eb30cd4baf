/* SPDX-License-Identifier: MIT
 * The page walk of every paging mode (SDM 3A "Paging"). A walk reads entries from the top down and collects what they allow;
 * rights, faults, accessed bits and the dirty bit are decided once at the end, so a walk that faults changes nothing
 * (SDM 3A "Accessed and Dirty Flags" leaves the upper entries open; 386 processors did so, test386 checks it). */
#include "cpu/tlb.h"

#define PTE_P   0x1u
#define PTE_W   0x2u
#define PTE_U   0x4u
#define PTE_A   0x20u
#define PTE_D   0x40u
#define PTE_PS  0x80u
#define PTE_G   0x100u
#define PTE_NX  BIT64(63)

/* #PF error code (SDM 3A "Page-Fault Exceptions"). */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32, PF_SS = 64 };

struct walk {
    gva_t gva;
    /* found */
    struct { gpa_t at; uint64_t entry; } upper[4];      /* entries above the last that were never used before */
    unsigned nupper;
    gpa_t gpa;
    gpa_t entry_at;             /* of the last entry used */
    uint64_t entry;
    unsigned entry_bytes;       /* 0: no paging */
    unsigned shift;             /* log2 of the page size */
    bool user, writable, nx;
    bool shadow;                /* a shadow-stack page */
    uint32_t error;             /* PF_P, PF_RSVD of a walk that failed */
};

struct paging {
    uint8_t levels, entry_bytes, index_bits;
    bool pae_top;               /* the top level is p.pdpte */
};

static struct paging paging_mode(const struct cpu *cpu)
{
    if (cpu->p.efer & EFER_LMA)
        return (struct paging){ cpu->p.cr4 & CR4_LA57 ? 5 : 4, 8, 9, false };
    if (cpu->p.cr4 & CR4_PAE)
        return (struct paging){ 3, 8, 9, true };
    return (struct paging){ 2, 4, 10, false };
}

/* Tables may lie anywhere, also in device memory. */
static uint64_t table_read(struct cpu *cpu, gpa_t at, unsigned bytes)
{
    const struct space_page *page = tlb_phys_page(cpu, at & PAGE_MASK);

    if (LIKELY(page->host != NULL))
        return bytes == 8 ? load64(page->host + (at & ~PAGE_MASK)) : load32(page->host + (at & ~PAGE_MASK));
    return space_read(cpu->memory, at, bytes);
}

static void table_write(struct cpu *cpu, gpa_t at, unsigned bytes, uint64_t v)
{
    const struct space_page *page = tlb_phys_page(cpu, at & PAGE_MASK);

    if (page->host == NULL) {
        space_write(cpu->memory, at, bytes, v);
    } else if (page->rights & ACCESS_WRITE) {
        ram_wrote(page->ram, (page->ram_page << PAGE_SHIFT) + (at & ~PAGE_MASK), bytes);
        store_bytes(page->host + (at & ~PAGE_MASK), bytes, v);
    }
}

/* SDM 3A "Reserved Bits": which bits of an entry at `level` must be clear. */
static uint64_t reserved_bits(const struct cpu *cpu, const struct paging *mode, unsigned level, bool leaf)
{
    unsigned phys = cpu_physical_bits(cpu);
    uint64_t bits = 0;

    if (mode->entry_bytes == 4) {
        if (level == 2 && leaf)         /* PSE-36: bits 20:13 are address bits 39:32 */
            return bits_mask(22) & ~bits_mask(phys >= 40 ? 21 : phys - 32 + 13);
        return 0;
    }
    bits = bits_mask(52) & ~bits_mask(phys);
    if (!(cpu->p.efer & EFER_NXE))
        bits |= PTE_NX;
    if (mode->pae_top)
        bits |= bits_mask(63) & ~bits_mask(52);
    if (leaf && level > 1)
        bits |= bits_mask(12 + 9 * (level - 1)) & ~bits_mask(13);
    if (!leaf && level > 2)
        bits |= PTE_PS;
    return bits;
}

static bool is_leaf(const struct cpu *cpu, const struct paging *mode, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & PTE_PS))
        return false;
    if (level == 2)
        return mode->entry_bytes == 8 || (cpu->p.cr4 & CR4_PSE);
    return level == 3 && !mode->pae_top && cpu_has(cpu, F_PDPE1GB);
}

static gpa_t leaf_address(const struct paging *mode, const struct walk *w)
{
    uint64_t offset = w->gva & bits_mask(w->shift);

    if (mode->entry_bytes == 4 && w->shift == 22)
        return bits_get(w->entry, 20, 13) << 32 | (w->entry & 0xffc00000u) | offset;
    return (w->entry & bits_mask(52) & ~bits_mask(w->shift)) | offset;
}

/* One entry: read, check, collect. False: not present or reserved bits set. */
static bool walk_entry(struct cpu *cpu, const struct paging *mode, struct walk *w, gpa_t table, unsigned level, bool *leaf)
{
    uint64_t index = (w->gva >> w->shift) & bits_mask(mode->index_bits);

    w->entry_at = table + index * mode->entry_bytes;
    w->entry = table_read(cpu, w->entry_at, mode->entry_bytes);
    if (!(w->entry & PTE_P)) {
        w->error = 0;
        return false;
    }
    *leaf = is_leaf(cpu, mode, level, w->entry);
    if (w->entry & reserved_bits(cpu, mode, level, *leaf)) {
        w->error = PF_P | PF_RSVD;
        return false;
    }
    w->user &= !!(w->entry & PTE_U);
    w->shadow = w->writable && (w->entry & (PTE_W | PTE_D)) == PTE_D;       /* said of the last entry */
    w->writable &= !!(w->entry & PTE_W);
    if (mode->entry_bytes == 8)
        w->nx |= !!(w->entry & PTE_NX);
    return true;
}

static bool walk_tables(struct cpu *cpu, struct walk *w)
{
    struct paging mode = paging_mode(cpu);
    gpa_t table = cpu->p.cr3 & (mode.levels >= 4 ? bits_mask(52) & PAGE_MASK : 0xfffff000u);
    unsigned level = mode.levels;

    w->user = w->writable = true;
    w->nx = false;
    w->entry_bytes = mode.entry_bytes;
    if (mode.pae_top) {                         /* SDM 3A "PDPTE Registers": checked when they were loaded */
        uint64_t pdpte = cpu->p.pdpte[bits_get(w->gva, 31, 30)];

        w->error = 0;
        if (!(pdpte & PTE_P))
            return false;
        table = pdpte & bits_mask(52) & PAGE_MASK;
        level = 2;
    }
    for (;; level--) {
        bool leaf;

        w->shift = PAGE_SHIFT + mode.index_bits * (level - 1);
        if (!walk_entry(cpu, &mode, w, table, level, &leaf))
            return false;
        if (leaf)
            break;
        if (!(w->entry & PTE_A)) {
            w->upper[w->nupper].at = w->entry_at;
            w->upper[w->nupper++].entry = w->entry;
        }
        table = w->entry & (mode.entry_bytes == 4 ? 0xfffff000u : bits_mask(52) & PAGE_MASK);
    }
    w->gpa = leaf_address(&mode, w);
    return true;
}

static bool walk(struct cpu *cpu, struct walk *w)
{
    if (cpu->p.cr0 & CR0_PG)
        return walk_tables(cpu, w);
    w->gpa = w->gva & 0xffffffffu;
    w->entry_bytes = 0;
    w->shift = PAGE_SHIFT;
    w->user = w->writable = true;
    w->nx = false;
    return true;
}

/* SDM 3A "Determination of Access Rights". Shadow-stack accesses ask for a shadow-stack page of their own mode and for
 * nothing else. */
static unsigned page_allows(const struct cpu *cpu, const struct walk *w, unsigned access, enum tlb_bank bank)
{
    unsigned rights = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;

    if (w->entry_bytes == 0)
        return rights;
    if (access & ACCESS_SHADOW)
        return w->shadow && w->user == (bank == BANK_USER) ? rights : 0;
    if (w->nx)
        rights &= ~(unsigned)ACCESS_EXECUTE;
    if (bank == BANK_USER) {
        if (!w->user)
            return 0;
        return w->writable ? rights : rights & ~(unsigned)ACCESS_WRITE;
    }
    if (!w->writable && (cpu->p.cr0 & CR0_WP))
        rights &= ~(unsigned)ACCESS_WRITE;
    if (w->user && (cpu->p.cr4 & CR4_SMEP))
        rights &= ~(unsigned)ACCESS_EXECUTE;
    if (w->user && (cpu->p.cr4 & CR4_SMAP) && bank != BANK_SUPERVISOR_AC)
        rights &= (unsigned)ACCESS_EXECUTE;
    return rights;
}

/* SDM 3A "Protection Keys": what the key of a user page leaves over. */
static unsigned key_allows(const struct cpu *cpu, const struct walk *w, enum tlb_bank bank)
{
    unsigned all = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
    unsigned key = (unsigned)bits_get(w->entry, 62, 59), pkru = cpu->s.pkru >> (2 * key);

    if (!(cpu->p.cr4 & CR4_PKE) || !(cpu->p.efer & EFER_LMA) || w->entry_bytes == 0 || !w->user)
        return all;
    if (pkru & 1)
        return ACCESS_EXECUTE;
    if ((pkru & 2) && (bank == BANK_USER || (cpu->p.cr0 & CR0_WP)))
        return ACCESS_READ | ACCESS_EXECUTE;
    return all;
}

static bool raise_page_fault(struct cpu *cpu, gva_t gva, unsigned access, enum tlb_bank bank, uint32_t error)
{
    bool nxe = (cpu->p.efer & EFER_NXE) && (cpu->p.cr4 & CR4_PAE);

    if (access & ACCESS_WRITE)
        error |= PF_W;
    if (bank == BANK_USER)
        error |= PF_U;
    if (access & ACCESS_SHADOW)
        error |= PF_SS;
    if ((access & ACCESS_EXECUTE) && (nxe || (cpu->p.cr4 & CR4_SMEP)))
        error |= PF_I;
    fault_raise_error(cpu, VEC_PF, error);
    cpu->fault.cr2 = gva;
    return false;
}

/* The layer above holds this page back; it may change its mind, take over, or punish. */
static bool page_denied(struct cpu *cpu, gva_t gva, gpa_t gpa, unsigned access)
{
    const struct cpu_host *host = cpu->ports.host;
    struct page_fault f = { .gpa = gpa, .gva = gva, .access = access, .gva_valid = 1 };

    if (host->page_denied == NULL)
        return true;
    cpu_sync(cpu, cpu->block != NULL ? cpu->insn : NULL);
    switch (host->page_denied(cpu->ports.host_self, cpu, &f)) {
    case PASS:
        return true;
    case DONE:
        cpu->fault = (struct fault){ .vector = FAULT_SKIP };
        return false;
    case RETRY:
        cpu->fault = (struct fault){ .vector = FAULT_RETRY };
        return false;
    default:
        return false;
    }
}

static bool ask_host(struct cpu *cpu, const struct walk *w, unsigned access, unsigned *rights)
{
    const struct cpu_host *host = cpu->ports.host;
    unsigned allowed;

    if (host == NULL || host->page_rights == NULL)
        return true;
    allowed = host->page_rights(cpu->ports.host_self, cpu, w->gpa & PAGE_MASK);
    *rights &= allowed;
    return (access & ~allowed) == 0 || page_denied(cpu, w->gva, w->gpa, access & ~allowed);
}

static void mark_used(struct cpu *cpu, struct walk *w, unsigned access)
{
    uint64_t marked = w->entry | PTE_A | (access & ACCESS_WRITE ? PTE_D : 0);

    for (unsigned n = 0; n < w->nupper; n++)
        table_write(cpu, w->upper[n].at, w->entry_bytes, w->upper[n].entry | PTE_A);
    if (w->entry_bytes == 0 || marked == w->entry)
        return;
    table_write(cpu, w->entry_at, w->entry_bytes, marked);
    w->entry = marked;
}

bool mmu_translate(struct cpu *cpu, gva_t gva, unsigned access, enum tlb_bank bank, struct translation *out)
{
    struct walk w = { .gva = gva };
    unsigned pages, keys, rights;

    if (!walk(cpu, &w))
        return raise_page_fault(cpu, gva, access, bank, w.error);
    pages = page_allows(cpu, &w, access, bank);
    keys = key_allows(cpu, &w, bank);
    if (access & ~(pages & keys) & ~ACCESS_SHADOW)
        return raise_page_fault(cpu, gva, access, bank, PF_P | (access & ~keys & ~ACCESS_SHADOW ? PF_PK : 0));
    rights = pages & keys;
    if (!ask_host(cpu, &w, access & ~ACCESS_SHADOW, &rights))
        return false;
    mark_used(cpu, &w, access);
    if (w.entry_bytes != 0 && !(w.entry & PTE_D))
        rights &= ~(unsigned)ACCESS_WRITE;      /* the first write must come here to set D */
    *out = (struct translation){
        .gpa = w.gpa, .rights = rights, .user = w.user, .page_shift = (uint8_t)w.shift,
        .global = w.entry_bytes == 0 || ((w.entry & PTE_G) && (cpu->p.cr4 & CR4_PGE)),
        .pkey = w.entry_bytes == 8 ? (uint8_t)bits_get(w.entry, 62, 59) : 0,
    };
    return true;
}

/* The present page is asked for as a supervisor that SMAP does not bind. */
bool cpu_translate(struct cpu *cpu, gva_t gva, unsigned access, bool user, bool set_ad, gpa_t *out)
{
    struct walk w = { .gva = gva };
    enum tlb_bank bank = user ? BANK_USER : BANK_SUPERVISOR_AC;

    if (cpu->p.efer & EFER_LMA ? !cpu_canonical(cpu, gva) : gva >> 32 != 0)
        return false;
    if (!walk(cpu, &w) || (access & ~(page_allows(cpu, &w, access, bank) & key_allows(cpu, &w, bank))))
        return false;
    if (set_ad)
        mark_used(cpu, &w, access);
    *out = w.gpa;
    return true;
}

/* For a debugger: CR3 may be that of any address space, its PDPTEs are those that lie in memory. */
bool cpu_walk(struct cpu *cpu, uint64_t cr3, gva_t gva, struct cpu_walk *out)
{
    const struct paging mode = paging_mode(cpu);
    struct walk w = { .gva = gva };
    gpa_t table = cr3 & (mode.levels >= 4 ? bits_mask(52) & PAGE_MASK : 0xfffff000u);
    unsigned level = mode.levels;
    bool leaf = false;

    *out = (struct cpu_walk){ .gpa = gva & 0xffffffffu, .entry_bytes = mode.entry_bytes };
    if (cpu->p.efer & EFER_LMA ? !cpu_canonical(cpu, gva) : gva >> 32 != 0)
        return false;
    if (!(cpu->p.cr0 & CR0_PG))
        return true;
    if (mode.pae_top) {
        out->at[out->n++] = (cr3 & 0xffffffe0u) + 8 * bits_get(gva, 31, 30);
        w.entry = table_read(cpu, out->at[0], 8);
        table = w.entry & bits_mask(52) & PAGE_MASK;
        level = 2;
        if (!(w.entry & PTE_P))
            return false;
    }
    for (; !leaf; level--) {
        bool present;

        w.shift = PAGE_SHIFT + mode.index_bits * (level - 1);
        present = walk_entry(cpu, &mode, &w, table, level, &leaf);
        out->at[out->n++] = w.entry_at;
        if (!present)
            return false;
        table = w.entry & (mode.entry_bytes == 4 ? 0xfffff000u : bits_mask(52) & PAGE_MASK);
    }
    out->gpa = leaf_address(&mode, &w);
    return true;
}

/* SDM 3A "PDPTE Registers". */
bool mmu_load_pdptes(struct cpu *cpu, uint64_t cr3)
{
    uint64_t reserved = (bits_mask(64) & ~bits_mask(cpu_physical_bits(cpu))) | 0x1e6u, loaded[4];

    for (unsigned n = 0; n < 4; n++) {
        loaded[n] = table_read(cpu, (cr3 & 0xffffffe0u) + 8 * n, 8);
        if ((loaded[n] & PTE_P) && (loaded[n] & reserved))
            return false;
    }
    memcpy(cpu->p.pdpte, loaded, sizeof loaded);
    return true;
}
