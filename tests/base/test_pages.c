/* SPDX-License-Identifier: MIT
 * Page maps: copies are independent, what is equal is shared, comparisons name just what differs, nothing leaks. */
#include "base/pages.h"
#include "base/pages_pool.h"

#include <string.h>

#include "tests/check.h"

static uint8_t bytes[PAGES_PAGE];

static const uint8_t *filled(uint8_t with)
{
    memset(bytes, with, sizeof bytes);
    return bytes;
}

static void copies_are_independent(void **state)
{
    struct pages a, b = { 0 };

    (void)state;
    pages_init(&a, 1000000);
    pages_put(&a, 5, filled(1));
    pages_put(&a, 999999, filled(2));
    pages_copy(&b, &a);
    assert_ptr_equal(pages_get(&a, 5), pages_get(&b, 5));
    pages_edit(&a, 5)[7] = 9;
    pages_put(&b, 77, filled(3));
    pages_remove(&b, 999999);
    assert_int_equal(pages_get(&b, 5)[7], 1);
    assert_int_equal(pages_get(&a, 5)[7], 9);
    assert_int_equal(pages_get(&a, 5)[8], 1);
    assert_null(pages_get(&a, 77));
    assert_null(pages_get(&b, 999999));
    assert_int_equal(pages_get(&a, 999999)[0], 2);
    pages_drop(&a);
    assert_int_equal(pages_get(&b, 5)[7], 1);
    pages_drop(&b);
    assert_int_equal(pages_memory(), 0);
}

static void zeros_are_pages_without_memory(void **state)
{
    struct pages a;
    uint64_t before;

    (void)state;
    pages_init(&a, 64);
    pages_put(&a, 0, filled(1));
    before = pages_memory();
    pages_put(&a, 1, filled(0));
    assert_int_equal(pages_memory(), before);
    assert_non_null(pages_get(&a, 1));
    assert_int_equal(pages_get(&a, 1)[4095], 0);
    pages_edit(&a, 1)[0] = 5;
    pages_put(&a, 2, filled(0));
    assert_int_equal(pages_get(&a, 2)[0], 0);
    pages_drop(&a);
    assert_int_equal(pages_memory(), 0);
}

static void equal_contents_stay_the_same_page(void **state)
{
    struct pages a, b = { 0 };

    (void)state;
    pages_init(&a, 64);
    pages_put(&a, 3, filled(4));
    pages_copy(&b, &a);
    pages_put(&a, 3, filled(4));
    assert_ptr_equal(pages_get(&a, 3), pages_get(&b, 3));
    assert_true(pages_hash(&a, 3) == pages_hash(&b, 3));
    pages_edit(&a, 3)[0] = 1;
    assert_true(pages_hash(&a, 3) != pages_hash(&b, 3));
    pages_drop(&a);
    pages_drop(&b);
}

struct seen { uint64_t at[8]; unsigned n, left, right; };

static void note(void *arg, uint64_t at, const uint8_t *a, const uint8_t *b)
{
    struct seen *s = arg;

    s->at[s->n++] = at;
    s->left += a != NULL;
    s->right += b != NULL;
}

static void comparing_finds_what_differs(void **state)
{
    struct pages a, b = { 0 };
    struct seen s = { .n = 0 };

    (void)state;
    pages_init(&a, 100000);
    for (uint64_t k = 0; k < 1000; k++)
        pages_put(&a, k * 97, filled((uint8_t)(k | 1)));
    pages_copy(&b, &a);
    pages_compare(&a, &b, note, &s);
    assert_int_equal(s.n, 0);
    pages_edit(&b, 97)[0] = 0x77;
    pages_remove(&b, 9700);
    pages_put(&a, 99999, filled(1));
    pages_compare(&a, &b, note, &s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.at[0], 97);
    assert_int_equal(s.at[1], 9700);
    assert_int_equal(s.at[2], 99999);
    assert_int_equal(s.left, 3);
    assert_int_equal(s.right, 1);
    pages_drop(&a);
    pages_drop(&b);
    assert_int_equal(pages_memory(), 0);
}

/* Squeezed pages are what they were, take less, equal ones once; written and freed they leave nothing. */
static void squeezed_pages_are_the_same(void **state)
{
    struct pages a, b = { 0 };
    uint8_t room[PAGES_PAGE];
    uint64_t before;

    (void)state;
    pages_init(&a, 1000);
    for (unsigned k = 0; k < 300; k++) {
        memset(bytes, (int)k % 7, sizeof bytes);
        for (unsigned n = 0; n < 8; n++)
            bytes[n * 97] = (uint8_t)(k % 50 * (n + 1));
        pages_put(&a, k, bytes);
    }
    pages_copy(&b, &a);
    before = pages_memory();
    pages_squeeze(before - 1, UINT64_MAX);
    assert_in_range(pages_memory(), before / 2, before - 1);            /* no more than was asked for */
    pages_squeeze(0, UINT64_MAX);
    assert_in_range(pages_memory(), 1, 300 * 150);
    pages_edit(&b, 17)[5] = 0x99;
    for (unsigned k = 0; k < 300; k++) {
        const uint8_t *page = k % 2 ? pages_get(&a, k) : pages_look(&a, k, room);

        assert_true(pages_has(&a, k));
        for (unsigned n = 0; n < 8; n++)
            assert_int_equal(page[n * 97], (uint8_t)(k % 50 * (n + 1)));
        assert_int_equal(page[5], k % 7);
    }
    assert_int_equal(pages_get(&b, 17)[5], 0x99);
    assert_int_equal(pages_get(&b, 17)[6], 17 % 7);
    pages_squeeze(0, UINT64_MAX);
    assert_int_equal(pages_get(&b, 17)[5], 0x99);
    assert_int_equal(pages_get(&a, 17)[5], 17 % 7);
    pages_put(&a, 16, filled(3));
    assert_int_equal(pages_get(&b, 16)[5], 16 % 7);
    pages_drop(&a);
    pages_drop(&b);
    assert_int_equal(pages_memory(), 0);
}

/* A lent page costs nothing until its lender changes it, and is what it was then; nobody is told of one that nobody holds. */
static void lent_pages_keep_what_was_there(void **state)
{
    static uint8_t there[2][PAGES_PAGE];
    struct pages a, b = { 0 };
    uint32_t notes[2] = { 0 };
    uint64_t before;

    (void)state;
    pages_init(&a, 1000);
    pages_put(&a, 3, filled(3));
    before = pages_memory();
    for (unsigned k = 0; k < 2; k++) {
        memset(there[k], (int)k + 7, PAGES_PAGE);
        pool_drop(pages_hang(&a, k, pool_lend(there[k], &notes[k])));
        assert_int_equal(pages_number(&a, k), notes[k]);
        assert_ptr_equal(pages_get(&a, k), there[k]);
    }
    assert_in_range(pages_memory(), before, before + 200);
    pages_copy(&b, &a);
    pages_squeeze(0, UINT64_MAX);
    assert_ptr_equal(pages_get(&b, 1), there[1]);
    pool_settle(notes[1]);
    memset(there[1], 0xee, PAGES_PAGE);
    assert_int_equal(notes[1], 0);
    assert_int_equal(pages_get(&a, 1)[100], 8);
    pages_edit(&b, 0)[5] = 1;                       /* of its own */
    assert_int_equal(there[0][5], 7);
    assert_int_not_equal(notes[0], 0);
    pages_drop(&a);
    assert_int_equal(notes[0], 0);
    assert_int_equal(pages_get(&b, 1)[100], 8);
    pages_drop(&b);
    assert_int_equal(pages_memory(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_independent), cmocka_unit_test(zeros_are_pages_without_memory),
        cmocka_unit_test(equal_contents_stay_the_same_page), cmocka_unit_test(comparing_finds_what_differs),
        cmocka_unit_test(squeezed_pages_are_the_same), cmocka_unit_test(lent_pages_keep_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
