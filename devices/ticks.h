/* SPDX-License-Identifier: MIT
 * Chips count ticks of their own crystal; virtual time is nanoseconds. Both directions are exact, so nothing drifts. */
#ifndef DEVICES_TICKS_H
#define DEVICES_TICKS_H

#include <stdint.h>

#define NS_PER_S 1000000000u

/* Whole ticks of a clock of `hz` that lie in `ns`. */
static inline uint64_t ticks_in_ns(uint64_t ns, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)ns * hz / NS_PER_S);
}

/* The first nanosecond at which ticks_in_ns() gives `ticks`; UINT64_MAX (TIMER_OFF) when that never comes. */
static inline uint64_t ns_of_ticks(uint64_t ticks, uint64_t hz)
{
    unsigned __int128 ns = ((unsigned __int128)ticks * NS_PER_S + hz - 1) / hz;

    return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

#endif
