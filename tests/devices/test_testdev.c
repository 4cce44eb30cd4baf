/* SPDX-License-Identifier: MIT
 * pc-testdev, as bare-metal test guests expect it. */
#include "devices/testdev.h"

#include "tests/devices/rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    testdev_create(&rig.tree, rig.io, rig.memory, rig_irq(&rig, 0));
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void one_latch_at_two_places_in_every_width(void **state)
{
    (void)state;
    out32(&rig, 0xe0, 0x12345678);
    assert_int_equal(in32(&rig, 0xe0), 0x12345678);
    assert_int_equal(in16(&rig, 0xe2), 0x1234);
    assert_int_equal(in8(&rig, 0xe1), 0x56);
    assert_int_equal(in32(&rig, 0xe8), 0x12345678);
    out8(&rig, 0xe9, 0xab);
    assert_int_equal(in32(&rig, 0xe0), 0x1234ab78);
    out16(&rig, 0xea, 0xcdef);
    assert_int_equal(in32(&rig, 0xe0), 0xcdefab78);
}

static void interrupt_lines_at_will(void **state)
{
    (void)state;
    out8(&rig, 0x2005, 1);
    assert_true(rig.lines[5]);
    out8(&rig, 0x2005, 0x80);
    assert_true(rig.lines[5]);
    out8(&rig, 0x2005, 0);
    assert_false(rig.lines[5]);
}

static void memory_that_traps(void **state)
{
    (void)state;
    assert_null(space_page(rig.memory, 0xff000000).host);
    space_write(rig.memory, 0xff000000, 8, 0x1122334455667788);
    assert_true(space_read(rig.memory, 0xff000000, 8) == 0x1122334455667788);
    assert_int_equal(space_read(rig.memory, 0xff000003, 2), 0x4455);
    space_write(rig.memory, 0xff00ffff, 1, 0x5a);
    assert_int_equal(space_read(rig.memory, 0xff00ffff, 1), 0x5a);
    assert_int_equal(space_read(rig.memory, 0xff010000, 1), 0xff);
    rig_check_snapshot(&rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_latch_at_two_places_in_every_width), T(interrupt_lines_at_will), T(memory_that_traps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
