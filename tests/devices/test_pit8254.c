/* SPDX-License-Identifier: MIT
 * The 8254 against its data sheet's timing diagrams, tick by tick. */
#include "devices/pit8254.h"

#include "devices/ticks.h"
#include "tests/devices/rig.h"

static struct rig rig;
static struct pit8254 *pit;
static uint64_t tick;       /* where the test's clock stands */

static void go_to(uint64_t to)
{
    tick = to;
    rig_wait(&rig, ns_of_ticks(tick, PIT_HZ) - clock_ns(&rig.clock));
}

static void go(uint64_t ticks) { go_to(tick + ticks); }

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    pit = pit_create(&rig.tree, rig.io, &rig.clock, rig_irq(&rig, 0));
    device_reset_all(&rig.tree);
    tick = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void program(unsigned n, unsigned mode, unsigned count)
{
    out8(&rig, 0x43, (uint8_t)(n << 6 | 0x30 | mode << 1));
    out8(&rig, (uint16_t)(0x40 + n), (uint8_t)count);
    out8(&rig, (uint16_t)(0x40 + n), (uint8_t)(count >> 8));
}

static unsigned count_of(unsigned n)
{
    unsigned low;

    out8(&rig, 0x43, (uint8_t)(n << 6));
    low = in8(&rig, (uint16_t)(0x40 + n));
    return low | (unsigned)in8(&rig, (uint16_t)(0x40 + n)) << 8;
}

static bool out2(void) { return in8(&rig, 0x61) & 0x20; }
static void gate2(bool level) { out8(&rig, 0x61, level); }

static void mode0_counts_down_and_raises_out_once(void **state)
{
    (void)state;
    program(0, 0, 4);
    assert_false(rig.lines[0]);
    go(1);
    assert_int_equal(count_of(0), 4);           /* loaded by the clock after the write */
    go(3);
    assert_int_equal(count_of(0), 1);
    assert_false(rig.lines[0]);
    go(1);
    assert_true(rig.lines[0]);                  /* N + 1 clocks after the write */
    assert_int_equal(count_of(0), 0);
    go(1);
    assert_int_equal(count_of(0), 0xffff);
    go(200000);
    assert_int_equal(rig.edges[0], 1);
}

static void a_count_shows_before_its_first_clock(void **state)
{
    (void)state;
    gate2(true);
    program(2, 0, 0xffff);
    assert_int_equal(count_of(2), 0xffff);
    go(1);
    assert_int_equal(count_of(2), 0xffff);
    go(1);
    assert_int_equal(count_of(2), 0xfffe);
}

static void mode0_first_byte_stops_the_count(void **state)
{
    (void)state;
    program(0, 0, 100);
    go(11);
    out8(&rig, 0x40, 0x10);
    assert_false(rig.lines[0]);
    go(1000);
    assert_false(rig.lines[0]);
    out8(&rig, 0x40, 0x00);
    go(16);
    assert_false(rig.lines[0]);
    go(1);
    assert_true(rig.lines[0]);
}

static void mode0_pauses_with_gate_low(void **state)
{
    (void)state;
    gate2(true);
    program(2, 0, 10);
    go(5);
    gate2(false);
    go(100);
    assert_int_equal(count_of(2), 6);
    assert_false(out2());
    gate2(true);
    go(6);
    assert_true(out2());
}

static void mode1_is_retriggered_by_the_gate(void **state)
{
    (void)state;
    gate2(false);
    program(2, 1, 5);
    go(20);
    assert_true(out2());
    gate2(true);
    assert_true(out2());
    go(1);
    assert_false(out2());
    go(3);
    gate2(false);
    gate2(true);                                /* retriggered: five more clocks from here */
    go(1);
    assert_false(out2());
    go(4);
    assert_false(out2());
    go(1);
    assert_true(out2());
}

static void mode2_is_low_for_the_last_clock_of_each_period(void **state)
{
    (void)state;
    gate2(true);
    program(2, 2, 4);
    go(1);
    for (unsigned k = 0; k < 12; k++) {
        assert_int_equal(count_of(2), 4 - k % 4);
        assert_int_equal(out2(), k % 4 != 3);
        go(1);
    }
}

static void mode2_interrupts_at_an_exact_rate(void **state)
{
    (void)state;
    program(0, 2, 1193);
    go(1 + 1193ull * 10000);
    assert_int_equal(rig.edges[0], 1 + 10000);  /* OUT rose with the control word too; no drift in ten seconds */
}

static void mode2_takes_a_new_count_at_the_end_of_the_period(void **state)
{
    (void)state;
    program(0, 2, 10);
    go(4);                                      /* CE is 7 */
    out8(&rig, 0x40, 20);
    out8(&rig, 0x40, 0);
    go(6);
    assert_int_equal(count_of(0), 1);
    go(1);
    assert_int_equal(count_of(0), 20);
}

static void mode2_gate_low_raises_out_and_restarts(void **state)
{
    (void)state;
    gate2(true);
    program(2, 2, 10);
    go(10);
    assert_false(out2());
    gate2(false);
    assert_true(out2());
    go(50);
    gate2(true);
    go(1);
    assert_int_equal(count_of(2), 10);
}

static void mode3_even_count_is_a_square(void **state)
{
    (void)state;
    gate2(true);
    program(2, 3, 6);
    go(1);
    for (unsigned k = 0; k < 18; k++) {
        assert_int_equal(out2(), k % 6 < 3);
        assert_int_equal(count_of(2), 6 - 2 * (k % 3));
        go(1);
    }
}

static void mode3_odd_count_is_high_one_clock_longer(void **state)
{
    static const uint8_t counts[5] = { 4, 2, 0, 4, 2 };

    (void)state;
    gate2(true);
    program(2, 3, 5);
    go(1);
    for (unsigned k = 0; k < 15; k++) {
        assert_int_equal(out2(), k % 5 < 3);
        assert_int_equal(count_of(2), counts[k % 5]);
        go(1);
    }
}

static void mode3_takes_a_new_count_at_the_end_of_the_half(void **state)
{
    (void)state;
    gate2(true);
    program(2, 3, 8);
    go(2);
    out8(&rig, 0x42, 4);
    out8(&rig, 0x42, 0);
    go(2);
    assert_true(out2());                        /* still the old half: four clocks */
    go(1);
    assert_false(out2());
    go(2);
    assert_true(out2());
    go(2);
    assert_false(out2());
}

static void mode4_strobes_once(void **state)
{
    (void)state;
    gate2(true);
    program(2, 4, 3);
    go(3);
    assert_true(out2());
    go(1);
    assert_false(out2());
    go(1);
    assert_true(out2());
    go(70000);
    assert_true(out2());
}

static void mode5_strobes_after_each_trigger(void **state)
{
    (void)state;
    gate2(false);
    program(2, 5, 3);
    go(10);
    assert_true(out2());
    gate2(true);
    go(4);
    assert_false(out2());
    go(1);
    assert_true(out2());
}

static void zero_is_the_full_range_and_bcd_counts_digits(void **state)
{
    (void)state;
    program(0, 2, 0);
    go(2);
    assert_int_equal(count_of(0), 0xffff);
    out8(&rig, 0x43, 0x35);                     /* mode 2, BCD */
    out8(&rig, 0x40, 0x00);
    out8(&rig, 0x40, 0x10);                     /* 1000 */
    go(2);
    assert_int_equal(count_of(0), 0x0999);
}

static void a_latched_count_stays_until_read(void **state)
{
    unsigned low;

    (void)state;
    program(0, 2, 0x1234);
    go(1);
    out8(&rig, 0x43, 0x00);
    go(100);
    out8(&rig, 0x43, 0x00);                     /* ignored while the first is unread */
    low = in8(&rig, 0x40);
    assert_int_equal(low | in8(&rig, 0x40) << 8, 0x1234);
    low = in8(&rig, 0x40);
    assert_int_equal(low | in8(&rig, 0x40) << 8, 0x1234 - 100);
}

static void read_back_gives_status_then_count(void **state)
{
    (void)state;
    gate2(true);
    program(2, 3, 0x4000);
    out8(&rig, 0x43, 0xe8);                     /* status of counter 2 only */
    assert_int_equal(in8(&rig, 0x42), 0x80 | 0x40 | 0x36);      /* OUT high, null count: not loaded yet */
    go(1);
    out8(&rig, 0x43, 0xc8);
    assert_int_equal(in8(&rig, 0x42), 0x80 | 0x36);
    assert_int_equal(in8(&rig, 0x42), 0x00);
    assert_int_equal(in8(&rig, 0x42), 0x40);
}

static void one_byte_access_reads_and_writes_one_byte(void **state)
{
    (void)state;
    out8(&rig, 0x43, 0x24);                     /* counter 0, high byte, mode 2 */
    out8(&rig, 0x40, 0x12);
    go(1);
    assert_int_equal(in8(&rig, 0x40), 0x12);
    assert_int_equal(in8(&rig, 0x40), 0x12);
    out8(&rig, 0x43, 0x14);                     /* low byte */
    out8(&rig, 0x40, 0x77);
    go(1);
    assert_int_equal(in8(&rig, 0x40), 0x77);
}

static void port61_shows_refresh_and_keeps_its_low_bits(void **state)
{
    unsigned toggles = 0, last = in8(&rig, 0x61) & 0x10;

    (void)state;
    for (unsigned k = 0; k < 1800; k++) {
        unsigned now;

        go(1);
        now = in8(&rig, 0x61) & 0x10;
        toggles += now != last;
        last = now;
    }
    assert_int_equal(toggles, 100);
    out8(&rig, 0x61, 0xff);
    assert_int_equal(in8(&rig, 0x61) & 0xcf, 0x0f);
}

static void the_speaker_sounds_when_gated(void **state)
{
    (void)state;
    program(2, 3, 1193);
    assert_int_equal(pit_speaker_hz(pit), 0);
    out8(&rig, 0x61, 3);
    go(1);
    assert_int_equal(pit_speaker_hz(pit), 1000);
}

static void a_slow_clock_still_shows_each_edge(void **state)
{
    (void)state;
    program(0, 2, 10);
    for (unsigned k = 0; k < 100; k++) {        /* look only once in two and a half periods */
        clock_skip_to(&rig.clock, clock_ns(&rig.clock) + ns_of_ticks(25, PIT_HZ));
        clock_fire_due(&rig.clock);
    }
    assert_in_range(rig.edges[0], 249, 251);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    program(0, 2, 1000);
    go(1500);
    rig_check_snapshot(&rig);
    go(501 - 1);
    assert_int_equal(rig.edges[0], 2);
    go(1);
    assert_int_equal(rig.edges[0], 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(mode0_counts_down_and_raises_out_once), T(a_count_shows_before_its_first_clock),
        T(mode0_first_byte_stops_the_count), T(mode0_pauses_with_gate_low),
        T(mode1_is_retriggered_by_the_gate), T(mode2_is_low_for_the_last_clock_of_each_period),
        T(mode2_interrupts_at_an_exact_rate), T(mode2_takes_a_new_count_at_the_end_of_the_period),
        T(mode2_gate_low_raises_out_and_restarts), T(mode3_even_count_is_a_square),
        T(mode3_odd_count_is_high_one_clock_longer), T(mode3_takes_a_new_count_at_the_end_of_the_half),
        T(mode4_strobes_once), T(mode5_strobes_after_each_trigger), T(zero_is_the_full_range_and_bcd_counts_digits),
        T(a_latched_count_stays_until_read), T(read_back_gives_status_then_count),
        T(one_byte_access_reads_and_writes_one_byte), T(port61_shows_refresh_and_keeps_its_low_bits),
        T(the_speaker_sounds_when_gated), T(a_slow_clock_still_shows_each_edge), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
