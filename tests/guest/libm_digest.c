/* SPDX-License-Identifier: MIT
 * The C library's mathematical functions over many arguments. For double and float one digest a function: the same program on
 * the host and in a guest with the host's instruction sets must print the same, because the library chooses the same variants.
 * For long double the digest only where no x87 transcendental is behind the function; for the others the largest error against
 * 113-bit arithmetic, in thousandths of a unit in the last place, because processors differ in the last bit of those. */
#include <math.h>
#include <quadmath.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1, digest[3];       /* of double, float, long double */
static unsigned error;

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717ull;
}

static void take(uint64_t *to, const void *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++)
        *to = (*to ^ ((const uint8_t *)bytes)[n]) * 0x100000001b3ull;
}

static void take_double(double v) { take(&digest[0], &v, sizeof v); }
static void take_float(float v) { take(&digest[1], &v, sizeof v); }
static void take_long_double(long double v) { take(&digest[2], &v, 10); }

/* Mostly of moderate size, now and then any bits at all. */
static double argument(void)
{
    uint64_t bits = random64();
    double v;

    if (bits % 16 == 0)
        bits = random64();
    else
        bits = (bits & 0x800fffffffffffffull) | (0x3ffull - 20 + random64() % 40) << 52;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* |got - wanted| in thousandths of got's last place. */
static void take_error(long double got, __float128 wanted)
{
    __float128 off = fabsq((__float128)got - wanted);
    int exponent;

    if (isnan(got) || isinf(got) || got == 0 || isnanq(wanted) || isinfq(wanted))
        return;
    frexpl(got, &exponent);
    off = ldexpq(off, 64 - exponent) * 1000;
    if (exponent > -16000 && off > error)
        error = off > 1e9 ? 1000000000u : (unsigned)off;
}

#define EACH(name, take_long)                                           \
    static void of_##name(unsigned count)                               \
    {                                                                   \
        for (unsigned n = 0; n < count; n++) {                          \
            double x = argument();                                      \
            take_double(name(x));                                       \
            take_float(name##f((float)x));                              \
            take_long;                                                  \
        }                                                               \
    }
#define ONE(name)   EACH(name, take_long_double(name##l((long double)x)))
#define ONE_X(name) EACH(name, take_error(name##l((long double)x), name##q((__float128)x)))
#define TWO(name)                                                       \
    static void of_##name(unsigned count)                               \
    {                                                                   \
        for (unsigned n = 0; n < count; n++) {                          \
            double x = argument(), y = argument();                      \
            take_double(name(x, y));                                    \
            take_float(name##f((float)x, (float)y));                    \
            take_long_double(name##l((long double)x, (long double)y));  \
        }                                                               \
    }
#define FUNCTIONS(ONE, ONE_X, TWO)                                                                                       \
    ONE_X(sin) ONE_X(cos) ONE_X(tan) ONE_X(asin) ONE_X(acos) ONE_X(atan) ONE_X(sinh) ONE_X(cosh) ONE_X(tanh)             \
    ONE_X(asinh) ONE_X(acosh) ONE_X(atanh) ONE_X(exp) ONE_X(exp2) ONE_X(expm1) ONE_X(log) ONE_X(log2) ONE_X(log10)       \
    ONE_X(log1p) ONE_X(erf) ONE_X(erfc) ONE(sqrt) ONE(cbrt) ONE(ceil) ONE(floor) ONE(trunc) ONE(rint) ONE(round) ONE(logb) \
    TWO(hypot) TWO(fmod) TWO(remainder) TWO(fdim) TWO(fmin) TWO(fmax) TWO(nextafter)
FUNCTIONS(ONE, ONE_X, TWO)

static const struct { const char *name; void (*run)(unsigned count); } rows[] = {
#define ROW(name) { #name, of_##name },
    FUNCTIONS(ROW, ROW, ROW)
};

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;

    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        digest[0] = digest[1] = digest[2] = 0xcbf29ce484222325ull;
        error = 0;
        rows[n].run(count);
        printf("%s %016llx %016llx %016llx\n", rows[n].name, (unsigned long long)digest[0], (unsigned long long)digest[1],
               (unsigned long long)digest[2]);
        if (error)
            printf("error %s %u\n", rows[n].name, error);
    }
    return 0;
}
