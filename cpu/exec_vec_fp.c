/* SPDX-License-Identifier: MIT
 * SSE floating-point arithmetic: add, subtract, multiply, divide, square root, minimum, maximum, compare, round, horizontal
 * sums and dot products. Conversions are in exec_vec_cvt.c, approximations in exec_vec_approx.c. */
#include "cpu/exec_vec_fp.h"

bool sse_raise(struct cpu *cpu, const struct sse_math *m)
{
    uint8_t flags = m->all;

    if (flags & ~m->e.masked & FP_BEFORE)
        flags &= FP_BEFORE;
    cpu->s.mxcsr |= flags | m->earlier;
    return fault_raise(cpu, cpu->p.cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

/* ---- two operands ---- */

#define ELEMENTS(name, bits, count, expr)                                                                     \
    static ALWAYS_INLINE void name##_lanes##bits(struct sse_math *m, union vec *d, const union vec *a UNUSED, \
                                                 const union vec *b, unsigned imm UNUSED)                    \
    {                                                                                                         \
        for (unsigned k = 0; k < count; k++) {                                                                \
            const uint##bits##_t x UNUSED = a->u##bits[k], y = b->u##bits[k];                                 \
                                                                                                              \
            d->u##bits[k] = (expr);                                                                           \
            sse_element(m);                                                                                   \
        }                                                                                                     \
    }
#define LOWEST(name, bits, expr)                                                                              \
    static ALWAYS_INLINE uint64_t name##_low##bits(struct sse_math *m, uint64_t a UNUSED, uint64_t b,         \
                                                   unsigned imm UNUSED)                                      \
    {                                                                                                         \
        const uint##bits##_t x UNUSED = (uint##bits##_t)a, y = (uint##bits##_t)b;                             \
                                                                                                              \
        return (expr);                                                                                        \
    }

/* All four forms of an operation: x is the first source's element, y the second's. */
#define FOUR_FORMS(NAME, name, unary, expr32, expr64)                                                         \
    ELEMENTS(name, 32, 4, expr32)                                                                             \
    ELEMENTS(name, 64, 2, expr64)                                                                             \
    LOWEST(name, 32, expr32)                                                                                  \
    LOWEST(name, 64, expr64)                                                                                  \
    SSE_PACKED(NAME##PS, name##_lanes32, unary)                                                               \
    SSE_PACKED(NAME##PD, name##_lanes64, unary)                                                               \
    SSE_LOW(NAME##SS, name##_low32, 4)                                                                        \
    SSE_LOW(NAME##SD, name##_low64, 8)

FOUR_FORMS(ADD, add, false, fp32_add(&m->e, x, y), fp64_add(&m->e, x, y))
FOUR_FORMS(SUB, sub, false, fp32_sub(&m->e, x, y), fp64_sub(&m->e, x, y))
FOUR_FORMS(MUL, mul, false, fp32_mul(&m->e, x, y), fp64_mul(&m->e, x, y))
FOUR_FORMS(DIV, div, false, fp32_div(&m->e, x, y), fp64_div(&m->e, x, y))
FOUR_FORMS(MIN, min, false, fp32_min(&m->e, x, y), fp64_min(&m->e, x, y))
FOUR_FORMS(MAX, max, false, fp32_max(&m->e, x, y), fp64_max(&m->e, x, y))
FOUR_FORMS(SQRT, sqrt, true, fp32_sqrt(&m->e, y), fp64_sqrt(&m->e, y))

/* ---- compare to a mask (SDM 2A "CMPPD", table "Comparison Predicate") ---- */

#define LT BIT(FP_LESS)
#define EQ BIT(FP_EQUAL)
#define GT BIT(FP_GREATER)
#define UN BIT(FP_UNORDERED)

/* True when the order is in `orders`; predicates 16-31 are the same with the other behaviour on quiet NaNs. */
static const struct { uint8_t orders, quiet; } predicates[16] = {
    { EQ, 1 },      { LT, 0 },      { LT | EQ, 0 },      { UN, 1 }, { LT | GT | UN, 1 }, { EQ | GT | UN, 0 }, { GT | UN, 0 },
    { LT | EQ | GT, 1 }, { EQ | UN, 1 }, { LT | UN, 0 }, { LT | EQ | UN, 0 }, { 0, 1 }, { LT | GT, 1 }, { EQ | GT, 0 },
    { GT, 0 }, { LT | EQ | GT | UN, 1 },
};

static bool predicate_quiet(unsigned imm) { return predicates[imm & 15].quiet ^ (imm >> 4 & 1); }
static bool predicate_holds(unsigned imm, enum fp_order order) { return predicates[imm & 15].orders >> order & 1; }

/* Legacy encodings have eight predicates. */
static unsigned predicate_of(const struct sse_math *m, unsigned imm) { return imm & (m->vex ? 31 : 7); }

#define COMPARE(bits)                                                                                         \
    uint##bits##_t sse_compare##bits(struct sse_math *m, uint##bits##_t x, uint##bits##_t y, unsigned imm)    \
    {                                                                                                         \
        const unsigned predicate = predicate_of(m, imm);                                                      \
        enum fp_order order = fp##bits##_compare(&m->e, x, y, predicate_quiet(predicate));                    \
                                                                                                              \
        return predicate_holds(predicate, order) ? (uint##bits##_t)~0ull : 0;                                 \
    }
COMPARE(32)
COMPARE(64)
FOUR_FORMS(CMP, cmp, false, sse_compare32(m, x, y, imm), sse_compare64(m, x, y, imm))

/* ---- compare to flags ---- */

static ALWAYS_INLINE bool compare_flags(struct cpu *cpu, const struct insn *i, unsigned bytes, bool quiet)
{
    static const uint32_t flags[] = { [FP_LESS] = FLAG_CF, [FP_EQUAL] = FLAG_ZF, [FP_GREATER] = 0,
                                      [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF };
    enum fp_order order;
    struct sse_math m;
    uint64_t a, b;

    if (!vec_check(cpu, i) || !vec_load_low(cpu, i, 1, &b, bytes))
        return false;
    a = load_bytes(xmm_at(cpu, i->o[0]), bytes);
    sse_begin(&m, cpu, i);
    order = bytes == 4 ? fp32_compare(&m.e, (uint32_t)a, (uint32_t)b, quiet) : fp64_compare(&m.e, a, b, quiet);
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    flags_put(&cpu->flags, flags[order]);
    return true;
}

EXEC(COMISS)  { RUN(compare_flags(cpu, i, 4, false)); }
EXEC(COMISD)  { RUN(compare_flags(cpu, i, 8, false)); }
EXEC(UCOMISS) { RUN(compare_flags(cpu, i, 4, true)); }
EXEC(UCOMISD) { RUN(compare_flags(cpu, i, 8, true)); }

/* ---- round to an integral value (SDM 2B "ROUNDPD", table "Rounding Modes and Encoding of Immediate Field") ---- */

static ALWAYS_INLINE void rounding_of(struct sse_math *m, unsigned imm)
{
    if (!(imm & 4))
        m->e.rounding = imm & 3;
}

#define ROUND(bits)                                                                                           \
    static uint##bits##_t round##bits(struct sse_math *m, uint##bits##_t y, unsigned imm)                     \
    {                                                                                                         \
        rounding_of(m, imm);                                                                                  \
        return fp##bits##_rint(&m->e, y, !(imm & 8));                                                         \
    }
ROUND(32)
ROUND(64)
FOUR_FORMS(ROUND, round, true, round32(m, y, imm), round64(m, y, imm))

/* ---- horizontal and alternating ---- */

#define HORIZONTAL(NAME, op)                                                                                  \
    static void h##op##_ps(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm UNUSED) \
    {                                                                                                         \
        for (unsigned k = 0; k < 4; k++) {                                                                    \
            const union vec *v = k < 2 ? a : b;                                                               \
                                                                                                              \
            d->u32[k] = fp32_##op(&m->e, v->u32[2 * (k & 1)], v->u32[2 * (k & 1) + 1]);                       \
            sse_element(m);                                                                                   \
        }                                                                                                     \
    }                                                                                                         \
    static void h##op##_pd(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm UNUSED) \
    {                                                                                                         \
        d->u64[0] = fp64_##op(&m->e, a->u64[0], a->u64[1]);                                                   \
        sse_element(m);                                                                                       \
        d->u64[1] = fp64_##op(&m->e, b->u64[0], b->u64[1]);                                                   \
        sse_element(m);                                                                                       \
    }                                                                                                         \
    SSE_PACKED(NAME##PS, h##op##_ps, false)                                                                   \
    SSE_PACKED(NAME##PD, h##op##_pd, false)
HORIZONTAL(HADD, add)
HORIZONTAL(HSUB, sub)

static void addsub_ps(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm UNUSED)
{
    for (unsigned k = 0; k < 4; k++) {
        d->u32[k] = k & 1 ? fp32_add(&m->e, a->u32[k], b->u32[k]) : fp32_sub(&m->e, a->u32[k], b->u32[k]);
        sse_element(m);
    }
}

static void addsub_pd(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm UNUSED)
{
    d->u64[0] = fp64_sub(&m->e, a->u64[0], b->u64[0]);
    sse_element(m);
    d->u64[1] = fp64_add(&m->e, a->u64[1], b->u64[1]);
    sse_element(m);
}
SSE_PACKED(ADDSUBPS, addsub_ps, false)
SSE_PACKED(ADDSUBPD, addsub_pd, false)

/* ---- dot products: products, then sums; an unmasked exception of a step stops the steps after it, in both lanes ---- */

static bool step_stops(struct sse_math *m)
{
    if (m->all & ~m->e.masked)
        return true;
    m->earlier |= m->all;
    m->all = 0;
    return false;
}

static uint32_t dot_add(struct sse_math *m, uint32_t a, uint32_t b)
{
    uint32_t sum = fp32_add(&m->e, a, b);

    sse_element(m);
    return sum;
}

static void dot_products(struct sse_math *m, union vec *t, const union vec *a, const union vec *b, unsigned imm)
{
    for (unsigned k = 0; k < 4; k++) {
        t->u32[k] = imm & BIT(4 + k) ? fp32_mul(&m->e, a->u32[k], b->u32[k]) : 0;
        sse_element(m);
    }
}

/* Of two NaNs the first operand's is the sum. Intel's processors add for each element of the result on its own, beginning
 * with its neighbour in the pair, then its own pair; AMD's add from below. */
static void dot_sums(struct sse_math *m, union vec *t)
{
    const uint32_t p[4] = { t->u32[0], t->u32[1], t->u32[2], t->u32[3] };

    if (m->vendor == VENDOR_AMD) {
        t->u32[0] = t->u32[1] = dot_add(m, p[0], p[1]);
        t->u32[2] = t->u32[3] = dot_add(m, p[2], p[3]);
        return;
    }
    for (unsigned k = 0; k < 4; k++)
        t->u32[k] = dot_add(m, p[k ^ 1], p[k]);
}

static void dot_ps(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm, unsigned lanes)
{
    union vec t[VEC_LANES_MAX];

    for (unsigned n = 0; n < lanes; n++)
        dot_products(m, &t[n], &a[n], &b[n], imm);
    if (step_stops(m))
        return;
    for (unsigned n = 0; n < lanes; n++)
        dot_sums(m, &t[n]);
    if (step_stops(m))
        return;
    for (unsigned n = 0; n < lanes; n++)
        for (unsigned k = 0; k < 4; k++) {
            unsigned from = m->vendor == VENDOR_AMD ? 0 : k;
            uint32_t sum = dot_add(m, t[n].u32[from], t[n].u32[from ^ 2]);

            d[n].u32[k] = imm & BIT(k) ? sum : 0;
        }
}

static void dot_pd(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm,
                   unsigned lanes UNUSED)
{
    uint64_t t[2] = { 0 };

    for (unsigned k = 0; k < 2; k++) {
        if (imm & BIT(4 + k))
            t[k] = fp64_mul(&m->e, a->u64[k], b->u64[k]);
        sse_element(m);
    }
    if (step_stops(m))
        return;
    for (unsigned k = 0; k < 2; k++) {
        uint64_t sum = m->vendor == VENDOR_AMD ? fp64_add(&m->e, t[0], t[1]) : fp64_add(&m->e, t[k], t[k ^ 1]);

        sse_element(m);
        d->u64[k] = imm & BIT(k) ? sum : 0;
    }
}

typedef void dot_fn(struct sse_math *m, union vec *d, const union vec *a, const union vec *b, unsigned imm, unsigned lanes);

static bool dot(struct cpu *cpu, const struct insn *i, dot_fn *fn)
{
    union vec a[VEC_LANES_MAX], b[VEC_LANES_MAX], d[VEC_LANES_MAX];
    struct sse_math m;

    if (!vec_check(cpu, i) || !vec_load(cpu, i, sse_second_slot(i, false), b, i->width))
        return false;
    vec_get(cpu, sse_first(i), a, i->width);
    sse_begin(&m, cpu, i);
    m.vendor = (uint8_t)cpu_vendor(cpu);
    fn(&m, d, a, b, (uint8_t)i->imm, i->width / 16);
    if (!sse_end(cpu, &m))
        return false;
    vec_put(cpu, i, i->o[0], d, i->width);
    return true;
}

EXEC(DPPS) { RUN(dot(cpu, i, dot_ps)); }
EXEC(DPPD) { RUN(dot(cpu, i, dot_pd)); }
