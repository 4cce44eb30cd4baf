/* SPDX-License-Identifier: MIT */
#include "cpu/tlb.h"

#include <string.h>

#include "cpu/block.h"

const struct space_page *tlb_phys_page(struct cpu *cpu, gpa_t page)
{
    struct phys_page *p = &cpu->phys[(page >> PAGE_SHIFT) & (PHYS_PAGES - 1)];

    if (p->page != page) {
        p->at = space_page(cpu->memory, page);
        p->page = page;
        if (p->at.ram != NULL)
            block_watch_ram(cpu, p->at.ram);
    }
    return &p->at;
}

void tlb_forget_sites(struct cpu *cpu)
{
    for (; cpu->jit_nfilled > 0; cpu->jit_nfilled--)
        cpu->jit_sites[cpu->jit_filled[cpu->jit_nfilled - 1]].limit = 0;
    memset(cpu->jit_pages, 0, sizeof cpu->jit_pages);
}

void tlb_forget_sites_of(struct cpu *cpu, gva_t page)
{
    const unsigned bit = tlb_page_bit(page);

    if (!(cpu->jit_pages[bit / 64] & BIT64(bit % 64)))
        return;
    for (uint32_t n = cpu->jit_nfilled; n-- > 0;) {
        struct jit_site_kept *s = &cpu->jit_sites[cpu->jit_filled[n]];

        if (s->page != page)
            continue;
        s->limit = 0;
        cpu->jit_filled[n] = cpu->jit_filled[--cpu->jit_nfilled];
    }
}

static void entry_clear(struct tlb_entry *e)
{
    e->read = e->write = TLB_INVALID;
}

/* RAM hears of fast writes to a page once, here; a mere read of a page that RAM believes clean leaves that to the first store. */
static uint64_t write_tag(gva_t page, const struct space_page *at, unsigned access)
{
    struct ram *ram = at->ram;

    if (ram->code[at->ram_page] != 0)
        return page | TLB_CODE;
    if (!(access & ACCESS_WRITE) && ram->dirty[at->ram_page] != RAM_DIRTY)
        return page | TLB_CODE;
    ram_will_write(ram, at->ram_page);
    ram->unseen[at->ram_page] = 1;
    return page;
}

static bool marked(const uint64_t *marks, unsigned slot)
{
    return marks[slot / 64] >> slot % 64 & 1;
}

static void mark(uint64_t *marks, unsigned slot, bool set)
{
    marks[slot / 64] = (marks[slot / 64] & ~BIT64(slot % 64)) | (uint64_t)set << slot % 64;
}

/* An entry with its marks. */
struct marked_entry { struct tlb_entry e; bool global, large; };

static struct marked_entry take(struct cpu *cpu, enum tlb_bank bank, unsigned slot)
{
    struct tlb_marks *m = &cpu->space->marks[bank];
    struct marked_entry taken = { cpu->banks[bank][slot], marked(m->global, slot), marked(m->large, slot) };

    mark(m->used, slot, false);
    entry_clear(&cpu->banks[bank][slot]);
    return taken;
}

static void put(struct cpu *cpu, enum tlb_bank bank, unsigned slot, const struct marked_entry *entry)
{
    struct tlb_marks *m = &cpu->space->marks[bank];

    if (marked(m->used, slot))
        tlb_forget_sites_of(cpu, tlb_entry_page(&cpu->banks[bank][slot]));
    cpu->banks[bank][slot] = entry->e;
    mark(m->used, slot, true);
    mark(m->global, slot, entry->global);
    mark(m->large, slot, entry->large);
}

/* Make room: who is there becomes a victim. */
static void evict(struct cpu *cpu, enum tlb_bank bank, unsigned slot)
{
    struct marked_entry entry;

    if (!marked(cpu->space->marks[bank].used, slot))
        return;
    entry = take(cpu, bank, slot);
    put(cpu, bank, tlb_victim_of(tlb_entry_page(&entry.e)), &entry);
}

/* RAM or a watchpoint may have to hear of it. */
static bool allows(const struct tlb_entry *e, gva_t lin, unsigned access)
{
    return (e->read & ~TLB_WATCH) == (lin & PAGE_MASK) &&
           (!(access & ACCESS_WRITE) || (e->write & ~(TLB_CODE | TLB_WATCH)) == (lin & PAGE_MASK));
}

/* When no code is left on the page, the next store is a fast one. */
static void revive(struct tlb_entry *e, uint64_t page)
{
    struct ram *ram = e->ram;

    if (!(e->write & TLB_CODE) || ram->code[page] != 0)
        return;
    ram_will_write(ram, page);
    ram->unseen[page] = 1;
    e->write &= ~TLB_CODE;
}

bool tlb_known(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out)
{
    struct tlb_entry *e = &cpu->banks[bank][tlb_slot_of(lin)];

    if (!allows(e, lin, access)) {
        e = &cpu->banks[bank][tlb_victim_of(lin)];
        if (!allows(e, lin, access))
            return false;
        cpu->stats.tlb_victims++;
    }
    *out = (struct tlb_place){ .host = (uint8_t *)(uintptr_t)(lin + e->addend), .ram = e->ram };
    out->ram_offset = (uint64_t)(out->host - out->ram->bytes);
    if (access & ACCESS_WRITE)
        revive(e, out->ram_offset >> PAGE_SHIFT);
    return true;
}

/* ---- a debugger's watchpoints ---- */

static void mark_entry(struct cpu *cpu, struct tlb_entry *e)
{
    const gva_t page = tlb_entry_page(e);
    const unsigned marks = cpu->points == NULL ? 0
                         : points_marks(cpu, cpu_untag(cpu, page), (const uint8_t *)(uintptr_t)(page + e->addend));

    if (!(e->read & TLB_INVALID))
        e->read = (e->read & ~TLB_WATCH) | (marks & ACCESS_READ ? TLB_WATCH : 0);
    if (!(e->write & TLB_INVALID))
        e->write = (e->write & ~TLB_WATCH) | (marks & ACCESS_WRITE ? TLB_WATCH : 0);
}

void tlb_mark_watched(struct cpu *cpu)
{
    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    for (unsigned n = 0; n < TLB_SPACES; n++)
        for (unsigned bank = 0; bank < BANK_SLOW && cpu->spaces[n] != NULL; bank++)
            for (unsigned slot = 0; slot < TLB_SLOTS; slot++)
                if (marked(cpu->spaces[n]->marks[bank].used, slot))
                    mark_entry(cpu, &cpu->spaces[n]->banks[bank][slot]);
}

static void enter(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, const struct translation *t,
                  const struct space_page *at)
{
    unsigned slot = tlb_slot_of(lin);
    uint64_t page = lin & PAGE_MASK, addend = (uintptr_t)at->host - page;
    struct tlb_entry *e = &cpu->banks[bank][slot];
    struct tlb_marks *m = &cpu->space->marks[bank];
    unsigned rights = t->rights & at->rights;

    if (tlb_entry_page(e) != page)
        evict(cpu, bank, slot);
    if (marked(m->used, slot) && e->addend != addend)
        tlb_forget_sites_of(cpu, page);
    if (!marked(m->used, slot) || e->addend != addend)
        entry_clear(e);
    e->addend = addend;
    e->ram = at->ram;
    e->read = page;
    if (rights & ACCESS_WRITE)
        e->write = write_tag(page, at, access);
    if (UNLIKELY(cpu->points != NULL))
        mark_entry(cpu, e);
    mark(m->used, slot, true);
    mark(m->global, slot, t->global);
    mark(m->large, slot, t->page_shift > PAGE_SHIFT);
    if (t->page_shift > PAGE_SHIFT)
        tlb_gibs_add(&m->large_in, lin);
    cpu->stats.tlb_fills++;
}

void tlb_rename(struct cpu *cpu, gva_t lin, gva_t tagged, enum tlb_bank bank)
{
    struct tlb_entry *e = &cpu->banks[bank][tlb_slot_of(lin)];

    if (tlb_entry_page(e) != (lin & PAGE_MASK))
        return;
    tlb_forget_sites_of(cpu, lin & PAGE_MASK);
    if (!(e->read & TLB_INVALID))
        e->read += tagged - lin;
    if (!(e->write & TLB_INVALID))
        e->write += tagged - lin;
    e->addend -= tagged - lin;
}

/* As write_tag() has it: RAM hears of fast writes here once, and pages with code are told of each store. */
void shadow_remember(struct cpu *cpu, gva_t lin, bool user, const struct tlb_place *at)
{
    uint64_t page = at->ram_offset >> PAGE_SHIFT;

    if (at->host == NULL || at->ram->code[page] != 0 || cpu->points != NULL)
        return;
    ram_will_write(at->ram, page);
    at->ram->unseen[page] = 1;
    cpu->shadow[user] = (struct shadow_page){ .page = lin & PAGE_MASK, .addend = (uintptr_t)at->host - lin };
}

bool tlb_fill(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out)
{
    struct translation t;
    const struct space_page *at;

    if (!(access & ACCESS_SHADOW) && tlb_known(cpu, lin, access, bank, out))
        return true;
    if (!mmu_translate(cpu, lin, access, bank, &t))
        return false;
    at = tlb_phys_page(cpu, t.gpa & PAGE_MASK);
    *out = (struct tlb_place){ .gpa = t.gpa };
    if (at->host == NULL || !(at->rights & ACCESS_READ))
        return true;
    if (!(access & ACCESS_SHADOW) && (t.rights & ACCESS_READ))
        enter(cpu, lin, access, bank, &t, at);
    if ((access & ACCESS_WRITE) && !(at->rights & ACCESS_WRITE))
        return true;
    out->host = at->host + (lin & ~PAGE_MASK);
    out->ram = at->ram;
    out->ram_offset = (at->ram_page << PAGE_SHIFT) + (lin & ~PAGE_MASK);
    return true;
}
