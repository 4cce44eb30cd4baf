/* SPDX-License-Identifier: MIT
 * Scan codes and mouse packets, without a controller. */
#include "devices/ps2.h"

#include "tests/devices/rig.h"

static struct rig rig;
static struct ps2 *keyboard, *mouse;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    keyboard = ps2_keyboard_create(&rig.tree);
    mouse = ps2_mouse_create(&rig.tree);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void expect(struct ps2 *p, unsigned n, const uint8_t *bytes)
{
    for (unsigned k = 0; k < n; k++) {
        assert_true(ps2_has_data(p));
        assert_int_equal(ps2_read(p), bytes[k]);
    }
    assert_false(ps2_has_data(p));
}

#define EXPECT(p, ...) expect(p, sizeof((uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ })

/* Commands to the mouse, each acknowledged. */
static void tell(struct ps2 *p, uint8_t byte)
{
    ps2_write(p, byte);
    EXPECT(p, 0xfa);
}

static void translation_is_one_to_one_on_the_keys(void **state)
{
    bool seen[128] = { false };

    (void)state;
    for (unsigned k = 1; k < 0x80; k++) {
        uint8_t to = ps2_set2_to_set1[k];

        assert_true(to < 0x80);
        assert_false(seen[to]);
        seen[to] = true;
    }
    for (unsigned k = 0x85; k < 256; k++)
        assert_int_equal(ps2_set2_to_set1[k], k);
}

static void every_set_1_key_has_a_set_2_code(void **state)
{
    (void)state;
    for (uint16_t code = 1; code <= 0x58; code++) {
        uint8_t make;

        ps2_key(keyboard, code, true);
        make = ps2_read(keyboard);
        assert_int_equal(ps2_set2_to_set1[make], code);
        assert_false(ps2_has_data(keyboard));
    }
}

static void set_1_has_its_break_bit(void **state)
{
    (void)state;
    tell(keyboard, 0xf0);
    tell(keyboard, 1);
    ps2_key(keyboard, 0x1e, true);
    ps2_key(keyboard, 0xe01d, false);
    EXPECT(keyboard, 0x1e, 0xe0, 0x9d);
    ps2_write(keyboard, 0xf0);
    ps2_write(keyboard, 0);
    EXPECT(keyboard, 0xfa, 1);
}

static void set_3_is_refused(void **state)
{
    (void)state;
    tell(keyboard, 0xf0);
    ps2_write(keyboard, 3);
    EXPECT(keyboard, 0xfe);
}

static void pause_is_one_long_sequence(void **state)
{
    (void)state;
    ps2_key(keyboard, 0xe11d, true);
    ps2_key(keyboard, 0xe11d, false);
    EXPECT(keyboard, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
}

static void a_full_buffer_ends_in_an_overrun_code(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 40; k++)
        ps2_key(keyboard, 0x1e, true);
    for (unsigned k = 0; k < 16; k++)
        assert_int_equal(ps2_read(keyboard), 0x1c);
    EXPECT(keyboard, 0x00);
}

static void replies_go_before_scan_codes(void **state)
{
    (void)state;
    ps2_key(keyboard, 0x1e, true);
    ps2_write(keyboard, 0xee);
    EXPECT(keyboard, 0xee, 0x1c);
    ps2_write(keyboard, 0xfe);
    EXPECT(keyboard, 0x1c);
}

static void a_plain_mouse_reports_three_bytes(void **state)
{
    (void)state;
    ps2_mouse(mouse, 1, 1, 0, 0);
    assert_false(ps2_has_data(mouse));      /* reporting is off after reset */
    tell(mouse, 0xf4);
    ps2_mouse(mouse, 10, 20, 1, 2);
    EXPECT(mouse, 0x2a, 10, (uint8_t)-20);
    ps2_mouse(mouse, -300, 0, 0, 0);
    EXPECT(mouse, 0x18, 1, 0, 0x18, (uint8_t)-45, 0);
}

static void knocking_turns_on_the_wheel(void **state)
{
    static const uint8_t wheel[] = { 0xf3, 200, 0xf3, 100, 0xf3, 80 }, five[] = { 0xf3, 200, 0xf3, 200, 0xf3, 80 };

    (void)state;
    for (unsigned k = 0; k < sizeof wheel; k++)
        tell(mouse, wheel[k]);
    ps2_write(mouse, 0xf2);
    EXPECT(mouse, 0xfa, 3);
    tell(mouse, 0xf4);
    ps2_mouse(mouse, 0, 0, 1, 0);
    EXPECT(mouse, 0x08, 0, 0, 0xff);
    for (unsigned k = 0; k < sizeof five; k++)
        tell(mouse, five[k]);
    ps2_write(mouse, 0xf2);
    EXPECT(mouse, 0xfa, 4);
    ps2_mouse(mouse, 0, 0, -2, 8 | 1);
    EXPECT(mouse, 0x09, 0, 0, 0x12);
    ps2_write(mouse, 0xff);
    EXPECT(mouse, 0xfa, 0xaa, 0x00);
    ps2_write(mouse, 0xf2);
    EXPECT(mouse, 0xfa, 0);
}

static void status_remote_and_wrap(void **state)
{
    (void)state;
    ps2_write(mouse, 0xe9);
    EXPECT(mouse, 0xfa, 0x00, 2, 100);
    tell(mouse, 0xe7);
    tell(mouse, 0xe8);
    tell(mouse, 3);
    tell(mouse, 0xf0);
    ps2_mouse(mouse, 7, -7, 0, 4);
    assert_false(ps2_has_data(mouse));
    ps2_write(mouse, 0xeb);
    EXPECT(mouse, 0xfa, 0x0c, 7, 7);
    ps2_write(mouse, 0xe9);
    EXPECT(mouse, 0xfa, 0x52, 3, 100);
    tell(mouse, 0xee);
    ps2_write(mouse, 0xf4);
    EXPECT(mouse, 0xf4);
    tell(mouse, 0xec);
    ps2_write(mouse, 0x55);
    EXPECT(mouse, 0xfe);
}

static void scaling_doubles_big_movements(void **state)
{
    (void)state;
    tell(mouse, 0xe7);
    tell(mouse, 0xf4);
    ps2_mouse(mouse, 3, -10, 0, 0);
    EXPECT(mouse, 0x08, 3, 20);
}

static void movement_adds_up_while_nobody_reads(void **state)
{
    (void)state;
    tell(mouse, 0xf4);
    ps2_mouse(mouse, 1, 0, 0, 0);
    for (unsigned k = 0; k < 50; k++)
        ps2_mouse(mouse, 1, 1, 0, 0);
    EXPECT(mouse, 0x08, 1, 0, 0x28, 50, (uint8_t)-50);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(translation_is_one_to_one_on_the_keys), T(every_set_1_key_has_a_set_2_code), T(set_1_has_its_break_bit),
        T(set_3_is_refused), T(pause_is_one_long_sequence), T(a_full_buffer_ends_in_an_overrun_code),
        T(replies_go_before_scan_codes), T(a_plain_mouse_reports_three_bytes), T(knocking_turns_on_the_wheel),
        T(status_remote_and_wrap), T(scaling_doubles_big_movements), T(movement_adds_up_while_nobody_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
