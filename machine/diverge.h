/* SPDX-License-Identifier: MIT
 * Where do two replays of one recording part: two engines, two processor models, two of anything? */
#ifndef MACHINE_DIVERGE_H
#define MACHINE_DIVERGE_H

#include "machine/machine.h"

struct divergence {
    bool found;
    uint64_t equal_until;       /* instructions after which all was equal */
    uint64_t within;            /* so many more, and it was not. More than 1: it does not show when they run one by one */
    uint64_t rip;               /* of the first of them */
    unsigned vp;
    uint8_t code[15];           /* there, as far as it is mapped */
    unsigned code_len;
    char what[200];             /* device, field and both values */
};

/* Both were made with replay_blind of the same recording, and did not run yet. Costs less than two replays. */
struct err machine_diverge(struct machine *a, struct machine *b, struct divergence *out) MUST_USE;

#endif
