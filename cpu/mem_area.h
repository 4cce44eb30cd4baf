/* SPDX-License-Identifier: MIT
 * Operands larger than a vector: FSAVE, FXSAVE and XSAVE images. */
#ifndef CPU_MEM_AREA_H
#define CPU_MEM_AREA_H

#include "cpu/mem.h"

bool mem_load_area(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes);
/* Every page is proved writable before the first byte is stored, so a fault leaves memory as it was. */
bool mem_store_area(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes);

#endif
