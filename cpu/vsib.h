/* SPDX-License-Identifier: MIT
 * What gathers and scatters of both encodings share: where an element lies, and how the instruction stops half way. */
#ifndef CPU_VSIB_H
#define CPU_VSIB_H

#include "cpu/vec.h"

/* SDM 2A "Vector SIB (VSIB) Memory Addressing": the element of `bytes` bytes whose index is given. */
static inline bool vsib_linear(struct cpu *cpu, const struct insn *i, const uint8_t *index, unsigned index_bytes, unsigned bytes,
                               unsigned access, gva_t *lin)
{
    const uint64_t at = load_bytes(index, index_bytes);

    *lin = mask_size(load64((const uint8_t *)cpu->s.gpr + i->base) + (uint64_t)i->disp +
                     ((uint64_t)bits_sign(at, 8 * index_bytes) << i->scale), i->asize);
    return !(i->flags & INSN_SEGMENT) || ea_segment(cpu, i, *lin, bytes, access, lin);
}

/* A fault after `done` elements. "Any pending traps or interrupts will be delivered in lieu of the exception" once one is done
 * (SDM 2C "VPGATHERDD/VPGATHERQD", "VPSCATTERDD/..."), and a single step is one; the instruction then goes on with the rest. */
static ALWAYS_INLINE unsigned vsib_stop(struct cpu *cpu, const struct insn *i, unsigned done)
{
    if (done == 0 || !(cpu->p.rflags & FLAG_TF))
        FAULT();
    cpu->p.rep_resume = 1;
    AGAIN();
}

#endif
