/* SPDX-License-Identifier: MIT
 * cpu/fp against the host's SSE (a slice; PARTITA_FP_ROUNDS=n for more), and what the host cannot witness: the rules the SDM
 * states for x87 numbers, and the accuracy of the functions at points computed elsewhere to 40 digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "cpu/fp_wide.h"
#include "tests/oracle/fp_host.h"

static struct fp_env x87(unsigned rounding, unsigned precision)
{
    return (struct fp_env){ .rounding = (uint8_t)rounding, .masked = FP_ALL, .precision = (uint8_t)precision, .x87 = true };
}

static void agrees_with_the_host(void **state)
{
    const char *wish = getenv("PARTITA_FP_ROUNDS");

    (void)state;
    if (!fp_host_available())
        skip();
    assert_int_equal(fp_host_sse(1, wish ? strtoul(wish, NULL, 10) : 20000), 0);
}

/* SDM 1 "Rules for Handling NaNs": the larger significand wins; equal ones: the positive. */
static void x87_nan_with_the_larger_significand_wins(void **state)
{
    const struct fp80 small = { 0xc000000000000001ull, 0x7fff }, large = { 0xc000000000000002ull, 0xffff };
    const struct fp80 twin = { 0xc000000000000001ull, 0xffff };
    struct fp_env e = x87(FP_NEAREST, 64);

    (void)state;
    assert_int_equal(fp_to80(&e, fp_add(&e, fp_from80(small), fp_from80(large))).mant, large.mant);
    assert_int_equal(fp_to80(&e, fp_mul(&e, fp_from80(large), fp_from80(small))).mant, large.mant);
    assert_int_equal(fp_to80(&e, fp_add(&e, fp_from80(twin), fp_from80(small))).se, 0x7fff);
    assert_int_equal(e.flags, 0);
}

/* SDM 1 "Unsupported Double Extended-Precision Floating-Point Encodings": invalid, and the indefinite comes out. */
static void x87_unsupported_encodings_are_invalid(void **state)
{
    const struct fp80 unnormal = { 1, 0x3fff }, pseudo_infinity = { 0, 0x7fff }, one = { 1ull << 63, 0x3fff };
    struct fp_env e = x87(FP_NEAREST, 64);
    struct fp80 r;

    (void)state;
    r = fp_to80(&e, fp_add(&e, fp_from80(unnormal), fp_from80(one)));
    assert_int_equal(r.mant, 0xc000000000000000ull);
    assert_int_equal(r.se, 0xffff);
    assert_int_equal(e.flags, FP_IE);
    e.flags = 0;
    assert_int_equal(fp_compare(&e, fp_from80(pseudo_infinity), fp_from80(one), true), FP_UNORDERED);
    assert_int_equal(e.flags, FP_IE);
}

/* SDM 1 "Precision Control Field": 1/3 with 24, 53 and 64 bits. */
static void x87_precision_control_rounds_the_significand(void **state)
{
    static const struct { uint8_t precision; uint64_t mant; } rows[] = {
        { 24, 0xaaaaab0000000000ull }, { 53, 0xaaaaaaaaaaaaa800ull }, { 64, 0xaaaaaaaaaaaaaaabull }
    };

    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        struct fp_env e = x87(FP_NEAREST, rows[n].precision);

        assert_int_equal(fp_to80(&e, fp_div(&e, fp_from_int(1), fp_from_int(3))).mant, rows[n].mant);
        assert_int_equal(e.flags, FP_PE);
    }
}

/* SDM 1 "Numeric Overflow Exception": unmasked, the exponent is 24576 too small. */
static void x87_unmasked_overflow_wraps_the_exponent(void **state)
{
    const struct fp80 huge = { 1ull << 63, 0x7ffe };
    struct fp_env e = x87(FP_NEAREST, 64);
    struct fp80 r;

    (void)state;
    e.masked = FP_ALL & ~FP_OE;
    r = fp_to80(&e, fp_mul(&e, fp_from80(huge), fp_from80(huge)));
    assert_int_equal(r.se, 2 * 16383 - 24576 + 16383);
    assert_int_equal(e.flags, FP_OE);
}

enum { SIN, COS, TAN, EXP, LOG, LOGP1, ATAN };

static struct fp_num evaluate(struct fp_env *e, unsigned function, struct fp_num x, struct fp_num y)
{
    struct fp_num sin, cos;

    switch (function) {
    case SIN:
    case COS:   assert_true(fp_sincos(e, x, &sin, &cos)); return function == SIN ? sin : cos;
    case TAN:   assert_true(fp_tan(e, x, &sin)); return sin;
    case EXP:   return fp_2xm1(e, x);
    case LOG:   return fp_yl2x(e, y, x);
    case LOGP1: return fp_yl2xp1(e, y, x);
    default:    return fp_atan2(e, y, x);
    }
}

/* As on Emerald Rapids, where it is neither rounded down nor up, and the least normal number does not underflow. */
static void sine_and_tangent_of_the_smallest_arguments_are_those(void **state)
{
    static const struct fp80 rows[] = { { 1ull << 63, 0x0001 }, { 1ull << 63, 0x8001 }, { 0x9000000000000001, 0x3fba } };

    (void)state;
    for (unsigned n = 0; n < 3; n++)
        for (unsigned function = SIN; function <= TAN; function += TAN - SIN)
            for (unsigned rounding = FP_NEAREST; rounding <= FP_ZERO; rounding++) {
                struct fp_env e = x87(rounding, 64);
                struct fp80 r = fp_to80(&e, evaluate(&e, function, fp_from80(rows[n]), fp_from_int(0)));

                assert_int_equal(r.mant, rows[n].mant);
                assert_int_equal(r.se, rows[n].se);
                assert_int_equal(e.flags, FP_PE);
            }
}

/* log2 of a power of two is exact, and FYL2X raises #P all the same, and #U for a denormal (Emerald Rapids). */
static void a_logarithm_is_never_exact(void **state)
{
    static const struct { struct fp80 x, y, expect; uint8_t flags; } rows[] = {
        { { 1ull << 63, 0x4001 }, { 3ull << 62, 0x3fff }, { 3ull << 62, 0x4000 }, FP_PE },
        { { 1ull << 63, 0x4000 }, { 0x666a1bcc00000000, 0 }, { 0x666a1bcc00000000, 0 }, FP_DE | FP_UE | FP_PE },
        { { 1ull << 63, 0x4001 }, { 0x666a1bcc00000000, 0 }, { 0xccd4379800000000, 1 }, FP_DE | FP_PE },
        { { 1ull << 63, 0x3fff }, { 3ull << 62, 0x3fff }, { 0, 0 }, 0 },
    };

    (void)state;
    for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        struct fp_env e = x87(FP_NEAREST, 64);
        struct fp80 r = fp_to80(&e, evaluate(&e, LOG, fp_from80(rows[n].x), fp_from80(rows[n].y)));

        assert_int_equal(r.mant, rows[n].expect.mant);
        assert_int_equal(r.se, rows[n].expect.se);
        assert_int_equal(e.flags, rows[n].flags);
    }
}

/* x, y and the function's value, sines and tangents modulo the 66-bit pi, rounded to nearest. */
static void functions_are_rounded_correctly_at_known_points(void **state)
{
    static const struct { uint8_t function; struct fp80 x, y, expect; } rows[] = {
        { SIN, { 0xa0b26c1c9f767c45ull, 0xbffb }, { 0x0000000000000000ull, 0x0000 }, { 0xa08838c557f33b14ull, 0xbffb } },
        { COS, { 0xa0b26c1c9f767c45ull, 0xbffb }, { 0x0000000000000000ull, 0x0000 }, { 0xff365b7735a0ec53ull, 0x3ffe } },
        { TAN, { 0xa0b26c1c9f767c45ull, 0xbffb }, { 0x0000000000000000ull, 0x0000 }, { 0xa1070ece88a410d5ull, 0xbffb } },
        { SIN, { 0xf8a235f5b0c11fdeull, 0x4000 }, { 0x0000000000000000ull, 0x0000 }, { 0xad3dfb1af55cb66cull, 0xbffe } },
        { COS, { 0xf8a235f5b0c11fdeull, 0x4000 }, { 0x0000000000000000ull, 0x0000 }, { 0xbc79d5886e6597b7ull, 0xbffe } },
        { TAN, { 0xf8a235f5b0c11fdeull, 0x4000 }, { 0x0000000000000000ull, 0x0000 }, { 0xeb4ef8849be3e39full, 0x3ffe } },
        { SIN, { 0xbb9985edd7210dffull, 0xbff7 }, { 0x0000000000000000ull, 0x0000 }, { 0xbb9942c455380d08ull, 0xbff7 } },
        { COS, { 0xbb9985edd7210dffull, 0xbff7 }, { 0x0000000000000000ull, 0x0000 }, { 0xfffeed0ce5c1f14dull, 0x3ffe } },
        { TAN, { 0xbb9985edd7210dffull, 0xbff7 }, { 0x0000000000000000ull, 0x0000 }, { 0xbb9a0c415ccac3b7ull, 0xbff7 } },
        { SIN, { 0xf350b51d0d464138ull, 0x3ffa }, { 0x0000000000000000ull, 0x0000 }, { 0xf32c14a0068e3c30ull, 0x3ffa } },
        { COS, { 0xf350b51d0d464138ull, 0x3ffa }, { 0x0000000000000000ull, 0x0000 }, { 0xff8c678b76ce83f3ull, 0x3ffe } },
        { TAN, { 0xf350b51d0d464138ull, 0x3ffa }, { 0x0000000000000000ull, 0x0000 }, { 0xf39a13e9589122e5ull, 0x3ffa } },
        { SIN, { 0xbc0a74515f2dd97full, 0x3fff }, { 0x0000000000000000ull, 0x0000 }, { 0xfead31d33703d18bull, 0x3ffe } },
        { COS, { 0xbc0a74515f2dd97full, 0x3fff }, { 0x0000000000000000ull, 0x0000 }, { 0xcffa744f2d13cf27ull, 0x3ffb } },
        { TAN, { 0xbc0a74515f2dd97full, 0x3fff }, { 0x0000000000000000ull, 0x0000 }, { 0x9cbd878f4b830aaeull, 0x4002 } },
        { SIN, { 0x8d0d7f438b33e968ull, 0x4014 }, { 0x0000000000000000ull, 0x0000 }, { 0xe95ce0d13223f9e4ull, 0x3ffe } },
        { COS, { 0x8d0d7f438b33e968ull, 0x4014 }, { 0x0000000000000000ull, 0x0000 }, { 0xd28094879d3ad7a6ull, 0xbffd } },
        { TAN, { 0x8d0d7f438b33e968ull, 0x4014 }, { 0x0000000000000000ull, 0x0000 }, { 0x8de69a8bfd85cbb3ull, 0xc000 } },
        { EXP, { 0xdd976d90035b7399ull, 0x3ff3 }, { 0x0000000000000000ull, 0x0000 }, { 0x999e378cc011d195ull, 0x3ff3 } },
        { LOG, { 0x974e4158478c281dull, 0x4011 }, { 0xe186c5bb28dbd25eull, 0x3ff2 }, { 0x808f34c3f7cb9950ull, 0x3ff7 } },
        { LOGP1, { 0xcf08af259e30691cull, 0x3fee }, { 0x803a289821da8978ull, 0x3ff0 }, { 0x959b8833afaa0f0cull, 0x3fe0 } },
        { ATAN, { 0x9b94e30cc60a3cabull, 0xbffa }, { 0xa507f3ae2a9eba0cull, 0xbffd }, { 0xd8139856531ba375ull, 0xbfff } },
        { EXP, { 0xc505464b32ea6928ull, 0xbffe }, { 0x0000000000000000ull, 0x0000 }, { 0xd3ac6673bbd02d9bull, 0xbffd } },
        { LOG, { 0x9a363715a02fdaa1ull, 0x3ff7 }, { 0xfbf9ab1af0e3cd97ull, 0xbff6 }, { 0xf38286d61d665a74ull, 0x3ff9 } },
        { LOGP1, { 0xf2662099f7108e96ull, 0x3fec }, { 0xae3b78c50585a01cull, 0x3ffd }, { 0xee024731f951ce86ull, 0x3feb } },
        { ATAN, { 0x92a65c32ef901b93ull, 0x3ffc }, { 0xa692ef5954f46a69ull, 0xc005 }, { 0xc8d7825bb81a18cbull, 0xbfff } },
        { EXP, { 0x806edba6960d5a8full, 0xbff9 }, { 0x0000000000000000ull, 0x0000 }, { 0xb11502ccf1467d06ull, 0xbff8 } },
        { LOG, { 0xab40345cb52a43abull, 0x3fe8 }, { 0xad7c27354f596727ull, 0x3ff9 }, { 0xf4d4be34feb85f89ull, 0xbffd } },
        { LOGP1, { 0xa86be89fb2489191ull, 0x3fe5 }, { 0xda32992978f845f5ull, 0x3ff5 }, { 0xcf19dbc041eb074dull, 0x3fdc } },
        { ATAN, { 0xfcd00ff4419521feull, 0xbff8 }, { 0xadc747d9bff29101ull, 0x4005 }, { 0xc915ac59050e488eull, 0x3fff } },
        { EXP, { 0xc647caf704a012e8ull, 0x3ffc }, { 0x0000000000000000ull, 0x0000 }, { 0x93166ae837ed4ff2ull, 0x3ffc } },
        { LOG, { 0xb02cbdee5dbe4409ull, 0x3fe1 }, { 0x85fb277b73ec28d0ull, 0xbff5 }, { 0xf75af65a0d6b84f0ull, 0x3ff9 } },
        { LOGP1, { 0xfa299927f486ab73ull, 0x3fe6 }, { 0x9f7fc59fc177f113ull, 0x3ffe }, { 0xe0dc886bca0c1949ull, 0x3fe6 } },
        { ATAN, { 0xad69dd198332f05aull, 0xc006 }, { 0xe346f5ae403a960aull, 0x3fff }, { 0xc8681a2046301ba7ull, 0x4000 } },
        { EXP, { 0xdfcb81e096fabb7bull, 0xbffc }, { 0x0000000000000000ull, 0x0000 }, { 0x8ff1dcf2e476043bull, 0xbffc } },
        { LOG, { 0xee0a76ab5e0730b3ull, 0x4005 }, { 0xb76bc7ae0960afe9ull, 0x3ff2 }, { 0x9e1665b9e8b4d6dfull, 0x3ff5 } },
        { LOGP1, { 0xc1a60db4573ac59aull, 0x3ff3 }, { 0x92f81314eb07c30dull, 0x3ffa }, { 0xa05c088d9f38c667ull, 0x3fef } },
        { ATAN, { 0xd9ef047cec983704ull, 0x4000 }, { 0xd7cdba7c4ffcbf42ull, 0x3ffd }, { 0xfc370e8ce081af34ull, 0x3ffb } },
    };

    (void)state;
    for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        struct fp_env e = x87(FP_NEAREST, 64);
        struct fp80 r = fp_to80(&e, evaluate(&e, rows[n].function, fp_from80(rows[n].x), fp_from80(rows[n].y)));

        assert_int_equal(r.mant, rows[n].expect.mant);
        assert_int_equal(r.se, rows[n].expect.se);
        assert_int_equal(e.flags, FP_PE);
    }
}

/* Digit by digit, as one learns it. */
static struct fp_num long_division(struct fp_num a, struct fp_num b)
{
    bool below = a.sig < b.sig;
    u128 rest = below ? a.sig : a.sig - b.sig, q = !below;

    for (int k = below ? 128 : 127; k > 0; k--) {
        bool carry = rest >> 127;

        rest <<= 1;
        q <<= 1;
        if (carry || rest >= b.sig) {
            rest -= b.sig;
            q |= 1;
        }
    }
    return fp_finite(false, a.exp - b.exp - below, q | (rest != 0));
}

/* Random, few bits, nearly all ones: where estimated digits are too large. */
static uint64_t half_significand(struct fp_random *r)
{
    uint64_t v = fp_random_next(r), how = fp_random_next(r);

    return how % 4 == 0 ? v & 3 : how % 4 == 1 ? ~(v & 3) : how % 4 == 2 ? ~0ull << (v & 63) : v;
}

static void wide_quotients_are_those_of_long_division(void **state)
{
    struct fp_random r = { 1 };

    (void)state;
    for (unsigned n = 0; n < 200000; n++) {
        struct fp_num b = fp_finite(false, 0, U128_TOP | U128(half_significand(&r), half_significand(&r)));
        uint64_t high = n % 4 ? half_significand(&r) : (uint64_t)(b.sig >> 64);
        struct fp_num a = fp_finite(false, 0, U128_TOP | U128(high, half_significand(&r)));
        struct fp_num expect = long_division(a, b), got = wide_div(a, b);

        assert_true(got.sig == expect.sig && got.exp == expect.exp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_host),
        cmocka_unit_test(wide_quotients_are_those_of_long_division),
        cmocka_unit_test(x87_nan_with_the_larger_significand_wins),
        cmocka_unit_test(x87_unsupported_encodings_are_invalid),
        cmocka_unit_test(x87_precision_control_rounds_the_significand),
        cmocka_unit_test(x87_unmasked_overflow_wraps_the_exponent),
        cmocka_unit_test(sine_and_tangent_of_the_smallest_arguments_are_those),
        cmocka_unit_test(a_logarithm_is_never_exact),
        cmocka_unit_test(functions_are_rounded_correctly_at_known_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
