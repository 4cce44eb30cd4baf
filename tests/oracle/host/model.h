/* SPDX-License-Identifier: MIT
 * Partita's side of a case: a processor of the test fixture at privilege 3, with paging and descriptors as Linux has them. */
#ifndef TESTS_ORACLE_HOST_MODEL_H
#define TESTS_ORACLE_HOST_MODEL_H

#include "tests/oracle/host/case.h"

/* The processor loses features that `has` (NULL: has all) denies; everything: and gets those that it does not show yet. */
void model_open(bool (*has)(unsigned feature), bool everything);
bool model_has(unsigned feature);
uint8_t *model_page(unsigned n);
/* chunk: how many instructions (or iterations) the processor may do at a time. */
void model_run(const struct host_case *c, struct host_out *out, unsigned chunk);

#endif
