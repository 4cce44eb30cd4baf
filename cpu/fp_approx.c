/* SPDX-License-Identifier: MIT
 * Approximate reciprocals and reciprocal square roots, for SSE's instructions (error below 1.5 * 2^-12) and those of AVX-512
 * (below 2^-14). They depend on MXCSR only by DAZ and FTZ, raise nothing, and are functions of a few leading bits: as found
 * on a Golden Cove, where each agrees for every operand (tests/cpu/test_approx.c). */
#include "cpu/fp.h"

/* ---- SSE ---- */

#define INFINITY32 0x7f800000u
#define QUIET32    0x00400000u

/* significand: 1.xxx with `bits` bits. Results too small for a normal number are zero. */
static uint32_t single(uint32_t sign, int exp, uint32_t significand, unsigned bits)
{
    if (exp < -126)
        return sign;
    return sign | (uint32_t)(exp + 127) << 23 | (significand << (24 - bits) & 0x7fffff);
}

/* The operand counts as the middle of its interval of 2^-11; the result is rounded to nearest, to `bits` bits. Denormals
 * count as zero. */
uint32_t fp_rcp12(uint32_t v, unsigned bits)
{
    uint32_t sign = v & 0x80000000u, field = v >> 23 & 255, middle;

    if (field == 255)
        return v << 9 ? v | QUIET32 : sign;
    if (field == 0)
        return sign | INFINITY32;
    middle = 4096 + (v >> 12 & 2047) * 2 + 1;           /* significand in units of 2^-12 */
    return single(sign, 126 - (int)field, ((1u << (12 + bits)) + middle / 2) / middle, bits);
}

static uint32_t root(uint64_t v)
{
    uint64_t r = 0;

    for (unsigned bit = 20; bit-- > 0;)
        if ((r | 1ull << bit) * (r | 1ull << bit) <= v)
            r |= 1ull << bit;
    return (uint32_t)r;
}

/* Likewise, with intervals of 2^-10. */
uint32_t fp_rsqrt12(uint32_t v, unsigned bits)
{
    uint32_t sign = v & 0x80000000u, field = v >> 23 & 255;
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
    /* 2^bits / sqrt(middle * 2^-11), rounded */
    return single(0, -(exp >> 1) - 1, (root((1ull << (13 + 2 * bits)) / middle) + 1) / 2, bits);
}

/* ---- AVX-512: SDM 2C "VRCP14PS", "VRSQRT14PS" ---- */

/* Straight pieces: the significand of the result in units of 2^-16 is (start * 256 - slope * offset) / 1024, rounded down. */
struct piece { uint32_t start; uint16_t slope; };

/* 64 pieces of [1, 2); the offset counts 2^-16. */
static const struct piece rcp14[64] = {
    { 524274, 2018 }, { 516204, 1954 }, { 508388, 1898 }, { 500800, 1842 }, { 493430, 1786 }, { 486286, 1738 },
    { 479334, 1686 }, { 472588, 1642 }, { 466020, 1594 }, { 459640, 1554 }, { 453424, 1510 }, { 447380, 1470 },
    { 441496, 1434 }, { 435766, 1398 }, { 430178, 1362 }, { 424728, 1326 }, { 419422, 1294 }, { 414242, 1262 },
    { 409196, 1234 }, { 404262, 1202 }, { 399450, 1174 }, { 394750, 1146 }, { 390164, 1122 }, { 385674, 1094 },
    { 381292, 1070 }, { 377008, 1046 }, { 372826, 1026 }, { 368724, 1002 }, { 364718, 982 }, { 360794, 958 },
    { 356956, 938 }, { 353198, 918 }, { 349524, 902 }, { 345918, 882 }, { 342392, 866 }, { 338928, 846 }, { 335540, 830 },
    { 332218, 814 }, { 328960, 798 }, { 325766, 782 }, { 322640, 770 }, { 319562, 754 }, { 316546, 738 }, { 313590, 726 },
    { 310690, 714 }, { 307834, 698 }, { 305036, 686 }, { 302288, 674 }, { 299590, 662 }, { 296938, 650 }, { 294332, 638 },
    { 291780, 630 }, { 289260, 618 }, { 286786, 606 }, { 284360, 598 }, { 281966, 586 }, { 279620, 578 }, { 277310, 570 },
    { 275034, 558 }, { 272806, 550 }, { 270610, 542 }, { 268446, 534 }, { 266314, 526 }, { 264214, 518 },
};

/* 32 pieces of [1, 2), 32 of [2, 4); the offset counts 2^-15 of the significand. */
static const struct piece rsqrt14[2][32] = {
    {
        { 524265, 2002 }, { 516257, 1910 }, { 508613, 1830 }, { 501298, 1754 }, { 494286, 1682 }, { 487559, 1614 },
        { 481101, 1550 }, { 474897, 1494 }, { 468922, 1438 }, { 463169, 1386 }, { 457623, 1338 }, { 452276, 1294 },
        { 447106, 1250 }, { 442106, 1206 }, { 437279, 1170 }, { 432603, 1134 }, { 428071, 1098 }, { 423683, 1066 },
        { 419423, 1034 }, { 415288, 1002 }, { 411277, 974 }, { 407379, 946 }, { 403592, 922 }, { 399907, 898 },
        { 396319, 874 }, { 392827, 850 }, { 389430, 830 }, { 386110, 806 }, { 382879, 786 }, { 379734, 770 }, { 376655, 750 },
        { 373658, 734 },
    },
    {
        { 370709, 1414 }, { 365049, 1350 }, { 359644, 1294 }, { 354468, 1238 }, { 349516, 1190 }, { 344759, 1142 },
        { 340193, 1098 }, { 335801, 1054 }, { 331581, 1018 }, { 327515, 982 }, { 323589, 946 }, { 319805, 914 },
        { 316149, 882 }, { 312618, 854 }, { 309201, 826 }, { 305899, 802 }, { 302695, 778 }, { 299587, 754 }, { 296575, 730 },
        { 293657, 710 }, { 290819, 690 }, { 288062, 670 }, { 285380, 650 }, { 282776, 634 }, { 280242, 618 }, { 277773, 602 },
        { 275367, 586 }, { 273022, 570 }, { 270741, 558 }, { 268509, 542 }, { 266336, 530 }, { 264214, 518 },
    },
};

static uint64_t on_piece(const struct piece *p, uint64_t offset)
{
    return (p->start * 256u - p->slope * offset) >> 10;
}

/* a is finite: a power of two gives one, exactly. */
static struct fp_num reciprocal14(struct fp_num a)
{
    struct fp_num r = { .kind = FP_KIND_FINITE, .sign = a.sign, .sig = (u128)1 << 127, .exp = -a.exp };
    unsigned leading = (unsigned)(a.sig >> 111) & 0xffff;

    if (a.sig == r.sig)
        return r;
    r.sig = (u128)on_piece(&rcp14[leading >> 10], leading & 1023) << 111;
    r.exp--;
    return r;
}

static struct fp_num reciprocal_root14(struct fp_num a)
{
    struct fp_num r = { .kind = FP_KIND_FINITE, .sig = (u128)1 << 127, .exp = -(a.exp >> 1) };
    unsigned leading = (unsigned)(a.sig >> 112) & 0x7fff;

    if (a.sig == r.sig && !(a.exp & 1))
        return r;
    r.sig = (u128)on_piece(&rsqrt14[a.exp & 1][leading >> 10], leading & 1023) << 111;
    r.exp--;
    return r;
}

/* Neither function takes or gives more than 17 bits, so packing is exact but for overflow and FTZ. */
static struct fp_env exact(const struct fp_env *e)
{
    return (struct fp_env){ .rounding = FP_NEAREST, .masked = FP_ALL, .daz = e->daz, .ftz = e->ftz };
}

static struct fp_num rcp_any(struct fp_env *e, struct fp_num a)
{
    switch (a.kind) {
    case FP_KIND_ZERO:   return fp_infinity(a.sign);
    case FP_KIND_INF:    return fp_zero(a.sign);
    case FP_KIND_FINITE: return reciprocal14(a);
    default:             return fp_nan1(e, a);
    }
}

static struct fp_num rsqrt_any(struct fp_env *e, struct fp_num a)
{
    if (a.kind == FP_KIND_ZERO)
        return fp_infinity(a.sign);
    if (fp_is_nan(a))
        return fp_nan1(e, a);
    if (a.sign)
        return fp_default_nan();
    return a.kind == FP_KIND_INF ? fp_zero(0) : reciprocal_root14(a);
}

#define APPROXIMATE(name, fn, bits)                                                          \
    uint##bits##_t name##_##bits(const struct fp_env *e, uint##bits##_t v)                   \
    {                                                                                        \
        struct fp_env own = exact(e);                                                        \
                                                                                             \
        return fp_to##bits(&own, fn(&own, fp_from##bits(&own, v)));                          \
    }
APPROXIMATE(fp_rcp14, rcp_any, 32)
APPROXIMATE(fp_rcp14, rcp_any, 64)
APPROXIMATE(fp_rsqrt14, rsqrt_any, 32)
APPROXIMATE(fp_rsqrt14, rsqrt_any, 64)
