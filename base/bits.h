/* SPDX-License-Identifier: MIT
 * Bit fields, masks and sign extension on 64-bit values. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(n)        (1u << (n))
#define BIT64(n)      ((uint64_t)1 << (n))

/* The low `n` bits set; n is 0..64. */
static inline uint64_t bits_mask(unsigned n)
{
    return n >= 64 ? ~(uint64_t)0 : BIT64(n) - 1;
}

/* Bits hi..lo of v, moved down to bit 0. */
static inline uint64_t bits_get(uint64_t v, unsigned hi, unsigned lo)
{
    return (v >> lo) & bits_mask(hi - lo + 1);
}

/* v with bits hi..lo replaced by the low bits of field. */
static inline uint64_t bits_put(uint64_t v, unsigned hi, unsigned lo, uint64_t field)
{
    uint64_t mask = bits_mask(hi - lo + 1) << lo;

    return (v & ~mask) | ((field << lo) & mask);
}

/* The low `bits` of v as a signed number; bits is 1..64. */
static inline int64_t bits_sign(uint64_t v, unsigned bits)
{
    return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static inline unsigned bits_count(uint64_t v) { return (unsigned)__builtin_popcountll(v); }
static inline unsigned bits_lowest(uint64_t v) { return (unsigned)__builtin_ctzll(v); }          /* v != 0 */
static inline unsigned bits_highest(uint64_t v) { return 63u - (unsigned)__builtin_clzll(v); }   /* v != 0 */

static inline uint64_t align_down(uint64_t v, uint64_t to) { return v & ~(to - 1); }
static inline uint64_t align_up(uint64_t v, uint64_t to) { return (v + to - 1) & ~(to - 1); }

#endif
