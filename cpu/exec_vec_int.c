/* SPDX-License-Identifier: MIT
 * MMX, SSE and AVX integer arithmetic, comparison, logic and shifts: one lane loop per operation. Moves and shuffles are in
 * their own files; nothing here looks at elements across 128-bit lanes. */
#include "cpu/vec.h"

/* ---- logic ---- */

LANES(PAND,  u64, x & y)
LANES(PANDN, u64, ~x & y)
LANES(POR,   u64, x | y)
LANES(PXOR,  u64, x ^ y)

/* ---- add, subtract ---- */

LANES(PADDB,   u8,  x + y)
LANES(PADDW,   u16, x + y)
LANES(PADDD,   u32, x + y)
LANES(PADDQ,   u64, x + y)
LANES(PADDSB,  s8,  sat_s8(x + y))
LANES(PADDSW,  s16, sat_s16(x + y))
LANES(PADDUSB, u8,  sat_u8(x + y))
LANES(PADDUSW, u16, sat_u16(x + y))
LANES(PSUBB,   u8,  x - y)
LANES(PSUBW,   u16, x - y)
LANES(PSUBD,   u32, x - y)
LANES(PSUBQ,   u64, x - y)
LANES(PSUBSB,  s8,  sat_s8(x - y))
LANES(PSUBSW,  s16, sat_s16(x - y))
LANES(PSUBUSB, u8,  sat_u8(x - y))
LANES(PSUBUSW, u16, sat_u16(x - y))

/* ---- multiply ---- */

LANES(PMULLW,   s16, x * y)
LANES(PMULHW,   s16, (x * y) >> 16)
LANES(PMULHUW,  u16, ((uint32_t)x * y) >> 16)
LANES(PMULHRSW, s16, (((x * y) >> 14) + 1) >> 1)
LANES(PMULLD,   u32, x * y)
LANES(PMULUDQ,  u64, (uint64_t)(uint32_t)x * (uint32_t)y)
LANES(PMULDQ,   s64, (int64_t)(int32_t)x * (int32_t)y)

/* Unsigned addition: both products may be 4000_0000h. */
LANES_HEAD(PMADDWD)
{
    for (unsigned k = 0; k < bytes / 4; k++)
        d->u32[k] = (uint32_t)(a->s16[2 * k] * b->s16[2 * k]) + (uint32_t)(a->s16[2 * k + 1] * b->s16[2 * k + 1]);
}
VEC_BINARY(PMADDWD)

/* The first source's bytes are unsigned, the second's signed. */
LANES_HEAD(PMADDUBSW)
{
    for (unsigned k = 0; k < bytes / 2; k++)
        d->s16[k] = sat_s16(a->u8[2 * k] * b->s8[2 * k] + a->u8[2 * k + 1] * b->s8[2 * k + 1]);
}
VEC_BINARY(PMADDUBSW)

/* ---- average, minimum, maximum, absolute value, sign ---- */

LANES(PAVGB,  u8,  (x + y + 1) >> 1)
LANES(PAVGW,  u16, (x + y + 1) >> 1)
LANES(PMINUB, u8,  x < y ? x : y)
LANES(PMINUW, u16, x < y ? x : y)
LANES(PMINUD, u32, x < y ? x : y)
LANES(PMINSB, s8,  x < y ? x : y)
LANES(PMINSW, s16, x < y ? x : y)
LANES(PMINSD, s32, x < y ? x : y)
LANES(PMAXUB, u8,  x > y ? x : y)
LANES(PMAXUW, u16, x > y ? x : y)
LANES(PMAXUD, u32, x > y ? x : y)
LANES(PMAXSB, s8,  x > y ? x : y)
LANES(PMAXSW, s16, x > y ? x : y)
LANES(PMAXSD, s32, x > y ? x : y)
LANES1(PABSB, s8,  y < 0 ? -y : y)
LANES1(PABSW, s16, y < 0 ? -y : y)
LANES1(PABSD, s32, y < 0 ? 0u - (uint32_t)y : (uint32_t)y)
LANES(PSIGNB, s8,  y < 0 ? -x : y == 0 ? 0 : x)
LANES(PSIGNW, s16, y < 0 ? -x : y == 0 ? 0 : x)
LANES(PSIGND, s32, y < 0 ? 0u - (uint32_t)x : y == 0 ? 0u : (uint32_t)x)

/* ---- compare ---- */

LANES(PCMPEQB, u8,  -(x == y))
LANES(PCMPEQW, u16, -(x == y))
LANES(PCMPEQD, u32, -(x == y))
LANES(PCMPEQQ, s64, -(int64_t)(x == y))
LANES(PCMPGTB, s8,  -(x > y))
LANES(PCMPGTW, s16, -(x > y))
LANES(PCMPGTD, s32, -(x > y))
LANES(PCMPGTQ, s64, -(int64_t)(x > y))

/* ZF: (second AND first) == 0; CF: (second AND NOT first) == 0; the others 0. */
static bool ptest(struct cpu *cpu, const struct insn *i)
{
    union vec a[VEC_LANES_MAX], b[VEC_LANES_MAX];
    uint64_t both = 0, rest = 0;

    if (!vec_check(cpu, i) || !vec_load(cpu, i, 1, b, i->width))
        return false;
    vec_get(cpu, i->o[0], a, i->width);
    for (unsigned n = 0; n < i->width / 8u; n++) {
        both |= b[n / 2].u64[n & 1] & a[n / 2].u64[n & 1];
        rest |= b[n / 2].u64[n & 1] & ~a[n / 2].u64[n & 1];
    }
    flags_put(&cpu->flags, (both ? 0 : FLAG_ZF) | (rest ? 0 : FLAG_CF));
    return true;
}

EXEC(PTEST)
{
    if (!ptest(cpu, i))
        FAULT();
    NEXT();
}

/* ---- across neighbours ---- */

/* Sums of neighbours: the first source's fill the low half of the lane, the second's the high half. */
#define NEIGHBOURS(NAME, field, expr)                                                           \
    LANES_HEAD(NAME)                                                                            \
    {                                                                                           \
        const unsigned half = bytes / (unsigned)sizeof d->field[0] / 2;                         \
        for (unsigned k = 0; k < 2 * half; k++) {                                               \
            const union vec *from = k < half ? a : b;                                           \
            const unsigned at = 2 * (k < half ? k : k - half);                                  \
            const __typeof__(d->field[0]) x = from->field[at], y = from->field[at + 1];         \
            d->field[k] = (__typeof__(d->field[0]))(expr);                                      \
        }                                                                                       \
    }                                                                                           \
    VEC_BINARY(NAME)

NEIGHBOURS(PHADDW,  u16, x + y)
NEIGHBOURS(PHADDD,  u32, x + y)
NEIGHBOURS(PHADDSW, s16, sat_s16(x + y))
NEIGHBOURS(PHSUBW,  u16, x - y)
NEIGHBOURS(PHSUBD,  u32, x - y)
NEIGHBOURS(PHSUBSW, s16, sat_s16(x - y))

static ALWAYS_INLINE unsigned difference(uint8_t x, uint8_t y)
{
    return x > y ? (unsigned)(x - y) : (unsigned)(y - x);
}

LANES_HEAD(PSADBW)
{
    for (unsigned n = 0; n < bytes / 8; n++) {
        unsigned sum = 0;

        for (unsigned k = 8 * n; k < 8 * n + 8; k++)
            sum += difference(a->u8[k], b->u8[k]);
        d->u64[n] = sum;
    }
}
VEC_BINARY(PSADBW)

/* Eight sums of four differences: a block of the second source against a sliding one of the first. The upper lane of a
 * 256-bit vector has its own bits of the immediate. */
LANES_IMM_HEAD(MPSADBW)
{
    const unsigned ctl = imm >> (3 * lane);
    const unsigned fixed = 4 * (ctl & 3), slide = ctl & 4;

    for (unsigned k = 0; k < 8; k++) {
        unsigned sum = 0;

        for (unsigned n = 0; n < 4; n++)
            sum += difference(a->u8[slide + k + n], b->u8[fixed + n]);
        d->u16[k] = (uint16_t)sum;
    }
}
VEC_BINARY_IMM(MPSADBW)

LANES_HEAD(PHMINPOSUW)
{
    unsigned least = 0;

    for (unsigned k = 1; k < 8; k++) {
        if (b->u16[k] < b->u16[least])
            least = k;
    }
    d->u64[0] = b->u16[least] | (uint64_t)least << 16;
    d->u64[1] = 0;
}
VEC_UNARY(PHMINPOSUW)

/* ---- shifts ---- */

typedef void vec_shift(union vec *d, const union vec *a, uint64_t count, unsigned bytes);

/* The count is the low quadword of a register, of 16 bytes of memory (8 for MMX), or an immediate. */
static ALWAYS_INLINE bool shift_count(struct cpu *cpu, const struct insn *i, unsigned slot, uint64_t *count)
{
    union vec b;

    if (FORM_KIND(i->form, slot) == KIND_IMM) {
        *count = (uint8_t)i->imm;
        return true;
    }
    if (i->width == 8 ? !mmx_load(cpu, i, slot, &b) : !vec_load(cpu, i, slot, &b, 16))
        return false;
    *count = b.u64[0];
    return true;
}

/* First source and count, whatever the encoding. */
static NOINLINE bool shift_sources(struct cpu *cpu, const struct insn *i, union vec *a, uint64_t *count)
{
    const bool ok = i->width == 8 ? mmx_check(cpu, i) : vec_check(cpu, i);
    const unsigned source = i->vl ? 1 : 0;

    if (!ok || !shift_count(cpu, i, source + 1, count))
        return false;
    if (i->width == 8)
        a->u64[0] = mmx_get(cpu, i->o[0]);
    else if (UNLIKELY(FORM_KIND(i->form, source) == KIND_MEM))      /* EVEX with an immediate */
        return vec_load_mem(cpu, i, a, i->width);
    else
        vec_get(cpu, i->o[source], a, i->width);
    return true;
}

static ALWAYS_INLINE bool shift_frame(struct cpu *cpu, const struct insn *i, vec_shift *fn)
{
    union vec a[VEC_LANES_MAX], d[VEC_LANES_MAX];
    uint64_t count;

    if (!shift_sources(cpu, i, a, &count))
        return false;
    if (i->width == 8) {
        fn(d, a, count, 8);
        mmx_put(cpu, i->o[0], d);
        return true;
    }
    for (unsigned n = 0; n < i->width / 16u; n++)
        fn(&d[n], &a[n], count, 16);
    vec_put(cpu, i, i->o[0], d, i->width);
    return true;
}

#define SHIFT_EXEC(NAME)                                                                        \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        if (UNLIKELY(!shift_frame(cpu, i, shift_##NAME)))                                       \
            FAULT();                                                                            \
        NEXT();                                                                                 \
    }                                                                                           \
    FAST_SHIFT(NAME)

/* Counts beyond `most` leave zeros, or signs: what shifting by `most` leaves. */
#define SHIFT(NAME, field, most, big, expr)                                                     \
    static ALWAYS_INLINE void shift_##NAME(union vec *d, const union vec *a, uint64_t count, unsigned bytes) \
    {                                                                                           \
        const bool over = count > (most);                                                       \
        const unsigned n = over ? (most) : (unsigned)count;                                     \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) x = a->field[k];                                      \
            d->field[k] = (__typeof__(d->field[0]))(over ? (big) : (expr));                     \
        }                                                                                       \
    }                                                                                           \
    SHIFT_EXEC(NAME)

SHIFT(PSLLW, u16, 15, 0, (uint32_t)x << n)
SHIFT(PSLLD, u32, 31, 0, x << n)
SHIFT(PSLLQ, u64, 63, 0, x << n)
SHIFT(PSRLW, u16, 15, 0, x >> n)
SHIFT(PSRLD, u32, 31, 0, x >> n)
SHIFT(PSRLQ, u64, 63, 0, x >> n)
SHIFT(PSRAW, s16, 15, x >> n, x >> n)
SHIFT(PSRAD, s32, 31, x >> n, x >> n)

/* Whole lanes by bytes; sixteen zeros stand behind or before the source. */
static ALWAYS_INLINE void shift_PSLLDQ(union vec *d, const union vec *a, uint64_t count, unsigned bytes UNUSED)
{
    uint8_t wide[32] = { 0 };

    memcpy(wide + 16, a, 16);
    memcpy(d, wide + 16 - (count > 16 ? 16 : count), 16);
}
SHIFT_EXEC(PSLLDQ)

static ALWAYS_INLINE void shift_PSRLDQ(union vec *d, const union vec *a, uint64_t count, unsigned bytes UNUSED)
{
    uint8_t wide[32] = { 0 };

    memcpy(wide, a, 16);
    memcpy(d, wide + (count > 16 ? 16 : count), 16);
}
SHIFT_EXEC(PSRLDQ)

/* ---- shifts that only EVEX has ---- */

SHIFT(VPSRAQ, s64, 63, x >> n, x >> n)

/* The count is an immediate, modulo the element's width. */
#define ROTATE(NAME, field, expr)                                                               \
    static ALWAYS_INLINE void shift_##NAME(union vec *d, const union vec *a, uint64_t count, unsigned bytes) \
    {                                                                                           \
        const unsigned width = 8 * sizeof d->field[0], n = (unsigned)count & (width - 1), m = -n & (width - 1); \
        for (unsigned k = 0; k < bytes / sizeof d->field[0]; k++) {                             \
            const __typeof__(d->field[0]) x = a->field[k];                                      \
            d->field[k] = (expr);                                                               \
        }                                                                                       \
    }                                                                                           \
    SHIFT_EXEC(NAME)

ROTATE(VPROLD, u32, x << n | x >> m)
ROTATE(VPROLQ, u64, x << n | x >> m)
ROTATE(VPRORD, u32, x >> n | x << m)
ROTATE(VPRORQ, u64, x >> n | x << m)
