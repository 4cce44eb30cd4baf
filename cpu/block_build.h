/* SPDX-License-Identifier: MIT
 * From the bytes at a linear address to a block: what cpu/block.c keeps and finds again. */
#ifndef CPU_BLOCK_BUILD_H
#define CPU_BLOCK_BUILD_H

#include "cpu/block.h"

/* The page of code at a linear address. host NULL: fetch through the address space at gpa. */
struct fetch {
    const uint8_t *host;
    gpa_t gpa;
};

/* What a block is being made from: the bytes from its first instruction to the end of the page or of the code segment. */
struct source {
    struct fetch at;
    gva_t lin;
    unsigned room;              /* bytes up to the end of the page */
    unsigned limit;             /* bytes up to the end of the segment, at most room + 15 */
};

static inline bool block_in_64bit(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

/* What decoded code depends on: not the tracker's state. */
static inline uint32_t block_mode(const struct cpu *cpu)
{
    return cpu->mode & ~(uint32_t)MODE_WAIT;
}

static inline gva_t block_linear(const struct cpu *cpu, uint64_t rip)
{
    return block_in_64bit(cpu) ? rip : (uint32_t)(cpu->code_base + rip);
}

/* False: the fetch faults, cpu->fault says how. */
bool block_fetch(struct cpu *cpu, gva_t lin, struct fetch *out);

/* Decode into b, which has room for BLOCK_INSNS + 1; only blocks that will be kept may have more than one instruction, as nobody
 * watches the memory of others. False: the very first fetch faults. */
bool block_build(struct cpu *cpu, struct block *b, const struct source *src, uint64_t rip, bool kept);

/* A debugger's breakpoint lies so many bytes on. */
bool block_stopped_at(struct cpu *cpu, const struct source *src, unsigned bytes);

void block_add_sentinel(struct block *b);

#endif
