/* SPDX-License-Identifier: MIT
 * Disk images: raw files, copy-on-write overlays, bounds, snapshots of what was written. */
#include "devices/block/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/check.h"

#define MUST(call)                                    \
    do {                                              \
        struct err must_err_ = (call);                \
        if (failed(&must_err_))                       \
            fail_msg("%s", must_err_.text);           \
    } while (0)

static char path[64];

static void make_image(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    int fd;

    snprintf(path, sizeof path, "block-test-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t k = 0; k < len; k++)
        bytes[k] = (uint8_t)(k / 512);
    MUST(file_write_all(path, bytes, len));
    free(bytes);
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static uint8_t byte_at(struct block *b, uint64_t at)
{
    uint8_t v;

    MUST(block_read(b, at, &v, 1));
    return v;
}

static void raw_writes_reach_the_file(void **state)
{
    struct block *b;
    struct blob file;

    (void)state;
    make_image(4096);
    MUST(block_open(&b, path, false, false));
    assert_int_equal(b->size, 4096);
    assert_int_equal(byte_at(b, 1024), 2);
    MUST(block_write(b, 1024, "x", 1));
    MUST(block_flush(b));
    block_close(b);
    MUST(file_read_all(path, &file));
    assert_int_equal(file.bytes[1024], 'x');
    blob_free(&file);
}

static void readonly_refuses_writes(void **state)
{
    struct block *b;
    struct err e;

    (void)state;
    make_image(4096);
    MUST(block_open(&b, path, true, false));
    e = block_write(b, 0, "x", 1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(byte_at(b, 0), 0);
    block_close(b);
}

static void ends_are_checked(void **state)
{
    struct block *b;
    uint8_t bytes[512];
    struct err e;

    (void)state;
    make_image(1024);
    MUST(block_open(&b, path, false, true));
    e = block_read(b, 1000, bytes, 100);
    assert_int_equal(e.code, ERR_USAGE);
    e = block_read(b, UINT64_MAX, bytes, 1);
    assert_int_equal(e.code, ERR_USAGE);
    e = block_write(b, 1024, bytes, 1);
    assert_int_equal(e.code, ERR_USAGE);
    block_close(b);
}

static void odd_sizes_round_down(void **state)
{
    struct block *b;

    (void)state;
    make_image(1500);
    MUST(block_open(&b, path, true, false));
    assert_int_equal(b->size, 1024);
    block_close(b);
}

static void empty_images_are_refused(void **state)
{
    struct block *b;
    struct err e;

    (void)state;
    make_image(511);
    e = block_open(&b, path, true, false);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_non_null(strstr(e.text, path));
    e = block_open(&b, "no/such/image", true, false);
    assert_int_equal(e.code, ERR_IO);
}

static void snapshot_leaves_the_file_alone(void **state)
{
    struct block *b;
    struct blob file;
    uint8_t seen[1024];

    (void)state;
    make_image(200000);
    MUST(block_open(&b, path, false, true));
    MUST(block_write(b, 65530, "twelve bytes", 12));        /* crosses a cluster */
    MUST(block_read(b, 65530, seen, 12));
    assert_memory_equal(seen, "twelve bytes", 12);
    assert_int_equal(byte_at(b, 65529), (uint8_t)(65529 / 512));
    assert_int_equal(byte_at(b, 65542), (uint8_t)(65542 / 512));
    MUST(file_read_all(path, &file));
    assert_int_equal(file.bytes[65530], (uint8_t)(65530 / 512));
    blob_free(&file);
    block_close(b);
}

static void hash_is_of_contents_not_of_order(void **state)
{
    struct block *a, *b;

    (void)state;
    make_image(512);
    MUST(block_open_memory(&a, 1 << 20));
    MUST(block_open_memory(&b, 1 << 20));
    MUST(block_write(a, 0, "a", 1));
    MUST(block_write(a, 500000, "b", 1));
    MUST(block_write(b, 500000, "b", 1));
    assert_true(block_hash(a, 7) != block_hash(b, 7));
    MUST(block_write(b, 0, "a", 1));
    assert_true(block_hash(a, 7) == block_hash(b, 7));
    MUST(block_write(b, 0, "c", 1));
    assert_true(block_hash(a, 7) != block_hash(b, 7));
    block_close(a);
    block_close(b);
}

static void saved_overlay_comes_back(void **state)
{
    struct block *a, *b;
    struct backing from, to;
    uint64_t hash;

    (void)state;
    make_image(300512);
    MUST(block_open(&a, path, false, true));
    MUST(block_open(&b, path, false, true));
    MUST(block_write(a, 300000, "end", 3));
    MUST(block_write(a, 5, "start", 5));
    MUST(block_write(b, 100000, "gone", 4));
    assert_true(block_backing(a, &from) && block_backing(b, &to));
    assert_int_equal(from.limit, 74);
    pages_copy(to.pages, from.pages);
    hash = block_hash(a, 1);
    assert_true(block_hash(b, 1) == hash);
    MUST(block_write(a, 300000, "END", 3));
    assert_int_equal(byte_at(b, 300000), 'e');
    assert_int_equal(byte_at(b, 100000), (uint8_t)(100000 / 512));
    block_close(a);
    block_close(b);
}

static void snapshots_of_other_disks_are_refused(void **state)
{
    struct block *a, *b;
    struct writer w = { 0 };
    struct reader in;
    struct err e;

    (void)state;
    make_image(512);
    MUST(block_open_memory(&a, 1 << 20));
    MUST(block_open_memory(&b, 2 << 20));
    block_save(a, &w);
    in = reader_of(w.bytes, w.len);
    e = block_load(b, &in);
    assert_int_equal(e.code, ERR_FORMAT);
    in = reader_of("\0\0\x10\0\0\0\0", 7);           /* cut short */
    e = block_load(a, &in);
    assert_int_equal(e.code, ERR_FORMAT);
    writer_free(&w);
    block_close(a);
    block_close(b);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        T(raw_writes_reach_the_file), T(readonly_refuses_writes), T(ends_are_checked), T(odd_sizes_round_down),
        T(empty_images_are_refused), T(snapshot_leaves_the_file_alone), T(hash_is_of_contents_not_of_order),
        T(saved_overlay_comes_back), T(snapshots_of_other_disks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
