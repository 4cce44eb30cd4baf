/* SPDX-License-Identifier: MIT
 * Synthetic timers: when they expire, how they tell, what starts and stops them. */
#include "tests/hv/fake_cpu.h"

enum {
    SCONTROL = 0x40000080, SIMP = 0x40000083, EOM = 0x40000084, SINT0 = 0x40000090, CONFIG0 = 0x400000B0,
    COUNT0 = 0x400000B1,
};

#define SIM         0x20000u
#define SLOT(n)     (SIM + 256u * (n))
#define DIRECT(v)   (HV_STIMER_DIRECT | (uint64_t)(v) << 4)
#define SINT(n)     ((uint64_t)(n) << 16)

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    must_wrmsr(f, 0, SCONTROL, 1);
    must_wrmsr(f, 0, SIMP, SIM | 1);
    must_wrmsr(f, 0, SINT0 + 2, 0x61);
    return 0;
}

static unsigned interrupts(const struct fixture *f)
{
    return f->apic[0].nrequested;
}

static uint64_t config(struct fixture *f)
{
    return must_rdmsr(f, 0, CONFIG0);
}

static void tlfs_12_5_1_one_shot_in_direct_mode(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE | DIRECT(0xED));
    assert_int_equal(interrupts(f), 0);                 /* no count yet */
    must_wrmsr(f, 0, COUNT0, 1000);
    advance_ns(f, 99999);
    assert_int_equal(interrupts(f), 0);
    advance_ns(f, 1);
    assert_int_equal(interrupts(f), 1);
    assert_int_equal(f->apic[0].requested[0], 0xED);
    assert_int_equal(config(f) & HV_STIMER_ENABLE, 0);  /* disabled by expiring */
    advance_ns(f, 1000000);
    assert_int_equal(interrupts(f), 1);
    must_wrmsr(f, 0, COUNT0, 20000);                    /* AutoEnable starts it again */
    assert_int_equal(config(f) & HV_STIMER_ENABLE, HV_STIMER_ENABLE);
    advance_ns(f, 2000000);
    assert_int_equal(interrupts(f), 2);
}

static void tlfs_12_5_1_a_count_already_passed_expires_at_once(void **state)
{
    struct fixture *f = *state;

    advance_ns(f, 1000000);
    must_wrmsr(f, 0, COUNT0, 5);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | DIRECT(0xED));
    assert_int_equal(interrupts(f), 1);
    assert_int_equal(config(f) & HV_STIMER_ENABLE, 0);
}

static void tlfs_12_5_1_without_auto_enable_the_enable_bit_starts_it(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0, DIRECT(0xED));
    must_wrmsr(f, 0, COUNT0, 10);
    advance_ns(f, 5000);
    assert_int_equal(interrupts(f), 0);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | DIRECT(0xED));
    assert_int_equal(interrupts(f), 1);
}

static void tlfs_12_5_2_a_zero_count_stops_and_disables(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE | DIRECT(0xED));
    must_wrmsr(f, 0, COUNT0, 1000);
    must_wrmsr(f, 0, COUNT0, 0);
    assert_int_equal(config(f) & HV_STIMER_ENABLE, 0);
    advance_ns(f, 1000000);
    assert_int_equal(interrupts(f), 0);
    assert_true(clock_next_deadline(&f->clock) == TIMER_OFF);
}

static void tlfs_12_5_1_sint_zero_disables_at_once(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE);
    assert_int_equal(config(f), 0);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_AUTO_ENABLE);
    must_wrmsr(f, 0, COUNT0, 10);
    assert_int_equal(config(f), HV_STIMER_AUTO_ENABLE);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | DIRECT(0xED));
    assert_true(config(f) & HV_STIMER_DIRECT);
}

static void tlfs_12_5_1_reserved_bits_are_gp(void **state)
{
    struct fixture *f = *state;

    assert_false(wrmsr(f, 0, CONFIG0, 1 << 13));
    assert_false(wrmsr(f, 0, CONFIG0, 1 << 20));
    assert_false(wrmsr(f, 0, CONFIG0, 1ull << 63));
}

static void tlfs_12_5_1_periodic_timer_keeps_its_pace(void **state)
{
    struct fixture *f = *state;

    advance_ns(f, 50);
    must_wrmsr(f, 0, COUNT0, 100);                      /* every 10 us */
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | DIRECT(0xED));
    for (unsigned n = 1; n <= 10; n++) {
        advance_ns(f, 10000);
        assert_int_equal(interrupts(f), n);
    }
    advance_ns(f, 55000);                               /* late: one interrupt, then in step again */
    assert_int_equal(interrupts(f), 11);
    advance_ns(f, 5000);
    assert_int_equal(interrupts(f), 12);
    assert_int_equal(config(f) & HV_STIMER_ENABLE, HV_STIMER_ENABLE);
}

static void tlfs_13_3_1_expiration_message(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0 + 2, HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE | SINT(2));
    must_wrmsr(f, 0, COUNT0 + 2, 500);
    advance_ns(f, 52000);
    assert_int_equal(space_read(f->memory, SLOT(2), 4), 0x80000010);
    assert_int_equal(space_read(f->memory, SLOT(2) + 4, 1), 24);
    assert_int_equal(get64(f, SLOT(2) + 8), 0);         /* origination */
    assert_int_equal(get64(f, SLOT(2) + 16), 1);        /* timer index */
    assert_int_equal(get64(f, SLOT(2) + 24), 500);      /* expiration */
    assert_int_equal(get64(f, SLOT(2) + 32), 520);      /* delivery */
    assert_int_equal(f->apic[0].requested[0], 0x61);
}

static void tlfs_11_3_2_a_timer_has_one_message_buffer(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, COUNT0, 100);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | SINT(2));
    for (unsigned n = 0; n < 6; n++)                    /* in the slot, in the buffer, waiting for the buffer, skipped */
        advance_ns(f, 10000);
    must_wrmsr(f, 0, CONFIG0, 0);
    assert_int_equal(get64(f, SLOT(2) + 24), 100);
    assert_int_equal(space_read(f->memory, SLOT(2) + 5, 1), 1);
    space_write(f->memory, SLOT(2), 4, 0);
    must_wrmsr(f, 0, EOM, 0);
    assert_int_equal(get64(f, SLOT(2) + 24), 200);
    assert_int_equal(get64(f, SLOT(2) + 32), 600);
    space_write(f->memory, SLOT(2), 4, 0);
    must_wrmsr(f, 0, EOM, 0);
    assert_int_equal(space_read(f->memory, SLOT(2), 4), 0);
}

static void a_missed_expiration_is_sent_when_the_buffer_is_free(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, COUNT0, 1000);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | SINT(2));
    for (unsigned n = 0; n < 4; n++)
        advance_ns(f, 100000);
    for (unsigned n = 1; n <= 3; n++) {
        assert_int_equal(get64(f, SLOT(2) + 24), 1000 * n);
        assert_int_equal(space_read(f->memory, SLOT(2) + 5, 1), n < 3);
        space_write(f->memory, SLOT(2), 4, 0);
        must_wrmsr(f, 0, EOM, 0);
    }
}

static void timers_of_all_processors_are_separate(void **state)
{
    struct fixture *f = *state;

    for (unsigned vp = 0; vp < FIXTURE_VPS; vp++)
        for (unsigned n = 0; n < 4; n++) {
            must_wrmsr(f, vp, CONFIG0 + 2 * n, HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE | DIRECT(0x40 + n));
            must_wrmsr(f, vp, COUNT0 + 2 * n, 10 * (n + 1));
        }
    advance_ns(f, 2000);
    for (unsigned vp = 0; vp < FIXTURE_VPS; vp++) {
        assert_int_equal(f->apic[vp].nrequested, 2);
        assert_int_equal(f->apic[vp].requested[0], 0x40);
        assert_int_equal(f->apic[vp].requested[1], 0x41);
        assert_int_equal(must_rdmsr(f, vp, CONFIG0 + 2) & 1, 0);
        assert_int_equal(must_rdmsr(f, vp, CONFIG0 + 4) & 1, 1);
    }
}

static void a_far_count_never_expires(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE | DIRECT(0x40));
    must_wrmsr(f, 0, COUNT0, UINT64_MAX);
    assert_true(clock_next_deadline(&f->clock) == TIMER_OFF);
    assert_int_equal(config(f) & HV_STIMER_ENABLE, HV_STIMER_ENABLE);
    must_wrmsr(f, 0, CONFIG0, HV_STIMER_ENABLE | HV_STIMER_PERIODIC | DIRECT(0x40));
    assert_int_equal(interrupts(f), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_12_5_1_one_shot_in_direct_mode),
        TEST(tlfs_12_5_1_a_count_already_passed_expires_at_once),
        TEST(tlfs_12_5_1_without_auto_enable_the_enable_bit_starts_it),
        TEST(tlfs_12_5_2_a_zero_count_stops_and_disables),
        TEST(tlfs_12_5_1_sint_zero_disables_at_once),
        TEST(tlfs_12_5_1_reserved_bits_are_gp),
        TEST(tlfs_12_5_1_periodic_timer_keeps_its_pace),
        TEST(tlfs_13_3_1_expiration_message),
        TEST(tlfs_11_3_2_a_timer_has_one_message_buffer),
        TEST(a_missed_expiration_is_sent_when_the_buffer_is_free),
        TEST(timers_of_all_processors_are_separate),
        TEST(a_far_count_never_expires),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
