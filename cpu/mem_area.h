/* SPDX-License-Identifier: MIT
 * Operands larger than a vector: FSAVE, FXSAVE and XSAVE images. */
#ifndef CPU_MEM_AREA_H
#define CPU_MEM_AREA_H

#include "cpu/mem.h"

/* Microcode looks at an area's first element, of `first` bytes at lin, and at its last byte before anything between them: that
 * is where a fault's address comes from (seen on Emerald Rapids). `bytes` is the size of i's operand. */
bool mem_probe_last(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access);
bool mem_probe_ends(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned first, unsigned bytes, unsigned access);

bool mem_load_area(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes);
/* Every page is proved writable before the first byte is stored, so a fault leaves memory as it was. */
bool mem_store_area(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes);

#endif
