/* SPDX-License-Identifier: MIT
 * Runs one instruction natively on an x86-64 host: registers, flags, x87/MMX, vector and opmask state in and out, and one page of memory
 * at a fixed place. The witness of tests/cpu/test_vec.c. */
#ifndef TESTS_ORACLE_VEC_HOST_H
#define TESTS_ORACLE_VEC_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

#define VEC_HOST_MEMORY 4096u

struct vec_state {
    uint64_t gpr[16];           /* RSP is neither loaded nor saved */
    uint64_t flags;             /* the six arithmetic flags */
    uint8_t  zmm[32][64];       /* without AVX-512 the low halves of sixteen; the rest stays as it is */
    uint64_t k[8];
    uint64_t mant[8];           /* x87 registers by physical number */
    uint16_t se[8];
    uint16_t fcw, fsw;
    uint8_t  ftag;              /* abridged, by physical number */
    uint32_t mxcsr;
    int      signal;            /* 0, or what the host raised: SIGSEGV, SIGILL... */
    uint8_t  mem[VEC_HOST_MEMORY];
};

/* False: not an x86-64 host with AVX, or executable memory is refused; then nothing below may be called. */
bool vec_host_open(void);
enum vendor vec_host_vendor(void);
/* Where the page of memory lies; addresses in registers must point into it. */
uint64_t vec_host_memory(void);
void vec_host_run(struct vec_state *s, const uint8_t *bytes, unsigned len);

#endif
