/* SPDX-License-Identifier: MIT
 * Operands larger than a vector, moved piece by piece. */
#include "cpu/mem_area.h"

#define PIECE 64u

bool mem_load_area(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes)
{
    for (unsigned at = 0; at < bytes; at += PIECE) {
        unsigned n = bytes - at < PIECE ? bytes - at : PIECE;

        if (!mem_load_block(cpu, i, lin + at, (uint8_t *)to + at, n))
            return false;
    }
    return true;
}

bool mem_store_area(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes)
{
    if (!mem_probe_write(cpu, i, lin, bytes))
        return false;
    for (unsigned at = 0; at < bytes; at += PIECE) {
        unsigned n = bytes - at < PIECE ? bytes - at : PIECE;

        if (!mem_store_block(cpu, i, lin + at, (const uint8_t *)from + at, n))
            return false;
    }
    return true;
}
