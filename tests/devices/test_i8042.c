/* SPDX-License-Identifier: MIT
 * The keyboard controller: commands, translation, interrupts, reset lines. */
#include "devices/i8042.h"

#include "tests/devices/rig.h"

#define BYTE_NS 100000

static struct rig rig;
static struct i8042 *kbc;
static unsigned resets;

static void on_reset(void *self) { (void)self; resets++; }

static int set_up(void **state)
{
    (void)state;
    resets = 0;
    rig_init(&rig);
    kbc = i8042_create(&rig.tree, rig.io, &rig.clock, rig_irq(&rig, 1), rig_irq(&rig, 12), on_reset, NULL);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void command(uint8_t c) { out8(&rig, 0x64, c); }
static void data(uint8_t d) { out8(&rig, 0x60, d); }

/* The next byte, waiting for it as a driver would; 0x100 when none comes. */
static unsigned next(void)
{
    for (unsigned k = 0; k < 4 && !(in8(&rig, 0x64) & 1); k++)
        rig_wait(&rig, BYTE_NS);
    return in8(&rig, 0x64) & 1 ? in8(&rig, 0x60) : 0x100;
}

static unsigned configuration(void)
{
    command(0x20);
    return next();
}

static void self_tests(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, 0x64) & 0x15, 0x10);
    command(0xaa);
    assert_int_equal(in8(&rig, 0x64) & 0x1d, 0x1d);
    assert_int_equal(next(), 0x55);
    command(0xab);
    assert_int_equal(next(), 0x00);
    command(0xa9);
    assert_int_equal(next(), 0x00);
    command(0xa4);
    assert_int_equal(next(), 0xf1);
}

static void configuration_and_memory(void **state)
{
    (void)state;
    command(0x60);
    data(0x47);
    assert_int_equal(configuration(), 0x47);
    command(0x7f);
    data(0x12);
    command(0x3f);
    assert_int_equal(next(), 0x12);
    command(0xad);
    command(0xa7);
    assert_int_equal(configuration(), 0x77);
    command(0xae);
    command(0xa8);
    assert_int_equal(configuration(), 0x47);
}

static void keys_arrive_translated_with_irq_1(void **state)
{
    (void)state;
    i8042_key(kbc, 0x1e, true);             /* A */
    assert_int_equal(in8(&rig, 0x64) & 1, 0);
    rig_wait(&rig, BYTE_NS);
    assert_true(rig.lines[1]);
    assert_int_equal(in8(&rig, 0x60), 0x1e);
    assert_false(rig.lines[1]);
    i8042_key(kbc, 0x1e, false);
    assert_int_equal(next(), 0x9e);
    i8042_key(kbc, 0xe048, true);           /* cursor up */
    i8042_key(kbc, 0xe048, false);
    assert_int_equal(next(), 0xe0);
    assert_int_equal(next(), 0x48);
    assert_int_equal(next(), 0xe0);
    assert_int_equal(next(), 0xc8);
    assert_int_equal(rig.edges[1], 6);
}

static void without_translation_set_2_shows(void **state)
{
    (void)state;
    command(0x60);
    data(0x01);
    i8042_key(kbc, 0x1e, true);
    i8042_key(kbc, 0x1e, false);
    assert_int_equal(next(), 0x1c);
    assert_int_equal(next(), 0xf0);
    assert_int_equal(next(), 0x1c);
    i8042_key(kbc, 0x41, true);             /* F7 */
    assert_int_equal(next(), 0x83);
}

static void keyboard_commands(void **state)
{
    (void)state;
    data(0xff);
    assert_int_equal(next(), 0xfa);
    assert_int_equal(next(), 0xaa);
    data(0xf2);
    assert_int_equal(next(), 0xfa);
    assert_int_equal(next(), 0xab);
    assert_int_equal(next(), 0x41);         /* 83 through the translation */
    data(0xed);
    assert_int_equal(next(), 0xfa);
    data(0x05);
    assert_int_equal(next(), 0xfa);
    assert_int_equal(i8042_leds(kbc), 5);
    data(0xee);
    assert_int_equal(next(), 0xee);
    data(0xf5);
    assert_int_equal(next(), 0xfa);
    i8042_key(kbc, 0x1e, true);
    assert_int_equal(next(), 0x100);
    data(0xf4);
    assert_int_equal(next(), 0xfa);
    i8042_key(kbc, 0x1e, true);
    assert_int_equal(next(), 0x1e);
}

static void a_closed_interface_holds_its_bytes(void **state)
{
    (void)state;
    command(0xad);
    i8042_key(kbc, 0x1e, true);
    assert_int_equal(next(), 0x100);
    command(0xae);
    assert_int_equal(next(), 0x1e);
}

static void the_mouse_speaks_with_irq_12(void **state)
{
    (void)state;
    command(0x60);
    data(0x47);
    command(0xd4);
    data(0xf4);
    rig_wait(&rig, BYTE_NS);
    assert_true(rig.lines[12]);
    assert_int_equal(in8(&rig, 0x64) & 0x21, 0x21);
    assert_int_equal(in8(&rig, 0x60), 0xfa);
    assert_false(rig.lines[12]);
    i8042_mouse(kbc, 5, -3, 0, 1);
    assert_int_equal(next(), 0x09);
    assert_int_equal(next(), 5);
    assert_int_equal(next(), 3);
    assert_int_equal(rig.edges[1], 0);
}

static void output_buffers_can_be_written(void **state)
{
    (void)state;
    command(0x60);
    data(0x47);
    command(0xd2);
    data(0x33);
    assert_true(rig.lines[1]);
    assert_int_equal(next(), 0x33);
    command(0xd3);
    data(0x44);
    assert_true(rig.lines[12]);
    assert_int_equal(next(), 0x44);
}

static void an_answer_waits_for_the_unread_byte(void **state)
{
    (void)state;
    i8042_key(kbc, 0x1e, true);
    rig_wait(&rig, BYTE_NS);
    command(0x20);
    assert_int_equal(next(), 0x1e);
    assert_int_equal(next(), 0x41);
}

static void a20_and_reset(void **state)
{
    (void)state;
    assert_true(i8042_a20(kbc));
    command(0xd1);
    data(0xdd);
    assert_false(i8042_a20(kbc));
    assert_int_equal(in8(&rig, 0x92) & 2, 0);
    command(0xd0);
    assert_int_equal(next() & 3, 1);
    out8(&rig, 0x92, 2);
    assert_true(i8042_a20(kbc));
    assert_int_equal(resets, 0);
    out8(&rig, 0x92, 3);
    assert_int_equal(resets, 1);
    command(0xfe);
    assert_int_equal(resets, 2);
    command(0xff);
    assert_int_equal(resets, 2);
    command(0xd1);
    data(0xfe);
    assert_int_equal(resets, 3);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    i8042_key(kbc, 0x1e, true);
    i8042_key(kbc, 0x1e, false);
    rig_check_snapshot(&rig);
    assert_int_equal(next(), 0x1e);
    assert_int_equal(next(), 0x9e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(self_tests), T(configuration_and_memory), T(keys_arrive_translated_with_irq_1),
        T(without_translation_set_2_shows), T(keyboard_commands), T(a_closed_interface_holds_its_bytes),
        T(the_mouse_speaks_with_irq_12), T(output_buffers_can_be_written), T(an_answer_waits_for_the_unread_byte),
        T(a20_and_reset), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
