/* SPDX-License-Identifier: MIT
 * EVEX operands; see evex.h. SDM 2A "AVX-512 Encoding", SDM 1 "Programming with Intel AVX-512". */
#include "cpu/evex.h"

#include "cpu/mem.h"
#include "cpu/vec.h"
#include "cpu/xsave.h"

bool avx512_check(struct cpu *cpu)
{
    if (UNLIKELY((cpu->mode & (MODE_PE | MODE_VM86)) != MODE_PE || !(cpu->p.cr4 & CR4_OSXSAVE) ||
                 (cpu->s.xcr0 & XCR0_AVX512) != XCR0_AVX512))
        return fault_ud(cpu);
    if (UNLIKELY(cpu->p.cr0 & CR0_TS))
        return fault_raise(cpu, VEC_NM);
    return true;
}

static uint64_t all_of(unsigned count)
{
    return count >= 64 ? ~0ull : BIT64(count) - 1;
}

uint64_t evex_mask(const struct cpu *cpu, const struct insn *i)
{
    const uint64_t all = all_of(evex_count(i));

    return i->mask ? cpu->s.k[i->mask] & all : all;
}

/* Elements of `to` that take part from `from`, the others as they are or zero. */
#define SELECT(bits, type)                                                                      \
    static void select##bits(uint8_t *to, const uint8_t *from, unsigned bytes, uint64_t mask, bool zero) \
    {                                                                                           \
        for (unsigned k = 0; k < bytes / sizeof(type); k++) {                                   \
            type old, new;                                                                      \
                                                                                                \
            memcpy(&old, to + k * sizeof old, sizeof old);                                      \
            memcpy(&new, from + k * sizeof new, sizeof new);                                    \
            new = mask >> k & 1 ? new : zero ? 0 : old;                                         \
            memcpy(to + k * sizeof new, &new, sizeof new);                                      \
        }                                                                                       \
    }

SELECT(8, uint8_t)
SELECT(16, uint16_t)
SELECT(32, uint32_t)
SELECT(64, uint64_t)

static void select_parts(uint8_t *to, const uint8_t *from, unsigned bytes, unsigned part, uint64_t mask, bool zero)
{
    switch (part) {
    case 1:  select8(to, from, bytes, mask, zero); break;
    case 2:  select16(to, from, bytes, mask, zero); break;
    case 4:  select32(to, from, bytes, mask, zero); break;
    default: select64(to, from, bytes, mask, zero); break;
    }
}

/* ---- loads ---- */

static void repeat(uint8_t *to, unsigned bytes, unsigned part)
{
    for (unsigned at = part; at < bytes; at += part)
        memcpy(to + at, to, part);
}

/* The operand's linear address, where its selected elements (not none) fit into the segment; those around them need not, and
 * their offsets wrap only where addresses do, not with 32-bit ones in 64-bit mode (seen on Emerald Rapids). */
static bool parts_segment(struct cpu *cpu, const struct insn *i, unsigned part, uint64_t mask, unsigned access, gva_t *lin)
{
    const unsigned first = bits_lowest(mask) * part, end = bits_highest(mask) * part + part;

    if ((cpu->mode & MODE_DECODE) == DECODE_64)
        return ea_linear(cpu, i, end, access, lin);
    if (!ea_piece(cpu, i, first, end - first, access, lin))
        return false;
    *lin = (uint32_t)(*lin - first);
    return true;
}

static ALWAYS_INLINE bool parts_linear(struct cpu *cpu, const struct insn *i, unsigned part, uint64_t mask, unsigned access,
                                       gva_t *lin)
{
    if (UNLIKELY(i->flags & INSN_SEGMENT))
        return parts_segment(cpu, i, part, mask, access, lin);
    *lin = ea_offset(cpu, i);
    return true;
}

/* From the first to the last selected element; before any page is looked at (seen on Emerald Rapids). */
static bool parts_canonical(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned part, uint64_t mask)
{
    const unsigned first = bits_lowest(mask) * part, end = bits_highest(mask) * part + part;

    return mem_canonical(cpu, i, lin + first, end - first);
}

/* Elements that together are of a scalar's size are checked for alignment as one; half precision is not (seen on Emerald
 * Rapids). */
bool evex_aligned(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned part, uint64_t mask, unsigned access)
{
    gva_t lin;

    if (bytes > 8 || i->op == OP_CVTPH2PS || i->op == OP_CVTPS2PH || mem_bank(cpu) != BANK_SLOW)
        return true;
    if (!i->mask)
        return ea_linear(cpu, i, bytes, access, &lin) && mem_aligned(cpu, i, lin, bytes);
    return parts_linear(cpu, i, part, mask, access, &lin) && parts_canonical(cpu, i, lin, part, mask) &&
           mem_aligned_wherever(cpu, lin, bytes);
}

static bool load_broadcast(struct cpu *cpu, const struct insn *i, uint8_t *to, unsigned bytes, bool wanted)
{
    uint64_t element = 0;

    if (wanted && !(i->mem_bytes == 4 ? ea_load(cpu, i, 4, &element) : ea_load(cpu, i, 8, &element)))
        return false;
    store_bytes(to, i->mem_bytes, element);
    repeat(to, bytes, i->mem_bytes);
    return true;
}

bool evex_load_parts(struct cpu *cpu, const struct insn *i, void *to, unsigned bytes, unsigned part, uint64_t mask)
{
    const uint64_t all = all_of(bytes / part);
    const uint8_t *host;
    gva_t lin;

    memset(to, 0, bytes);
    mask &= all;
    if (!mask)
        return true;
    if (!parts_linear(cpu, i, part, mask, ACCESS_READ, &lin))
        return false;
    if (mask == all)
        return mem_load_block(cpu, i, lin, to, bytes);
    if (mem_hit_read(cpu, lin, bytes, &host)) {
        select_parts(to, host, bytes, part, mask, true);
        return true;
    }
    if (!parts_canonical(cpu, i, lin, part, mask))
        return false;
    for (; mask; mask &= mask - 1) {
        const unsigned at = bits_lowest(mask) * part;

        if (!mem_load_block(cpu, i, lin + at, (uint8_t *)to + at, part))
            return false;
    }
    return true;
}

bool evex_load(struct cpu *cpu, const struct insn *i, union vec *to, unsigned bytes)
{
    const bool whole = i->evex & EVEX_WHOLE;
    const uint64_t mask = evex_mask(cpu, i);
    gva_t lin;

    if (i->evex & EVEX_BCAST)
        return load_broadcast(cpu, i, to->u8, bytes, whole || mask);
    if (LIKELY(whole || !i->mask)) {
        if (!ea_linear(cpu, i, bytes, ACCESS_READ, &lin))
            return false;
        return bytes == 64 ? mem_load_block(cpu, i, lin, to, 64) : mem_load_block(cpu, i, lin, to, bytes);
    }
    return (!mask || evex_aligned(cpu, i, bytes, bytes / evex_count(i), mask, ACCESS_READ)) &&
           evex_load_parts(cpu, i, to, bytes, bytes / evex_count(i), mask);
}

/* ---- registers ---- */

void evex_put_parts(struct cpu *cpu, const struct insn *i, unsigned n, const void *from, unsigned bytes, unsigned part)
{
    uint8_t *to = xmm_at(cpu, n);

    if (LIKELY(!i->mask && bytes == 64)) {
        memcpy(to, from, 64);
        return;
    }
    if (!i->mask) {
        memcpy(to, from, bytes);
    } else {
        select_parts(to, from, bytes, part, cpu->s.k[i->mask], i->flags & INSN_EVEX_Z);
    }
    memset(to + bytes, 0, 64 - bytes);
}

void evex_put(struct cpu *cpu, const struct insn *i, unsigned n, const union vec *from, unsigned bytes)
{
    evex_put_parts(cpu, i, n, from, bytes, bytes / evex_count(i));
}

void evex_put_scalar(struct cpu *cpu, const struct insn *i, union vec *first, uint64_t low, unsigned part)
{
    store_bytes(first, part, low);
    memcpy(xmm_at(cpu, i->o[0]), first, 16);
    memset(xmm_at(cpu, i->o[0]) + 16, 0, 48);
}

void evex_put_mask(struct cpu *cpu, const struct insn *i, uint64_t bits)
{
    cpu->s.k[i->o[0]] = bits & evex_mask(cpu, i);
}

/* ---- stores ---- */

/* When a masked store reaches over a page's end and the second page is bad, the fault is at its last byte (seen on Emerald
 * Rapids). */
static bool store_fault(struct cpu *cpu, gva_t first, gva_t last)
{
    if (cpu->fault.vector == VEC_PF && (cpu->fault.cr2 & PAGE_MASK) != (first & PAGE_MASK))
        cpu->fault.cr2 = last;
    return false;
}

static bool parts_writable(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned part, uint64_t mask)
{
    if (!parts_canonical(cpu, i, lin, part, mask))
        return false;
    for (uint64_t left = mask; left; left &= left - 1)
        if (!mem_probe_write(cpu, i, lin + bits_lowest(left) * part, part))
            return store_fault(cpu, lin + bits_lowest(mask) * part, lin + bits_highest(mask) * part + part - 1);
    return true;
}

bool evex_store_parts(struct cpu *cpu, const struct insn *i, const void *from, unsigned bytes, unsigned part, uint64_t mask)
{
    const uint64_t all = all_of(bytes / part);
    const bool whole = i->evex & EVEX_WHOLE;
    uint8_t *host;
    gva_t lin;

    mask &= all;
    if (!whole && !mask)
        return true;
    if (!(whole ? ea_linear(cpu, i, bytes, ACCESS_WRITE, &lin) : parts_linear(cpu, i, part, mask, ACCESS_WRITE, &lin)))
        return false;
    if (mask == all && mem_hit_write(cpu, lin, bytes, &host)) {
        memcpy(host, from, bytes);
        return true;
    }
    if ((i->flags & INSN_EVEX) && !i->mask)
        return mem_store_block(cpu, i, lin, from, bytes);
    if (whole && !mem_probe_write(cpu, i, lin, bytes))
        return false;
    if (mask && !parts_writable(cpu, i, lin, part, mask))
        return false;
    for (; mask; mask &= mask - 1) {
        const unsigned at = bits_lowest(mask) * part;

        if (!mem_store_block(cpu, i, lin + at, (const uint8_t *)from + at, part))
            return false;
    }
    return true;
}

bool evex_store(struct cpu *cpu, const struct insn *i, const union vec *from, unsigned bytes)
{
    const unsigned part = bytes / evex_count(i);
    const uint64_t mask = evex_mask(cpu, i);
    gva_t lin;

    if (LIKELY(!i->mask))
        return ea_linear(cpu, i, bytes, ACCESS_WRITE, &lin) && mem_store_block(cpu, i, lin, from, bytes);
    return (!mask || evex_aligned(cpu, i, bytes, part, mask, ACCESS_WRITE)) && evex_store_parts(cpu, i, from, bytes, part, mask);
}
