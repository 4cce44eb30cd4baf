/* SPDX-License-Identifier: MIT
 * Makes cases: bytes from the rows of insns.def or at random, and a state in which they find something to do. */
#ifndef TESTS_ORACLE_HOST_GEN_H
#define TESTS_ORACLE_HOST_GEN_H

#include "tests/oracle/host/case.h"

struct gen {
    struct host_random r;
    const int *rows;            /* those that may be made, indices of index_rows() */
    unsigned nrows;
    bool evex;                  /* the processor under test has AVX-512: registers 16-31, upper halves and masks */
    bool pku;
    unsigned modes;             /* bit CASE_64, CASE_32, CASE_16 */
    unsigned bytes_in;          /* one case in so many is random bytes; 0: none */
    unsigned sequences_in;      /* and one in so many a short sequence */
};

/* Case `number` of a run: a function of seed and number. */
void gen_case(struct gen *g, struct host_case *c, uint64_t seed, uint64_t number);

/* ---- between gen.c and state.c ---- */

#define POOL 1024u
const uint64_t *gen_pool(struct gen *g);                        /* eight quadwords of interesting values */
uint64_t gen_target(struct gen *g, const struct host_case *c, unsigned bytes);
uint64_t gen_landing(struct gen *g, const struct host_case *c);
void gen_state(struct gen *g, struct host_case *c);             /* everything but the code */

#endif
