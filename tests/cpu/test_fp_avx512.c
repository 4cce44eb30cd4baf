/* SPDX-License-Identifier: MIT
 * cpu/fp_avx512 against the host's AVX-512 where it has it (a slice; PARTITA_FP_ROUNDS=n for more), and everywhere the
 * manual's tables of special cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "cpu/fp_avx512.h"
#include "tests/oracle/fp_host.h"

static void agrees_with_the_host(void **state)
{
    const char *wish = getenv("PARTITA_FP_ROUNDS");

    (void)state;
    if (!fp_host_has_avx512())
        skip();
    assert_int_equal(fp_host_avx512(1, wish ? strtoul(wish, NULL, 10) : 20000), 0);
}

static struct fp_env nearest(void)
{
    return (struct fp_env){ .rounding = FP_NEAREST, .masked = FP_ALL, .precision = 64 };
}

/* SDM 2C "VGETEXPPD", table "VGETEXPPD/SD Special Cases". */
static void exponent_of_special_numbers(void **state)
{
    struct fp_env e = nearest();

    (void)state;
    assert_int_equal(fp32_getexp(&e, 0x80000000), 0xff800000);
    assert_int_equal(fp32_getexp(&e, 0xff800000), 0x7f800000);
    assert_int_equal(fp64_getexp(&e, 0xc020000000000000ull), 0x4008000000000000ull);
    assert_int_equal(e.flags, 0);
    assert_int_equal(fp32_getexp(&e, 1), 0xc3150000);      /* -149 */
    assert_int_equal(e.flags, FP_DE);
    assert_int_equal(fp16_getexp(&e, 0x7d00), 0x7f00);
    assert_int_equal(e.flags, FP_DE | FP_IE);
}

/* SDM 2C "VGETMANTPD", table "GetMant() Special Float Values Behavior": a sign that is refused, but not of zero. */
static void significand_of_negative_numbers(void **state)
{
    struct fp_env e = nearest();

    (void)state;
    assert_int_equal(fp32_getmant(&e, 0x80000000, 8), 0xbf800000);
    assert_int_equal(fp32_getmant(&e, 0xc0c00000, 3), 0xbf400000);      /* -6: [3/4, 3/2) */
    assert_int_equal(fp32_getmant(&e, 0xc0c00000, 4 | 1), 0x3fc00000);  /* [1/2, 2), positive */
    assert_int_equal(e.flags, 0);
    assert_int_equal(fp32_getmant(&e, 0xc0c00000, 8), 0xffc00000);
    assert_int_equal(e.flags, FP_IE);
}

/* SDM 2C "VSCALEFPD": the exponent's floor; one rounding. */
static void scaling_rounds_once(void **state)
{
    struct fp_env e = nearest();

    (void)state;
    assert_int_equal(fp32_scalef(&e, 0x40400000, 0xbfc00000), 0x3f400000);  /* 3 * 2^floor(-1.5) */
    assert_int_equal(fp32_scalef(&e, 0x7fc00001, 0xff800000), 0);
    assert_int_equal(e.flags, 0);
    assert_int_equal(fp32_scalef(&e, 0x3f800001, 0xc30d0000), 0x00000100);   /* 2^-141 */
    assert_int_equal(e.flags, FP_UE | FP_PE);
    e.flags = 0;
    assert_int_equal(fp64_scalef(&e, 0xbff0000000000000ull, 0x7fe0000000000000ull), 0xfff0000000000000ull);
    assert_int_equal(e.flags, FP_OE | FP_PE);
}

/* SDM 2C "VRANGEPD": tables for zeros of opposite sign, equal magnitudes and NaNs. */
static void range_orders_zeros_magnitudes_and_nans(void **state)
{
    struct fp_env e = nearest();

    (void)state;
    assert_int_equal(fp32_range(&e, 0, 0x80000000, 4 | 0), 0x80000000);
    assert_int_equal(fp32_range(&e, 0x80000000, 0, 4 | 1), 0);
    assert_int_equal(fp32_range(&e, 0x3f800000, 0xbf800000, 4 | 2), 0xbf800000);
    assert_int_equal(fp32_range(&e, 0xbf800000, 0x3f800000, 4 | 3), 0x3f800000);
    assert_int_equal(fp32_range(&e, 0xff800000, 0x40000000, 0 | 1), 0xc0000000);
    assert_int_equal(fp32_range(&e, 0x7fc00001, 0x40000000, 4), 0x40000000);
    assert_int_equal(e.flags, 0);
    assert_int_equal(fp32_range(&e, 0x40000000, 0x7f800001, 8), 0x7fc00001);
    assert_int_equal(e.flags, FP_IE);
}

/* SDM 2C "VFIXUPIMMPD": every response, chosen by the token of -infinity. */
static void fixup_gives_what_the_table_says(void **state)
{
    static const uint32_t expect[16] = {
        0x12345678, 0xff800000, 0xffc00000, 0xffc00000, 0xff800000, 0x7f800000, 0xff800000, 0x80000000, 0, 0xbf800000,
        0x3f800000, 0x3f000000, 0x42b40000, 0x3fc90fdb, 0x7f7fffff, 0xff7fffff
    };
    struct fp_env e = nearest();

    (void)state;
    for (uint32_t response = 0; response < 16; response++)
        assert_int_equal(fp32_fixup(&e, 0x12345678, 0xff800000, response << 16, 0xdf), expect[response]);
    assert_int_equal(e.flags, 0);
    fp32_fixup(&e, 0, 0xff800000, 0, 0x20);
    assert_int_equal(e.flags, FP_IE);
    fp32_fixup(&e, 0, 0x80000000, 0, 0x01);
    assert_int_equal(e.flags, FP_IE | FP_ZE);
}

/* SDM 2C "VCVTNEPS2BF16", "VDPBF16PS": ties to even, denormals are zero, NaNs quiet. */
static void bfloat16_rounds_to_even_and_knows_no_denormals(void **state)
{
    (void)state;
    assert_int_equal(fp_bf16_from32(0x3f808000), 0x3f80);
    assert_int_equal(fp_bf16_from32(0x3f818000), 0x3f82);
    assert_int_equal(fp_bf16_from32(0x807fffff), 0x8000);
    assert_int_equal(fp_bf16_from32(0x7f7fffff), 0x7f80);
    assert_int_equal(fp_bf16_from32(0x7f800001), 0x7fc0);
    assert_int_equal(fp_bf16_dot(0x40000000, 0x40403f80, 0x40803f80), 0x41700000);     /* 2 + 3 * 4 + 1 * 1 */
    assert_int_equal(fp_bf16_dot(0x007fffff, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponent_of_special_numbers),
        cmocka_unit_test(significand_of_negative_numbers),
        cmocka_unit_test(scaling_rounds_once),
        cmocka_unit_test(range_orders_zeros_magnitudes_and_nans),
        cmocka_unit_test(fixup_gives_what_the_table_says),
        cmocka_unit_test(bfloat16_rounds_to_even_and_knows_no_denormals),
        cmocka_unit_test(agrees_with_the_host),
    };

    return cmocka_run_group_tests_name("cpu/fp_avx512", tests, NULL, NULL);
}
