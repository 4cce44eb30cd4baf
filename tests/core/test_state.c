/* SPDX-License-Identifier: MIT
 * State schemas: one list gives struct, save, load, hash, difference and print. */
#include "core/state.h"

#include <string.h>

#include "tests/check.h"

#define DEMO_STATE(ONE, MANY)   \
    ONE (u64, big,     "")      \
    ONE (u32, word,    "")      \
    MANY(u16, pair, 2, "")
STATE_STRUCT(demo_state, DEMO_STATE);
STATE_SCHEMA(demo_state, DEMO_STATE);

static void save_and_load_are_inverse(void **state)
{
    struct demo_state a = { 1, 2, { 3, 4 } }, b = { 0 };
    struct writer w = { 0 };
    struct reader r;
    struct err e;

    (void)state;
    state_save(&demo_state_schema, &a, &w);
    r = reader_of(w.bytes, w.len);
    e = state_load(&demo_state_schema, &b, &r);
    assert_false(failed(&e));
    assert_true(reader_done(&r));
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(state_hash(&demo_state_schema, &a, 1) == state_hash(&demo_state_schema, &b, 1));
    writer_free(&w);
}

static void cut_or_foreign_files_are_refused(void **state)
{
    struct demo_state a = { 1, 2, { 3, 4 } };
    struct writer w = { 0 };

    (void)state;
    state_save(&demo_state_schema, &a, &w);
    for (size_t len = 0; len < w.len; len++) {
        struct reader r = reader_of(w.bytes, len);
        struct err e = state_load(&demo_state_schema, &a, &r);

        assert_true(failed(&e));
    }
    w.bytes[0]++;
    {
        struct reader r = reader_of(w.bytes, w.len);
        struct err e = state_load(&demo_state_schema, &a, &r);

        assert_true(failed(&e));
    }
    writer_free(&w);
}

static void the_first_difference_is_named(void **state)
{
    struct demo_state a = { 1, 2, { 3, 4 } }, b = { 1, 2, { 3, 5 } };
    struct state_difference d;

    (void)state;
    assert_true(state_first_difference(&demo_state_schema, &a, &b, &d));
    assert_string_equal(d.field->name, "pair");
    assert_int_equal(d.index, 1);
    assert_int_equal(d.a, 4);
    assert_int_equal(d.b, 5);
    b = a;
    assert_false(state_first_difference(&demo_state_schema, &a, &b, &d));
}

static void every_byte_counts_in_the_hash(void **state)
{
    struct demo_state a = { 0 };
    uint64_t zero = state_hash(&demo_state_schema, &a, 0);

    (void)state;
    for (size_t k = 0; k < sizeof a; k++) {
        ((uint8_t *)&a)[k] ^= 1;
        assert_true(state_hash(&demo_state_schema, &a, 0) != zero);
        ((uint8_t *)&a)[k] ^= 1;
    }
}

static char printed[256];
static void collect(void *arg, const char *text)
{
    (void)arg;
    strcat(printed, text);
    strcat(printed, "\n");
}

static void print_shows_each_field(void **state)
{
    struct demo_state a = { 0x10, 2, { 3, 4 } };

    (void)state;
    printed[0] = '\0';
    state_print(&demo_state_schema, &a, collect, NULL);
    assert_string_equal(printed, "big = 0x10\nword = 0x2\npair = 0003 0004\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_and_load_are_inverse),
        cmocka_unit_test(cut_or_foreign_files_are_refused),
        cmocka_unit_test(the_first_difference_is_named),
        cmocka_unit_test(every_byte_counts_in_the_hash),
        cmocka_unit_test(print_shows_each_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
