/* SPDX-License-Identifier: MIT
 * Packed pages: what is packed comes back, whatever it is; packed bytes that somebody made up do no harm. */
#include "base/pack.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/random.h"

/* Of few values and long rows, or of many and short ones. */
static void fill(uint8_t *bytes, size_t len, unsigned values, unsigned row)
{
    for (size_t at = 0; at < len; ) {
        const uint8_t value = (uint8_t)random_below(values);

        for (uint64_t n = 1 + random_below(row); n > 0 && at < len; n--)
            bytes[at++] = value;
    }
}

static void what_is_packed_comes_back(void **state)
{
    unsigned smaller = 0;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        const size_t len = round % 3 == 0 ? PACK_MOST : random_below(PACK_MOST + 1);
        uint8_t *bytes = malloc(len + 1), *packed = malloc(len + 1), *back = malloc(len + 1);
        size_t n;

        assert_true(bytes != NULL && packed != NULL && back != NULL);
        fill(bytes, len, 1 + round % 256, 1 + (unsigned)random_below(round % 7 == 0 ? 3000 : 40));
        for (unsigned k = 0; k < round % 50 && len > 64; k++)       /* and what was there before, anywhere */
            memmove(bytes + random_below(len - 60), bytes + random_below(len - 60), 4 + random_below(56));
        packed[len] = 0xa5;
        n = pack(packed, bytes, len);
        assert_int_equal(packed[len], 0xa5);
        assert_true(n < len || n == 0);
        smaller += n != 0;
        if (n != 0)
            assert_true(unpack(back, len, packed, n) && memcmp(back, bytes, len) == 0);
        if (n != 0)
            assert_false(unpack(back, len + 1, packed, n) || (len > 0 && unpack(back, len - 1, packed, n)));
        free(bytes);
        free(packed);
        free(back);
    }
    assert_true(smaller > 2000);
}

static void pages_get_small(void **state)
{
    uint8_t page[PACK_MOST] = { 0 }, packed[PACK_MOST];

    (void)state;
    assert_true(pack(packed, page, sizeof page) < 32);
    for (unsigned k = 0; k < sizeof page; k += 64)
        page[k] = (uint8_t)k;
    assert_true(pack(packed, page, sizeof page) < 400);
    for (unsigned k = 0; k < sizeof page; k++)
        page[k] = (uint8_t)random_below(256);
    assert_int_equal(pack(packed, page, sizeof page), 0);
}

/* In blocks of exactly their size, so that a sanitizer sees every byte beyond. */
static void made_up_bytes_do_no_harm(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 30000; round++) {
        const size_t n = random_below(100), len = random_below(PACK_MOST + 1);
        uint8_t *packed = malloc(n + 1), *out = malloc(len + 1);

        assert_true(packed != NULL && out != NULL);
        out[len] = 0x5a;
        for (size_t k = 0; k < n; k++)
            packed[k] = (uint8_t)(random_below(3) == 0 ? 0xff : random_below(3) == 0 ? 0 : random_below(256));
        (void)unpack(out, len, packed, n);
        assert_int_equal(out[len], 0x5a);
        free(packed);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(pages_get_small),
        cmocka_unit_test(made_up_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
