/* SPDX-License-Identifier: MIT
 * The map: lookup, removal, growth, and iteration in insertion order. */
#include "base/map.h"

#include "tests/check.h"

static void iteration_is_insertion_order(void **state)
{
    struct map m = { 0 };
    int values[100];
    uint64_t expect = 0;

    (void)state;
    for (int k = 0; k < 100; k++)
        map_put(&m, (uint64_t)k * 0x123456789, &values[k]);
    for (int k = 0; k < 100; k += 3)
        map_put(&m, (uint64_t)k * 0x123456789, NULL);
    MAP_EACH(&m, e) {
        while (expect % 3 == 0)
            expect++;
        assert_true(e->key == expect * 0x123456789);
        expect++;
    }
    assert_int_equal(m.live, 66);
    map_clear(&m);
}

static void removed_keys_are_gone_and_can_return(void **state)
{
    struct map m = { 0 };
    int a, b;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        map_put(&m, (uint64_t)round % 7, &a);
        assert_ptr_equal(map_get(&m, (uint64_t)round % 7), &a);
        map_put(&m, (uint64_t)round % 7, &b);
        assert_ptr_equal(map_get(&m, (uint64_t)round % 7), &b);
        map_put(&m, (uint64_t)round % 7, NULL);
        assert_null(map_get(&m, (uint64_t)round % 7));
    }
    assert_int_equal(m.live, 0);
    map_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iteration_is_insertion_order),
        cmocka_unit_test(removed_keys_are_gone_and_can_return),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
