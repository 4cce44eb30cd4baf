/* SPDX-License-Identifier: MIT
 * Lazy flags against their definition in the SDM: every 8-bit sum, difference and logic result, every combination stored
 * and read back, every condition. */
#include "tests/check.h"

#include "cpu/flags.h"

static uint32_t result_flags(uint8_t r)
{
    return (__builtin_parity(r) ? 0 : FLAG_PF) | (r == 0 ? FLAG_ZF : 0) | (r & 0x80 ? FLAG_SF : 0);
}

static uint32_t sum_flags(unsigned a, unsigned b, unsigned carry)
{
    int wide = (int8_t)a + (int8_t)b + (int)carry;

    return result_flags((uint8_t)(a + b + carry)) | (a + b + carry > 0xff ? FLAG_CF : 0) |
           ((a & 15) + (b & 15) + carry > 15 ? FLAG_AF : 0) | (wide != (int8_t)wide ? FLAG_OF : 0);
}

static uint32_t difference_flags(unsigned a, unsigned b, unsigned borrow)
{
    int wide = (int8_t)a - (int8_t)b - (int)borrow;

    return result_flags((uint8_t)(a - b - borrow)) | (a < b + borrow ? FLAG_CF : 0) |
           ((a & 15) < (b & 15) + borrow ? FLAG_AF : 0) | (wide != (int8_t)wide ? FLAG_OF : 0);
}

static void every_sum_and_difference_of_bytes(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned c = 0; c < 2; c++) {
                struct flags f = { 0 };

                flags_set_add(&f, 1, a, b, (uint64_t)a + b + c);
                assert_int_equal(flags_get(&f), sum_flags(a, b, c));
                flags_set_sub(&f, 1, a, b, (uint64_t)a - b - c);
                assert_int_equal(flags_get(&f), difference_flags(a, b, c));
            }
}

/* Wider operands are the byte case moved up: the low part adds nothing but AF, PF and ZF. */
static void wider_operands_take_their_own_top_bit(void **state)
{
    static const unsigned sizes[] = { 2, 4, 8 };

    (void)state;
    for (unsigned n = 0; n < 3; n++)
        for (unsigned a = 0; a < 256; a++)
            for (unsigned b = 0; b < 256; b++) {
                unsigned shift = 8 * sizes[n] - 8;
                uint64_t x = (uint64_t)a << shift, y = (uint64_t)b << shift;
                uint32_t mask = FLAG_CF | FLAG_OF | FLAG_SF | FLAG_ZF;
                struct flags f = { 0 };

                flags_set_add(&f, sizes[n], x, y, x + y);
                assert_int_equal(flags_get(&f) & mask, sum_flags(a, b, 0) & mask);
                flags_set_sub(&f, sizes[n], x, y, x - y);
                assert_int_equal(flags_get(&f) & mask, difference_flags(a, b, 0) & mask);
                assert_int_equal(flags_get(&f) & (FLAG_PF | FLAG_AF), FLAG_PF);
            }
}

static void logic_clears_carry_and_overflow(void **state)
{
    (void)state;
    for (unsigned r = 0; r < 256; r++) {
        struct flags f = { -1, ~0u };

        flags_set_logic(&f, 1, r);
        assert_int_equal(flags_get(&f), result_flags((uint8_t)r));
    }
}

static uint32_t spread(unsigned bits)
{
    static const uint32_t flag[] = { FLAG_CF, FLAG_PF, FLAG_AF, FLAG_ZF, FLAG_SF, FLAG_OF };
    uint32_t v = 0;

    for (unsigned n = 0; n < 6; n++)
        v |= bits & (1u << n) ? flag[n] : 0;
    return v;
}

static void all_combinations_can_be_stored(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        struct flags f;

        flags_put(&f, spread(bits));
        assert_int_equal(flags_get(&f), spread(bits));
        for (unsigned cf = 0; cf < 2; cf++) {
            struct flags g = f;

            flags_set_cf(&g, cf);
            assert_int_equal(flags_get(&g), (spread(bits) & ~FLAG_CF) | (cf ? FLAG_CF : 0));
            flags_set_cf_of(&g, !cf, cf);
            assert_int_equal(flags_get(&g), (spread(bits) & ~(FLAG_CF | FLAG_OF)) | (cf ? FLAG_OF : FLAG_CF));
        }
    }
}

/* SDM 1 appendix B. */
static bool condition(uint32_t v, unsigned cc)
{
    bool cf = v & FLAG_CF, pf = v & FLAG_PF, zf = v & FLAG_ZF, sf = v & FLAG_SF, of = v & FLAG_OF;
    const bool even[] = { of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of };

    return even[cc / 2] != (cc & 1);
}

static void every_condition_in_every_state(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++)
        for (unsigned cc = 0; cc < 16; cc++) {
            struct flags f;

            flags_put(&f, spread(bits));
            assert_int_equal(flags_condition(&f, cc), condition(spread(bits), cc));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sum_and_difference_of_bytes),
        cmocka_unit_test(wider_operands_take_their_own_top_bit),
        cmocka_unit_test(logic_clears_carry_and_overflow),
        cmocka_unit_test(all_combinations_can_be_stored),
        cmocka_unit_test(every_condition_in_every_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
