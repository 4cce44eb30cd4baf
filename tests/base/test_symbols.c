/* SPDX-License-Identifier: MIT
 * Names for addresses: from text and from ELF files of both widths; files that somebody made up do no harm and take no time. */
#include "base/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/check.h"
#include "tests/random.h"

static void must(struct err e)
{
    if (failed(&e))
        fail_msg("%s", e.text);
}

static struct blob blob_of(const void *bytes, size_t len)
{
    struct blob b = { malloc(len + 1), len };

    assert_non_null(b.bytes);
    memcpy(b.bytes, bytes, len);
    b.bytes[len] = 0;
    return b;
}

static void name_is(const struct symbols *s, uint64_t at, const char *name, uint64_t offset)
{
    uint64_t got = 0;
    const char *found = symbols_at(s, at, &got);

    if (name == NULL) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, name);
    assert_int_equal(got, offset);
}

static void text_as_nm_prints_it(void **state)
{
    static const char text[] = "0000000000002000 T second\n"
                               "no symbol at all\n"
                               "1000 t first extra\r\n"
                               "                 U undefined\n"
                               "2000 d Also\n"
                               "3000 T last";
    struct symbols *s;
    uint64_t at;

    (void)state;
    must(symbols_of(&s, "text", blob_of(text, sizeof text - 1)));
    assert_true(symbols_find(s, "first", &at));
    assert_int_equal(at, 0x1000);
    assert_false(symbols_find(s, "extra", &at));
    assert_false(symbols_find(s, "undefined", &at));
    name_is(s, 0xfff, NULL, 0);
    name_is(s, 0x1000, "first", 0);
    name_is(s, 0x1fff, "first", 0xfff);
    name_is(s, 0x2001, "Also", 1);
    name_is(s, 0x3000, "last", 0);
    name_is(s, 0x3000 + 0xfffff, "last", 0xfffff);
    name_is(s, 0x3000 + 0x100000, NULL, 0);
    symbols_free(s);
    name_is(NULL, 0x1000, NULL, 0);
    assert_false(symbols_find(NULL, "first", &at));
}

/* ---- ELF ---- */

#define ELF_ROOM 4096u

struct row { const char *name; uint64_t at, size; unsigned type, where; };

static const struct row rows[] = {
    { "main", 0x401000, 0x20, 2, 1 }, { "table", 0x402000, 0x100, 1, 2 }, { "file.c", 0x401000, 0, 4, 1 },
    { "elsewhere", 0x403000, 8, 2, 0 }, { "start", 0x401000, 0, 0, 1 },
};
#define ROWS (sizeof rows / sizeof rows[0])

/* `sections` headers: none, names, and all others one and the same table of `rows`. */
static struct blob elf_of(bool wide, unsigned sections)
{
    const size_t head = wide ? 64 : 40, entry = wide ? 24 : 16;
    uint8_t file[ELF_ROOM] = "\177ELF";
    uint64_t table = 1024 + head * sections, names = table + entry * (ROWS + 1), end = names + 1;
    uint8_t *bytes = calloc(1, end + 256);

    assert_non_null(bytes);
    file[4] = wide ? 2 : 1;
    store_bytes(file + (wide ? 40 : 32), wide ? 8 : 4, 1024);
    store16(file + (wide ? 58 : 46), (uint16_t)head);
    store16(file + (wide ? 60 : 48), (uint16_t)sections);
    memcpy(bytes, file, 64);
    for (size_t k = 0; k < ROWS; k++) {
        uint8_t *e = bytes + table + entry * (k + 1);

        store32(e, (uint32_t)(end - names));
        store_bytes(e + (wide ? 8 : 4), wide ? 8 : 4, rows[k].at);
        store_bytes(e + (wide ? 16 : 8), wide ? 8 : 4, rows[k].size);
        e[wide ? 4 : 12] = (uint8_t)rows[k].type;
        store16(e + (wide ? 6 : 14), (uint16_t)rows[k].where);
        memcpy(bytes + end, rows[k].name, strlen(rows[k].name));
        end += strlen(rows[k].name) + 1;
    }
    for (unsigned k = 1; k < sections; k++) {
        uint8_t *h = bytes + 1024 + head * k;
        const bool strings = k == 1;

        store32(h + 4, strings ? 3 : 2);
        store_bytes(h + (wide ? 24 : 16), wide ? 8 : 4, strings ? names : table);
        store_bytes(h + (wide ? 32 : 20), wide ? 8 : 4, strings ? end - names : entry * (ROWS + 1));
        store32(h + (wide ? 40 : 24), 1);
        store_bytes(h + (wide ? 56 : 36), wide ? 8 : 4, strings ? 0 : entry);
    }
    return (struct blob){ bytes, end };
}

static void elf_of_both_widths(void **state)
{
    (void)state;
    for (unsigned wide = 0; wide < 2; wide++) {
        struct symbols *s;
        uint64_t at;

        must(symbols_of(&s, "elf", elf_of(wide, 3)));
        assert_true(symbols_find(s, "main", &at));
        assert_int_equal(at, 0x401000);
        assert_false(symbols_find(s, "file.c", &at));
        assert_false(symbols_find(s, "elsewhere", &at));
        name_is(s, 0x401000, "main", 0);            /* `start` lies there too, but does not say how long it is */
        name_is(s, 0x40101f, "main", 0x1f);
        name_is(s, 0x4020ff, "table", 0xff);
        name_is(s, 0x402100, NULL, 0);
        symbols_free(s);
    }
}

static void nothing_in_it_is_one_clear_line(void **state)
{
    struct symbols *s;
    struct err e = symbols_of(&s, "some.file", blob_of("hello\n", 6));

    (void)state;
    assert_true(failed(&e));
    assert_non_null(strstr(e.text, "no symbols in 'some.file'"));
    e = symbols_of(&s, "empty", blob_of("", 0));
    assert_true(failed(&e));
}

/* Sixty thousand headers that all name one large table would make symbols without end: a table counts as often as the file has room. */
static void a_table_counts_as_often_as_it_can_be_there(void **state)
{
    struct symbols *s;
    struct blob b = elf_of(true, 40);
    unsigned found = 0;
    uint64_t at;

    (void)state;
    /* one table of 24 * 6 bytes, some 4 KiB of file: each of the 38 headers may be believed at first, but not with a larger table */
    store64(b.bytes + 1024 + 64 * 2 + 32, b.len - (1024 + 64 * 40));
    for (unsigned k = 3; k < 40; k++)
        memcpy(b.bytes + 1024 + 64 * k, b.bytes + 1024 + 64 * 2, 64);
    must(symbols_of(&s, "elf", b));
    assert_true(symbols_find(s, "main", &at));
    for (const struct row *r = rows; r < rows + ROWS; r++)
        found += symbols_find(s, r->name, &at);
    assert_int_equal(found, 3);
    assert_true(symbols_count(s) <= b.len / 24);
    symbols_free(s);
}

static void names_without_an_end_stay_out(void **state)
{
    const size_t len = 8 + 40000;
    char *text = malloc(len + 16);
    struct symbols *s;
    uint64_t at;

    (void)state;
    assert_non_null(text);
    memset(text, 'a', len);
    memcpy(text, "1000 T ", 7);
    memcpy(text + len, "\n2000 T b\n", 10);
    must(symbols_of(&s, "text", blob_of(text, len + 10)));
    assert_int_equal(symbols_count(s), 1);
    assert_true(symbols_find(s, "b", &at));
    symbols_free(s);
    free(text);
}

static void files_that_were_made_up_do_no_harm(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct blob b = round % 4 == 0 ? blob_of("1000 T a\n2000 d b\n", 18) : elf_of(round & 1, 3 + round % 5);
        struct symbols *s;
        struct err e;
        uint64_t at, offset;

        for (uint64_t n = random_below(6); n > 0; n--)
            b.bytes[random_below(b.len)] = (uint8_t)random_below(256);
        if (round % 3 == 0)
            b.len = random_below(b.len);
        b.bytes[b.len] = 0;
        e = symbols_of(&s, "made up", b);
        if (failed(&e))
            continue;
        (void)symbols_find(s, "main", &at);
        for (unsigned k = 0; k < 8; k++)
            (void)symbols_at(s, random_below(0x500000), &offset);
        symbols_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_as_nm_prints_it), cmocka_unit_test(elf_of_both_widths), cmocka_unit_test(nothing_in_it_is_one_clear_line),
        cmocka_unit_test(a_table_counts_as_often_as_it_can_be_there), cmocka_unit_test(names_without_an_end_stay_out),
        cmocka_unit_test(files_that_were_made_up_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
