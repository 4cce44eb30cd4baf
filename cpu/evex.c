/* SPDX-License-Identifier: MIT
 * EVEX operands; see evex.h. SDM 2A "AVX-512 Encoding", SDM 1 "Programming with Intel AVX-512". */
#include "cpu/evex.h"

#include "cpu/mem.h"
#include "cpu/vec.h"
#include "cpu/xsave.h"

#define XCR0_AVX512 (XSAVE_SSE | XSAVE_AVX | XSAVE_OPMASK | XSAVE_ZMM_HI256 | XSAVE_HI16_ZMM)

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

/* ---- loads ---- */

static void repeat(uint8_t *to, unsigned bytes, unsigned part)
{
    for (unsigned at = part; at < bytes; at += part)
        memcpy(to + at, to, part);
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
    gva_t lin;

    memset(to, 0, bytes);
    if (!(mask & all))
        return true;
    if (!ea_linear(cpu, i, bytes, ACCESS_READ, &lin))
        return false;
    if ((mask & all) == all)
        return mem_load_block(cpu, i, lin, to, bytes);
    for (mask &= all; mask; mask &= mask - 1) {
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

    if (i->evex & EVEX_BCAST)
        return load_broadcast(cpu, i, to->u8, bytes, whole || mask);
    if (whole || !i->mask)
        return evex_load_parts(cpu, i, to, bytes, bytes, 1);
    return evex_load_parts(cpu, i, to, bytes, bytes / evex_count(i), mask);
}

/* ---- registers ---- */

void evex_put_parts(struct cpu *cpu, const struct insn *i, unsigned n, const void *from, unsigned bytes, unsigned part)
{
    const uint64_t mask = i->mask ? cpu->s.k[i->mask] : ~0ull;
    uint8_t *to = xmm_at(cpu, n);

    for (unsigned k = 0; k < bytes / part; k++) {
        if (mask >> k & 1)
            memcpy(to + k * part, (const uint8_t *)from + k * part, part);
        else if (i->flags & INSN_EVEX_Z)
            memset(to + k * part, 0, part);
    }
    memset(to + bytes, 0, 64 - bytes);
}

void evex_put(struct cpu *cpu, const struct insn *i, unsigned n, const union vec *from, unsigned bytes)
{
    evex_put_parts(cpu, i, n, from, bytes, i->mask ? bytes / evex_count(i) : bytes);
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

bool evex_store_parts(struct cpu *cpu, const struct insn *i, const void *from, unsigned bytes, unsigned part, uint64_t mask)
{
    const uint64_t all = all_of(bytes / part);
    const bool whole = i->evex & EVEX_WHOLE;
    gva_t lin;

    if (!whole && !(mask & all))
        return true;
    if (!ea_linear(cpu, i, bytes, ACCESS_WRITE, &lin) || (whole && !mem_probe_write(cpu, i, lin, bytes)))
        return false;
    if ((mask & all) == all)
        return mem_store_block(cpu, i, lin, from, bytes);
    mask &= all;
    for (uint64_t left = mask; left; left &= left - 1)
        if (!mem_probe_write(cpu, i, lin + bits_lowest(left) * part, part))
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
    return evex_store_parts(cpu, i, from, bytes, bytes / evex_count(i), evex_mask(cpu, i));
}
