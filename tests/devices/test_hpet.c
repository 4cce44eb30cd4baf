/* SPDX-License-Identifier: MIT
 * The HPET against its specification; the counter ticks every 10 ns. */
#include "devices/hpet.h"

#include <string.h>

#include "tests/devices/rig.h"

enum { CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, T0 = 0x100, T1 = 0x120, T2 = 0x140, COMPARATOR = 8, MESSAGE = 16 };

static struct rig rig;
static struct hpet *hpet;
static unsigned isa_edges[16], pin_edges[24], messages;
static bool isa_levels[16], pin_levels[24];
static uint64_t message_address;
static uint32_t message_data;

static void set_isa(void *self, unsigned line, bool level)
{
    (void)self;
    isa_edges[line] += level && !isa_levels[line];
    isa_levels[line] = level;
}

static void set_pin(void *self, unsigned line, bool level)
{
    (void)self;
    pin_edges[line] += level && !pin_levels[line];
    pin_levels[line] = level;
}

static void on_message(void *self, uint64_t address, uint32_t data)
{
    (void)self;
    messages++;
    message_address = address;
    message_data = data;
}

static int set_up(void **state)
{
    struct hpet_config cfg = { .isa = { set_isa, NULL, 0 }, .pins = { set_pin, NULL, 0 }, .msi = on_message };

    (void)state;
    rig_init(&rig);
    memset(isa_edges, 0, sizeof isa_edges);
    memset(pin_edges, 0, sizeof pin_edges);
    memset(isa_levels, 0, sizeof isa_levels);
    memset(pin_levels, 0, sizeof pin_levels);
    messages = 0;
    hpet = hpet_create(&rig.tree, rig.memory, &rig.clock, &cfg);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static uint64_t get(unsigned at) { return space_read(rig.memory, HPET_BASE + at, 8); }
static void put(unsigned at, uint64_t v) { space_write(rig.memory, HPET_BASE + at, 8, v); }

static void capabilities(void **state)
{
    (void)state;
    assert_true(get(0) == (10000000ull << 32 | HPET_ID));
    assert_true(get(T0) == 0x00f0000000008030);
    assert_true(get(T0 + COMPARATOR) == UINT64_MAX);
    assert_int_equal(space_read(rig.memory, HPET_BASE + 4, 4), 10000000);
}

static void the_counter_runs_while_enabled(void **state)
{
    (void)state;
    rig_wait(&rig, 1000);
    assert_true(get(COUNTER) == 0);
    put(COUNTER, 0xfffffff0);
    put(CONFIG, 1);
    rig_wait(&rig, 1000);
    assert_true(get(COUNTER) == 0xfffffff0ull + 100);
    assert_int_equal(space_read(rig.memory, HPET_BASE + COUNTER + 4, 4), 1);
    put(CONFIG, 0);
    rig_wait(&rig, 1000);
    assert_true(get(COUNTER) == 0xfffffff0ull + 100);
}

static void a_one_shot_matches_once(void **state)
{
    (void)state;
    put(T0, 20 << 9 | 4);
    put(T0 + COMPARATOR, 500);
    put(CONFIG, 1);
    rig_wait(&rig, 4999);
    assert_int_equal(pin_edges[20], 0);
    rig_wait(&rig, 1);
    assert_int_equal(pin_edges[20], 1);
    rig_wait(&rig, 100000000000);
    assert_int_equal(pin_edges[20], 1);
    assert_true(get(STATUS) == 0);
}

static void a_32_bit_one_shot_matches_at_each_wrap(void **state)
{
    (void)state;
    put(T0, 20 << 9 | 4 | 0x100);
    put(T0 + COMPARATOR, 500);
    put(CONFIG, 1);
    rig_wait(&rig, 5000);
    assert_int_equal(pin_edges[20], 1);
    rig_wait(&rig, (10ull << 32) - 1);
    assert_int_equal(pin_edges[20], 1);
    rig_wait(&rig, 1);
    assert_int_equal(pin_edges[20], 2);
}

static void a_periodic_timer_keeps_its_phase(void **state)
{
    (void)state;
    put(T1, 21 << 9 | 8 | 4 | 0x40);
    put(T1 + COMPARATOR, 1000);
    put(T1 + COMPARATOR, 300);
    put(CONFIG, 1);
    rig_wait(&rig, 9999);
    assert_int_equal(pin_edges[21], 0);
    rig_wait(&rig, 1 + 3000 * 999);
    assert_int_equal(pin_edges[21], 1000);
    assert_true(get(T1 + COMPARATOR) == 1000 + 300 * 1000);
}

static void a_level_interrupt_waits_for_its_status(void **state)
{
    (void)state;
    put(T2, 22 << 9 | 4 | 2);
    put(T2 + COMPARATOR, 10);
    put(CONFIG, 1);
    rig_wait(&rig, 100);
    assert_true(pin_levels[22]);
    assert_true(get(STATUS) == 4);
    put(STATUS, 3);
    assert_true(pin_levels[22]);
    put(STATUS, 4);
    assert_false(pin_levels[22]);
    assert_true(get(STATUS) == 0);
}

static void legacy_replacement_takes_irq_0_and_8(void **state)
{
    (void)state;
    hpet_set_legacy(hpet, 0, true);
    assert_true(isa_levels[0]);
    hpet_set_legacy(hpet, 0, false);
    put(T0, 20 << 9 | 4);
    put(T0 + COMPARATOR, 10);
    put(T1, 21 << 9 | 4);
    put(T1 + COMPARATOR, 20);
    put(CONFIG, 3);
    hpet_set_legacy(hpet, 0, true);
    hpet_set_legacy(hpet, 8, true);
    assert_false(isa_levels[0] || isa_levels[8]);
    rig_wait(&rig, 200);
    assert_int_equal(isa_edges[0], 2);
    assert_int_equal(isa_edges[8], 1);
    assert_int_equal(pin_edges[20] + pin_edges[21], 0);
    put(CONFIG, 1);
    assert_true(isa_levels[0] && isa_levels[8]);    /* the 8254 and the RTC are back */
}

static void a_message_instead_of_a_pin(void **state)
{
    (void)state;
    put(T0, 0x4000 | 4);
    put(T0 + MESSAGE, 0xfee0100000000041);
    put(T0 + COMPARATOR, 10);
    put(CONFIG, 1);
    rig_wait(&rig, 100);
    assert_int_equal(messages, 1);
    assert_true(message_address == 0xfee01000);
    assert_int_equal(message_data, 0x41);
}

static void a_route_that_is_not_offered_goes_nowhere(void **state)
{
    (void)state;
    put(T0, 5 << 9 | 4);
    put(T0 + COMPARATOR, 10);
    put(CONFIG, 1);
    rig_wait(&rig, 1000);
    for (unsigned k = 0; k < 24; k++)
        assert_int_equal(pin_edges[k], 0);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    put(T1, 21 << 9 | 8 | 4 | 0x40);
    put(T1 + COMPARATOR, 1000);
    put(CONFIG, 1);
    rig_wait(&rig, 15000);
    rig_check_snapshot(&rig);
    rig_wait(&rig, 5000);
    assert_int_equal(pin_edges[21], 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(capabilities), T(the_counter_runs_while_enabled), T(a_one_shot_matches_once),
        T(a_32_bit_one_shot_matches_at_each_wrap), T(a_periodic_timer_keeps_its_phase),
        T(a_level_interrupt_waits_for_its_status), T(legacy_replacement_takes_irq_0_and_8),
        T(a_message_instead_of_a_pin), T(a_route_that_is_not_offered_goes_nowhere), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
