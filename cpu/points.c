/* SPDX-License-Identifier: MIT
 * Breakpoints: no decoded block goes past one, and a block that begins at one is never kept, so block_find()'s callers meet it
 * (points_break()). Watchpoints: the TLB entries of their pages are marked, so that accesses miss the inline test and come
 * through mem.c, which uses the marked entry all the same: translations live as long as they would without. */
#include "cpu/points.h"

#include <stdlib.h>

#include "cpu/block.h"
#include "cpu/exec.h"
#include "cpu/tlb.h"

#define MAX_CPUS    80u
#define MAX_RAMS    16u
#define COPY_MAX    (64u << 10)     /* larger physical watchpoints do not know the old value */

struct entry {
    struct point p;
    uint8_t *was;                   /* physical, watched for writes: the bytes as they were, or NULL */
};

struct list {
    struct entry *e;
    unsigned count, room;
};

struct points {
    struct cpu *cpus[MAX_CPUS];
    unsigned ncpus;
    struct list list;               /* as the debugger has it */
    struct list cut;                /* breakpoints that decoded blocks respect: all of the list, and some that are gone */
    bool changed, watching;         /* since the commit; any watchpoint at all */
    bool suspended;
    bool watches_writes;            /* to physical addresses */
    struct ram *rams[MAX_RAMS];     /* that tell of writes */
    unsigned nrams;
    struct point_hit hit;
    struct { bool set; uint64_t retired, rip; } pass[MAX_CPUS];    /* by index: may pass the breakpoint at this place */
};

/* ---- the lists ---- */

static void append(struct list *l, const struct point *p)
{
    if (l->count == l->room) {
        l->room = l->room == 0 ? 16 : 2 * l->room;
        l->e = realloc(l->e, l->room * sizeof *l->e);
        invariant(l->e != NULL, "out of memory for %u breakpoints", l->room);
    }
    l->e[l->count++] = (struct entry){ .p = *p };
}

bool point_same(const struct point *a, const struct point *b)
{
    return a->kind == b->kind && a->physical == b->physical && a->at == b->at && (a->kind == POINT_BREAK || a->len == b->len);
}

static struct entry *find(const struct list *l, const struct point *p)
{
    for (unsigned n = 0; n < l->count; n++)
        if (point_same(&l->e[n].p, p))
            return &l->e[n];
    return NULL;
}

static void list_clear(struct list *l)
{
    for (unsigned n = 0; n < l->count; n++)
        free(l->e[n].was);
    l->count = 0;
}

struct points *points_create(void)
{
    struct points *p = calloc(1, sizeof *p);

    invariant(p != NULL, "out of memory for breakpoints");
    return p;
}

static void ram_unhook(struct points *p)
{
    for (unsigned n = 0; n < p->nrams; n++)
        p->rams[n]->wrote = NULL;
    p->nrams = 0;
}

void points_free(struct points *p)
{
    if (p == NULL)
        return;
    for (unsigned n = 0; n < p->ncpus; n++)
        p->cpus[n]->points = NULL;
    ram_unhook(p);
    list_clear(&p->list);
    free(p->list.e);
    free(p->cut.e);
    free(p);
}

void points_attach(struct points *p, struct cpu *cpu)
{
    invariant(p->ncpus < MAX_CPUS, "too many processors to debug");
    p->cpus[p->ncpus++] = cpu;
}

void points_add(struct points *p, const struct point *what)
{
    append(&p->list, what);
    p->changed = true;
}

bool points_remove(struct points *p, const struct point *what)
{
    struct entry *e = find(&p->list, what);

    if (e == NULL)
        return false;
    free(e->was);
    *e = p->list.e[--p->list.count];
    p->changed = true;
    return true;
}

/* Decoded code may stay as short as it is. */
void points_clear(struct points *p)
{
    list_clear(&p->list);
    p->cut.count = 0;
    p->changed = true;
}

void points_suspend(struct points *p, bool suspended) { p->suspended = suspended; }
unsigned points_count(const struct points *p) { return p->list.count; }
void points_forget_hit(struct points *p) { p->hit.any = false; }

/* Of writes that were told of before they happened only the place is known so far. */
const struct point_hit *points_hit(struct points *p)
{
    struct point_hit *h = &p->hit;

    if (h->any && h->point.physical && h->wrote)
        for (unsigned n = 0; n < h->bytes; n++) {
            struct space_page here = space_page(p->cpus[0]->ports.memory, (h->at + n) & PAGE_MASK);

            if (here.host != NULL)
                h->now[n] = here.host[(h->at + n) & ~PAGE_MASK];
        }
    return h;
}

/* Where a processor stands: its own count of instructions and its RIP. */
void points_pass(struct points *p, const struct cpu *cpu)
{
    p->pass[cpu->config.index].set = true;
    p->pass[cpu->config.index].retired = cpu->s.retired;
    p->pass[cpu->config.index].rip = cpu->p.rip;
}

void points_pass_none(struct points *p)
{
    memset(p->pass, 0, sizeof p->pass);
}

static bool may_pass(const struct points *p, const struct cpu *cpu)
{
    const unsigned n = cpu->config.index;

    return p->pass[n].set && p->pass[n].retired == cpu->s.retired && p->pass[n].rip == cpu->p.rip;
}

/* ---- ranges ---- */

static bool is_watch(const struct point *p) { return p->kind != POINT_BREAK; }

static bool overlaps(uint64_t at, uint64_t len, uint64_t from, uint64_t bytes)
{
    return at - from < bytes || from - at < len;
}

/* The page of plain memory that a physical page is to this processor. */
static struct space_page place_of(struct cpu *cpu, gpa_t page)
{
    return space_page(cpu->memory, page & PAGE_MASK);
}

/* Calls of one kind: each page that a range touches. */
static gpa_t page_after(gpa_t at) { return (at & PAGE_MASK) + PAGE_SIZE; }

/* ---- breakpoints ---- */

static bool wide(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

/* Outside 64-bit code one block serves all addresses that its memory is mapped at with other segment bases; they agree in the
 * page offset. */
static bool cuts(const struct cpu *cpu, const struct point *b, gva_t lin)
{
    return b->at == lin || (!wide(cpu) && ((b->at ^ lin) & ~PAGE_MASK) == 0);
}

/* Is physical address `at` this byte of code? */
static bool physical_is(struct cpu *cpu, gpa_t at, const uint8_t *host, gpa_t gpa)
{
    return host != NULL ? place_of(cpu, at).host + (at & ~PAGE_MASK) == host : at == gpa;
}

bool points_cut(struct cpu *cpu, gva_t lin, const uint8_t *host, gpa_t gpa)
{
    const struct list *cut = &cpu->points->cut;

    for (unsigned n = 0; n < cut->count; n++) {
        const struct point *b = &cut->e[n].p;

        if (b->physical ? ((b->at ^ lin) & ~PAGE_MASK) == 0 && physical_is(cpu, b->at, host, gpa) : cuts(cpu, b, lin))
            return true;
    }
    return false;
}

/* The next instruction's place in memory, as the fetch would find it, but nothing is marked as used. */
static bool code_place(struct cpu *cpu, gva_t lin, const uint8_t **host, gpa_t *gpa)
{
    bool global;

    *gpa = 0;
    *host = tlb_fetched(cpu, lin, &global);
    if (*host != NULL)
        return true;
    if (!cpu_translate(cpu, lin, ACCESS_EXECUTE, cpu->p.cpl == 3, false, gpa))
        return false;
    *host = place_of(cpu, *gpa).host;
    if (*host != NULL)
        *host += *gpa & ~PAGE_MASK;
    return true;
}

static const struct point *break_at(struct cpu *cpu, gva_t lin)
{
    const struct list *l = &cpu->points->list;
    const uint8_t *host = NULL;
    gpa_t gpa = 0;
    bool placed = false;

    for (unsigned n = 0; n < l->count; n++) {
        const struct point *b = &l->e[n].p;

        if (is_watch(b) || ((b->at ^ lin) & ~PAGE_MASK) != 0)
            continue;
        if (!b->physical && b->at == lin)
            return b;
        if (b->physical && !placed && !code_place(cpu, lin, &host, &gpa))
            return NULL;                /* the fetch faults */
        placed |= b->physical;
        if (b->physical && physical_is(cpu, b->at, host, gpa))
            return b;
    }
    return NULL;
}

/* All processors leave: whoever runs must, and for the others it is one round for nothing. */
static void stop_all(struct points *p)
{
    for (unsigned n = 0; n < p->ncpus; n++)
        p->cpus[n]->attention |= ATTEND_DEADLINE;
}

bool points_break(struct cpu *cpu)
{
    struct points *p = cpu->points;
    gva_t lin = wide(cpu) ? cpu->p.rip : (uint32_t)(cpu->code_base + cpu->p.rip);
    const struct point *b = break_at(cpu, lin);

    if (b == NULL || cpu->p.rep_resume)
        return false;
    cpu_sync(cpu, NULL);
    if (may_pass(p, cpu))
        return false;
    if (p->suspended)
        return false;
    if (!p->hit.any)
        p->hit = (struct point_hit){ .any = true, .point = *b, .vp = cpu->config.index, .rip = cpu->p.rip, .at = b->at };
    stop_all(p);
    return true;
}

/* ---- watchpoints ---- */

static const struct cpu *running(const struct points *p)
{
    for (unsigned n = 0; n < p->ncpus; n++)
        if (p->cpus[n]->block != NULL)
            return p->cpus[n];
    return NULL;
}

/* A write says more than the read before it by the same instruction. */
static struct point_hit *note(struct points *p, const struct point *w, bool wrote)
{
    const struct cpu *cpu = running(p);

    if (p->suspended)
        return NULL;
    stop_all(p);
    if (p->hit.any && !(wrote && !p->hit.wrote && point_same(&p->hit.point, w))) {
        p->hit.more++;
        return NULL;
    }
    p->hit = (struct point_hit){ .any = true, .point = *w, .vp = POINT_NOBODY, .wrote = wrote };
    if (cpu != NULL) {
        p->hit.vp = cpu->config.index;
        p->hit.rip = rip_of(cpu, cpu->insn);
    }
    return &p->hit;
}

/* The part of bytes [from, from + len), whose old and new contents are given, that the point covers. */
static void note_bytes(struct points *p, const struct point *w, bool wrote, uint64_t from, uint64_t len, const uint8_t *old,
                       const uint8_t *now)
{
    const uint64_t first = w->at > from ? w->at : from, ends = w->at + w->len - 1, last = ends < from + len - 1 ? ends : from + len - 1;
    struct point_hit *h = note(p, w, wrote);

    if (h == NULL)
        return;
    h->at = first;
    h->bytes = (unsigned)(last - first < POINT_BYTES ? last - first + 1 : POINT_BYTES);
    h->has_old = old != NULL;
    if (old != NULL)
        memcpy(h->old, old + (first - from), h->bytes);
    if (now != NULL)
        memcpy(h->now, now + (first - from), h->bytes);
}

/* An access to one page, of a kind the point watches for? */
static bool wants(const struct point *w, bool write)
{
    return w->kind == POINT_ACCESS || w->kind == (write ? POINT_WRITE : POINT_READ);
}

/* The guest-physical address of the access, by the physical watchpoint's own pages. False: it lies elsewhere. */
static bool physical_at(struct cpu *cpu, const struct point *w, const struct tlb_place *at, gpa_t *gpa)
{
    gpa_t in_page;

    if (at->host == NULL) {
        *gpa = at->gpa;
        return true;
    }
    in_page = (uintptr_t)at->host & ~PAGE_MASK;
    for (gpa_t page = w->at & PAGE_MASK; page <= w->at + w->len - 1; page = page_after(page)) {
        if (place_of(cpu, page).host == at->host - in_page) {
            *gpa = page + in_page;
            return true;
        }
    }
    return false;
}

void points_accessed(struct cpu *cpu, gva_t lin, const struct tlb_place *at, unsigned bytes, const uint8_t *stored)
{
    struct points *p = cpu->points;

    for (unsigned n = 0; n < p->list.count && p->watching; n++) {
        const struct point *w = &p->list.e[n].p;
        uint64_t from = lin;

        if (!is_watch(w) || !wants(w, stored != NULL))
            continue;
        if (w->physical && stored != NULL && at->host != NULL)
            continue;                   /* ram_wrote() tells */
        if (w->physical && !physical_at(cpu, w, at, &from))
            continue;
        if (overlaps(w->at, w->len, from, bytes))
            note_bytes(p, w, stored != NULL, from, bytes, at->host, stored != NULL ? stored : at->host);
    }
}

/* Some writers tell before the bytes change: the new ones are looked at when the machine has stopped. */
static void ram_wrote_page(struct points *p, struct entry *e, gpa_t page, const struct ram *ram, uint64_t offset, uint64_t len)
{
    struct space_page here = space_page(p->cpus[0]->ports.memory, page);
    uint64_t base = here.ram_page << PAGE_SHIFT, first, end;
    gpa_t from = page > e->p.at ? page : e->p.at, to = page_after(page);

    if (here.host == NULL || here.ram != ram)
        return;
    if (e->p.at + e->p.len < to)
        to = e->p.at + e->p.len;
    first = base + (from - page) > offset ? base + (from - page) : offset;
    end = base + (to - page) < offset + len ? base + (to - page) : offset + len;
    if (first >= end)
        return;
    note_bytes(p, &e->p, true, page + (first - base), end - first,
               e->was != NULL ? e->was + (page + (first - base) - e->p.at) : NULL, NULL);
}

static void ram_wrote_hook(void *arg, struct ram *ram, uint64_t offset, uint64_t len)
{
    struct points *p = arg;

    for (unsigned n = 0; n < p->list.count && p->watches_writes; n++) {
        struct entry *e = &p->list.e[n];

        if (!e->p.physical || !is_watch(&e->p) || !wants(&e->p, true))
            continue;
        for (gpa_t page = e->p.at & PAGE_MASK; page <= e->p.at + e->p.len - 1; page = page_after(page))
            ram_wrote_page(p, e, page, ram, offset, len);
    }
}

static void ram_hook(struct points *p, struct ram *ram)
{
    if (ram == NULL || ram->wrote != NULL || p->nrams == MAX_RAMS)
        return;
    ram->wrote = ram_wrote_hook;
    ram->wrote_arg = p;
    p->rams[p->nrams++] = ram;
}

/* An instruction that faulted has read nothing yet: it will when it is tried again. What it wrote is written. */
void points_faulted(struct cpu *cpu)
{
    struct point_hit *h = &cpu->points->hit;

    if (h->any && is_watch(&h->point) && !h->wrote && h->vp == cpu->config.index)
        h->any = false;
}

unsigned points_marks(struct cpu *cpu, gva_t page, const uint8_t *host)
{
    const struct points *p = cpu->points;
    unsigned marks = 0;

    for (unsigned n = 0; n < p->list.count && p->watching; n++) {
        const struct point *w = &p->list.e[n].p;
        struct tlb_place at = { .host = (uint8_t *)(uintptr_t)host };
        gpa_t gpa;

        if (!is_watch(w))
            continue;
        if (w->physical ? !physical_at(cpu, w, &at, &gpa) : !overlaps(w->at, w->len, page, PAGE_SIZE))
            continue;
        marks |= w->kind == POINT_WRITE ? ACCESS_WRITE : ACCESS_READ | ACCESS_WRITE;    /* read-modify-write goes by the write tag */
    }
    return marks;
}

/* ---- taking effect ---- */

static void cut_anew(struct points *p)
{
    p->cut.count = 0;
    for (unsigned n = 0; n < p->list.count; n++)
        if (!is_watch(&p->list.e[n].p) && find(&p->cut, &p->list.e[n].p) == NULL)
            append(&p->cut, &p->list.e[n].p);
    for (unsigned n = 0; n < p->ncpus; n++)
        block_cache_flush(p->cpus[n]);
}

/* Debuggers take all breakpoints away at each stop and put them back: decoded code that respects them already may stay. */
static bool cut_enough(const struct points *p)
{
    for (unsigned n = 0; n < p->list.count; n++)
        if (!is_watch(&p->list.e[n].p) && find(&p->cut, &p->list.e[n].p) == NULL)
            return false;
    return true;
}

/* A physical watchpoint's bytes as they are now. Written by guest and devices alike between two stops, so taken each time. */
static void copy_watched(struct points *p, struct entry *e)
{
    if (!e->p.physical || !is_watch(&e->p) || !wants(&e->p, true))
        return;
    p->watches_writes = true;
    for (gpa_t page = e->p.at & PAGE_MASK; page <= e->p.at + e->p.len - 1; page = page_after(page))
        ram_hook(p, space_page(p->cpus[0]->ports.memory, page).ram);
    if (e->p.len > COPY_MAX)
        return;
    if (e->was == NULL)
        e->was = malloc(e->p.len);
    invariant(e->was != NULL, "out of memory for a watchpoint");
    for (uint64_t at = 0, n; at < e->p.len; at += n) {
        struct space_page here = space_page(p->cpus[0]->ports.memory, (e->p.at + at) & PAGE_MASK);
        uint64_t in_page = (e->p.at + at) & ~PAGE_MASK;

        n = PAGE_SIZE - in_page < e->p.len - at ? PAGE_SIZE - in_page : e->p.len - at;
        if (here.host != NULL)
            memcpy(e->was + at, here.host + in_page, n);
        else
            memset(e->was + at, 0, n);  /* a device is not asked */
    }
}

void points_commit(struct points *p)
{
    bool watched = p->watching;

    p->watching = p->watches_writes = false;
    for (unsigned n = 0; n < p->list.count; n++) {
        p->watching |= is_watch(&p->list.e[n].p);
        copy_watched(p, &p->list.e[n]);
    }
    if (!p->changed)
        return;
    p->changed = false;
    if (!cut_enough(p))
        cut_anew(p);
    for (unsigned n = 0; n < p->ncpus; n++) {
        struct cpu *cpu = p->cpus[n];

        cpu->points = p->list.count != 0 || p->cut.count != 0 ? p : NULL;
        if (watched || p->watching)
            tlb_mark_watched(cpu);
    }
}
