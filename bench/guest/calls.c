/* SPDX-License-Identifier: MIT */
/* Calls and returns: direct recursion, function pointers, virtual tables. */
#include "workload.h"

/* Left as recursion: the compiler would turn the second call into a loop. */
static OPAQUE __attribute__((optimize("no-optimize-sibling-calls"))) uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t run_fib(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--)
        sum += fib(22);
    return sum;
}

static OPAQUE uint64_t step_add(uint64_t x) { return x + 0x1111; }
static OPAQUE uint64_t step_xor(uint64_t x) { return x ^ 0x5a5a5a; }
static OPAQUE uint64_t step_shift(uint64_t x) { return x << 1 ^ x >> 63; }
static OPAQUE uint64_t step_mul(uint64_t x) { return x * 5; }
static OPAQUE uint64_t step_not(uint64_t x) { return ~x; }
static OPAQUE uint64_t step_sub(uint64_t x) { return x - 77; }
static OPAQUE uint64_t step_swap(uint64_t x) { return __builtin_bswap64(x); }
static OPAQUE uint64_t step_low(uint64_t x) { return x + (x & 0xff); }

static uint64_t (*const steps[8])(uint64_t) = {
    step_add, step_xor, step_shift, step_mul, step_not, step_sub, step_swap, step_low,
};

static uint64_t run_icall(uint64_t units)
{
    uint64_t x = 1, seed = 3;

    for (; units != 0; units--)
        x = steps[random_next(&seed) & 7](x);
    return x;
}

struct shape;
struct shape_class {
    uint64_t (*area)(const struct shape *s);
    uint64_t (*edge)(const struct shape *s);
    void (*grow)(struct shape *s);
};
struct shape {
    const struct shape_class *class;
    uint64_t a, b;
};

static uint64_t square_area(const struct shape *s) { return s->a * s->a; }
static uint64_t square_edge(const struct shape *s) { return 4 * s->a; }
static void square_grow(struct shape *s) { s->a = (s->a + 1) & 0xffff; }
static uint64_t oblong_area(const struct shape *s) { return s->a * s->b; }
static uint64_t oblong_edge(const struct shape *s) { return 2 * (s->a + s->b); }
static void oblong_grow(struct shape *s) { s->b = (s->b + 3) & 0xffff; }
static uint64_t triangle_area(const struct shape *s) { return s->a * s->b / 2; }
static uint64_t triangle_edge(const struct shape *s) { return s->a + s->b + (s->a > s->b ? s->a : s->b); }
static void triangle_grow(struct shape *s) { s->a ^= s->b >> 3; }

static const struct shape_class shape_classes[3] = {
    { square_area, square_edge, square_grow },
    { oblong_area, oblong_edge, oblong_grow },
    { triangle_area, triangle_edge, triangle_grow },
};

static OPAQUE uint64_t measure(struct shape *s)
{
    uint64_t sum = s->class->area(s) + s->class->edge(s);

    s->class->grow(s);
    return sum;
}

static uint64_t run_vcall(uint64_t units)
{
    struct shape *shapes = (struct shape *)scratch;
    uint64_t seed = 17, sum = 0;

    for (unsigned k = 0; k < 256; k++) {
        uint32_t r = random_next(&seed);

        shapes[k] = (struct shape){ &shape_classes[r % 3], r >> 20, 1 + k * 7 };
    }
    for (; units != 0; units--)
        for (int k = 0; k < 256; k++)
            sum += measure(&shapes[k]);
    return sum;
}

const struct workload calls_workloads[] = {
    { "fib",   "calls", 1100,     run_fib,   NULL, NULL },
    { "icall", "calls", 10000000, run_icall, NULL, NULL },
    { "vcall", "calls", 36000,    run_vcall, NULL, NULL },
    { 0 },
};
