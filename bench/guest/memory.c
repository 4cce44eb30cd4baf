/* SPDX-License-Identifier: MIT */
/* Memory: stores with a stride, streaming, and walks of pointers through 4 MiB and 256 MiB. */
#include <sys/mman.h>

#include "workload.h"

#define STREAM_LEN (1u << 20)       /* doubles in each of three arrays */
#define LINE 64

struct link {
    struct link *next;
    uint32_t order, pad[13];
};

static double *stream[3];
static struct link *chain;

static void *fresh(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    return p;
}

static uint64_t run_stride(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--)
        for (uint32_t stride = 1; stride <= 256; stride *= 4)
            for (uint32_t k = stride - 1; k < SCRATCH_BYTES; k += stride)
                scratch[k] = (uint8_t)(k + units);
    for (uint32_t k = 0; k < SCRATCH_BYTES; k += 997)
        sum = mix(sum, scratch[k]);
    return sum;
}

static void prepare_stream(void)
{
    for (int k = 0; k < 3; k++) {
        stream[k] = fresh(STREAM_LEN * sizeof(double));
        for (uint32_t n = 0; n < STREAM_LEN; n++)
            stream[k][n] = n % 100 + k;
    }
}

static OPAQUE void triad(double *a, const double *b, const double *c)
{
    for (uint32_t k = 0; k < STREAM_LEN; k++)
        a[k] = b[k] + 0.5 * c[k];
}

static uint64_t run_stream(uint64_t units)
{
    uint64_t sum;

    for (uint64_t k = 0; k < units; k++)
        triad(stream[k % 3], stream[(k + 1) % 3], stream[(k + 2) % 3]);
    sum = (uint64_t)stream[0][12345] ^ (uint64_t)stream[1][777];
    for (int k = 0; k < 3; k++)
        munmap(stream[k], STREAM_LEN * sizeof(double));
    return sum;
}

/* One cycle through all links in random order (Sattolo's shuffle of their `order`). */
static void make_chain(uint32_t count)
{
    uint64_t seed = 13;

    chain = fresh((size_t)count * LINE);
    for (uint32_t k = 0; k < count; k++)
        chain[k].order = k;
    for (uint32_t k = count - 1; k > 0; k--) {
        uint32_t other = (uint32_t)((uint64_t)random_next(&seed) * k >> 32), swap = chain[k].order;

        chain[k].order = chain[other].order;
        chain[other].order = swap;
    }
    for (uint32_t k = 0; k < count; k++)
        chain[k].next = &chain[chain[k].order];
}

static void prepare_chase4m(void) { make_chain((4u << 20) / LINE); }
static void prepare_chase256m(void) { make_chain((256u << 20) / LINE); }

static OPAQUE const struct link *walk(const struct link *at, uint64_t count)
{
    while (count-- != 0)
        at = at->next;
    return at;
}

static uint64_t chase(uint64_t count, size_t bytes)
{
    uint64_t sum = walk(chain, count)->order;

    munmap(chain, bytes);
    return sum;
}

static uint64_t run_chase4m(uint64_t units) { return chase(units, 4u << 20); }
static uint64_t run_chase256m(uint64_t units) { return chase(units, 256u << 20); }

const struct workload memory_workloads[] = {
    { "stride",    "memory", 80,      run_stride,    NULL,              NULL },
    { "stream",    "memory", 100,     run_stream,    prepare_stream,    NULL },
    { "chase4m",   "memory", 1000000, run_chase4m,   prepare_chase4m,   NULL },
    { "chase256m", "memory", 300000,  run_chase256m, prepare_chase256m, NULL },
    { 0 },
};
