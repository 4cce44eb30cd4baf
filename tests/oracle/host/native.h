/* SPDX-License-Identifier: MIT
 * The host processor's side: runs a case natively. The process that does this is expendable. */
#ifndef TESTS_ORACLE_HOST_NATIVE_H
#define TESTS_ORACLE_HOST_NATIVE_H

#include "tests/oracle/host/case.h"

#define NATIVE_TAIL 11u         /* at most: a jump that the host has behind the tested bytes */

/* False: this host is no oracle (not x86-64 Linux, no AVX, FSGSBASE off, addresses taken). */
bool native_open(void);
bool native_avx512(void);
bool native_is_intel(void);
void native_clear_code(void);                       /* of what a worker that was killed has left */
uint8_t *native_page(unsigned n);                   /* data page n, writable whatever the case may do */
bool native_taken(uint64_t at);                     /* there is memory at that address */
void native_run(const struct host_case *c, struct host_out *out);
/* From now on no system call but the few this process needs. */
bool native_confine(void);

#endif
