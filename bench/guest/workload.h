/* SPDX-License-Identifier: MIT */
/* What a workload is, and the few things they share. Every file of this folder offers one table of its class. */
#ifndef BENCH_GUEST_WORKLOAD_H
#define BENCH_GUEST_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

struct workload {
    const char *name, *group;
    uint64_t units;                     /* repetitions at scale 1: about a tenth of a second on a machine of 2020s */
    uint64_t (*run)(uint64_t units);    /* the measured part; returns a checksum of its result */
    void (*prepare)(void);              /* before the first marker; may be NULL */
    const char *(*missing)(void);       /* why it cannot run here, or NULL; may be NULL */
};

extern const struct workload integer_workloads[], calls_workloads[], fp_workloads[], packed_workloads[];
extern const struct workload strings_workloads[], memory_workloads[], kernel_workloads[], code_workloads[];
extern const struct workload programs_workloads[];

/* One compiled body for each: no inlining into the caller, no copies for constant arguments. */
#define OPAQUE __attribute__((noipa))

/* 1 MiB that any workload may use between its prepare and the end of its run; set up and touched before. */
#define SCRATCH_BYTES (1u << 20)
extern uint8_t scratch[SCRATCH_BYTES] __attribute__((aligned(4096)));

/* Knuth's multiplier for 64 bits; the high half is the good one. */
static inline uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 32);
}

static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9e3779b97f4a7c15u + (sum >> 29);
}

/* Text that compresses like text. */
void text_fill(uint8_t *out, size_t len, uint64_t seed);

void die(const char *what) __attribute__((noreturn));

#endif
