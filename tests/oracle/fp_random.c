/* SPDX-License-Identifier: MIT
 * Operands that meet corners: zeros, denormals, powers of two, near overflow, infinities, NaNs, unsupported encodings, and
 * significands with long runs of equal bits. */
#include "tests/oracle/fp_host.h"

uint64_t fp_random_next(struct fp_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* `bits` wide: random, few bits, runs, all ones. */
static uint64_t fraction(struct fp_random *r, unsigned bits)
{
    uint64_t mask = bits == 64 ? ~0ull : (1ull << bits) - 1, v = fp_random_next(r);
    unsigned at = (unsigned)(fp_random_next(r) % bits), how = (unsigned)(fp_random_next(r) % 8);

    switch (how) {
    case 0:  return 0;
    case 1:  return mask;
    case 2:  return 1ull << at;
    case 3:  return mask & ~(1ull << at);
    case 4:  return mask & (~0ull << at);
    case 5:  return mask >> at;
    default: return v & mask;
    }
}

/* Exponent field of `bits`: extremes often, near the middle often. */
static unsigned exponent(struct fp_random *r, unsigned bits)
{
    unsigned top = (1u << bits) - 1, bias = top >> 1, v = (unsigned)fp_random_next(r);

    switch (fp_random_next(r) % 8) {
    case 0:  return v % 3;
    case 1:  return top - v % 3;
    case 2:  return bias + v % 5 - 2;
    case 3:
    case 4:  return bias + v % 80 - 40;
    case 5:  return v % 64;
    default: return v & top;
    }
}

uint32_t fp_random32(struct fp_random *r)
{
    uint64_t sign = fp_random_next(r) & 1;

    return (uint32_t)(sign << 31 | (uint64_t)exponent(r, 8) << 23 | fraction(r, 23));
}

uint64_t fp_random64(struct fp_random *r)
{
    uint64_t sign = fp_random_next(r) & 1;

    return sign << 63 | (uint64_t)exponent(r, 11) << 52 | fraction(r, 52);
}

void fp_random80(struct fp_random *r, uint64_t *mant, uint16_t *se)
{
    unsigned exp = exponent(r, 15);

    *se = (uint16_t)((fp_random_next(r) & 1) << 15 | exp);
    *mant = fraction(r, 63) | (exp ? 1ull << 63 : 0);
    if (fp_random_next(r) % 32 == 0)
        *mant ^= 1ull << 63;        /* pseudo-denormals, unnormals, pseudo-NaNs and -infinities */
}
