/* SPDX-License-Identifier: MIT
 * The only loads and stores of the processor. The TLB hit is inline; all else (miss, page crossing, devices, code pages,
 * data breakpoints, alignment checks) is one slow path in mem.c. All return false with cpu->fault set. */
#ifndef CPU_MEM_H
#define CPU_MEM_H

#include "cpu/internal.h"

/* Slow paths. They set cpu->insn and synchronise the clock before calling a device. */
bool mem_load_slow(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes, enum tlb_bank bank);
bool mem_store_slow(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes, enum tlb_bank bank);
/* Would a store fault? Translates and sets A/D for every page of [lin, lin+bytes) as a store does, touches nothing else. */
bool mem_probe_write(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes);
/* Vectors and areas, to and from cpu->slow_value: never #AC. */
bool mem_load_block_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes);
bool mem_store_block_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes);
bool mem_canonical(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes);      /* both ends */
bool mem_aligned_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned natural);
bool mem_aligned_wherever(struct cpu *cpu, gva_t lin, unsigned natural);       /* also where lin is not canonical */

/* The bank that explicit accesses use now. */
static inline enum tlb_bank mem_bank(const struct cpu *cpu)
{
    if (cpu->tlb == cpu->banks[BANK_SLOW])
        return BANK_SLOW;
    return (enum tlb_bank)((cpu->tlb - cpu->banks[0]) / TLB_SLOTS);
}

static ALWAYS_INLINE struct tlb_entry *tlb_slot(struct tlb_entry *bank, gva_t lin)
{
    return &bank[(lin >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
}

/* Is this a plain, readable access, and where is it in the host? The first byte's page picks the slot and the last byte's is
 * compared: the next page never shares a slot with this one, so an access that crosses misses without a test of its own. */
static ALWAYS_INLINE bool mem_hit_read(struct cpu *cpu, gva_t lin, unsigned bytes, const uint8_t **host)
{
    const struct tlb_entry *e = tlb_slot(cpu->tlb, lin);

    *host = (const uint8_t *)(uintptr_t)(lin + e->addend);
    return LIKELY(e->read == ((lin + bytes - 1) & PAGE_MASK));
}

/* The same for writing; pages with code, watchpoints and clean pages miss too (their write tag is poisoned). */
static ALWAYS_INLINE bool mem_hit_write(struct cpu *cpu, gva_t lin, unsigned bytes, uint8_t **host)
{
    const struct tlb_entry *e = tlb_slot(cpu->tlb, lin);

    *host = (uint8_t *)(uintptr_t)(lin + e->addend);
    return LIKELY(e->write == ((lin + bytes - 1) & PAGE_MASK));
}

static ALWAYS_INLINE const uint8_t *mem_host_read(struct cpu *cpu, gva_t lin, unsigned bytes)
{
    const uint8_t *host;

    return mem_hit_read(cpu, lin, bytes, &host) ? host : NULL;
}

static ALWAYS_INLINE uint8_t *mem_host_write(struct cpu *cpu, gva_t lin, unsigned bytes)
{
    uint8_t *host;

    return mem_hit_write(cpu, lin, bytes, &host) ? host : NULL;
}

/* The same among the entries that others have pushed out of their slots, which stay where they are. */
const uint8_t *mem_victim_read(const struct cpu *cpu, gva_t lin, unsigned bytes);
uint8_t *mem_victim_write(const struct cpu *cpu, gva_t lin, unsigned bytes);

/* For whoever does much with one answer. NULL: by the slow path. */
static inline const uint8_t *mem_find_read(struct cpu *cpu, gva_t lin, unsigned bytes)
{
    const uint8_t *host = mem_host_read(cpu, lin, bytes);

    return LIKELY(host != NULL) ? host : mem_victim_read(cpu, lin, bytes);
}

static inline uint8_t *mem_find_write(struct cpu *cpu, gva_t lin, unsigned bytes)
{
    uint8_t *host = mem_host_write(cpu, lin, bytes);

    return LIKELY(host != NULL) ? host : mem_victim_write(cpu, lin, bytes);
}

/* Load `bytes` (1, 2, 4, 8) at linear address lin. Call with a constant size. */
static ALWAYS_INLINE bool mem_load(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, uint64_t *out)
{
    const uint8_t *host;

    if (mem_hit_read(cpu, lin, bytes, &host)) {
        *out = load_bytes(host, bytes);
        return true;
    }
    if (!mem_load_slow(cpu, i, lin, cpu->slow_value, bytes, mem_bank(cpu)))
        return false;
    *out = mask_size(cpu->slow_value[0], bytes);
    return true;
}

static ALWAYS_INLINE bool mem_store(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, uint64_t v)
{
    uint8_t *host;

    if (mem_hit_write(cpu, lin, bytes, &host)) {
        store_bytes(host, bytes, v);
        return true;
    }
    cpu->slow_value[0] = v;
    return mem_store_slow(cpu, i, lin, cpu->slow_value, bytes, mem_bank(cpu));
}

/* Any size up to 64 bytes (vectors), not alignment-checked; larger areas (FXSAVE, XSAVE) go piece by piece. A page-crossing access checks both
 * pages before it moves any byte. */
static ALWAYS_INLINE bool mem_load_block(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes)
{
    const uint8_t *host;

    if (mem_hit_read(cpu, lin, bytes, &host)) {
        memcpy(to, host, bytes);
        return true;
    }
    if (!mem_load_block_slow(cpu, i, lin, bytes))
        return false;
    memcpy(to, cpu->slow_value, bytes);
    return true;
}

static ALWAYS_INLINE bool mem_store_block(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes)
{
    uint8_t *host;

    if (mem_hit_write(cpu, lin, bytes, &host)) {
        memcpy(host, from, bytes);
        return true;
    }
    memcpy(cpu->slow_value, from, bytes);
    return mem_store_block_slow(cpu, i, lin, bytes);
}

/* #AC for what is not moved by mem_load() and mem_store() but checked all the same: `natural` is the alignment wanted. */
static ALWAYS_INLINE bool mem_aligned(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned natural)
{
    return LIKELY((lin & (natural - 1)) == 0 || mem_bank(cpu) != BANK_SLOW) || mem_aligned_slow(cpu, i, lin, natural);
}

/* A part of a vector, at most 8 bytes of which are a scalar to the alignment check. */
static ALWAYS_INLINE bool mem_load_part(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes)
{
    return (bytes > 8 || mem_aligned(cpu, i, lin, bytes)) && mem_load_block(cpu, i, lin, to, bytes);
}

/* Implicit supervisor accesses (descriptor tables, TSS, interrupt stacks of an inner level): always CPL 0, SMAP ignores
 * AC. */
bool mem_load_system(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t *out);
bool mem_store_system(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t v);
bool mem_probe_system(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access);   /* would it fault? */

/* An access of the running level that belongs to no operand; the address has 64 bits in all of IA-32e mode. */
bool mem_load_level(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t *out);
bool mem_store_level(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t v);

/* Shadow-stack accesses (SDM 3A "Determination of Access Rights"), as a user or as a supervisor whatever the level. A swap
 * stores v where `expected` was, and *was again elsewhere: it is a write in any case. */
bool mem_load_shadow(struct cpu *cpu, gva_t lin, unsigned bytes, bool user, uint64_t *out);
bool mem_store_shadow(struct cpu *cpu, gva_t lin, unsigned bytes, bool user, uint64_t v);
bool mem_swap_shadow(struct cpu *cpu, gva_t lin, bool user, uint64_t expected, uint64_t v, uint64_t *was);

/* ---- the stack of the running code ---- */

/* Stack pointers wrap at the stack's address size; writing a narrow one leaves the bits above. */
static ALWAYS_INLINE unsigned stack_bytes(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64 ? 8 : cpu->mode & MODE_STACK32 ? 4 : 2;
}

static ALWAYS_INLINE uint64_t stack_pointer(const struct cpu *cpu, int64_t offset)
{
    return mask_size(cpu->s.gpr[RSP] + (uint64_t)offset, stack_bytes(cpu));
}

/* The upper half of ESP is not cleared by 16-bit stacks, that of RSP is by 32-bit ones. */
static ALWAYS_INLINE void stack_set_pointer(struct cpu *cpu, uint64_t sp)
{
    reg_set(cpu, REG_AT(RSP), stack_bytes(cpu), sp);
}

/* Checks of SS or of canonical form (#SS), when the fast path does not apply; the linear address goes to cpu->slow_lin. */
bool stack_linear_slow(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, unsigned access);

static ALWAYS_INLINE bool stack_load(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, uint64_t *out)
{
    if (LIKELY((cpu->mode & MODE_FLAT) || (cpu->mode & MODE_DECODE) == DECODE_64)) {
        const uint8_t *host;

        if (mem_hit_read(cpu, sp, bytes, &host)) {
            *out = load_bytes(host, bytes);
            return true;
        }
    }
    return stack_linear_slow(cpu, i, sp, bytes, ACCESS_READ) && mem_load(cpu, i, cpu->slow_lin, bytes, out);
}

static ALWAYS_INLINE bool stack_store(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, uint64_t v)
{
    if (LIKELY((cpu->mode & MODE_FLAT) || (cpu->mode & MODE_DECODE) == DECODE_64)) {
        uint8_t *host;

        if (mem_hit_write(cpu, sp, bytes, &host)) {
            store_bytes(host, bytes, v);
            return true;
        }
    }
    return stack_linear_slow(cpu, i, sp, bytes, ACCESS_WRITE) && mem_store(cpu, i, cpu->slow_lin, bytes, v);
}

/* ---- effective addresses ---- */

/* The sum of base, index and displacement: the linear address where exec_bind() knows that the address size is 64 bits and
 * no segment is to be added. */
static ALWAYS_INLINE gva_t ea_flat64(const struct cpu *cpu, const struct insn *i)
{
    const uint8_t *gpr = (const uint8_t *)cpu->s.gpr;

    return load64(gpr + i->base) + (load64(gpr + i->index) << i->scale) + (uint64_t)i->disp;
}

/* The offset part of i's memory operand, wrapped to the address size. */
static ALWAYS_INLINE uint64_t ea_offset(const struct cpu *cpu, const struct insn *i)
{
    uint64_t at = ea_flat64(cpu, i);

    return i->asize == 8 ? at : i->asize == 4 ? (uint32_t)at : (uint16_t)at;
}

bool ea_segment(struct cpu *cpu, const struct insn *i, uint64_t offset, unsigned bytes, unsigned access, gva_t *lin);

/* Linear address of i's memory operand for an access of `bytes`; false: #GP or #SS recorded. */
static ALWAYS_INLINE bool ea_linear(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access, gva_t *lin)
{
    uint64_t offset = ea_offset(cpu, i);

    if (UNLIKELY(i->flags & INSN_SEGMENT)) {
        if (!ea_segment(cpu, i, offset, bytes, access, &cpu->slow_lin))
            return false;
        *lin = cpu->slow_lin;
        return true;
    }
    *lin = offset;      /* flat, or 64-bit with ES CS SS DS; canonical check is the TLB miss's */
    return true;
}

/* The linear address `at` bytes into i's memory operand, where that is not one access but several, each checked on its own;
 * the offset wraps at 32 bits. */
static ALWAYS_INLINE uint64_t ea_piece_offset(const struct cpu *cpu, const struct insn *i, unsigned at)
{
    return (ea_offset(cpu, i) + at) & (i->asize == 8 ? ~(uint64_t)0 : 0xffffffffu);
}

bool ea_piece_segment(struct cpu *cpu, const struct insn *i, unsigned at, unsigned bytes, unsigned access, gva_t *lin);

static ALWAYS_INLINE bool ea_piece(struct cpu *cpu, const struct insn *i, unsigned at, unsigned bytes, unsigned access,
                                   gva_t *lin)
{
    if (UNLIKELY(i->flags & INSN_SEGMENT))
        return ea_piece_segment(cpu, i, at, bytes, access, lin);
    *lin = ea_piece_offset(cpu, i, at);
    return true;
}

/* Load and store of i's own memory operand. */
static ALWAYS_INLINE bool ea_load(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t *out)
{
    gva_t lin;

    return ea_linear(cpu, i, bytes, ACCESS_READ, &lin) && mem_load(cpu, i, lin, bytes, out);
}

static ALWAYS_INLINE bool ea_store(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t v)
{
    gva_t lin;

    return ea_linear(cpu, i, bytes, ACCESS_WRITE, &lin) && mem_store(cpu, i, lin, bytes, v);
}

/* ---- operands by slot, for handlers that are not worth one variant per form ---- */

/* General-register or memory or immediate operand n, zero-extended from i->width. */
static ALWAYS_INLINE bool operand_load(struct cpu *cpu, const struct insn *i, unsigned n, unsigned bytes, uint64_t *out)
{
    switch (FORM_KIND(i->form, n)) {
    case KIND_REG: *out = reg_get(cpu, i->o[n], bytes); return true;
    case KIND_IMM: *out = mask_size(i->imm, bytes); return true;
    default:
        switch (bytes) {
        case 1:  return ea_load(cpu, i, 1, out);
        case 2:  return ea_load(cpu, i, 2, out);
        case 4:  return ea_load(cpu, i, 4, out);
        default: return ea_load(cpu, i, 8, out);
        }
    }
}

static ALWAYS_INLINE bool operand_store(struct cpu *cpu, const struct insn *i, unsigned n, unsigned bytes, uint64_t v)
{
    if (FORM_KIND(i->form, n) == KIND_REG) {
        reg_set(cpu, i->o[n], bytes, v);
        return true;
    }
    switch (bytes) {
    case 1:  return ea_store(cpu, i, 1, v);
    case 2:  return ea_store(cpu, i, 2, v);
    case 4:  return ea_store(cpu, i, 4, v);
    default: return ea_store(cpu, i, 8, v);
    }
}

/* Read-modify-write of operand n: load with write intent (a fault comes before anything changes), then rmw_store. */
struct rmw { gva_t lin; uint8_t *host; };
bool rmw_load_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes);     /* to cpu->slow_value[0] */

static ALWAYS_INLINE bool rmw_load_at(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, struct rmw *at,
                                      uint64_t *out)
{
    at->lin = lin;
    at->host = mem_host_write(cpu, lin, bytes);
    if (LIKELY(at->host != NULL)) {
        *out = load_bytes(at->host, bytes);
        return true;
    }
    if (!rmw_load_slow(cpu, i, lin, bytes))
        return false;
    *out = cpu->slow_value[0];
    return true;
}

static ALWAYS_INLINE bool rmw_load(struct cpu *cpu, const struct insn *i, unsigned bytes, struct rmw *at, uint64_t *out)
{
    gva_t lin;

    return ea_linear(cpu, i, bytes, ACCESS_READ | ACCESS_WRITE, &lin) && rmw_load_at(cpu, i, lin, bytes, at, out);
}

static ALWAYS_INLINE bool rmw_store(struct cpu *cpu, const struct insn *i, unsigned bytes, const struct rmw *at, uint64_t v)
{
    if (LIKELY(at->host != NULL)) {
        store_bytes(at->host, bytes, v);
        return true;
    }
    return mem_store(cpu, i, at->lin, bytes, v);
}

#endif
