/* SPDX-License-Identifier: MIT
 * The same programs in two machines, one interpreted, one translated from the first run on. Turns of random length cut them, caches
 * are dropped, and blocks change between the interpreter and both tiers at random; after each turn all of the processor's state
 * must be equal, now and then and at the end the memory too. */
#ifndef TESTS_CPU_LOCKSTEP_H
#define TESTS_CPU_LOCKSTEP_H

#include "tests/cpu/fixture.h"

/* Two pages side by side whose memory is not: at FIXTURE_DATA, and three pages behind it. */
#define LOCKSTEP_APART  UINT64_C(0x4000000000)

struct program {
    uint8_t bytes[3 * PAGE_SIZE];   /* at FIXTURE_CODE */
    unsigned len;
};

void program_put(struct program *p, unsigned byte);
void program_puts(struct program *p, const void *bytes, size_t len);
#define PROGRAM_PUT(p, ...) program_puts(p, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* What a test brings: a program, and the state that both machines begin with, which depends on the seed alone. */
struct lockstep {
    unsigned programs, turns;                   /* PARTITA_JIT_PROGRAMS=n: n programs instead */
    uint32_t (*below)(uint32_t n);              /* a number from `seed` */
    uint64_t *seed;
    void (*make)(struct program *p);
    void (*pages)(struct fixture *f);           /* NULL, or changes the tables */
    void (*prepare)(struct cpu *cpu);           /* after the mode, the tables and the code */
    void (*extend)(struct fixture *f);          /* before that, or NULL */
    bool keeps_caches;                          /* they are not dropped: the guest could tell */
};

void lockstep_open(const char *model);
void lockstep_close(void);
int lockstep_open_max(void **state);             /* the same as a test's set-up and tear-down */
int lockstep_close_both(void **state);
void lockstep_run(const struct lockstep *l);     /* fails also when nothing was translated */
const struct cpu_stats *lockstep_stats(void);   /* of the translating one since lockstep_open() */
void lockstep_data(struct cpu *cpu, const void *bytes, size_t len);      /* in prepare(): at FIXTURE_DATA */

#endif
