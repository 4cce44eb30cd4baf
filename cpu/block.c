/* SPDX-License-Identifier: MIT
 * Blocks live in an arena per processor and hang in lists of the memory page they came from, by the line they start on. A
 * block that is forgotten keeps its memory until the whole arena is emptied between two instructions, so a running block
 * may be forgotten at any time. One code map per RAM tells every processor's cache of writes to code. */
#include "cpu/block.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cpu/block_build.h"
#include "cpu/cet.h"
#include "cpu/jit/jit.h"
#include "cpu/monitor.h"
#include "cpu/tlb.h"

#define LINE_SHIFT      6
#define ARENA_BYTES     ((size_t)64 << 20)      /* emptied when it has grown so far */
#define LINES           64u
#define BLOCK_SPAN      16u                     /* lines the longest block covers: 64 instructions of 15 bytes */
#define WATCHED         16u
#define RECENT          16384u

struct code_page {
    const uint8_t *host;
    struct code_page *next;             /* in its bucket */
    struct block_link *start[LINES];    /* blocks by the line of their first byte */
    struct block_link *tails;           /* blocks that start on another page and end here */
};

/* Who must hear of writes to code in one RAM. Lives as long as a cache watches it. */
struct code_map {
    struct ram *ram;
    struct block_cache *caches[80];
    unsigned count;
};

struct block_cache {
    struct cpu *cpu;
    struct arena arena;
    struct code_page **buckets;
    size_t nbuckets, npages;            /* nbuckets is a power of two */
    struct code_map *watched[WATCHED];
    unsigned nwatched;
    bool flush_wanted;
    uint64_t generation;                /* the last one given to a tag */
    struct block *recent[RECENT];       /* blocks by place and mode: what is found again when a flush left no shortcuts */
    struct block *build, *partial;      /* room for BLOCK_INSNS + 1 each */
};

/* ---- writes to code ---- */

static struct code_page *page_find(const struct block_cache *c, const uint8_t *host)
{
    struct code_page *p = c->buckets[((uintptr_t)host >> PAGE_SHIFT) & (c->nbuckets - 1)];

    while (p != NULL && p->host != host)
        p = p->next;
    return p;
}

static void unlink_from(struct block_link **list, const struct block_link *link)
{
    while (*list != link)
        list = &(*list)->next;
    *list = link->next;
}

static const uint8_t *page_of(const uint8_t *host)
{
    return (const uint8_t *)((uintptr_t)host & PAGE_MASK);
}

static unsigned line_of(const uint8_t *host)
{
    return (unsigned)((uintptr_t)host & ~PAGE_MASK) >> LINE_SHIFT;
}

static struct block **recent_slot(struct block_cache *c, const uint8_t *host, uint32_t mode)
{
    uintptr_t at = (uintptr_t)host;

    return &c->recent[(at ^ at >> 12 ^ (uintptr_t)mode << 4) & (RECENT - 1)];
}

static void forget(struct block_cache *c, struct block *b)
{
    struct cpu *cpu = c->cpu;
    struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(b->rip)];
    struct block **recent = recent_slot(c, b->host, b->mode);

    unlink_from(&page_find(c, page_of(b->host))->start[line_of(b->host)], &b->link);
    if (b->tail != NULL)
        unlink_from(&page_find(c, b->tail)->tails, &b->tail_link);
    if (s->block == b)
        *s = (struct block_shortcut){ 0 };
    if (*recent == b)
        *recent = NULL;
    jit_forget(cpu->jit, b);
    if (cpu->block != NULL && cpu->block->origin == b)
        cpu->attention |= ATTEND_CODE;
    cpu->stats.code_invalidations++;
}

static void forget_lines(struct block_cache *c, struct code_page *p, uint64_t lines)
{
    unsigned last = bits_highest(lines), first = bits_lowest(lines) < BLOCK_SPAN ? 0 : bits_lowest(lines) - BLOCK_SPAN;
    struct block_link *next;

    for (unsigned line = first; line <= last; line++)
        for (struct block_link *l = p->start[line]; l != NULL; l = next) {
            next = l->next;
            if (l->block->lines & lines)
                forget(c, l->block);
        }
    for (struct block_link *l = p->tails; l != NULL; l = next) {
        next = l->next;
        if (l->block->tail_lines & lines)
            forget(c, l->block);
    }
}

/* The lines of a page that some block still covers, or that is monitored. */
static uint64_t lines_left(const struct block_cache *c, const uint8_t *host)
{
    const struct code_page *p = page_find(c, host);
    uint64_t lines = monitor_lines(c->cpu, host);

    if (p == NULL)
        return lines;
    for (unsigned line = 0; line < LINES; line++)
        for (const struct block_link *l = p->start[line]; l != NULL; l = l->next)
            lines |= l->block->lines;
    for (const struct block_link *l = p->tails; l != NULL; l = l->next)
        lines |= l->block->tail_lines;
    return lines;
}

static void map_refresh_lines(struct code_map *map, uint64_t page)
{
    const uint8_t *host = map->ram->bytes + (page << PAGE_SHIFT);
    uint64_t lines = 0;

    for (unsigned n = 0; n < map->count; n++)
        lines |= lines_left(map->caches[n], host);
    map->ram->code[page] = lines;
}

static void code_written(void *arg, struct ram *ram, uint64_t page, uint64_t lines)
{
    struct code_map *map = arg;
    const uint8_t *host = ram->bytes + (page << PAGE_SHIFT);

    for (unsigned n = 0; n < map->count; n++) {
        struct code_page *p = page_find(map->caches[n], host);

        if (p != NULL)
            forget_lines(map->caches[n], p, lines);
        monitor_written(map->caches[n]->cpu, host, lines);
    }
    map_refresh_lines(map, page);
}

static void code_arrived(void *arg, struct ram *ram, uint64_t page)
{
    struct code_map *map = arg;

    if (!ram->unseen[page])     /* as when one constant is patched again and again */
        return;
    for (unsigned n = 0; n < map->count; n++)
        tlb_poison_writes(map->caches[n]->cpu, ram->bytes + (page << PAGE_SHIFT));
    ram->unseen[page] = 0;
}

static void cleaned(void *arg, struct ram *ram)
{
    struct code_map *map = arg;

    for (unsigned n = 0; n < map->count; n++)
        tlb_clean_writes(map->caches[n]->cpu, ram);
}

void block_watch_ram(struct cpu *cpu, struct ram *ram)
{
    struct block_cache *c = cpu->blocks;
    struct code_map *map = ram->code_arg;

    for (unsigned n = 0; n < c->nwatched; n++)
        if (c->watched[n]->ram == ram)
            return;
    if (map == NULL) {
        map = calloc(1, sizeof *map);
        invariant(map != NULL, "out of memory for the code map of %s", ram->name);
        map->ram = ram;
        ram->code_written = code_written;
        ram->code_arrived = code_arrived;
        ram->cleaned = cleaned;
        ram->code_arg = map;
    }
    invariant(c->nwatched < WATCHED && map->count < COUNT_OF(map->caches), "too many memories or processors watch %s",
              ram->name);
    map->caches[map->count++] = c;
    c->watched[c->nwatched++] = map;
}

/* The last one out takes the map along. The RAM outlives its processors. */
static void unwatch(struct block_cache *c, struct code_map *map)
{
    unsigned n = 0;

    while (map->caches[n] != c)
        n++;
    memmove(&map->caches[n], &map->caches[n + 1], (--map->count - n) * sizeof map->caches[0]);
    if (map->count > 0)
        return;
    map->ram->code_written = NULL;
    map->ram->code_arrived = NULL;
    map->ram->cleaned = NULL;
    map->ram->code_arg = NULL;
    free(map);
}

/* ---- the cache as a whole ---- */

static struct code_map *map_of(const struct block_cache *c, const uint8_t *host)
{
    for (unsigned n = 0; n < c->nwatched; n++) {
        const struct ram *ram = c->watched[n]->ram;

        if (host >= ram->bytes && host < ram->bytes + ram->len)
            return c->watched[n];
    }
    return NULL;
}

struct ram *block_ram_of(const struct cpu *cpu, const uint8_t *host)
{
    return map_of(cpu->blocks, host)->ram;
}

void block_refresh_code(struct cpu *cpu, const uint8_t *host)
{
    struct code_map *map = map_of(cpu->blocks, host);

    map_refresh_lines(map, (uint64_t)(host - map->ram->bytes) >> PAGE_SHIFT);
}

static void page_clear(struct block_cache *c, struct code_page *p)
{
    struct code_map *map = map_of(c, p->host);

    memset(p->start, 0, sizeof p->start);
    p->tails = NULL;
    map_refresh_lines(map, (uint64_t)(p->host - map->ram->bytes) >> PAGE_SHIFT);
}

static void pages_clear(struct block_cache *c)
{
    for (size_t at = 0; at < c->nbuckets; at++)
        for (struct code_page *p = c->buckets[at]; p != NULL; p = p->next)
            page_clear(c, p);
    memset(c->buckets, 0, c->nbuckets * sizeof(struct code_page *));
    memset(c->recent, 0, sizeof c->recent);
    c->npages = 0;
    arena_reset(&c->arena);
    jit_reset(c->cpu->jit);
    c->flush_wanted = false;
}

struct block_cache *block_cache_create(struct cpu *cpu)
{
    struct block_cache *c = calloc(1, sizeof *c);
    size_t room = sizeof(struct block) + (BLOCK_INSNS + 1) * sizeof(struct insn);

    invariant(c != NULL, "out of memory for decoded code");
    c->cpu = cpu;
    c->nbuckets = 1024;
    c->buckets = calloc(c->nbuckets, sizeof(struct code_page *));
    c->build = calloc(1, room);
    c->partial = calloc(1, room);
    invariant(c->buckets != NULL && c->build != NULL && c->partial != NULL, "out of memory for decoded code");
    cpu->blocks = c;
    tlb_create(cpu);
    tlb_map_changed(cpu);
    space_listen(cpu->ports.memory, tlb_map_changed, cpu);
    if (cpu->ports.smm_memory != NULL)
        space_listen(cpu->ports.smm_memory, tlb_map_changed, cpu);
    return c;
}

void block_cache_free(struct block_cache *c)
{
    if (c == NULL)
        return;
    pages_clear(c);
    arena_free(&c->arena);
    for (unsigned n = 0; n < c->nwatched; n++)
        unwatch(c, c->watched[n]);
    free(c->buckets);
    free(c->build);
    free(c->partial);
    free(c);
}

/* The blocks themselves go when no instruction runs: see block_find(). */
void block_cache_flush(struct cpu *cpu)
{
    cpu->blocks->flush_wanted = true;
    cpu->attention |= ATTEND_CODE;
    block_lookup_flush(cpu);
}

/* A generation that no shortcut and no link of translated code has: after a million all of them go. */
static uint64_t new_generation(struct cpu *cpu)
{
    struct block_cache *c = cpu->blocks;

    if (++c->generation >> (64 - CODE_TAG_BITS) != 0) {
        memset(cpu->shortcuts, 0, sizeof cpu->shortcuts);
        for (unsigned n = 0; n < TLB_SPACES; n++)
            if (cpu->spaces[n] != NULL)
                cpu->spaces[n]->generation = 0;
        c->flush_wanted = true;
        cpu->attention |= ATTEND_CODE;
        c->generation = 1;      /* 0 is that of empty slots */
    }
    return c->generation;
}

void block_lookup_switch(struct cpu *cpu)
{
    if (cpu->space->generation == 0)
        cpu->space->generation = new_generation(cpu);
    cpu->code_tag = (cpu->code_tag & bits_mask(CODE_TAG_BITS)) | cpu->space->generation << CODE_TAG_BITS;
}

void block_lookup_flush_nonglobal(struct cpu *cpu)
{
    cpu->space->generation = 0;
    block_lookup_switch(cpu);
}

/* Those of other spaces too: a block on a global page may end on one that is not. */
void block_lookup_flush(struct cpu *cpu)
{
    for (unsigned n = 0; n < TLB_SPACES; n++)
        if (cpu->spaces[n] != NULL)
            cpu->spaces[n]->generation = 0;
    block_lookup_switch(cpu);
    jit_cut_globals(cpu->jit);
    cpu->global_tag = (cpu->global_tag & bits_mask(CODE_TAG_BITS)) | new_generation(cpu) << CODE_TAG_BITS;
}

/* ---- keeping ---- */

static void buckets_grow(struct block_cache *c)
{
    size_t old = c->nbuckets;
    struct code_page **buckets = calloc(old * 4, sizeof(struct code_page *));

    invariant(buckets != NULL, "out of memory for decoded code");
    for (size_t at = 0; at < old; at++)
        for (struct code_page *p = c->buckets[at], *next; p != NULL; p = next) {
            struct code_page **bucket = &buckets[((uintptr_t)p->host >> PAGE_SHIFT) & (old * 4 - 1)];

            next = p->next;
            p->next = *bucket;
            *bucket = p;
        }
    free(c->buckets);
    c->buckets = buckets;
    c->nbuckets = old * 4;
}

static struct code_page *page_get(struct block_cache *c, const uint8_t *host)
{
    struct code_page *p = page_find(c, host), **bucket;

    if (p != NULL)
        return p;
    if (c->npages++ == c->nbuckets)
        buckets_grow(c);
    bucket = &c->buckets[((uintptr_t)host >> PAGE_SHIFT) & (c->nbuckets - 1)];
    p = arena_alloc(&c->arena, sizeof *p);
    p->host = host;
    p->next = *bucket;
    *bucket = p;
    return p;
}

static uint64_t line_bits(const uint8_t *from, unsigned bytes)
{
    unsigned first = line_of(from), last = line_of(from + bytes - 1);

    return bits_mask(last - first + 1) << first;
}

static void mark_code(struct block_cache *c, const uint8_t *host, unsigned bytes)
{
    struct ram *ram = map_of(c, host)->ram;

    ram_mark_code(ram, (uint64_t)(host - ram->bytes), bytes);
}

static void link_into(struct block_link **list, struct block_link *link, struct block *b)
{
    link->block = b;
    link->next = *list;
    *list = link;
}

static struct block *keep(struct block_cache *c)
{
    const struct block *made = c->build;
    size_t size = sizeof *made + (made->count + 1u) * sizeof(struct insn);
    struct block *b = arena_alloc(&c->arena, size);
    unsigned here = (unsigned)(PAGE_SIZE - ((uintptr_t)made->host & ~PAGE_MASK));

    memcpy(b, made, size);
    b->origin = b;
    if (b->bytes < here)
        here = b->bytes;
    b->lines = line_bits(b->host, here);
    link_into(&page_get(c, page_of(b->host))->start[line_of(b->host)], &b->link, b);
    mark_code(c, b->host, here);
    if (b->tail != NULL && b->bytes > here) {
        b->tail_lines = line_bits(b->tail, b->bytes - here);
        link_into(&page_get(c, b->tail)->tails, &b->tail_link, b);
        mark_code(c, b->tail, b->bytes - here);
    } else {
        b->tail = NULL;
    }
    jit_watch(c->cpu->jit, b);
    return b;
}

/* ---- finding ---- */

static bool is_block(const struct block *b, const uint8_t *host, uint64_t rip, uint32_t mode)
{
    return b->host == host && b->rip == rip && b->mode == mode;
}

static struct block *lookup(const struct cpu *cpu, const uint8_t *host, uint64_t rip)
{
    struct block **recent = recent_slot(cpu->blocks, host, block_mode(cpu));
    const struct code_page *p;

    if (*recent != NULL && is_block(*recent, host, rip, block_mode(cpu)))
        return *recent;
    p = page_find(cpu->blocks, page_of(host));
    if (p == NULL)
        return NULL;
    for (struct block_link *l = p->start[line_of(host)]; l != NULL; l = l->next)
        if (is_block(l->block, host, rip, block_mode(cpu)))
            return *recent = l->block;
    return NULL;
}

void block_cache_use(const struct cpu *cpu, uint64_t *bytes, uint64_t *pages)
{
    *bytes = cpu->blocks->arena.used_bytes;
    *pages = cpu->blocks->npages;
}

void block_each(const struct cpu *cpu, const uint8_t *host, void (*each)(void *arg, const struct block *b), void *arg)
{
    const struct code_page *p = page_find(cpu->blocks, page_of(host));
    const unsigned line = line_of(host), on_page = (unsigned)(host - page_of(host));

    if (p == NULL)
        return;
    for (unsigned n = line < BLOCK_SPAN ? 0 : line - BLOCK_SPAN; n <= line; n++)
        for (const struct block_link *l = p->start[n]; l != NULL; l = l->next)
            if (l->block->host <= host && host < l->block->host + l->block->bytes)
                each(arg, l->block);
    for (const struct block_link *l = p->tails; l != NULL; l = l->next)
        if (on_page < l->block->bytes - (PAGE_SIZE - (unsigned)(l->block->host - page_of(l->block->host))))
            each(arg, l->block);
}

/* A block over two pages holds as long as its second page is still the one it was made from. */
static bool tail_holds(struct cpu *cpu, const struct block *b)
{
    struct fetch second;
    gva_t lin = (block_linear(cpu, b->rip) | ~PAGE_MASK) + 1;

    if (b->tail == NULL)
        return true;
    return block_fetch(cpu, block_in_64bit(cpu) ? lin : (uint32_t)lin, &second) && second.host == b->tail;
}

/* Only to pages that are known: a flush of one of them looks there whether it matters to shortcuts. */
static void shortcut_to(struct cpu *cpu, struct block *b)
{
    const gva_t lin = block_linear(cpu, b->rip), next = (lin | ~PAGE_MASK) + 1;
    const gva_t tail = b->tail == NULL ? lin : block_in_64bit(cpu) ? next : (uint32_t)next;
    bool global, tail_global = true;

    if (tlb_fetched(cpu, lin, &global) == NULL || (tail != lin && tlb_fetched(cpu, tail, &tail_global) == NULL))
        return;
    global &= tail_global;
    cpu->shortcuts[block_shortcut_slot(b->rip)] =
        (struct block_shortcut){ b->rip, global ? cpu->global_tag : cpu->code_tag, b, jit_code(b) };
}

static bool fits_limit(const struct cpu *cpu, const struct block *b)
{
    return b->rip + b->bytes - 1 <= cpu->code_limit;
}

/* Decode what p.rip leads to. A block that would run past the end of the segment is made for this once only, and one that begins
 * at a breakpoint of a debugger, so that it is never found without block_find(). */
static struct block *make(struct cpu *cpu, struct source *src, bool keep_it)
{
    struct block_cache *c = cpu->blocks;
    uint64_t left = cpu->code_limit - cpu->p.rip;

    src->room = (unsigned)(PAGE_SIZE - (src->lin & ~PAGE_MASK));
    src->limit = left >= src->room + INSN_BYTES ? src->room + INSN_BYTES : (unsigned)left + 1;
    keep_it &= src->at.host != NULL && !block_stopped_at(cpu, src, 0);
    if (!block_build(cpu, c->build, src, cpu->p.rip, keep_it))
        return NULL;
    keep_it &= !watcher_parts(cpu, &c->build->insns[0]);
    return keep_it && c->build->host != NULL ? keep(c) : c->build;
}

struct block *block_find(struct cpu *cpu)
{
    struct block_cache *c = cpu->blocks;
    uint64_t rip = cpu->p.rip;
    struct source src = { .lin = block_linear(cpu, rip) };
    struct block *b;

    if (c->flush_wanted || c->arena.used_bytes > ARENA_BYTES || jit_full(cpu->jit)) {
        pages_clear(c);
        block_lookup_flush(cpu);
    }
    if (block_in_64bit(cpu) ? !cpu_canonical(cpu, rip) : rip > cpu->code_limit) {
        fault_gp(cpu, 0);
        return NULL;
    }
    if (!block_fetch(cpu, src.lin, &src.at))
        return NULL;
    b = src.at.host != NULL ? lookup(cpu, src.at.host, rip) : NULL;
    if (b != NULL)
        cpu->stats.block_hits++;
    if (b != NULL && !fits_limit(cpu, b))
        return make(cpu, &src, false);
    if (b != NULL && !tail_holds(cpu, b)) {
        forget(c, b);
        b = NULL;
    }
    if (b == NULL)
        b = make(cpu, &src, true);
    if (b != NULL && UNLIKELY(cpu->mode & MODE_WAIT))
        return cet_arrive(cpu, &b->insns[0]) ? b : NULL;
    if (b != NULL && b != c->build)
        shortcut_to(cpu, b);
    return b;
}

struct block *block_again(struct cpu *cpu, uint64_t rip)
{
    const uint8_t *host;
    struct block *b;
    bool global;

    if (cpu->attention || !block_in_64bit(cpu) || (cpu->mode & MODE_WAIT))
        return NULL;
    host = tlb_fetched(cpu, rip, &global);
    if (host == NULL)
        return NULL;
    b = lookup(cpu, host, rip);
    if (b == NULL || b->tail != NULL)
        return NULL;
    cpu->stats.block_hits++;
    shortcut_to(cpu, b);
    return b;
}

struct block *block_first(struct cpu *cpu, const struct block *b, unsigned count)
{
    struct block *copy = cpu->blocks->partial;

    memcpy(copy, b, sizeof *b + count * sizeof(struct insn));
    copy->count = (uint16_t)count;
    copy->bytes = b->insns[count - 1].end;
    copy->insns[0].fn = b->first;
    block_add_sentinel(copy);
    return copy;
}
