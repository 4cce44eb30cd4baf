/* SPDX-License-Identifier: MIT
 * What the comparison leaves out, and why: instructions whose outcome is the kernel's or the moment's, bits that the manual
 * leaves undefined. */
#ifndef TESTS_ORACLE_HOST_RULES_H
#define TESTS_ORACLE_HOST_RULES_H

#include "tests/oracle/host/case.h"

/* NULL: may be run; else why not. */
const char *rules_excluded(const struct host_case *c);
/* The same once the model's outcome is known, before the host runs it. taken: whether there is memory in this process. */
const char *rules_beyond(const struct host_case *c, const struct host_out *model, bool (*taken)(uint64_t at));
/* Leaves flags, registers or memory to the processor: a sequence must not go on from that. */
bool rules_unsteady(unsigned op);
/* Of the first instruction of a case. */
uint32_t rules_undefined_flags(const struct host_case *c);
/* Take away what no comparison can ask for. */
void rules_normalise(const struct host_case *c, struct host_out *host, struct host_out *model);

extern bool rules_strict;       /* undefined flags count: the host has the vendor of the model */
extern bool (*rules_lacking)(unsigned feature);     /* the host has it and the model has not; may be NULL */

#endif
