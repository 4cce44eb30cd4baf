/* SPDX-License-Identifier: MIT
 * Operands larger than a vector, moved piece by piece. */
#include "cpu/mem_area.h"

#define PIECE 64u

static bool probe(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, unsigned access)
{
    uint8_t seen[4];

    return access == ACCESS_WRITE ? mem_probe_write(cpu, i, lin, bytes) : mem_load_block(cpu, i, lin, seen, bytes);
}

/* Its offset wraps at the address size (seen on Emerald Rapids). */
bool mem_probe_last(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access)
{
    gva_t lin = mask_size(ea_offset(cpu, i) + bytes - 1, i->asize);

    return (!(i->flags & INSN_SEGMENT) || ea_segment(cpu, i, lin, 1, access, &lin)) && probe(cpu, i, lin, 1, access);
}

bool mem_probe_ends(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned first, unsigned bytes, unsigned access)
{
    return probe(cpu, i, lin, first, access) && mem_probe_last(cpu, i, bytes, access);
}

bool mem_load_area(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes)
{
    const uint8_t *host = mem_find_read(cpu, lin, bytes);

    if (host != NULL) {
        memcpy(to, host, bytes);
        return true;
    }
    for (unsigned at = 0; at < bytes; at += PIECE) {
        unsigned n = bytes - at < PIECE ? bytes - at : PIECE;

        if (!mem_load_block(cpu, i, lin + at, (uint8_t *)to + at, n))
            return false;
    }
    return true;
}

bool mem_store_area(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes)
{
    uint8_t *host = mem_find_write(cpu, lin, bytes);

    if (host != NULL) {
        memcpy(host, from, bytes);
        return true;
    }
    if (!mem_probe_write(cpu, i, lin, bytes))
        return false;
    for (unsigned at = 0; at < bytes; at += PIECE) {
        unsigned n = bytes - at < PIECE ? bytes - at : PIECE;

        if (!mem_store_block(cpu, i, lin + at, (const uint8_t *)from + at, n))
            return false;
    }
    return true;
}
