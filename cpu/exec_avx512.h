/* SPDX-License-Identifier: MIT
 * Frames of the operations that only EVEX encodes: sources seen whole, a destination that is a source too, or an opmask as
 * the result. Masks, broadcast and faults are evex.h's, so an operation here is a loop over elements. */
#ifndef CPU_EXEC_AVX512_H
#define CPU_EXEC_AVX512_H

#include "cpu/vec.h"

/* d comes in with the old destination; a is the first source, b the second (register or memory); `bytes` of each. */
typedef void wide_fn(union wide *d, const union wide *a, const union wide *b, unsigned bytes, unsigned imm);

/* Slots 1 and 2, or slot 1 alone as b. */
static ALWAYS_INLINE bool wide_sources(struct cpu *cpu, const struct insn *i, union wide *a, union wide *b, bool unary)
{
    if (!vex_check(cpu, i) || !vec_load(cpu, i, unary ? 1 : 2, b->lane, i->vl))
        return false;
    if (!unary)
        vec_get(cpu, i->o[1], a->lane, i->vl);
    return true;
}

static ALWAYS_INLINE bool wide_frame(struct cpu *cpu, const struct insn *i, wide_fn *fn, bool unary)
{
    union wide a, b, d;

    if (!wide_sources(cpu, i, &a, &b, unary))
        return false;
    vec_get(cpu, i->o[0], d.lane, i->vl);
    fn(&d, &a, &b, i->vl, (uint8_t)i->imm);
    vec_put(cpu, i, i->o[0], d.lane, i->vl);
    return true;
}

#define WIDE_HEAD(NAME)                                                                         \
    static ALWAYS_INLINE void wide_##NAME(union wide *d UNUSED, const union wide *a UNUSED, const union wide *b UNUSED, \
                                          unsigned bytes UNUSED, unsigned imm UNUSED)
#define WIDE_BINARY(NAME)   EXEC(NAME) { RUN(wide_frame(cpu, i, wide_##NAME, false)); }
#define WIDE_UNARY(NAME)    EXEC(NAME) { RUN(wide_frame(cpu, i, wide_##NAME, true)); }

/* Element by element: x of the first source, y of the second, z the old one of the destination; n is imm8. */
#define WIDE_LOOP(NAME, field, expr)                                                            \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        const unsigned n UNUSED = imm;                                                          \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) x UNUSED = a->field[k], y UNUSED = b->field[k], z UNUSED = d->field[k]; \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }
#define WIDE(NAME, field, expr)     WIDE_LOOP(NAME, field, expr) WIDE_BINARY(NAME)
#define WIDE1(NAME, field, expr)                                                                \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) y = b->field[k];                                      \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }                                                                                           \
    WIDE_UNARY(NAME)

/* A bit per element: whether expr of x and y holds. */
#define WIDE_TEST(NAME, field, expr)                                                            \
    static bool test_##NAME(struct cpu *cpu, const struct insn *i)                              \
    {                                                                                           \
        const unsigned n UNUSED = (unsigned)i->imm & 7;                                         \
        union wide a, b;                                                                        \
        uint64_t bits = 0;                                                                      \
                                                                                                \
        if (!wide_sources(cpu, i, &a, &b, false))                                               \
            return false;                                                                       \
        for (unsigned k = 0; k < i->vl / sizeof a.field[0]; k++) {                              \
            const __typeof__(a.field[0]) x = a.field[k], y = b.field[k];                        \
            bits |= (uint64_t)((expr) ? 1 : 0) << k;                                            \
        }                                                                                       \
        evex_put_mask(cpu, i, bits);                                                            \
        return true;                                                                            \
    }                                                                                           \
    EXEC(NAME) { RUN(test_##NAME(cpu, i)); }

#endif
