/* SPDX-License-Identifier: MIT
 * The out-of-line halves of the vector frames: MMX and VEX operands. */
#include "cpu/vec.h"

void vec_misplaced(struct cpu *cpu, const struct insn *i, unsigned alignment)
{
    if ((cpu->p.seg_base[i->seg] + ea_offset(cpu, i)) & (alignment - 1))
        fault_gp(cpu, 0);
}

bool mmx_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b)
{
    if (!mmx_check(cpu, i) || !mmx_load(cpu, i, 1, b))
        return false;
    a->u64[0] = mmx_get(cpu, i->o[0]);
    return true;
}

/* Registers are copied whole: a constant size is cheaper than the exact one. */
static ALWAYS_INLINE bool load_whole(struct cpu *cpu, const struct insn *i, unsigned n, union vec *to)
{
    if (FORM_KIND(i->form, n) != KIND_REG)
        return vec_load_mem(cpu, i, to, i->vl);
    vec_get(cpu, i->o[n], to, 64);
    return true;
}

bool vex_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b, bool unary)
{
    if (!vex_check(cpu, i) || !load_whole(cpu, i, unary ? 1 : 2, b))
        return false;
    if (!unary)
        vec_get(cpu, i->o[1], a, 64);
    return true;
}

void vex_result(struct cpu *cpu, const struct insn *i, const union vec *d)
{
    vec_put(cpu, i, i->o[0], d, i->width);
}
