/* SPDX-License-Identifier: MIT
 * Virtual time and the order of deadlines. */
#include "core/clock.h"

#include "tests/check.h"

static char log_text[64];
static unsigned logged;

static void note(void *arg)
{
    log_text[logged++] = *(char *)arg;
    log_text[logged] = '\0';
}

static int fresh(void **state)
{
    (void)state;
    logged = 0;
    log_text[0] = '\0';
    return 0;
}

static void time_is_retired_instructions(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 2500);
    assert_int_equal(clock_ns(&c), 0);
    c.state.insns = 3;
    assert_int_equal(clock_ns(&c), 7);          /* 7.5 ns */
    clock_set_speed(&c, 1000);
    c.state.insns = 4;
    assert_int_equal(clock_ns(&c), 8);          /* the half nanosecond was kept */
    clock_free(&c);
}

static void time_survives_a_year_of_instructions(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 100000);
    c.state.insns = 365ull * 24 * 3600 * 10000000;      /* 10 MIPS for a year: ps would overflow 64 bits */
    assert_true(clock_ns(&c) == 365ull * 24 * 3600 * 1000000000);
    clock_free(&c);
}

static void insns_until_is_the_first_instruction_at_or_after(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 3000);
    assert_int_equal(clock_insns_until(&c, 0), 0);
    assert_int_equal(clock_insns_until(&c, 1), 1);
    assert_int_equal(clock_insns_until(&c, 3), 1);
    assert_int_equal(clock_insns_until(&c, 4), 2);
    for (uint64_t ns = 0; ns < 1000; ns++) {
        uint64_t n = clock_insns_until(&c, ns);

        c.state.insns = n;
        assert_true(clock_ns(&c) >= ns);
        if (n > 0) {
            c.state.insns = n - 1;
            assert_true(clock_ns(&c) < ns);
        }
        c.state.insns = 0;
    }
    clock_free(&c);
}

static void equal_deadlines_fire_in_registration_order(void **state)
{
    static char names[] = "abcd";
    struct timer t[4];
    struct clock c;

    (void)state;
    clock_init(&c, 1000);
    for (int k = 0; k < 4; k++)
        timer_init(&c, &t[k], "t", note, &names[k]);
    timer_set(&c, &t[3], 10);
    timer_set(&c, &t[1], 10);
    timer_set(&c, &t[2], 5);
    timer_set(&c, &t[0], 10);
    clock_fire_due(&c);
    assert_string_equal(log_text, "");
    assert_int_equal(clock_next_deadline(&c), 5);
    clock_skip_to(&c, 10);
    clock_fire_due(&c);
    assert_string_equal(log_text, "cabd");
    assert_true(clock_next_deadline(&c) == TIMER_OFF);
    clock_free(&c);
}

static void queue_equals_a_sorted_list(void **state)
{
    enum { N = 50 };
    struct timer t[N];
    struct clock c;
    uint32_t seed = 1;

    (void)state;
    clock_init(&c, 1000);
    for (int k = 0; k < N; k++)
        timer_init(&c, &t[k], "t", note, NULL);
    for (int step = 0; step < 5000; step++) {
        uint64_t least = TIMER_OFF;

        seed = seed * 1664525 + 1013904223;
        if (seed >> 30 == 0)
            timer_cancel(&c, &t[(seed >> 8) % N]);
        else
            timer_set(&c, &t[(seed >> 8) % N], 1 + (seed >> 16) % 1000);
        for (int k = 0; k < N; k++)
            least = t[k].due_ns < least ? t[k].due_ns : least;
        assert_true(clock_next_deadline(&c) == least);
    }
    clock_free(&c);
}

static unsigned moved;
static void count_move(void *arg) { (void)arg; moved++; }

static void a_nearer_deadline_is_told(void **state)
{
    struct timer a, b;
    struct clock c;

    (void)state;
    clock_init(&c, 1000);
    c.deadline_moved = count_move;
    timer_init(&c, &a, "a", note, NULL);
    timer_init(&c, &b, "b", note, NULL);
    moved = 0;
    timer_set(&c, &a, 100);
    assert_int_equal(moved, 1);
    timer_set(&c, &b, 200);
    assert_int_equal(moved, 1);
    timer_set(&c, &b, 50);
    assert_int_equal(moved, 2);
    clock_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(time_is_retired_instructions, fresh),
        cmocka_unit_test_setup(time_survives_a_year_of_instructions, fresh),
        cmocka_unit_test_setup(insns_until_is_the_first_instruction_at_or_after, fresh),
        cmocka_unit_test_setup(equal_deadlines_fire_in_registration_order, fresh),
        cmocka_unit_test_setup(queue_equals_a_sorted_list, fresh),
        cmocka_unit_test_setup(a_nearer_deadline_is_told, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
