/* SPDX-License-Identifier: MIT
 * SSE floating point in the shapes of vec_fast.h, by the host's arithmetic where IEEE 754 leaves the result and its flags no
 * freedom (fp_fast.h says when; here the same for whole vectors). All else goes to the general handlers. */
#include "cpu/exec.h"
#include "cpu/vec_fast_fp.h"

/* `when` the instruction may be done here; `bad` may look at x, y and the result r. A sum too small to be normal is exact,
 * but left to the general handler. */
#define PACKED(NAME, bits, vector, unary, result, when, bad)                                                \
    static ALWAYS_INLINE bool fast_##NAME(struct cpu *cpu UNUSED, const struct insn *i UNUSED, union vec *d, \
                                          const union vec *a UNUSED, const union vec *b, unsigned lane UNUSED) \
    {                                                                                                       \
        const vector x UNUSED = vec_load##bits((unary) ? b : a), y = vec_load##bits(b), r = (result);       \
                                                                                                            \
        memcpy(d, &r, 16);                                                                                  \
        return (when) && none(bad);                                                                         \
    }                                                                                                       \
    FAST_SHAPES(NAME, unary)

#define SUM_BAD(bits) tiny##bits(x) | tiny##bits(y) | tiny##bits(r) | beyond##bits(r)
#define PRODUCT_BAD(bits) \
    tiny##bits(x) | tiny##bits(y) | beyond##bits(r) | (small##bits(r) & ~zero##bits(x) & ~zero##bits(y))
#define QUOTIENT_BAD(bits) \
    tiny##bits(x) | (long2)(size_of##bits(y) < LEAST##bits) | beyond##bits(r) | (small##bits(r) & ~zero##bits(x))

PACKED(ADDPS, 32, float4, false, x + y, settled(cpu), SUM_BAD(32))
PACKED(ADDPD, 64, double2, false, x + y, settled(cpu), SUM_BAD(64))
PACKED(SUBPS, 32, float4, false, x - y, settled(cpu), SUM_BAD(32))
PACKED(SUBPD, 64, double2, false, x - y, settled(cpu), SUM_BAD(64))
PACKED(MULPS, 32, float4, false, x * y, settled(cpu), PRODUCT_BAD(32))
PACKED(MULPD, 64, double2, false, x * y, settled(cpu), PRODUCT_BAD(64))
PACKED(DIVPS, 32, float4, false, x / y, settled(cpu), QUOTIENT_BAD(32))
PACKED(DIVPD, 64, double2, false, x / y, settled(cpu), QUOTIENT_BAD(64))

/* A mask as a vector of its kind, and what it chooses. */
#define CHOOSE(vector, integers, mask, yes, no) \
    (vector)(((integers)(mask) & (integers)(yes)) | (~(integers)(mask) & (integers)(no)))
#define ORDERED_BAD(bits) tiny##bits(x) | tiny##bits(y) | (long2)(x != x) | (long2)(y != y)

PACKED(MINPS, 32, float4, false, CHOOSE(float4, int4, x < y, x, y), FP_FAST, ORDERED_BAD(32))
PACKED(MINPD, 64, double2, false, CHOOSE(double2, long2, x < y, x, y), FP_FAST, ORDERED_BAD(64))
PACKED(MAXPS, 32, float4, false, CHOOSE(float4, int4, x > y, x, y), FP_FAST, ORDERED_BAD(32))
PACKED(MAXPD, 64, double2, false, CHOOSE(double2, long2, x > y, x, y), FP_FAST, ORDERED_BAD(64))

#if defined(__SSE2__)
static ALWAYS_INLINE float4  roots32(float4 v)  { return (float4)_mm_sqrt_ps((__m128)v); }
static ALWAYS_INLINE double2 roots64(double2 v) { return (double2)_mm_sqrt_pd((__m128d)v); }
#elif defined(__aarch64__)
static ALWAYS_INLINE float4  roots32(float4 v)  { return (float4)vsqrtq_f32((float32x4_t)v); }
static ALWAYS_INLINE double2 roots64(double2 v) { return (double2)vsqrtq_f64((float64x2_t)v); }
#else
static ALWAYS_INLINE float4  roots32(float4 v)  { return v; }
static ALWAYS_INLINE double2 roots64(double2 v) { return v; }
#endif
#define ROOT_BAD(bits) (long2)~(y >= LEAST##bits) | beyond##bits(y)
PACKED(SQRTPS, 32, float4, true, roots32(y), FP_FAST_ROOT && settled(cpu), ROOT_BAD(32))
PACKED(SQRTPD, 64, double2, true, roots64(y), FP_FAST_ROOT && settled(cpu), ROOT_BAD(64))

/* Which of less 1, equal 2, greater 4 are true for numbers (SDM 2A "CMPPD", table "Comparison Predicate"): the upper
 * predicates differ in what they make of NaNs. */
static ALWAYS_INLINE unsigned orders_of(const struct insn *i)
{
    static const uint8_t orders[8] = { 2, 1, 3, 0, 5, 6, 4, 7 };

    return orders[i->imm & 7];
}

#define COMPARED(bits, vector, integers)                                                                    \
    (vector)(((x < y) & -(int##bits##_t)(orders_of(i) & 1)) |                                               \
             ((x == y) & -(int##bits##_t)(orders_of(i) >> 1 & 1)) |                                         \
             ((x > y) & -(int##bits##_t)(orders_of(i) >> 2)))
PACKED(CMPPS, 32, float4, false, COMPARED(32, float4, int4), FP_FAST, ORDERED_BAD(32))
PACKED(CMPPD, 64, double2, false, COMPARED(64, double2, long2), FP_FAST, ORDERED_BAD(64))

/* ---- the low element ---- */

/* a: the first source's, b: the last operand's; false: as above. */
#define LOW(NAME, bits, fast)                                                                               \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at, enum vec_shape shape) \
    {                                                                                                       \
        const struct fp_env e UNUSED = fast_env(cpu);                                                       \
        const uint##bits##_t b = load##bits(at), a UNUSED = load##bits(xmm_at(cpu, i->o[shape != SHAPE_SSE])); \
        uint##bits##_t out = 0;                                                                             \
                                                                                                            \
        if (!LIKELY(fast))                                                                                  \
            return false;                                                                                   \
        fast_put_low(cpu, i, shape, bits / 8, out);                                                         \
        return true;                                                                                        \
    }                                                                                                       \
    FAST_WORK(NAME, work_##NAME, bits / 8, FILE_XMM, 1, 2)

#define LOWEST(bits, suffix)                                                                                \
    static ALWAYS_INLINE bool choose##bits(uint##bits##_t a, uint##bits##_t b, enum fp_order wanted, uint##bits##_t *out) \
    {                                                                                                       \
        enum fp_order order;                                                                                \
                                                                                                            \
        if (!fast_compare##bits(a, b, &order))                                                              \
            return false;                                                                                   \
        *out = order == wanted ? a : b;                                                                     \
        return true;                                                                                        \
    }                                                                                                       \
    static ALWAYS_INLINE bool holds##bits(const struct insn *i, uint##bits##_t a, uint##bits##_t b, uint##bits##_t *out) \
    {                                                                                                       \
        enum fp_order order;                                                                                \
                                                                                                            \
        if (!fast_compare##bits(a, b, &order))                                                              \
            return false;                                                                                   \
        *out = 0 - (uint##bits##_t)(orders_of(i) >> order & 1);                                             \
        return true;                                                                                        \
    }                                                                                                       \
    LOW(ADD##suffix, bits, fast_add##bits(&e, a, b, &out))                                                  \
    LOW(SUB##suffix, bits, fast_add##bits(&e, a, b ^ (uint##bits##_t)1 << (bits - 1), &out))                \
    LOW(MUL##suffix, bits, fast_mul##bits(&e, a, b, &out))                                                  \
    LOW(DIV##suffix, bits, fast_div##bits(&e, a, b, &out))                                                  \
    LOW(SQRT##suffix, bits, fast_sqrt##bits(&e, b, &out))                                                   \
    LOW(MIN##suffix, bits, choose##bits(a, b, FP_LESS, &out))                                      \
    LOW(MAX##suffix, bits, choose##bits(a, b, FP_GREATER, &out))                                   \
    LOW(CMP##suffix, bits, holds##bits(i, a, b, &out))
LOWEST(32, SS)
LOWEST(64, SD)

/* ---- comparison to flags ---- */

#define FLAGS(NAME, bits)                                                                                   \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at,         \
                                          enum vec_shape shape UNUSED)                                      \
    {                                                                                                       \
        enum fp_order order;                                                                                \
                                                                                                            \
        if (!LIKELY(fast_compare##bits(load##bits(xmm_at(cpu, i->o[0])), load##bits(at), &order)))          \
            return false;                                                                                   \
        flags_put(&cpu->flags, order == FP_LESS ? FLAG_CF : order == FP_EQUAL ? FLAG_ZF : 0);               \
        return true;                                                                                        \
    }                                                                                                       \
    FAST_WORK(NAME, work_##NAME, bits / 8, FILE_XMM, 1, 1)
FLAGS(COMISS, 32)
FLAGS(COMISD, 64)
FLAGS(UCOMISS, 32)
FLAGS(UCOMISD, 64)

/* ---- conversions ---- */

/* Between the formats: the source's element is not of the result's size. */
#define BETWEEN(NAME, from, to, fast)                                                                       \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at, enum vec_shape shape) \
    {                                                                                                       \
        const struct fp_env e UNUSED = fast_env(cpu);                                                       \
        const uint##from##_t b = load##from(at);                                                            \
        uint##to##_t out;                                                                                   \
                                                                                                            \
        if (!LIKELY(fast))                                                                                  \
            return false;                                                                                   \
        fast_put_low(cpu, i, shape, to / 8, out);                                                           \
        return true;                                                                                        \
    }                                                                                                       \
    FAST_WORK(NAME, work_##NAME, from / 8, FILE_XMM, 1, 2)
BETWEEN(CVTSS2SD, 32, 64, fast_widen(b, &out))
BETWEEN(CVTSD2SS, 64, 32, fast_narrow(&e, b, &out))

/* From a general register or memory, of 4 bytes or 8 with REX.W; of memory that ends within 8 only the general handler reads
 * 4. */
#define FROM_INTEGER(NAME, bits)                                                                            \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at, enum vec_shape shape) \
    {                                                                                                       \
        const struct fp_env e = fast_env(cpu);                                                              \
        const bool wide = vec_general_bytes(cpu, i) == 8;                                                   \
        uint##bits##_t out;                                                                                 \
                                                                                                            \
        if (!LIKELY(fast_from_int##bits(&e, wide ? (int64_t)load64(at) : (int32_t)load32(at), &out)))       \
            return false;                                                                                   \
        fast_put_low(cpu, i, shape, bits / 8, out);                                                         \
        return true;                                                                                        \
    }
FROM_INTEGER(CVTSI2SS, 32)
FROM_INTEGER(CVTSI2SD, 64)
FAST_WORK(CVTSI2SS, work_CVTSI2SS, 8, FILE_GENERAL, 1, 2)
FAST_WORK(CVTSI2SD, work_CVTSI2SD, 8, FILE_GENERAL, 1, 2)

/* To a general register. Loss of precision is recorded here when it is masked. */
static ALWAYS_INLINE bool to_integer(struct cpu *cpu, const struct insn *i, double x, bool truncate)
{
    const unsigned bytes = vec_general_bytes(cpu, i);
    struct fp_env e = fast_env(cpu);
    int64_t out;
    bool inexact;

    if (truncate)
        e.rounding = FP_ZERO;
    if (!fast_to_int(&e, x, &out, &inexact) || out >> (8 * bytes - 1) != out >> 63 || (inexact && !(e.masked & FP_PE)))
        return false;
    cpu->s.mxcsr |= inexact ? FP_PE : 0;
    reg_set(cpu, i->o[0], bytes, (uint64_t)out);
    return true;
}

#define TO_INTEGER(NAME, bits, truncate)                                                                    \
    static ALWAYS_INLINE bool work_##NAME(struct cpu *cpu, const struct insn *i, const uint8_t *at,         \
                                          enum vec_shape shape UNUSED)                                      \
    {                                                                                                       \
        const uint##bits##_t v = load##bits(at);                                                            \
                                                                                                            \
        return LIKELY(fast_operand##bits(v)) && to_integer(cpu, i, fast_value##bits(v), truncate);          \
    }                                                                                                       \
    FAST_WORK(NAME, work_##NAME, bits / 8, FILE_XMM, 1, 1)
TO_INTEGER(CVTSS2SI, 32, false)
TO_INTEGER(CVTSD2SI, 64, false)
TO_INTEGER(CVTTSS2SI, 32, true)
TO_INTEGER(CVTTSD2SI, 64, true)
