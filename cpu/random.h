/* SPDX-License-Identifier: MIT
 * The generator behind RDRAND and RDSEED: splitmix64 (Steele, Lea, Flood 2014), a counter that is mixed. The same seed gives the
 * same numbers in every run. */
#ifndef CPU_RANDOM_H
#define CPU_RANDOM_H

#include <stdint.h>

#define RANDOM_STEP 0x9e3779b97f4a7c15u

static inline uint64_t random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Mixed, or one processor's numbers would be the next one's, a step later. */
static inline uint64_t random_start(uint64_t seed, unsigned processor)
{
    return random_mix(seed + processor * RANDOM_STEP);
}

static inline uint64_t random_next(uint64_t *state)
{
    return random_mix(*state += RANDOM_STEP);
}

#endif
