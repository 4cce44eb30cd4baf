/* SPDX-License-Identifier: MIT
 * Fused multiply-add in the shapes of vec_fast.h by the host's own, where it has one; IEEE 754 leaves a normal result of
 * numbers no freedom. On x86-64 the processor is asked when blocks are bound. */
#include "cpu/exec.h"
#include "cpu/vec_fast_fp.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__x86_64__) && FP_FAST
#define FUSED_TARGET __attribute__((target("fma")))
bool vec_fast_fused(void) { return __builtin_cpu_supports("fma"); }
#elif defined(__aarch64__) && FP_FAST
#define FUSED_TARGET
bool vec_fast_fused(void) { return true; }
#else
#define FUSED_TARGET
bool vec_fast_fused(void) { return false; }
#endif

/* ---- whole vectors: d = (-)x * y +- z ---- */

#if defined(__x86_64__)
FUSED_TARGET static ALWAYS_INLINE float4  fused32(float4 x, float4 y, float4 z)    { return (float4)_mm_fmadd_ps(x, y, z); }
FUSED_TARGET static ALWAYS_INLINE double2 fused64(double2 x, double2 y, double2 z) { return (double2)_mm_fmadd_pd(x, y, z); }
FUSED_TARGET static ALWAYS_INLINE float   fused_low32(float x, float y, float z)    { return __builtin_fmaf(x, y, z); }
FUSED_TARGET static ALWAYS_INLINE double  fused_low64(double x, double y, double z) { return __builtin_fma(x, y, z); }
#elif defined(__aarch64__)
static ALWAYS_INLINE float4  fused32(float4 x, float4 y, float4 z)
{
    return (float4)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
}
static ALWAYS_INLINE double2 fused64(double2 x, double2 y, double2 z)
{
    return (double2)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y);
}
static ALWAYS_INLINE float   fused_low32(float x, float y, float z)    { return __builtin_fmaf(x, y, z); }
static ALWAYS_INLINE double  fused_low64(double x, double y, double z) { return __builtin_fma(x, y, z); }
#else   /* never called: vec_fast_fused() */
static ALWAYS_INLINE float4  fused32(float4 x, float4 y, float4 z)      { return x * y + z; }
static ALWAYS_INLINE double2 fused64(double2 x, double2 y, double2 z)   { return x * y + z; }
static ALWAYS_INLINE float   fused_low32(float x, float y, float z)     { return x * y + z; }
static ALWAYS_INLINE double  fused_low64(double x, double y, double z)  { return x * y + z; }
#endif

/* A small result may only be the zero of zeros. */
#define FUSED_RUN(bits, vector, type)                                                                       \
    FUSED_TARGET static ALWAYS_INLINE bool lane##bits(union vec *one, const union vec *two, const union vec *three, \
                                                      unsigned role, union vec product, union vec addend)   \
    {                                                                                                       \
        const union vec *a = role == 9 ? one : two, *b = role == 10 ? one : three;                          \
        const union vec *c = role == 9 ? two : role == 10 ? three : one;                                    \
        const vector x = vec_flip##bits(a, &product), y = vec_load##bits(b), z = vec_flip##bits(c, &addend);\
        const vector r = fused##bits(x, y, z);                                                              \
                                                                                                            \
        memcpy(one, &r, 16);                                                                                \
        return none(tiny##bits(x) | tiny##bits(y) | tiny##bits(z) | beyond##bits(r) |                       \
                    (small##bits(r) & ~(zero##bits(z) & (zero##bits(x) | zero##bits(y)))));                 \
    }                                                                                                       \
    FUSED_TARGET static ALWAYS_INLINE unsigned fused_run##bits(struct cpu *cpu, const struct insn *i, insn_fn *general, \
                                                               unsigned bytes, bool memory, bool product, bool addend) \
    {                                                                                                       \
        const union vec flip_product = signs##bits(product), flip_addend = signs##bits(addend);             \
        const unsigned role = i->opcode >> 4;                                                               \
        union vec d[2], two[2], three[2];                                                                   \
        const uint8_t *at;                                                                                  \
                                                                                                            \
        if (!fast_avx(cpu) || !settled(cpu))                                                                \
            return general(cpu, i);                                                                         \
        if (!memory)                                                                                        \
            at = xmm_at(cpu, i->o[2]);                                                                      \
        else if (!fast_memory(cpu, i, bytes, 1, &at))                                                       \
            return general(cpu, i);                                                                         \
        memcpy(d, xmm_at(cpu, i->o[0]), bytes);                                                             \
        memcpy(two, xmm_at(cpu, i->o[1]), bytes);                                                           \
        memcpy(three, at, bytes);                                                                           \
        for (unsigned n = 0; n < bytes / 16; n++) {                                                         \
            if (!lane##bits(&d[n], &two[n], &three[n], role, flip_product, flip_addend))                    \
                return general(cpu, i);                                                                     \
        }                                                                                                   \
        fast_put(cpu, SHAPE_VEX32, i->o[0], d, bytes);                                                      \
        NEXT_PURE();                                                                                        \
    }                                                                                                       \
    FUSED_TARGET static ALWAYS_INLINE unsigned fused_low_run##bits(struct cpu *cpu, const struct insn *i, insn_fn *general, \
                                                                   bool memory, bool product, bool addend)  \
    {                                                                                                       \
        const uint##bits##_t sign = (uint##bits##_t)1 << (bits - 1), one = load##bits(xmm_at(cpu, i->o[0])); \
        const uint##bits##_t two = load##bits(xmm_at(cpu, i->o[1]));                                        \
        const unsigned role = i->opcode >> 4;                                                               \
        uint##bits##_t three, a, b, c, r;                                                                   \
        const uint8_t *at = xmm_at(cpu, i->o[2]);                                                           \
                                                                                                            \
        if (!fast_avx(cpu) || !settled(cpu) || (memory && !fast_memory(cpu, i, bits / 8, 1, &at)))          \
            return general(cpu, i);                                                                         \
        three = load##bits(at);                                                                             \
        a = (role == 9 ? one : two) ^ (product ? sign : 0);                                                 \
        b = role == 10 ? one : three;                                                                       \
        c = (role == 9 ? two : role == 10 ? three : one) ^ (addend ? sign : 0);                             \
        r = fast_bits##bits(fused_low##bits(fast_value##bits(a), fast_value##bits(b), fast_value##bits(c))); \
        if (!fast_operand##bits(a) || !fast_operand##bits(b) || !fast_operand##bits(c) || !fast_result##bits(r)) \
            return general(cpu, i);                                                                         \
        store##bits(xmm_at(cpu, i->o[0]), r);                                                               \
        memset(xmm_at(cpu, i->o[0]) + 16, 0, 48);                                                           \
        NEXT_PURE();                                                                                        \
    }

#define SIGNS(bits, count)                                                                                  \
    static ALWAYS_INLINE union vec signs##bits(bool wanted)                                                 \
    {                                                                                                       \
        union vec v;                                                                                        \
                                                                                                            \
        for (unsigned k = 0; k < (count); k++)                                                              \
            v.u##bits[k] = wanted ? (uint##bits##_t)1 << (bits - 1) : 0;                                    \
        return v;                                                                                           \
    }
SIGNS(32, 4)
SIGNS(64, 2)

static ALWAYS_INLINE float4  vec_flip32(const union vec *v, const union vec *s)
{
    return (float4)((long2)vec_load64(v) ^ (long2)vec_load64(s));
}
static ALWAYS_INLINE double2 vec_flip64(const union vec *v, const union vec *s)
{
    return (double2)((long2)vec_load64(v) ^ (long2)vec_load64(s));
}

FUSED_RUN(32, float4, float)
FUSED_RUN(64, double2, double)

#define FUSED_HANDLER(NAME, suffix, run)                                                                    \
    FUSED_TARGET static unsigned NAME##_##suffix(struct cpu *cpu, const struct insn *i) { return run; }
#define FUSED_PACKED(NAME, bits, product, addend)                                                           \
    FUSED_HANDLER(NAME, vex16_r, fused_run##bits(cpu, i, exec_##NAME, 16, false, product, addend))      \
    FUSED_HANDLER(NAME, vex16_m, fused_run##bits(cpu, i, exec_##NAME, 16, true, product, addend))       \
    FUSED_HANDLER(NAME, vex32_r, fused_run##bits(cpu, i, exec_##NAME, 32, false, product, addend))      \
    FUSED_HANDLER(NAME, vex32_m, fused_run##bits(cpu, i, exec_##NAME, 32, true, product, addend))       \
    const struct vec_fast vec_fast_##NAME = {                                                               \
        { { NULL, NULL }, { NAME##_vex16_r, NAME##_vex16_m }, { NAME##_vex32_r, NAME##_vex32_m } },         \
        { 2, 2 }, KIND_REG, false                                                                           \
    };
#define FUSED_LOW(NAME, bits, product, addend)                                                              \
    FUSED_HANDLER(NAME, vex_r, fused_low_run##bits(cpu, i, exec_##NAME, false, product, addend))        \
    FUSED_HANDLER(NAME, vex_m, fused_low_run##bits(cpu, i, exec_##NAME, true, product, addend))         \
    const struct vec_fast vec_fast_##NAME = {                                                               \
        { { NULL, NULL }, { NAME##_vex_r, NAME##_vex_m } }, { 2, 2 }, KIND_REG, true                        \
    };
#define FUSED(NAME, product, addend)                                                                        \
    FUSED_PACKED(NAME##PS, 32, product, addend)                                                             \
    FUSED_PACKED(NAME##PD, 64, product, addend)                                                             \
    FUSED_LOW(NAME##SS, 32, product, addend)                                                                \
    FUSED_LOW(NAME##SD, 64, product, addend)
FUSED(FMADD, false, false)
FUSED(FMSUB, false, true)
FUSED(FNMADD, true, false)
FUSED(FNMSUB, true, true)
