/* SPDX-License-Identifier: MIT
 * RCPPS, RCPSS, RSQRTPS, RSQRTSS. The SDM bounds the relative error by 1.5 * 2^-12 and leaves the values open; here an
 * operand counts as the middle of its interval of 2^-11 (RSQRT: 2^-10) and the result is rounded to 12 bits, as a table of
 * 2048 entries would have it. No exceptions, no rounding modes; denormals count as zero whatever MXCSR says. */
#include "cpu/exec_vec_fp.h"

#define INFINITY32 0x7f800000u
#define QUIET32    0x00400000u

static uint32_t single(uint32_t sign, int exp, uint32_t mantissa12)     /* mantissa12 in [2048, 4096): 1.xxx in 11 bits */
{
    if (exp < -126)         /* results are flushed too */
        return sign;
    return sign | (uint32_t)(exp + 127) << 23 | (mantissa12 & 2047) << 12;
}

static uint32_t reciprocal(uint32_t v)
{
    uint32_t sign = v & 0x80000000u, field = v >> 23 & 255, middle, r;

    if (field == 255)
        return v << 9 ? v | QUIET32 : sign;
    if (field == 0)
        return sign | INFINITY32;
    middle = 4096 + (v >> 12 & 2047) * 2 + 1;           /* significand in units of 2^-12 */
    r = ((1u << 24) + middle / 2) / middle;             /* its reciprocal in units of 2^-12 */
    return single(sign, 126 - (int)field, r);
}

static uint32_t root(uint64_t v)
{
    uint64_t r = 0;

    for (unsigned bit = 20; bit-- > 0;)
        if ((r | 1ull << bit) * (r | 1ull << bit) <= v)
            r |= 1ull << bit;
    return (uint32_t)r;
}

static uint32_t reciprocal_root(uint32_t v)
{
    uint32_t sign = v & 0x80000000u, field = v >> 23 & 255, r;
    uint64_t middle;
    int exp = (int)field - 127;

    if (field == 255 && v << 9)
        return v | QUIET32;
    if (field == 0)
        return sign | INFINITY32;
    if (sign)
        return 0xffc00000u;
    if (field == 255)
        return 0;
    middle = 2048 + (v >> 13 & 1023) * 2 + 1;           /* significand in units of 2^-11 */
    if (exp & 1)
        middle *= 2;
    r = (root((1ull << 37) / middle) + 1) / 2;          /* 2^12 / sqrt(middle * 2^-11), rounded */
    return single(0, -(exp >> 1) - 1, r);
}

static void lanes_rcp(struct sse_math *m UNUSED, union vec *d, const union vec *a UNUSED, const union vec *b,
                      unsigned imm UNUSED)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = reciprocal(b->u32[k]);
}

static void lanes_rsqrt(struct sse_math *m UNUSED, union vec *d, const union vec *a UNUSED, const union vec *b,
                        unsigned imm UNUSED)
{
    for (unsigned k = 0; k < 4; k++)
        d->u32[k] = reciprocal_root(b->u32[k]);
}

static uint64_t low_rcp(struct sse_math *m UNUSED, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return reciprocal((uint32_t)b);
}

static uint64_t low_rsqrt(struct sse_math *m UNUSED, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED)
{
    return reciprocal_root((uint32_t)b);
}

SSE_PACKED(RCPPS, lanes_rcp, true)
SSE_PACKED(RSQRTPS, lanes_rsqrt, true)
SSE_LOW(RCPSS, low_rcp, 4)
SSE_LOW(RSQRTSS, low_rsqrt, 4)
