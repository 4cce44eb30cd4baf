/* SPDX-License-Identifier: MIT
 * Lazy arithmetic flags: the last result, sign-extended to 64 bits, and a vector of carries out of each bit. Both are
 * enough for all six flags whatever the operand width, so one pair of stores serves every arithmetic instruction. */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "cpu/state.h"

/* carries: bit 31 carry out of the top bit (CF), bit 30 carry into it (OF = bit 31 ^ bit 30), bit 3 carry out of bit 3 (AF).
 * Bits 8-15: xor-ed into the low byte of result before its parity is taken. Bit 0: xor-ed into the sign.
 * ZF is result == 0. The last two exist so that any combination (POPF, SAHF) can be expressed. */
struct flags {
    int64_t  result;
    uint32_t carries;
};

static ALWAYS_INLINE bool flags_cf(const struct flags *f) { return f->carries >> 31; }
static ALWAYS_INLINE bool flags_of(const struct flags *f) { return ((f->carries + 0x40000000u) >> 31); }
static ALWAYS_INLINE bool flags_zf(const struct flags *f) { return f->result == 0; }
static ALWAYS_INLINE bool flags_sf(const struct flags *f) { return ((uint64_t)f->result >> 63) ^ (f->carries & 1); }
static ALWAYS_INLINE bool flags_af(const struct flags *f) { return (f->carries >> 3) & 1; }
static ALWAYS_INLINE bool flags_pf(const struct flags *f)
{
    return !(__builtin_parity((uint8_t)f->result ^ ((f->carries >> 8) & 0xff)));
}

/* All six in their RFLAGS places. */
static inline uint32_t flags_get(const struct flags *f)
{
    return (uint32_t)(flags_cf(f) | flags_pf(f) << 2 | flags_af(f) << 4 | (uint32_t)flags_zf(f) << 6 |
                      (uint32_t)flags_sf(f) << 7 | (uint32_t)flags_of(f) << 11);
}

/* Set all six from RFLAGS bits. */
static inline void flags_put(struct flags *f, uint32_t rflags)
{
    bool cf = rflags & FLAG_CF, of = rflags & FLAG_OF, zf = rflags & FLAG_ZF, sf = rflags & FLAG_SF;

    f->result = zf ? 0 : 1;
    f->carries = (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30 | ((rflags & FLAG_AF) ? 8u : 0u) | (sf ? 1u : 0u);
    /* parity of result's low byte is even for 0 and odd for 1; flip it where PF wants otherwise */
    if (!!(rflags & FLAG_PF) != zf)
        f->carries |= 0x100u;
}

/* Bring a carry vector of a `bytes`-wide operation to its canonical place. */
static ALWAYS_INLINE uint32_t flags_carries(uint64_t vector, unsigned bytes)
{
    switch (bytes) {
    case 1:  return (uint32_t)(vector << 24) | ((uint32_t)vector & 8);
    case 2:  return (uint32_t)(vector << 16) | ((uint32_t)vector & 8);
    case 4:  return (uint32_t)vector & 0xc0000008u;
    default: return ((uint32_t)(vector >> 32) & 0xc0000000u) | ((uint32_t)vector & 8);
    }
}

static ALWAYS_INLINE int64_t flags_extend(uint64_t v, unsigned bytes)
{
    switch (bytes) {
    case 1:  return (int8_t)v;
    case 2:  return (int16_t)v;
    case 4:  return (int32_t)v;
    default: return (int64_t)v;
    }
}

/* a + b (+ carry) = sum */
static ALWAYS_INLINE void flags_set_add(struct flags *f, unsigned bytes, uint64_t a, uint64_t b, uint64_t sum)
{
    f->result = flags_extend(sum, bytes);
    f->carries = flags_carries((a & b) | ((a | b) & ~sum), bytes) & 0xc0000008u;
}

/* a - b (- borrow) = difference; the vector holds borrows, so CF reads as the SDM has it */
static ALWAYS_INLINE void flags_set_sub(struct flags *f, unsigned bytes, uint64_t a, uint64_t b, uint64_t difference)
{
    f->result = flags_extend(difference, bytes);
    f->carries = flags_carries((~a & b) | ((~a | b) & difference), bytes) & 0xc0000008u;
}

/* AND, OR, XOR, TEST: CF = OF = AF = 0 */
static ALWAYS_INLINE void flags_set_logic(struct flags *f, unsigned bytes, uint64_t result)
{
    f->result = flags_extend(result, bytes);
    f->carries = 0;
}

static ALWAYS_INLINE void flags_set_cf(struct flags *f, bool cf)
{
    bool of = flags_of(f);

    f->carries = (f->carries & 0x3fffffffu) | (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30;
}

/* Set CF and OF, leave the rest. */
static ALWAYS_INLINE void flags_set_cf_of(struct flags *f, bool cf, bool of)
{
    f->carries = (f->carries & 0x3fffffffu) | (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30;
}

/* PF = 0, leave the rest. */
static ALWAYS_INLINE void flags_clear_pf(struct flags *f)
{
    f->carries ^= (uint32_t)flags_pf(f) << 8;
}

/* The sixteen conditions of Jcc, SETcc, CMOVcc (SDM 1 appendix B "EFLAGS Condition Codes"). */
static ALWAYS_INLINE bool flags_condition(const struct flags *f, unsigned cc)
{
    bool yes;

    switch (cc >> 1) {
    case 0:  yes = flags_of(f); break;
    case 1:  yes = flags_cf(f); break;
    case 2:  yes = flags_zf(f); break;
    case 3:  yes = flags_cf(f) || flags_zf(f); break;
    case 4:  yes = flags_sf(f); break;
    case 5:  yes = flags_pf(f); break;
    case 6:  yes = flags_sf(f) != flags_of(f); break;
    default: yes = flags_zf(f) || flags_sf(f) != flags_of(f); break;
    }
    return yes ^ (cc & 1);
}

#endif
