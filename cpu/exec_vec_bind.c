/* SPDX-License-Identifier: MIT
 * Which vector instructions get a handler of vec_fast.h. */
#include "cpu/exec.h"
#include "cpu/vec.h"

static const struct vec_fast *const fast[OP_COUNT] = {
#define VEC_FAST(NAME) [OP_##NAME] = &vec_fast_##NAME,
#include "cpu/vec_fast.def"
#undef VEC_FAST
};

static enum vec_shape shape_of(const struct insn *i, bool scalar)
{
    if (!i->vl)
        return scalar || i->width == 16 ? SHAPE_SSE : SHAPE_COUNT;
    if (scalar)
        return SHAPE_VEX16;
    return i->vl != i->width ? SHAPE_COUNT : i->vl == 16 ? SHAPE_VEX16 : i->vl == 32 ? SHAPE_VEX32 : SHAPE_COUNT;
}

insn_fn *exec_bind_vec(const struct cpu *cpu UNUSED, const struct insn *i)
{
    const struct vec_fast *f = fast[i->op];
    enum vec_shape shape;
    unsigned kind;

    if (i->flags & INSN_EVEX)
        return NULL;
    if (f == NULL)
        return exec_bind_vec_move(i);
    if (f->fn[SHAPE_SSE][0] == NULL && !vec_fast_fused())
        return NULL;
    shape = shape_of(i, f->scalar);
    if (shape == SHAPE_COUNT)
        return NULL;
    kind = FORM_KIND(i->form, f->slot[shape != SHAPE_SSE]);
    if (kind == KIND_MEM)
        return exec_flat64(i) ? f->fn[shape][1] : NULL;
    return kind == f->kind ? f->fn[shape][0] : NULL;
}
