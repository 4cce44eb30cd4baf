/* SPDX-License-Identifier: MIT
 * Address spaces of the TLB, and what is flushed of them. With CR4.PCIDE set a load of CR3 finds what it left (SDM 3A
 * "Process-Context Identifiers (PCIDs)"): the banks in force are those of one space, and a switch is a change of pointers. */
#include <stdlib.h>
#include <string.h>

#include "cpu/block.h"
#include "cpu/mem.h"
#include "cpu/monitor.h"
#include "cpu/tlb.h"

#define WORDS           (TLB_SLOTS / 64)
#define LAM_BITS        (CR3_LAM_U48 | CR3_LAM_U57)
#define SPACE_CODE      2048u       /* pages, and a third more */
#define GLOBAL_CODE     8192u

/* ---- what is in one space ---- */

static void drop(struct tlb_space *s, unsigned bank, unsigned word, uint64_t which)
{
    s->marks[bank].used[word] &= ~which;
    for (; which != 0; which &= which - 1) {
        struct tlb_entry *e = &s->banks[bank][word * 64 + bits_lowest(which)];

        e->read = e->write = TLB_INVALID;
    }
}

static void drop_all(struct tlb_space *s)
{
    for (unsigned bank = 0; bank < BANK_SLOW; bank++) {
        for (unsigned word = 0; word < WORDS; word++)
            drop(s, bank, word, s->marks[bank].used[word]);
        s->marks[bank].large_in.count = 0;
    }
}

static void drop_nonglobal(struct tlb_space *s)
{
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            drop(s, bank, word, s->marks[bank].used[word] & ~s->marks[bank].global[word]);
    fetch_table_flush(&s->code);
}

/* Of those slots where the bit of `only` is set: pages in the same GiB that are pieces of large ones. */
static void drop_large(struct tlb_space *s, unsigned bank, gva_t gva, bool only_global)
{
    struct tlb_marks *m = &s->marks[bank];
    struct tlb_gibs left_in = { 0 };

    if (!tlb_gibs_have(&m->large_in, gva))
        return;
    for (unsigned word = 0; word < WORDS; word++)
        for (uint64_t left = m->used[word] & m->large[word]; left != 0; left &= left - 1) {
            const unsigned n = bits_lowest(left);
            const gva_t page = tlb_entry_page(&s->banks[bank][word * 64 + n]);

            if (tlb_gib(page) != tlb_gib(gva) || (only_global && !(m->global[word] & BIT64(n))))
                tlb_gibs_add(&left_in, page);
            else
                drop(s, bank, word, BIT64(n));
        }
    m->large_in = left_in;
}

static void drop_slot(struct tlb_space *s, unsigned bank, unsigned slot, bool only_global)
{
    const struct tlb_marks *m = &s->marks[bank];

    drop(s, bank, slot / 64, m->used[slot / 64] & BIT64(slot % 64) & (only_global ? m->global[slot / 64] : ~(uint64_t)0));
}

/* SDM 3A "Operations that Invalidate TLBs and Paging-Structure Caches": INVLPG takes the whole page however large. Large pages
 * live here in pieces, and all pieces in the same GiB go. */
static void drop_page(struct tlb_space *s, gva_t gva, bool only_global)
{
    for (unsigned bank = 0; bank < BANK_SLOW; bank++) {
        drop_slot(s, bank, tlb_slot_of(gva), only_global);
        drop_slot(s, bank, tlb_victim_of(gva), only_global);
        drop_large(s, bank, gva, only_global);
    }
}

/* Must a store through this entry be told of, since its page has code, or is believed clean? RAM's notes are as for a new entry. */
static bool tells(const struct tlb_entry *e)
{
    const uint64_t page = ((e->write & PAGE_MASK) + e->addend - (uintptr_t)e->ram->bytes) >> PAGE_SHIFT;

    if (e->ram->code[page] != 0 || e->ram->dirty[page] != RAM_DIRTY)
        return true;
    e->ram->unseen[page] = 1;
    return false;
}

static void look_at_writes(struct tlb_space *s)
{
    s->writes_due = false;
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = s->marks[bank].used[word]; left != 0; left &= left - 1) {
                struct tlb_entry *e = &s->banks[bank][word * 64 + bits_lowest(left)];

                if (!(e->write & TLB_INVALID) && tells(e))
                    e->write |= TLB_CODE;
            }
}

/* ---- spaces ---- */

static struct tlb_space *space_make(void)
{
    struct tlb_space *s = calloc(1, sizeof *s);

    invariant(s != NULL, "out of memory for a TLB");
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned n = 0; n < TLB_SLOTS; n++)
            s->banks[bank][n].read = s->banks[bank][n].write = TLB_INVALID;
    fetch_table_create(&s->code, SPACE_CODE);
    s->id = SPACE_NOBODY;
    return s;
}

static void put_in_force(struct cpu *cpu, struct tlb_space *s)
{
    cpu->space = s;
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        cpu->banks[bank] = s->banks[bank];
}

void tlb_create(struct cpu *cpu)
{
    for (unsigned n = 0; n < TLB_SLOTS; n++)
        cpu->slow_bank[n] = (struct tlb_entry){ .read = TLB_INVALID, .write = TLB_INVALID };
    cpu->spaces[0] = space_make();
    fetch_table_create(&cpu->global_code, GLOBAL_CODE);
    put_in_force(cpu, cpu->spaces[0]);
    cpu->banks[BANK_SLOW] = cpu->slow_bank;
    cpu->tlb = cpu->banks[BANK_SUPERVISOR];
    shadow_flush(cpu);
}

void tlb_destroy(struct cpu *cpu)
{
    for (unsigned n = 0; n < TLB_SPACES; n++) {
        if (cpu->spaces[n] != NULL)
            free(cpu->spaces[n]->code.slots);
        free(cpu->spaces[n]);
    }
    free(cpu->global_code.slots);
}

static uint64_t id_of(const struct cpu *cpu, uint64_t cr3)
{
    return cpu->p.cr4 & CR4_PCIDE ? cr3 & 0xfff : 0;
}

/* The space of this id, if it is not the one in force. */
static struct tlb_space *space_of(const struct cpu *cpu, uint64_t id)
{
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL && cpu->spaces[n] != cpu->space && cpu->spaces[n]->id == id)
            return cpu->spaces[n];
    return NULL;
}

/* One that belongs to nobody, else the one that was left first. */
static struct tlb_space *space_take(struct cpu *cpu)
{
    struct tlb_space *oldest = NULL;

    for (unsigned n = 0; n < TLB_SPACES; n++) {
        struct tlb_space *s = cpu->spaces[n];

        if (s == NULL)
            return cpu->spaces[n] = space_make();
        if (s == cpu->space)
            continue;
        if (s->id == SPACE_NOBODY)
            return s;
        if (oldest == NULL || s->left_at < oldest->left_at)
            oldest = s;
    }
    return oldest;
}

/* What had been written to CR3 until now says whose the entries in force are. */
static void leave(struct cpu *cpu)
{
    struct tlb_space *s = cpu->space;

    s->id = id_of(cpu, cpu->p.cr3);
    s->lam = cpu->p.cr3 & LAM_BITS;
    s->left_at = ++cpu->space_switches;
}

static void enter(struct cpu *cpu, struct tlb_space *s)
{
    const enum tlb_bank bank = mem_bank(cpu);

    put_in_force(cpu, s);
    cpu->tlb = cpu->banks[bank];
    if (s->writes_due)
        look_at_writes(s);
    block_lookup_switch(cpu);
}

static void forget_nonglobal(struct cpu *cpu, struct tlb_space *s)
{
    drop_nonglobal(s);
    s->generation = 0;
    if (s == cpu->space)
        block_lookup_flush_nonglobal(cpu);
    cpu->stats.tlb_flushes++;
}

/* Entries under tagged addresses are of no use under another mask. */
void tlb_load_cr3(struct cpu *cpu, uint64_t cr3, bool keep)
{
    const uint64_t id = id_of(cpu, cr3);
    uint64_t lam = cpu->p.cr3 & LAM_BITS;
    struct tlb_space *s;

    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    if (id != id_of(cpu, cpu->p.cr3)) {
        leave(cpu);
        s = space_of(cpu, id);
        if (s == NULL) {
            s = space_take(cpu);
            drop_nonglobal(s);
            s->generation = 0;
        } else if (keep) {
            cpu->stats.tlb_kept++;
        }
        lam = s->lam;
        enter(cpu, s);
        cpu->stats.tlb_switches++;
    }
    cpu->p.cr3 = cr3;
    if (lam != (cr3 & LAM_BITS))
        drop_all(cpu->space);
    if (!keep)
        forget_nonglobal(cpu, cpu->space);
}

/* ---- flushes ---- */

void tlb_flush_all(struct cpu *cpu)
{
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL) {
            drop_all(cpu->spaces[n]);
            fetch_table_flush(&cpu->spaces[n]->code);
            cpu->spaces[n]->id = SPACE_NOBODY;
        }
    fetch_table_flush(&cpu->global_code);
    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    cpu->stats.tlb_flushes++;
    block_lookup_flush(cpu);
}

void tlb_flush_nonglobal(struct cpu *cpu)
{
    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL)
            forget_nonglobal(cpu, cpu->spaces[n]);
}

void tlb_flush_pcid(struct cpu *cpu, unsigned pcid)
{
    struct tlb_space *s = pcid == id_of(cpu, cpu->p.cr3) ? cpu->space : space_of(cpu, pcid);

    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    if (s != NULL)
        forget_nonglobal(cpu, s);
}

/* Of the space in force all entries for the page, of others the global ones. */
void tlb_flush_page(struct cpu *cpu, gva_t gva)
{
    shadow_flush(cpu);
    tlb_forget_sites(cpu);
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL)
            drop_page(cpu->spaces[n], gva, cpu->spaces[n] != cpu->space);
    if (fetch_table_drop(&cpu->global_code, gva))
        block_lookup_flush(cpu);
    if (fetch_table_drop(&cpu->space->code, gva))
        block_lookup_flush_nonglobal(cpu);
}

void tlb_flush_page_of(struct cpu *cpu, unsigned pcid, gva_t gva)
{
    struct tlb_space *s = pcid == id_of(cpu, cpu->p.cr3) ? cpu->space : space_of(cpu, pcid);

    if (s == cpu->space) {
        tlb_flush_page(cpu, gva);
    } else if (s != NULL) {
        drop_page(s, gva, false);
        if (fetch_table_drop(&s->code, gva))
            s->generation = 0;
    }
}

/* Others than the space in force may be meant: pages go by number in all of them. */
void cpu_flush_tlb(struct cpu *cpu, const struct tlb_scope *scope)
{
    if (!scope->all && scope->pages != 0 && scope->pages <= 32) {
        for (uint64_t n = 0; n < scope->pages; n++) {
            tlb_flush_page(cpu, scope->gva + n * PAGE_SIZE);
            for (unsigned k = 0; k < TLB_SPACES; k++)
                if (cpu->spaces[k] != NULL && cpu->spaces[k] != cpu->space && cpu->spaces[k]->id != SPACE_NOBODY)
                    tlb_flush_page_of(cpu, (unsigned)cpu->spaces[k]->id, scope->gva + n * PAGE_SIZE);
        }
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

/* ---- stores that RAM must hear of ---- */

/* Spaces that are not in force look when they come into force. */
static void others_look_at_writes(struct cpu *cpu)
{
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL && cpu->spaces[n] != cpu->space)
            cpu->spaces[n]->writes_due = true;
}

void tlb_poison_writes(struct cpu *cpu, const uint8_t *host_page)
{
    const struct tlb_space *s = cpu->space;

    tlb_forget_sites(cpu);
    for (unsigned user = 0; user < 2; user++)
        if (cpu->shadow[user].page + cpu->shadow[user].addend == (uintptr_t)host_page)
            cpu->shadow[user].page = TLB_INVALID;
    for (unsigned bank = 0; bank < BANK_SLOW; bank++)
        for (unsigned word = 0; word < WORDS; word++)
            for (uint64_t left = s->marks[bank].used[word]; left != 0; left &= left - 1) {
                struct tlb_entry *e = &cpu->banks[bank][word * 64 + bits_lowest(left)];

                if (!(e->write & TLB_INVALID) && (e->write & PAGE_MASK) + e->addend == (uintptr_t)host_page)
                    e->write |= TLB_CODE;
            }
    others_look_at_writes(cpu);
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
            ram_will_write(ram, (host - (uintptr_t)ram->bytes) >> PAGE_SHIFT);
    }
    tlb_forget_sites(cpu);
    look_at_writes(cpu->space);
    others_look_at_writes(cpu);
}
