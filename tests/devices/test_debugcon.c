/* SPDX-License-Identifier: MIT
 * The emulator's own ports, as firmware and test guests use them. */
#include "devices/debugcon.h"

#include "tests/devices/rig.h"

static struct rig rig;
static char text[32];
static unsigned ntext, exits, shutdowns;
static uint32_t exit_value;

static void on_byte(void *self, uint8_t byte) { (void)self; text[ntext++] = (char)byte; }
static void on_shutdown(void *self) { (void)self; shutdowns++; }

static void on_exit_value(void *self, uint32_t value)
{
    (void)self;
    exits++;
    exit_value = value;
}

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    ntext = exits = shutdowns = 0;
    debugcon_create(&rig.tree, rig.io, DEBUGCON_PORT, on_byte, NULL);
    debug_exit_create(&rig.tree, rig.io, 0xf4, 4, on_exit_value, NULL);
    shutdown_port_create(&rig.tree, rig.io, on_shutdown, NULL);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void say(const char *word)
{
    for (; *word != 0; word++)
        out8(&rig, SHUTDOWN_PORT, (uint8_t)*word);
}

static void the_console_is_known_by_e9(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, 0x402), 0xe9);
    out8(&rig, 0x402, 'h');
    out8(&rig, 0x402, 'i');
    assert_memory_equal(text, "hi", 2);
}

static void the_exit_port_takes_every_width_as_one_value(void **state)
{
    (void)state;
    out32(&rig, 0xf4, 0x12345678);
    assert_int_equal(exit_value, 0x12345678);
    out8(&rig, 0xf4, 1);
    assert_int_equal(exit_value, 1);
    out16(&rig, 0xf6, 0x102);
    assert_int_equal(exit_value, 0x102);
    assert_int_equal(exits, 3);
}

static void only_the_whole_word_shuts_down(void **state)
{
    (void)state;
    say("Shutdow");
    say("Shut");
    say("ShuShutdown");
    assert_int_equal(shutdowns, 1);
    say("Shutd");
    rig_check_snapshot(&rig);
    say("own");
    assert_int_equal(shutdowns, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_console_is_known_by_e9), T(the_exit_port_takes_every_width_as_one_value), T(only_the_whole_word_shuts_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
