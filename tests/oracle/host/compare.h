/* SPDX-License-Identifier: MIT
 * Runs a case on both sides and says what differs. */
#ifndef TESTS_ORACLE_HOST_COMPARE_H
#define TESTS_ORACLE_HOST_COMPARE_H

#include "tests/oracle/host/case.h"

enum compared { SAME, DIFFERENT, EXCLUDED, LOOPED };

struct verdict {
    enum compared result;
    const char *why;            /* EXCLUDED */
    struct host_out model;
    struct host_record host;    /* memory only when the result is DIFFERENT */
    char what[160];             /* instruction and the names of what differs: alike for alike differences */
    char memory[240];           /* the first line of memory that differs */
};

/* False: no oracle here; then only compare_record() may be called. everything: also features that are not shown yet. */
bool compare_open(bool everything);
void compare_start(void);       /* once in each worker: memory as nobody has touched it */
void compare_case(struct host_case *c, struct verdict *v);
/* Partita against what a processor made of it before. */
void compare_record(struct host_case *c, const struct host_record *host, struct verdict *v);
/* Take away from a case what its difference does not need. */
void compare_shrink(struct host_case *c, struct verdict *v);

#endif
