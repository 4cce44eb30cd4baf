/* SPDX-License-Identifier: MIT
 * Decoded basic blocks: found by the memory they were decoded from, RIP and mode; forgotten when that memory is written. */
#ifndef CPU_BLOCK_H
#define CPU_BLOCK_H

#include "cpu/internal.h"

#define BLOCK_INSNS 64u
#define INSN_BYTES  15u             /* the longest instruction (SDM 2A "Instruction Prefixes") */

struct block_link {             /* a block in a list of the page it lies on */
    struct block *block;
    struct block_link *next;
};

struct block {
    uint64_t rip;
    uint16_t count;             /* instructions, without the sentinel behind them */
    uint16_t bytes;             /* of code, from the first instruction to the end of the last */
    uint32_t mode;
    const uint8_t *host;        /* its first byte; NULL: made for one run, not cached */
    const uint8_t *tail;        /* the second page's first byte when its only instruction crosses a page, else NULL */
    const struct block *origin; /* what this is a partial copy of, else itself */
    uint64_t lines, tail_lines; /* 64-byte lines of either page that it was decoded from */
    struct block_link link, tail_link;
    insn_fn *first;             /* the first instruction's own handler, whatever counts or replaces the block stands before it */
    struct jit_block *jit;      /* its translation, or NULL */
    struct jit_part *parts;     /* translations that it is a part of */
    uint64_t unsited;           /* by instruction: accesses that found keeping a TLB entry useless */
    uint32_t heat;              /* runs until it is translated */
    uint32_t samples;           /* how often it was what would have run next when a slice of time was over */
    uint64_t missed_since;      /* instructions counted when `missed` began */
    uint16_t missed;            /* how often its translation was left for a probe that serves several accesses */
    uint16_t narrow;            /* and how often that was too often */
    struct insn insns[];        /* count + 1, the last is the sentinel */
};

/* The block at p.rip in the present mode, decoded if it is new; it is also entered into the shortcuts. NULL: the fetch of
 * the first instruction faults, cpu->fault says how. Only between instructions. Code segment fields must be up to date. */
struct block *block_find(struct cpu *cpu);

/* The same without leaving translated code: NULL when anything but the block's place in the shortcuts would change. */
struct block *block_again(struct cpu *cpu, uint64_t rip);

/* A copy of the first `count` instructions, to stop exactly there; valid until the next call. */
struct block *block_first(struct cpu *cpu, const struct block *b, unsigned count);

static ALWAYS_INLINE unsigned block_shortcut_slot(uint64_t rip)
{
    return (unsigned)(rip ^ (rip >> 12)) & (BLOCK_SHORTCUTS - 1);
}

static ALWAYS_INLINE bool block_shortcut_leads(const struct cpu *cpu, const struct block_shortcut *s, uint64_t rip)
{
    return s->rip == rip && (s->tag == cpu->code_tag || s->tag == cpu->global_tag);
}

/* The watched memory that holds this host address. */
struct ram *block_ram_of(const struct cpu *cpu, const uint8_t *host);

/* The processor has seen this memory: it must hear of writes to code in it and of code arriving on its pages. */
void block_watch_ram(struct cpu *cpu, struct ram *ram);

void block_cache_use(const struct cpu *cpu, uint64_t *bytes, uint64_t *pages);

/* The blocks that have a byte at this host address. */
void block_each(const struct cpu *cpu, const uint8_t *host, void (*each)(void *arg, const struct block *b), void *arg);

/* Something no longer watches the page of this host address: mark only what still is. */
void block_refresh_code(struct cpu *cpu, const uint8_t *host);

#endif
