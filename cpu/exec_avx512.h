/* SPDX-License-Identifier: MIT
 * Frames of the operations that only EVEX encodes: sources seen whole, a destination that is a source too, or an opmask as
 * the result. Masks, broadcast and faults are evex.h's, so an operation here is a loop over elements. */
#ifndef CPU_EXEC_AVX512_H
#define CPU_EXEC_AVX512_H

#include "cpu/vec.h"

/* d comes in with the old destination; a is the first source, b the second (register or memory); `bytes` of each count. */
typedef void wide_fn(union wide *d, const union wide *a, const union wide *b, unsigned bytes, unsigned imm);

/* Slots 1 and 2, or slot 1 alone as b. */
static ALWAYS_INLINE bool wide_sources(struct cpu *cpu, const struct insn *i, union wide *a, union wide *b, bool unary)
{
    return vex_sources(cpu, i, a->lane, b->lane, unary);
}

static ALWAYS_INLINE bool wide_frame(struct cpu *cpu, const struct insn *i, wide_fn *fn, bool unary)
{
    union wide a, b, d;

    if (!wide_sources(cpu, i, &a, &b, unary))
        return false;
    vec_get(cpu, i->o[0], d.lane, 64);
    fn(&d, &a, &b, i->vl, (uint8_t)i->imm);
    vex_result(cpu, i, d.lane);
    return true;
}

#define WIDE_HEAD(NAME)                                                                         \
    static ALWAYS_INLINE void wide_##NAME(union wide *d UNUSED, const union wide *a UNUSED, const union wide *b UNUSED, \
                                          unsigned bytes UNUSED, unsigned imm UNUSED)
#define WIDE_BINARY(NAME)   EXEC(NAME) { RUN(wide_frame(cpu, i, wide_##NAME, false)); }
#define WIDE_UNARY(NAME)    EXEC(NAME) { RUN(wide_frame(cpu, i, wide_##NAME, true)); }

/* Element by element: x of the first source, y of the second, z the old one of the destination; n is imm8. Always all 64 bytes,
 * which the compiler can do as vectors; what is above the vector length is not taken over. */
#define WIDE_LOOP(NAME, field, expr)                                                            \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        const unsigned n UNUSED = imm;                                                          \
        for (unsigned k = 0; k < sizeof *d / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) x UNUSED = a->field[k], y UNUSED = b->field[k], z UNUSED = d->field[k]; \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }
#define WIDE(NAME, field, expr)     WIDE_LOOP(NAME, field, expr) WIDE_BINARY(NAME)
#define WIDE1(NAME, field, expr)                                                                \
    WIDE_HEAD(NAME)                                                                             \
    {                                                                                           \
        for (unsigned k = 0; k < sizeof *d / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) y = b->field[k];                                      \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }                                                                                           \
    WIDE_UNARY(NAME)

/* `count` bytes of 0 or 1 to as many bits. */
static ALWAYS_INLINE uint64_t bits_of_bytes(const uint8_t *bytes, unsigned count)
{
    uint64_t bits = 0;

    for (unsigned k = 0; k < count; k += 8)
        bits |= (load64(bytes + k) * 0x0102040810204080ull >> 56) << k;
    return bits;
}

/* A bit per element: whether expr of x and y holds. */
#define WIDE_TEST(NAME, field, expr)                                                            \
    static bool test_##NAME(struct cpu *cpu, const struct insn *i)                              \
    {                                                                                           \
        const unsigned n UNUSED = (unsigned)i->imm & 7;                                         \
        uint8_t holds[sizeof(union wide) / sizeof ((union wide *)0)->field[0]];                 \
        union wide a, b;                                                                        \
                                                                                                \
        if (!wide_sources(cpu, i, &a, &b, false))                                               \
            return false;                                                                       \
        for (unsigned k = 0; k < sizeof holds; k++) {                                           \
            const __typeof__(a.field[0]) x = a.field[k], y = b.field[k];                        \
            holds[k] = (expr) ? 1 : 0;                                                          \
        }                                                                                       \
        evex_put_mask(cpu, i, bits_of_bytes(holds, sizeof holds));                              \
        return true;                                                                            \
    }                                                                                           \
    EXEC(NAME) { RUN(test_##NAME(cpu, i)); }

#endif
