/* SPDX-License-Identifier: MIT
 * The out-of-line halves of the vector frames: MMX and VEX operands. */
#include "cpu/vec.h"

bool mmx_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b)
{
    if (!mmx_check(cpu, i) || !mmx_load(cpu, i, 1, b))
        return false;
    a->u64[0] = mmx_get(cpu, i->o[0]);
    return true;
}

bool vex_sources(struct cpu *cpu, const struct insn *i, union vec *a, union vec *b, bool unary)
{
    if (!vex_check(cpu, i) || !vec_load(cpu, i, unary ? 1 : 2, b, i->width))
        return false;
    if (!unary)
        vec_get(cpu, i->o[1], a, i->width);
    return true;
}

void vex_result(struct cpu *cpu, const struct insn *i, const union vec *d)
{
    vec_put(cpu, i, i->o[0], d, i->width);
}
