/* SPDX-License-Identifier: MIT
 * Address spaces: layers, widths, open bus, code lines. */
#include "core/space.h"

#include <stdlib.h>

#include "core/device.h"
#include "tests/check.h"

struct probe { struct device dev; uint32_t at; unsigned bytes, calls; uint64_t value; };

static uint64_t probe_read(struct device *dev, uint32_t at, unsigned bytes)
{
    struct probe *p = (struct probe *)dev;

    p->at = at;
    p->bytes = bytes;
    p->calls++;
    return 0x1122334455667788u >> (8 * (at & 7));
}

static void probe_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct probe *p = (struct probe *)dev;

    p->at = at;
    p->bytes = bytes;
    p->calls++;
    p->value = value;
}

static const struct reg wide[] = { { 0x10, 4, "r", probe_read, probe_write, 8 } };
static const struct reg narrow[] = { { 0x20, 1, "b", probe_read, probe_write, 4 } };

struct fixture { struct space *space; struct ram *ram; struct probe probe; unsigned changes; };

static void on_change(void *arg) { (*(unsigned *)arg)++; }

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e = ram_create(&f->ram, "ram", 16 * PAGE_SIZE);

    assert_false(failed(&e));
    f->space = space_create("test", 0);
    space_add_ram(f->space, 0, f->ram, 0, 8 * PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_RAM);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    space_free(f->space);
    ram_free(f->ram);
    free(f);
    return 0;
}

static void unclaimed_reads_are_ones(void **state)
{
    struct fixture *f = *state;

    assert_true(space_read(f->space, 0x100000, 4) == 0xffffffff);
    space_write(f->space, 0x100000, 4, 0);
    assert_true(space_read(f->space, 8 * PAGE_SIZE - 2, 4) == 0xffff0000);
}

static void an_overlay_hides_and_uncovers(void **state)
{
    struct fixture *f = *state;

    space_write(f->space, 0x3000, 8, 0x1111);
    space_listen(f->space, on_change, &f->changes);
    space_add_ram(f->space, 0x3000, f->ram, 9 * PAGE_SIZE, PAGE_SIZE, ACCESS_READ, LAYER_OVERLAY);
    assert_int_equal(f->changes, 1);
    assert_int_equal(space_read(f->space, 0x3000, 8), 0);
    space_write(f->space, 0x3000, 8, 0x2222);                   /* read-only: vanishes */
    assert_int_equal(space_read(f->space, 0x3000, 8), 0);
    assert_ptr_equal(space_page(f->space, 0x3000).host, f->ram->bytes + 9 * PAGE_SIZE);
    assert_ptr_equal(space_page(f->space, 0x2000).host, f->ram->bytes + 0x2000);
    assert_ptr_equal(space_page(f->space, 0x4000).host, f->ram->bytes + 0x4000);
    space_remove(f->space, 0x3000, LAYER_OVERLAY);
    assert_int_equal(f->changes, 2);
    assert_int_equal(space_read(f->space, 0x3000, 8), 0x1111);
}

static void a_device_page_is_not_plain(void **state)
{
    struct fixture *f = *state;

    space_add_device(f->space, 0x5000, &f->probe.dev, wide, 1, LAYER_DEVICE);
    assert_null(space_page(f->space, 0x5000).host);
    assert_int_equal(space_read(f->space, 0x5000, 4), 0);       /* RAM shows beside the device */
}

static void wide_accesses_are_split(void **state)
{
    struct fixture *f = *state;

    space_add_device(f->space, 0x5000, &f->probe.dev, wide, 1, LAYER_DEVICE);
    space_add_device(f->space, 0x5000, &f->probe.dev, narrow, 1, LAYER_DEVICE);
    assert_true(space_read(f->space, 0x5010, 8) == 0x1122334455667788u);
    assert_int_equal(f->probe.calls, 2);
    assert_int_equal(f->probe.at, 0x14);
    assert_int_equal(space_read(f->space, 0x5012, 2), 0x5566);
    assert_int_equal(f->probe.bytes, 2);
    f->probe.calls = 0;
    space_write(f->space, 0x5020, 4, 0xddccbbaa);
    assert_int_equal(f->probe.calls, 4);
    assert_int_equal(f->probe.at, 0x23);
    assert_int_equal(f->probe.value, 0xdd);
}

static uint64_t lines_hit;
static void on_code(void *arg, struct ram *ram, uint64_t page, uint64_t lines)
{
    (void)arg, (void)ram;
    assert_int_equal(page, 2);
    lines_hit = lines;
}

static void a_write_to_code_is_told_by_line(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[200] = { 1 };

    f->ram->code_written = on_code;
    ram_mark_code(f->ram, 2 * PAGE_SIZE + 64, 65);              /* lines 1 and 2 */
    lines_hit = 0;
    space_write(f->space, 2 * PAGE_SIZE + 192, 4, 0);
    assert_int_equal(lines_hit, 0);
    space_write(f->space, 2 * PAGE_SIZE + 190, 4, 0);
    assert_int_equal(lines_hit, 1 << 2);
    space_write_bytes(f->space, 2 * PAGE_SIZE, bytes, sizeof bytes);
    assert_int_equal(lines_hit, 1 << 1 | 1 << 2);
}

static void a_space_over_another_shows_it(void **state)
{
    struct fixture *f = *state;
    struct space *over = space_create_over("over", f->space);

    space_write(f->space, 0x3000, 8, 0x1111);
    assert_int_equal(space_read(over, 0x3000, 8), 0x1111);
    space_add_ram(over, 0x3000, f->ram, 9 * PAGE_SIZE, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_RAM);
    space_write(over, 0x3ffc, 8, 0x2222222211111111);
    assert_int_equal(space_read(f->space, 0x3ffc, 4), 0);
    assert_int_equal(space_read(f->space, 0x4000, 4), 0x22222222);
    assert_int_equal(space_read(over, 0x3ffc, 8), 0x2222222211111111);
    space_add_ram(f->space, 0x4000, f->ram, 10 * PAGE_SIZE, PAGE_SIZE, ACCESS_READ, LAYER_OVERLAY);
    assert_int_equal(space_read(over, 0x4000, 4), 0);
    space_remove(over, 0x3000, LAYER_RAM);
    assert_int_equal(space_read(over, 0x3000, 8), 0x1111);
    space_free(over);
}

static void the_hash_ignores_zero_pages(void **state)
{
    struct fixture *f = *state;
    uint64_t before = ram_hash(f->ram, 7);

    space_write(f->space, 0x1000, 1, 5);
    assert_true(ram_hash(f->ram, 7) != before);
    space_write(f->space, 0x1000, 1, 0);
    assert_true(ram_hash(f->ram, 7) == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unclaimed_reads_are_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(an_overlay_hides_and_uncovers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_page_is_not_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_accesses_are_split, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_to_code_is_told_by_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_space_over_another_shows_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hash_ignores_zero_pages, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
