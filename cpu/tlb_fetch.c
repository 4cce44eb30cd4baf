/* SPDX-License-Identifier: MIT
 * Which pages code was fetched from. Apart from the entries for data, so that neither pushes the other out, and nothing is pushed
 * out at all: a page is here from its first fetch until it is flushed, or until the table is full and begins anew. So whether a
 * fetch walks the tables, which a guest may see in accessed bits, follows from what the guest did, and not from what shortcuts and
 * links an engine has; and where a shortcut or link leads is always a page that is here. */
#include <stdlib.h>

#include "cpu/block.h"
#include "cpu/tlb.h"

#define FETCH_GONE (~(uint64_t)0)

void fetch_table_create(struct fetch_table *t, unsigned size)
{
    *t = (struct fetch_table){ .slots = calloc(size, sizeof *t->slots), .size = size, .epoch = 1 };
    invariant(t->slots != NULL, "out of memory for a TLB");
}

void fetch_table_flush(struct fetch_table *t)
{
    t->epoch++;
    t->used = 0;
    t->large_in.count = 0;
}

static uint64_t key_of(gva_t lin, bool user)
{
    return (lin & PAGE_MASK) | user;
}

static unsigned first_slot(const struct fetch_table *t, uint64_t key)
{
    return (unsigned)((key >> PAGE_SHIFT) * 0x9e3779b97f4a7c15u >> 40) & (t->size - 1);
}

static struct fetch_entry *find(const struct fetch_table *t, uint64_t key)
{
    for (unsigned n = first_slot(t, key);; n = (n + 1) & (t->size - 1)) {
        struct fetch_entry *e = &t->slots[n];

        if (e->epoch != t->epoch)
            return NULL;
        if (e->key == key)
            return e;
    }
}

/* Large pages are here in pieces, all of which go (SDM 3A "Operations that Invalidate TLBs and Paging-Structure Caches"): then
 * everything does. */
bool fetch_table_drop(struct fetch_table *t, gva_t lin)
{
    bool found = false;

    if (tlb_gibs_have(&t->large_in, lin)) {
        fetch_table_flush(t);
        return true;
    }
    for (unsigned user = 0; user < 2; user++) {
        struct fetch_entry *e = find(t, key_of(lin, user));

        if (e != NULL)
            e->key = FETCH_GONE;
        found |= e != NULL;
    }
    return found;
}

static void add(struct cpu *cpu, struct fetch_table *t, gva_t lin, const uint8_t *page, bool large)
{
    const uint64_t key = key_of(lin, cpu->p.cpl == 3);
    unsigned n = first_slot(t, key);

    if (t->used >= t->size / 4 * 3) {
        fetch_table_flush(t);
        if (t == &cpu->global_code)
            block_lookup_flush(cpu);
        else
            block_lookup_flush_nonglobal(cpu);
    }
    while (t->slots[n].epoch == t->epoch)
        n = (n + 1) & (t->size - 1);
    t->slots[n] = (struct fetch_entry){ key, page, t->epoch };
    t->used++;
    if (large)
        tlb_gibs_add(&t->large_in, lin);
}

const uint8_t *tlb_fetched(const struct cpu *cpu, gva_t lin, bool *global)
{
    const uint64_t key = key_of(lin, cpu->p.cpl == 3);
    const struct fetch_entry *e = find(&cpu->global_code, key);

    *global = e != NULL;
    if (e == NULL)
        e = find(&cpu->space->code, key);
    return e != NULL ? e->host + (lin & ~PAGE_MASK) : NULL;
}

bool tlb_fetch(struct cpu *cpu, gva_t lin, struct tlb_place *out)
{
    struct translation t;
    const struct space_page *at;
    bool global;

    *out = (struct tlb_place){ .host = (uint8_t *)(uintptr_t)tlb_fetched(cpu, lin, &global) };
    if (out->host != NULL)
        return true;
    if (!mmu_translate(cpu, lin, ACCESS_EXECUTE, tlb_fetch_bank(cpu), &t))
        return false;
    at = tlb_phys_page(cpu, t.gpa & PAGE_MASK);
    out->gpa = t.gpa;
    if (at->host == NULL || !(at->rights & ACCESS_READ))
        return true;
    add(cpu, t.global ? &cpu->global_code : &cpu->space->code, lin, at->host, t.page_shift > PAGE_SHIFT);
    out->host = at->host + (lin & ~PAGE_MASK);
    cpu->stats.tlb_fetches++;
    return true;
}
