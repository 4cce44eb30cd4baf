/* SPDX-License-Identifier: MIT
 * The MC146818A against its data sheet, and the places where firmware looks in CMOS. */
#include "devices/rtc146818.h"

#include "core/nondet.h"
#include "tests/devices/rig.h"

#define MS 1000000ull
#define S  1000000000ull

static struct rig rig;
static struct rtc146818 *rtc;
static struct nondet *nd;

/* 2023-12-31 23:59:58.25 UTC, a Sunday. */
#define START (1704067198ull * S + 250 * MS)

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    nd = nondet_create();
    rtc = rtc_create(&rig.tree, rig.io, &rig.clock, nd, rig_irq(&rig, 8));
    rtc_set_wall_clock(rtc, START);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    nondet_free(nd);
    return 0;
}

static uint8_t get(unsigned at)
{
    out8(&rig, 0x70, (uint8_t)at);
    return in8(&rig, 0x71);
}

static void put(unsigned at, unsigned value)
{
    out8(&rig, 0x70, (uint8_t)at);
    out8(&rig, 0x71, (uint8_t)value);
}

static void assert_time(unsigned h, unsigned m, unsigned s)
{
    assert_int_equal(get(4), h);
    assert_int_equal(get(2), m);
    assert_int_equal(get(0), s);
}

static void assert_date(unsigned century, unsigned year, unsigned month, unsigned day, unsigned weekday)
{
    assert_int_equal(get(0x32), century);
    assert_int_equal(get(9), year);
    assert_int_equal(get(8), month);
    assert_int_equal(get(7), day);
    assert_int_equal(get(6), weekday);
}

static void power_on_shows_the_wall_clock_in_bcd(void **state)
{
    (void)state;
    assert_time(0x23, 0x59, 0x58);
    assert_date(0x20, 0x23, 0x12, 0x31, 1);
    assert_int_equal(get(0x0a), 0x26);
    assert_int_equal(get(0x0b), 0x02);
    assert_int_equal(get(0x0d), 0x80);
}

static void the_year_turns_with_the_second(void **state)
{
    (void)state;
    rig_wait(&rig, 749 * MS);
    assert_int_equal(get(0), 0x58);
    rig_wait(&rig, 1 * MS);
    assert_int_equal(get(0), 0x59);
    rig_wait(&rig, 1 * S);
    assert_time(0x00, 0x00, 0x00);
    assert_date(0x20, 0x24, 0x01, 0x01, 2);
}

static void leap_days_come_every_fourth_year(void **state)
{
    (void)state;
    put(0x0b, 0x82);
    put(9, 0x24); put(8, 0x02); put(7, 0x28); put(6, 4);
    put(4, 0x23); put(2, 0x59); put(0, 0x59);
    put(0x0b, 0x02);
    rig_wait(&rig, 1 * S);
    assert_date(0x20, 0x24, 0x02, 0x29, 5);
    rig_wait(&rig, 86400 * S);
    assert_date(0x20, 0x24, 0x03, 0x01, 6);
}

static void binary_and_twelve_hours(void **state)
{
    (void)state;
    put(0x0b, 0x84);                        /* SET, binary, 12 hours */
    put(9, 24); put(8, 1); put(7, 30);
    put(4, 0x80 | 11); put(2, 59); put(0, 59);
    put(0x0b, 0x04);
    rig_wait(&rig, 1 * S);
    assert_time(12, 0, 0);                  /* midnight is 12 AM */
    assert_int_equal(get(7), 31);
    rig_wait(&rig, 12 * 3600 * S);
    assert_time(0x80 | 12, 0, 0);           /* noon */
}

static void set_holds_updates_and_clears_uie(void **state)
{
    (void)state;
    put(0x0b, 0x12);
    put(0x0b, 0x92);
    assert_int_equal(get(0x0b), 0x82);
    rig_wait(&rig, 10 * S);
    assert_int_equal(get(0), 0x58);
    assert_int_equal(get(0x0a) & 0x80, 0);
}

static void uip_announces_the_update(void **state)
{
    (void)state;
    rig_wait(&rig, 747 * MS);               /* 3 ms before */
    assert_int_equal(get(0x0a) & 0x80, 0);
    rig_wait(&rig, 1 * MS);
    assert_int_equal(get(0x0a) & 0x80, 0x80);
    rig_wait(&rig, 2 * MS);
    assert_int_equal(get(0x0a) & 0x80, 0);
}

static void leaving_divider_reset_updates_half_a_second_later(void **state)
{
    (void)state;
    put(0x0a, 0x76);
    rig_wait(&rig, 5 * S);
    assert_int_equal(get(0), 0x58);
    put(0x0a, 0x26);
    rig_wait(&rig, 499 * MS);
    assert_int_equal(get(0), 0x58);
    rig_wait(&rig, 1 * MS);
    assert_int_equal(get(0), 0x59);
}

static void periodic_interrupt_at_1024_hz(void **state)
{
    unsigned count = 0;

    (void)state;
    put(0x0b, 0x42);
    get(0x0c);
    for (unsigned k = 0; k < 10000; k++) {
        rig_wait(&rig, 100000);
        if (rig.lines[8]) {
            assert_int_equal(get(0x0c) & 0xc0, 0xc0);
            assert_false(rig.lines[8]);
            count++;
        }
    }
    assert_int_equal(count, 1024);
}

static void flags_come_without_interrupts_and_go_by_reading(void **state)
{
    (void)state;
    get(0x0c);
    rig_wait(&rig, 1 * S);
    assert_int_equal(get(0x0c), 0x50);      /* PF and UF, no IRQF; 23:59:59 is not the alarm's 00:00:00 */
    rig_wait(&rig, 1 * S);
    assert_int_equal(rig.edges[8], 0);
    assert_int_equal(get(0x0c), 0x70);
    assert_int_equal(get(0x0c), 0x00);
}

static void alarm_matches_and_wildcards(void **state)
{
    (void)state;
    put(1, 0x00); put(3, 0x01); put(5, 0x00);
    put(0x0b, 0x22);
    rig_wait(&rig, 61 * S);
    assert_int_equal(rig.edges[8], 0);
    rig_wait(&rig, 1 * S);
    assert_true(rig.lines[8]);
    assert_int_equal(get(0x0c) & 0xa0, 0xa0);
    put(1, 0xc0); put(3, 0xff); put(5, 0xc5);
    rig_wait(&rig, 1 * S);
    assert_int_equal(rig.edges[8], 2);      /* every second */
}

static void update_interrupt_each_second(void **state)
{
    (void)state;
    put(0x0b, 0x12);
    for (unsigned k = 0; k < 5; k++) {
        rig_wait(&rig, 1 * S);
        assert_int_equal(rig.edges[8], k + 1);
        get(0x0c);
    }
}

static void daylight_saving_skips_and_repeats_an_hour(void **state)
{
    (void)state;
    put(0x0b, 0x83);                        /* last Sunday of April 2024: the 28th */
    put(9, 0x24); put(8, 0x04); put(7, 0x28); put(6, 1);
    put(4, 0x01); put(2, 0x59); put(0, 0x59);
    put(0x0b, 0x03);
    rig_wait(&rig, 1 * S);
    assert_time(0x03, 0, 0);
    put(0x0b, 0x83);
    put(8, 0x10); put(7, 0x27); put(6, 1);
    put(4, 0x01); put(2, 0x59); put(0, 0x59);
    put(0x0b, 0x03);
    rig_wait(&rig, 1 * S);
    assert_time(0x01, 0, 0);
    rig_wait(&rig, 3600 * S);
    assert_time(0x02, 0, 0);
}

static void reset_keeps_time_and_memory(void **state)
{
    (void)state;
    put(0x0b, 0x72);
    put(0x40, 0xab);
    out8(&rig, 0x72, 0x85);
    out8(&rig, 0x73, 0xcd);
    rig_wait(&rig, 1 * S);
    device_reset_all(&rig.tree);
    assert_false(rig.lines[8]);
    assert_int_equal(get(0x0b), 0x02);
    assert_int_equal(get(0x0c), 0x00);
    assert_int_equal(get(0), 0x59);
    assert_int_equal(get(0x40), 0xab);
    out8(&rig, 0x72, 0x05);
    assert_int_equal(in8(&rig, 0x73), 0xcd);
}

static void index_bit_7_masks_nmi(void **state)
{
    (void)state;
    out8(&rig, 0x70, 0x8f);
    assert_true(rtc_nmi_masked(rtc));
    out8(&rig, 0x71, 0x5a);
    assert_int_equal(get(0x0f), 0x5a);
    assert_false(rtc_nmi_masked(rtc));
}

static void firmware_finds_the_machine_in_cmos(void **state)
{
    unsigned total = 0;

    (void)state;
    rtc_set_memory(rtc, 3072ull << 20, 1024ull << 20);
    rtc_set_floppies(rtc, RTC_FLOPPY_1440K, RTC_FLOPPY_NONE);
    rtc_set_boot_order(rtc, RTC_BOOT_CD, RTC_BOOT_DISK, RTC_BOOT_FLOPPY);
    rtc_set_disk(rtc, 0, 1023, 16, 63);
    rtc_set_processors(rtc, 4);
    assert_int_equal(get(0x15) | get(0x16) << 8, 640);
    assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
    assert_int_equal((get(0x34) | get(0x35) << 8) + 256, 3072 * 16);        /* 64 KiB units above 16 MiB */
    assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 1024 * 16);
    assert_int_equal(get(0x10), 0x40);
    assert_int_equal(get(0x14), 0x07);
    assert_int_equal(get(0x3d), 0x23);
    assert_int_equal(get(0x38), 0x10);
    assert_int_equal(get(0x12), 0xf0);
    assert_int_equal(get(0x5f), 3);
    for (unsigned at = 0x10; at <= 0x2d; at++)
        total += get(at);
    assert_int_equal(get(0x2e) << 8 | get(0x2f), total);
}

static void only_the_first_reset_sets_the_clock(void **state)
{
    (void)state;
    rtc_set_wall_clock(rtc, 3 * 86400 * S);
    device_reset_all(&rig.tree);
    assert_int_equal(get(9), 0x23);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    put(0x0b, 0x12);
    rig_check_snapshot(&rig);
    rig_wait(&rig, 1 * S);
    assert_true(rig.lines[8]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(power_on_shows_the_wall_clock_in_bcd), T(the_year_turns_with_the_second), T(leap_days_come_every_fourth_year),
        T(binary_and_twelve_hours), T(set_holds_updates_and_clears_uie), T(uip_announces_the_update),
        T(leaving_divider_reset_updates_half_a_second_later), T(periodic_interrupt_at_1024_hz),
        T(flags_come_without_interrupts_and_go_by_reading), T(alarm_matches_and_wildcards),
        T(update_interrupt_each_second), T(daylight_saving_skips_and_repeats_an_hour), T(reset_keeps_time_and_memory),
        T(index_bit_7_masks_nmi), T(firmware_finds_the_machine_in_cmos),
        T(only_the_first_reset_sets_the_clock), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
