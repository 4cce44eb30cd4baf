/* SPDX-License-Identifier: MIT
 * The quick functions of the x87 beside the exact ones: what they answer errs by less than they allow themselves, rounds the
 * same way in every direction, and they do answer nearly always. PARTITA_FP_CASES=n: so many operands of each kind. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/fp_quick.h"
#include "cpu/fp_wide.h"

#define ALLOWED ((u128)1 << 52)     /* ERROR in fp_quick.c */

static uint64_t seed;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x9e3779b97f4a7c15ull;
}

/* Significands at random, short ones, and those next to powers of two. */
static uint64_t any_significand(void)
{
    const uint64_t v = random64(), few = random64() & ((1ull << random64() % 20) - 1);

    switch (random64() % 8) {
    case 0:  return 1ull << 63 | v << random64() % 64;
    case 1:  return 1ull << 63 | few;
    case 2:  return ~few;
    default: return 1ull << 63 | v;
    }
}

static struct fp_num number(int least, int most, bool positive)
{
    const int exp = least + (int)(random64() % (unsigned)(most - least + 1));

    return fp_finite(!positive && (random64() & 1), exp, (u128)any_significand() << 64);
}

enum function { SINCOS, TAN, ATAN2, EXP, LOG, LOG1, FUNCTIONS };

static const struct range { const char *name; int x0, x1, y0, y1; bool positive; } usual[FUNCTIONS] = {
    [SINCOS] = { "sine and cosine", -12, 10, 0, 0, false }, [TAN] = { "tangent", -12, 10, 0, 0, false },
    [ATAN2] = { "arc tangent", -6, 6, -6, 6, false }, [EXP] = { "2^x - 1", -12, -1, 0, 0, false },
    [LOG] = { "y log2 x", -3, 3, -6, 6, true }, [LOG1] = { "y log2 (x + 1)", -12, -2, -6, 6, false },
}, every[FUNCTIONS] = {
    [SINCOS] = { NULL, -90, 62, 0, 0, false }, [TAN] = { NULL, -90, 62, 0, 0, false },
    [ATAN2] = { NULL, -16382, 16383, -16382, 16383, false }, [EXP] = { NULL, -16382, -1, 0, 0, false },
    [LOG] = { NULL, -16382, 16383, -16382, 16383, true }, [LOG1] = { NULL, -16382, -1, -16382, 16383, false },
};

/* Both of sine and cosine; else one result. */
static bool quick(enum function f, struct fp_num x, struct fp_num y, struct fp_num *out)
{
    switch (f) {
    case SINCOS: return fp_quick_sincos(x, &out[0], &out[1]);
    case TAN:    return fp_quick_tan(x, out);
    case ATAN2:  return fp_quick_atan2(y, x, out);
    case EXP:    return fp_quick_2xm1(x, out);
    case LOG:    return fp_quick_yl2x(y, x, out);
    default:     return fp_quick_yl2xp1(y, x, out);
    }
}

static void exact(enum function f, struct fp_num x, struct fp_num y, struct fp_num *out)
{
    switch (f) {
    case SINCOS: fp_exact_sincos(x, &out[0], &out[1]); break;
    case TAN:    fp_exact_tan(x, out); break;
    case ATAN2:  *out = fp_exact_atan2(y, x); break;
    case EXP:    *out = fp_exact_2xm1(x); break;
    case LOG:    *out = fp_exact_yl2x(y, x); break;
    default:     *out = fp_exact_yl2xp1(y, x); break;
    }
}

static u128 worst[FUNCTIONS];

static void compare(enum function f, struct fp_num a, struct fp_num b)
{
    const u128 off = a.sig > b.sig ? a.sig - b.sig : b.sig - a.sig;

    assert_true(a.exp == b.exp && a.sign == b.sign);
    worst[f] = off > worst[f] ? off : worst[f];
    assert_true(off < ALLOWED);
    for (unsigned rounding = 0; rounding < 4; rounding++) {
        struct fp_env e = { .rounding = (uint8_t)rounding, .masked = FP_ALL, .precision = 64, .x87 = true }, g = e;
        const struct fp80 r = fp_to80(&e, a), s = fp_to80(&g, b);

        assert_true(r.mant == s.mant && r.se == s.se && e.flags == g.flags && e.up == g.up);
    }
}

static bool check(enum function f, struct fp_num x, struct fp_num y)
{
    struct fp_num a[2], b[2];

    if (!quick(f, x, y, a))
        return false;
    exact(f, x, y, b);
    compare(f, a[0], b[0]);
    if (f == SINCOS)
        compare(f, a[1], b[1]);
    return true;
}

static unsigned long cases(void)
{
    const char *s = getenv("PARTITA_FP_CASES");

    return s ? strtoul(s, NULL, 0) : 60000;
}

static void usual_operands_are_decided(void **state)
{
    (void)state;
    seed = 0x2545f4914f6cdd1dull;
    for (unsigned f = 0; f < FUNCTIONS; f++) {
        const struct range *r = &usual[f];
        unsigned long decided = 0;

        for (unsigned long n = 0; n < cases(); n++)
            decided += check(f, number(r->x0, r->x1, r->positive), number(r->y0, r->y1, false));
        assert_true(decided >= cases() / 100 * 95);
        printf("%s: %lu of %lu, errs by %lu/1000 of what is allowed\n", r->name, decided, cases(),
               (unsigned long)(worst[f] * 1000 / ALLOWED));
    }
}

static void no_operand_is_rounded_otherwise(void **state)
{
    (void)state;
    seed = 0x9e3779b97f4a7c15ull;
    for (unsigned f = 0; f < FUNCTIONS; f++)
        for (unsigned long n = 0; n < cases(); n++) {
            const struct range *r = &every[f];
            struct fp_num x = number(r->x0, r->x1, r->positive), y = number(r->y0, r->y1, false);

            if (f == ATAN2 && (n & 1)) {        /* of similar size */
                y.exp = x.exp + (int)(random64() % 40) - 20;
                y.exp = y.exp > 16383 ? 16383 : y.exp < -16382 ? -16382 : y.exp;
            }
            check(f, x, y);
        }
}

/* Around each place where another entry begins, and each entry's own: multiples of 2^-8, up to 2. */
static void tables_hold_everywhere(void **state)
{
    static const struct range limits[FUNCTIONS] = {
        [SINCOS] = { NULL, 1, 512, 0, 0, 0 }, [TAN] = { NULL, 1, 512, 0, 0, 0 }, [ATAN2] = { NULL, 1, 512, 0, 0, 0 },
        [EXP] = { NULL, 1, 255, 0, 0, 0 }, [LOG] = { NULL, 1, 512, 0, 0, 0 }, [LOG1] = { NULL, 1, 127, 0, 0, 0 },
    };

    (void)state;
    for (unsigned f = 0; f < FUNCTIONS; f++)
        for (int k = limits[f].x0; k <= limits[f].x1; k++)
            for (int near = -2; near <= 2; near++)
                for (unsigned sign = 0; sign < (f == LOG ? 1 : 2); sign++) {
                    struct fp_num x = fp_normalise(sign, 127 - 8 - 54, ((u128)(unsigned)k << 54) + (u128)near);

                    if (f == ATAN2)
                        check(f, wide_one(), x);
                    else
                        check(f, x, wide_one());
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_operands_are_decided),
        cmocka_unit_test(no_operand_is_rounded_otherwise),
        cmocka_unit_test(tables_hold_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
