/* SPDX-License-Identifier: MIT */
/* Scalar floating point: double in SSE registers, conversions and calls mixed in, and the x87 with its functions. */
#include <string.h>

#include "workload.h"

static uint64_t bits_of(double d)
{
    uint64_t v;

    memcpy(&v, &d, 8);
    return v;
}

/* ---- nbody: five bodies under gravity ---- */

struct body { double x[3], v[3], mass; };

static void attract(struct body *a, struct body *b, double dt)
{
    double d[3], r2 = 0, f;

    for (int k = 0; k < 3; k++) {
        d[k] = a->x[k] - b->x[k];
        r2 += d[k] * d[k];
    }
    f = dt / (r2 * __builtin_sqrt(r2));
    for (int k = 0; k < 3; k++) {
        a->v[k] -= d[k] * b->mass * f;
        b->v[k] += d[k] * a->mass * f;
    }
}

static uint64_t run_nbody(uint64_t units)
{
    struct body bodies[5];
    uint64_t seed = 31;
    double sum = 0;

    for (int b = 0; b < 5; b++) {
        for (int k = 0; k < 3; k++) {
            bodies[b].x[k] = (random_next(&seed) >> 8) / 1048576.0 + 4 * b;
            bodies[b].v[k] = (random_next(&seed) >> 8) / 67108864.0;
        }
        bodies[b].mass = 1.0 + b;
    }
    for (; units != 0; units--) {
        for (int a = 0; a < 5; a++)
            for (int b = a + 1; b < 5; b++)
                attract(&bodies[a], &bodies[b], 0.001);
        for (int b = 0; b < 5; b++)
            for (int k = 0; k < 3; k++)
                bodies[b].x[k] += 0.001 * bodies[b].v[k];
    }
    for (int b = 0; b < 5; b++)
        sum += bodies[b].x[0] + bodies[b].v[1];
    return bits_of(sum);
}

/* ---- mandelbrot ---- */

static uint64_t run_mandelbrot(uint64_t units)
{
    uint64_t inside = 0;

    for (uint64_t line = 0; line < units; line++) {
        for (int column = 0; column < 256; column++) {
            double cr = column / 96.0 - 2.0, ci = (double)(line % 192) / 96.0 - 1.0, r = 0, i = 0;
            int n = 0;

            while (n < 100 && r * r + i * i <= 4.0) {
                double t = r * r - i * i + cr;

                i = 2 * r * i + ci;
                r = t;
                n++;
            }
            inside += (uint64_t)n;
        }
    }
    return inside;
}

/* ---- mixedfp: float and double, conversions both ways, comparisons, values through calls ---- */

static OPAQUE double smooth(double x, float y) { return 0.75 * x + 0.25 * (double)y; }
static OPAQUE float clip(float x) { return x > 1000.0f ? x - 999.5f : x < 0.0f ? -x : x; }

static uint64_t run_mixedfp(uint64_t units)
{
    uint64_t seed = 41, sum = 0;
    double x = 1;
    float y = 2;

    for (; units != 0; units--) {
        int n = (int)(random_next(&seed) >> 20);

        x = smooth(x, y) + (double)n / 7.0;
        y = clip((float)x * 1.5f - (float)n);
        sum += (uint64_t)(int64_t)(x * 16.0);
        if (x > 1e6 || x != x)
            x = __builtin_sqrt(x);
    }
    return mix(sum, bits_of(x));
}

/* ---- x87: 80-bit arithmetic, loads and stores in three formats ---- */

static uint64_t run_x87(uint64_t units)
{
    long double x = 0.5L, y = 1.25L;
    double stored = 0;
    int whole = 0;

    for (; units != 0; units--) {
        for (int k = 1; k <= 16; k++) {
            x = (x * y + 1.0L / k) / (y + 0.5L);
            y = y - x * 0.125L + stored;
            if (y < 0.25L || y > 8.0L)
                y = 1.25L;
        }
        stored = (double)(x - y) * 0.0009765625;
        whole += (int)(x * 1000.0L);
    }
    return mix((uint64_t)(int64_t)whole, bits_of((double)x));
}

/* ---- x87trans: results differ between makers in the last bits, so the checksum keeps six digits ---- */

static uint64_t run_x87trans(uint64_t units)
{
    double sum = 0;

    for (uint64_t n = 0; n < units; n++) {
        double angle = (double)(n % 1000) * 0.01, value = 1.0 + (double)(n % 777) * 0.125, s, c, l, e, t;

        __asm__("fsincos" : "=t"(c), "=u"(s) : "0"(angle));
        __asm__("fyl2x" : "=t"(l) : "0"(value), "u"(1.0) : "st(1)");
        __asm__("f2xm1" : "=t"(e) : "0"((double)(n % 100) * 0.01 - 0.5));
        __asm__("fpatan" : "=t"(t) : "0"(value), "u"(angle) : "st(1)");
        sum += s * c + l + e - t;
    }
    return (uint64_t)(int64_t)(sum / (double)units * 1e6 + 0.5);
}

const struct workload fp_workloads[] = {
    { "nbody",      "fp", 1000000,   run_nbody,      NULL, NULL },
    { "mandelbrot", "fp", 3700,     run_mandelbrot, NULL, NULL },
    { "mixedfp",    "fp", 6000000,  run_mixedfp,    NULL, NULL },
    { "x87",        "fp", 380000,   run_x87,        NULL, NULL },
    { "x87trans",   "fp", 800000,   run_x87trans,   NULL, NULL },
    { 0 },
};
