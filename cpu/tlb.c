/* SPDX-License-Identifier: MIT */
#include "cpu/tlb.h"

#include <string.h>

#include "cpu/block.h"
#include "cpu/monitor.h"

#define WORDS (TLB_SLOTS / 64)

static unsigned slot_of(gva_t lin)
{
    return (unsigned)(lin >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
}

/* Where an entry goes when another page takes its slot. The bits are those that pages of one slot differ in (tags of
 * linear-address masking lie above them), but for the lowest: neighbours never meet, see mem_hit_read(). */
static unsigned victim_of(gva_t lin)
{
    return TLB_ENTRIES + ((unsigned)(lin >> PAGE_SHIFT ^ lin >> (PAGE_SHIFT + 11) << 1) & (TLB_VICTIMS - 1));
}

static void entry_clear(struct tlb_entry *e)
{
    e->read = e->write = e->execute = TLB_INVALID;
}

/* The page an entry stands for: whichever tag is valid, all valid ones agree. */
static uint64_t entry_page(const struct tlb_entry *e)
{
    return !(e->read & 1) ? e->read & ~TLB_WATCH : !(e->execute & 1) ? e->execute : e->write & ~(TLB_CODE | TLB_WATCH);
}

static void drop(struct cpu *cpu, unsigned bank, unsigned word, uint64_t which)
{
    struct tlb_marks *m = &cpu->tlb_marks[bank];

    m->used[word] &= ~which;
    for (; which != 0; which &= which - 1)
        entry_clear(&cpu->banks[bank][word * 64 + bits_lowest(which)]);
}

void tlb_flush_all(struct cpu *cpu)
{
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            drop(cpu, bank, word, cpu->tlb_marks[bank].used[word]);
    shadow_flush(cpu);
    cpu->stats.tlb_flushes++;
    block_lookup_flush(cpu);
}

void tlb_flush_nonglobal(struct cpu *cpu)
{
    for (unsigned bank = 0; bank < BANK_SLOW; bank++) {
        struct tlb_marks *m = &cpu->tlb_marks[bank];

        for (unsigned word = 0; word < WORDS; word++)
            drop(cpu, bank, word, m->used[word] & ~m->global[word]);
    }
    shadow_flush(cpu);
    cpu->stats.tlb_flushes++;
    block_lookup_flush_nonglobal(cpu);
}

/* SDM 3A "Operations that Invalidate TLBs and Paging-Structure Caches": INVLPG takes the whole page however large, global or
 * not. Large pages live here in pieces, and all pieces in the same GiB go. */
void tlb_flush_page(struct cpu *cpu, gva_t gva)
{
    unsigned slot = slot_of(gva), victim = victim_of(gva);
    bool large = false;

    shadow_flush(cpu);
    for (unsigned bank = 0; bank < BANK_SLOW; bank++) {
        struct tlb_marks *m = &cpu->tlb_marks[bank];

        drop(cpu, bank, slot / 64, m->used[slot / 64] & BIT64(slot % 64));
        drop(cpu, bank, victim / 64, m->used[victim / 64] & BIT64(victim % 64));
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = m->used[word] & m->large[word]; left != 0; left &= left - 1) {
                unsigned at = bits_lowest(left);

                if (bits_get(entry_page(&cpu->banks[bank][word * 64 + at]) ^ gva, 46, 30) == 0) {   /* above may be a tag */
                    drop(cpu, bank, word, BIT64(at));
                    large = true;
                }
            }
    }
    if (large)
        block_lookup_flush(cpu);
    else
        block_page_flush(cpu, gva);
}

void cpu_flush_tlb(struct cpu *cpu, const struct tlb_scope *scope)
{
    if (!scope->all && scope->pages != 0 && scope->pages <= 32) {
        for (uint64_t n = 0; n < scope->pages; n++)
            tlb_flush_page(cpu, scope->gva + n * PAGE_SIZE);
    } else if (!scope->all && scope->keep_global) {
        tlb_flush_nonglobal(cpu);
    } else {
        tlb_flush_all(cpu);
    }
}

void tlb_map_changed(void *arg)
{
    struct cpu *cpu = arg;

    for (unsigned n = 0; n < PHYS_PAGES; n++)
        cpu->phys[n].page = ~(gpa_t)0;
    tlb_flush_all(cpu);
    if (cpu->s.monitor_gpa != MONITOR_NONE && cpu->memory != NULL)
        monitor_refresh(cpu);
    cpu->attention |= ATTEND_CODE;      /* the code being run may lie elsewhere now */
}

bool tlb_is_global(const struct cpu *cpu, gva_t lin)
{
    const enum tlb_bank bank = tlb_fetch_bank(cpu);
    const unsigned slot = slot_of(lin);

    return cpu->banks[bank][slot].execute == (lin & PAGE_MASK) && (cpu->tlb_marks[bank].global[slot / 64] >> slot % 64 & 1);
}

void tlb_poison_writes(struct cpu *cpu, const uint8_t *host_page)
{
    for (unsigned user = 0; user < 2; user++)
        if (cpu->shadow[user].page + cpu->shadow[user].addend == (uintptr_t)host_page)
            cpu->shadow[user].page = TLB_INVALID;
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = cpu->tlb_marks[bank].used[word]; left != 0; left &= left - 1) {
                struct tlb_entry *e = &cpu->banks[bank][word * 64 + bits_lowest(left)];

                if (!(e->write & TLB_INVALID) && (e->write & PAGE_MASK) + e->addend == (uintptr_t)host_page)
                    e->write |= TLB_CODE;
            }
}

static bool lies_in(const struct ram *ram, uint64_t host)
{
    return host >= (uintptr_t)ram->bytes && host < (uintptr_t)ram->bytes + ram->len;
}

/* Shadow stacks have no tag to poison: their page stays dirty. */
void tlb_clean_writes(struct cpu *cpu, struct ram *ram)
{
    for (unsigned user = 0; user < 2; user++) {
        uint64_t host = cpu->shadow[user].page + cpu->shadow[user].addend;

        if (cpu->shadow[user].page != TLB_INVALID && lies_in(ram, host))
            ram->dirty[(host - (uintptr_t)ram->bytes) >> PAGE_SHIFT] = 1;
    }
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = cpu->tlb_marks[bank].used[word]; left != 0; left &= left - 1) {
                struct tlb_entry *e = &cpu->banks[bank][word * 64 + bits_lowest(left)];

                if (!(e->write & TLB_INVALID) && lies_in(ram, (e->write & PAGE_MASK) + e->addend))
                    e->write |= TLB_CODE;
            }
}

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

/* RAM hears of fast writes to a page once, here; a mere read of a page that RAM believes clean leaves that to the first store. */
static uint64_t write_tag(gva_t page, const struct space_page *at, unsigned access)
{
    struct ram *ram = at->ram;

    if (ram->code[at->ram_page] != 0)
        return page | TLB_CODE;
    if (!(access & ACCESS_WRITE) && !ram->dirty[at->ram_page])
        return page | TLB_CODE;
    ram->dirty[at->ram_page] = ram->touched[at->ram_page] = ram->unseen[at->ram_page] = 1;
    return page;
}

bool tlb_code_write(struct cpu *cpu, gva_t lin, enum tlb_bank bank, struct tlb_place *out)
{
    struct tlb_entry *e = &cpu->banks[bank][slot_of(lin)];
    uint8_t *host = (uint8_t *)(uintptr_t)(lin + e->addend);

    if (e->write != ((lin & PAGE_MASK) | TLB_CODE))
        return false;
    *out = (struct tlb_place){ .host = host, .ram = block_ram_of(cpu, host) };
    out->ram_offset = (uint64_t)(host - out->ram->bytes);
    if (out->ram->code[out->ram_offset >> PAGE_SHIFT] == 0) {
        uint64_t at = out->ram_offset >> PAGE_SHIFT;

        out->ram->dirty[at] = out->ram->touched[at] = out->ram->unseen[at] = 1;
        e->write &= ~TLB_CODE;
    }
    return true;
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
    struct tlb_marks *m = &cpu->tlb_marks[bank];
    struct marked_entry taken = { cpu->banks[bank][slot], marked(m->global, slot), marked(m->large, slot) };

    mark(m->used, slot, false);
    entry_clear(&cpu->banks[bank][slot]);
    return taken;
}

static void put(struct cpu *cpu, enum tlb_bank bank, unsigned slot, const struct marked_entry *entry)
{
    struct tlb_marks *m = &cpu->tlb_marks[bank];

    cpu->banks[bank][slot] = entry->e;
    mark(m->used, slot, true);
    mark(m->global, slot, entry->global);
    mark(m->large, slot, entry->large);
}

/* Make room: who is there becomes a victim. */
static void evict(struct cpu *cpu, enum tlb_bank bank, unsigned slot)
{
    struct marked_entry entry;

    if (!marked(cpu->tlb_marks[bank].used, slot))
        return;
    entry = take(cpu, bank, slot);
    put(cpu, bank, victim_of(entry_page(&entry.e)), &entry);
}

/* RAM hears of what is written to a recalled page, so it may be poisoned. */
static uint64_t tag_for(const struct tlb_entry *e, unsigned access)
{
    if (access & ACCESS_WRITE)
        return e->write & ~(TLB_CODE | TLB_WATCH);
    return access & ACCESS_EXECUTE ? e->execute : e->read & ~TLB_WATCH;
}

/* A page that was pushed out and may be used so comes back. */
static bool recall(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out)
{
    const unsigned slot = slot_of(lin), victim = victim_of(lin);
    const uint64_t page = lin & PAGE_MASK;
    const struct tlb_entry *e = &cpu->banks[bank][victim];
    struct marked_entry entry;

    if ((access & ACCESS_SHADOW) || tag_for(e, access) != page || ((access & ACCESS_READ) && (e->read & ~TLB_WATCH) != page))
        return false;
    entry = take(cpu, bank, victim);
    evict(cpu, bank, slot);
    put(cpu, bank, slot, &entry);
    *out = (struct tlb_place){ .host = (uint8_t *)(uintptr_t)(lin + entry.e.addend) };
    out->ram = block_ram_of(cpu, out->host);
    out->ram_offset = (uint64_t)(out->host - out->ram->bytes);
    return true;
}

/* ---- a debugger's watchpoints ---- */

static void mark_entry(struct cpu *cpu, struct tlb_entry *e)
{
    const gva_t page = entry_page(e);
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
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = cpu->tlb_marks[bank].used[word]; left != 0; left &= left - 1)
                mark_entry(cpu, &cpu->banks[bank][word * 64 + bits_lowest(left)]);
}

bool tlb_watched(const struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out)
{
    const struct tlb_entry *e = &cpu->banks[bank][slot_of(lin)];
    const uint64_t tag = access & ACCESS_WRITE ? e->write : e->read;

    if ((access & (ACCESS_SHADOW | ACCESS_EXECUTE)) || (tag & (TLB_INVALID | TLB_WATCH)) != TLB_WATCH ||
        cpu_untag(cpu, tag & PAGE_MASK) != (lin & PAGE_MASK))
        return false;
    *out = (struct tlb_place){ .host = (uint8_t *)(uintptr_t)((tag & PAGE_MASK) + e->addend + (lin & ~PAGE_MASK)) };
    out->ram = block_ram_of(cpu, out->host);
    out->ram_offset = (uint64_t)(out->host - out->ram->bytes);
    return true;
}

static void enter(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, const struct translation *t,
                  const struct space_page *at)
{
    unsigned slot = slot_of(lin);
    uint64_t page = lin & PAGE_MASK, addend = (uintptr_t)at->host - page;
    struct tlb_entry *e = &cpu->banks[bank][slot];
    struct tlb_marks *m = &cpu->tlb_marks[bank];
    unsigned rights = t->rights & at->rights;

    if (entry_page(e) != page)
        evict(cpu, bank, slot);
    if (!marked(m->used, slot) || e->addend != addend)
        entry_clear(e);
    e->addend = addend;
    if (rights & ACCESS_READ)
        e->read = page;
    if (rights & ACCESS_WRITE)
        e->write = write_tag(page, at, access);
    if ((t->rights & ACCESS_EXECUTE) && (access & ACCESS_EXECUTE))
        e->execute = page;
    if (UNLIKELY(cpu->points != NULL))
        mark_entry(cpu, e);
    mark(m->used, slot, true);
    mark(m->global, slot, t->global);
    mark(m->large, slot, t->page_shift > PAGE_SHIFT);
    cpu->stats.tlb_fills++;
}

void tlb_rename(struct cpu *cpu, gva_t lin, gva_t tagged, enum tlb_bank bank)
{
    struct tlb_entry *e = &cpu->banks[bank][slot_of(lin)];

    if (entry_page(e) != (lin & PAGE_MASK))
        return;
    e->execute = TLB_INVALID;               /* instructions are fetched without masking */
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
    at->ram->dirty[page] = at->ram->touched[page] = at->ram->unseen[page] = 1;
    cpu->shadow[user] = (struct shadow_page){ .page = lin & PAGE_MASK, .addend = (uintptr_t)at->host - lin };
}

bool tlb_fill(struct cpu *cpu, gva_t lin, unsigned access, enum tlb_bank bank, struct tlb_place *out)
{
    struct translation t;
    const struct space_page *at;

    if (recall(cpu, lin, access, bank, out))
        return true;
    if (!mmu_translate(cpu, lin, access, bank, &t))
        return false;
    at = tlb_phys_page(cpu, t.gpa & PAGE_MASK);
    *out = (struct tlb_place){ .gpa = t.gpa };
    if (at->host == NULL || !(at->rights & ACCESS_READ))
        return true;
    if (!(access & ACCESS_SHADOW))
        enter(cpu, lin, access, bank, &t, at);
    if ((access & ACCESS_WRITE) && !(at->rights & ACCESS_WRITE))
        return true;
    out->host = at->host + (lin & ~PAGE_MASK);
    out->ram = at->ram;
    out->ram_offset = (at->ram_page << PAGE_SHIFT) + (lin & ~PAGE_MASK);
    return true;
}
