/* SPDX-License-Identifier: MIT
 * The host's SSE as witness for cpu/fp: x86-64 hosts only, elsewhere nothing is compared. */
#ifndef TESTS_ORACLE_FP_HOST_H
#define TESTS_ORACLE_FP_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* Random and special operands. */
struct fp_random { uint64_t state; };
uint64_t fp_random_next(struct fp_random *r);
uint32_t fp_random32(struct fp_random *r);
uint64_t fp_random64(struct fp_random *r);
void     fp_random80(struct fp_random *r, uint64_t *mant, uint16_t *se);

/* Compares `rounds` random cases of every operation and returns the number of differences; the first few are printed. */
unsigned long fp_host_sse(uint64_t seed, unsigned long rounds);
bool          fp_host_available(void);
/* The same of cpu/fp_avx512. */
unsigned long fp_host_avx512(uint64_t seed, unsigned long rounds);
bool          fp_host_has_avx512(void);

#endif
