/* SPDX-License-Identifier: MIT
 * The local APIC timer in its three modes (SDM 3A "APIC Timer"); its input is 200 MHz, a count at divide-by-1 takes 5 ns. */
#include "devices/lapic.h"

#include "tests/devices/apics.h"
#include "tests/devices/rig.h"

enum { LVT = 0x32, INITIAL = 0x38, CURRENT = 0x39, DIVIDE = 0x3e, BY_1 = 0xb, BY_2 = 0, BY_128 = 0xa };

static void one_shot_counts_down_and_stops(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x40);
    apic_write(0, INITIAL, 1000);
    rig_wait(&rig, 5 * 400);
    assert_int_equal(apic_read(0, CURRENT), 600);
    rig_wait(&rig, 5 * 600 - 1);
    assert_int_equal(apic_read(0, CURRENT), 1);
    assert_int_equal(pending(0), APIC_NONE);
    rig_wait(&rig, 1);
    assert_int_equal(accept(0), 0x40);
    assert_int_equal(apic_read(0, CURRENT), 0);
    assert_int_equal(apic_read(0, INITIAL), 1000);
    rig_wait(&rig, 1000000);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 1);
}

static void periodic_reloads_without_drift(void **state)
{
    unsigned fired = 0;

    (void)state;
    apic_write(0, DIVIDE, BY_2);
    apic_write(0, LVT, 0x20041);
    apic_write(0, INITIAL, 777);
    for (unsigned k = 0; k < 7770000; k += 777) {
        rig_wait(&rig, 7770);
        fired += accept(0) == 0x41;
        apic_write(0, 0x0b, 0);
        assert_int_equal(apic_read(0, CURRENT), 777);
    }
    assert_int_equal(fired, 10000);
}

static void every_divisor(void **state)
{
    static const uint8_t codes[8] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa };

    (void)state;
    apic_write(0, LVT, 0x10040);
    for (unsigned k = 0; k < 8; k++) {
        apic_write(0, DIVIDE, codes[k]);
        apic_write(0, INITIAL, 1000);
        rig_wait(&rig, (5ull << k) * 10);
        assert_int_equal(apic_read(0, CURRENT), 990);
    }
}

static void a_masked_timer_counts_silently(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x30040);
    apic_write(0, INITIAL, 100);
    rig_wait(&rig, 5 * 150);
    assert_int_equal(apic_read(0, CURRENT), 50);
    assert_int_equal(pending(0), APIC_NONE);
}

static void zero_stops_it(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x20040);
    apic_write(0, INITIAL, 100);
    apic_write(0, INITIAL, 0);
    rig_wait(&rig, 5000);
    assert_int_equal(apic_read(0, CURRENT), 0);
    assert_int_equal(pending(0), APIC_NONE);
}

static void a_new_divisor_counts_on_from_where_it_was(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x40);
    apic_write(0, INITIAL, 1000);
    rig_wait(&rig, 5 * 500);
    apic_write(0, DIVIDE, BY_128);
    assert_int_equal(apic_read(0, CURRENT), 500);
    rig_wait(&rig, 128 * 5 * 499);
    assert_int_equal(apic_read(0, CURRENT), 1);
}

static uint64_t offset = 1000000;
static uint64_t ask_offset(void *self) { (void)self; return offset; }

static void tsc_deadline_fires_once_at_its_tsc(void **state)
{
    (void)state;
    offset = 1000000;
    lapic_connect_tsc(lapics[0], ask_offset, NULL);
    lapic_ops.set_tsc_deadline(lapics[0], 12345);
    assert_int_equal(lapic_ops.tsc_deadline(lapics[0]), 0);         /* ignored in the other modes */
    apic_write(0, LVT, 0x40050);
    lapic_ops.set_tsc_deadline(lapics[0], 1000000 + 2 * 5000);      /* 2 GHz: in 5000 ns */
    assert_true(lapic_ops.tsc_deadline(lapics[0]) == 1010000);
    apic_write(0, INITIAL, 99);                                     /* ignored in this mode */
    assert_int_equal(apic_read(0, CURRENT), 0);
    rig_wait(&rig, 4999);
    assert_int_equal(pending(0), APIC_NONE);
    rig_wait(&rig, 1);
    assert_int_equal(accept(0), 0x50);
    assert_int_equal(lapic_ops.tsc_deadline(lapics[0]), 0);
}

static void a_deadline_in_the_past_fires_at_once(void **state)
{
    (void)state;
    rig_wait(&rig, 1000);
    apic_write(0, LVT, 0x40050);
    lapic_ops.set_tsc_deadline(lapics[0], 1);
    rig_wait(&rig, 0);
    assert_int_equal(accept(0), 0x50);
}

static void a_moved_tsc_moves_the_deadline(void **state)
{
    (void)state;
    offset = 0;
    lapic_connect_tsc(lapics[0], ask_offset, NULL);
    apic_write(0, LVT, 0x40050);
    lapic_ops.set_tsc_deadline(lapics[0], 20000);
    offset = 10000;
    lapic_tsc_changed(lapics[0]);
    rig_wait(&rig, 5000);
    assert_int_equal(accept(0), 0x50);
}

static void changing_modes_disarms(void **state)
{
    (void)state;
    apic_write(0, LVT, 0x40050);
    lapic_ops.set_tsc_deadline(lapics[0], 2000);
    apic_write(0, LVT, 0x00050);
    assert_int_equal(lapic_ops.tsc_deadline(lapics[0]), 0);
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, INITIAL, 100);
    apic_write(0, LVT, 0x40050);
    rig_wait(&rig, 100000);
    assert_int_equal(pending(0), APIC_NONE);
}

static void one_shot_turned_periodic_goes_on(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x10050);
    apic_write(0, INITIAL, 100);
    rig_wait(&rig, 5 * 40);
    apic_write(0, LVT, 0x20050);
    assert_int_equal(apic_read(0, CURRENT), 60);
    rig_wait(&rig, 5 * 160);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 2);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    apic_write(0, DIVIDE, BY_1);
    apic_write(0, LVT, 0x20040);
    apic_write(0, INITIAL, 100);
    rig_wait(&rig, 250);
    rig_check_snapshot(&rig);
    rig_wait(&rig, 250);
    assert_int_equal(accept(0), 0x40);
    assert_int_equal(apic_read(0, CURRENT), 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, apics_set_up, apics_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_shot_counts_down_and_stops), T(periodic_reloads_without_drift), T(every_divisor),
        T(a_masked_timer_counts_silently), T(zero_stops_it), T(a_new_divisor_counts_on_from_where_it_was),
        T(tsc_deadline_fires_once_at_its_tsc), T(a_deadline_in_the_past_fires_at_once),
        T(a_moved_tsc_moves_the_deadline), T(changing_modes_disarms), T(one_shot_turned_periodic_goes_on),
        T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
