/* SPDX-License-Identifier: MIT
 * Hypervisor-assisted EOI, TLFS 10.3.5: when the word that says "no EOI required" is set and cleared, and that a cleared word
 * ends the service of an interrupt as an EOI would. */
#include "devices/lapic.h"

#include "tests/devices/apics.h"

static bool enabled, word;
static unsigned eois;

static bool get(void *arg)
{
    (void)arg;
    return word;
}

static bool set(void *arg, bool no_eoi_required)
{
    (void)arg;
    if (no_eoi_required && !enabled)
        return false;
    word = no_eoi_required;
    return true;
}

static const struct apic_assist assist = { get, set };

static void count_eoi(void *arg, unsigned vector)
{
    (void)arg;
    (void)vector;
    eois++;
}

static int set_up(void **state)
{
    apics_set_up(state);
    enabled = true;
    word = false;
    eois = 0;
    lapic_ops.assist(lapics[0], &assist, NULL);
    lapic_ops.on_eoi(lapics[0], count_eoi, NULL);
    return 0;
}

static void take(unsigned vector, enum apic_trigger how)
{
    lapic_ops.request(lapics[0], vector, how);
    assert_int_equal(accept(0), (int)vector);
}

static bool in_service(unsigned vector)
{
    return apic_read(0, 0x10 + vector / 32) >> vector % 32 & 1;
}

static void tlfs_10_3_5_a_lone_edge_interrupt_needs_no_eoi(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    assert_true(word);
    assert_true(in_service(0x50));
    word = false;                       /* the guest's EOI */
    assert_false(in_service(0x50));
    assert_int_equal(eois, 1);
    assert_int_equal(pending(0), APIC_NONE);
}

static void tlfs_10_3_5_a_cleared_word_lets_the_next_interrupt_in(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    word = false;
    signals[0][APIC_SIGNAL_INTR] = 0;
    lapic_ops.request(lapics[0], 0x40, APIC_EDGE);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 1);
    assert_int_equal(pending(0), 0x40);
}

static void tlfs_10_3_5_level_triggered_interrupts_need_their_eoi(void **state)
{
    (void)state;
    take(0x50, APIC_LEVEL);
    assert_false(word);
    assert_true(in_service(0x50));
    apic_write(0, 0x0b, 0);
    assert_false(in_service(0x50));
}

static void tlfs_10_3_5_a_waiting_interrupt_of_lower_priority_wants_the_eoi(void **state)
{
    (void)state;
    lapic_ops.request(lapics[0], 0x40, APIC_EDGE);
    take(0x50, APIC_EDGE);
    assert_false(word);
    apic_write(0, 0x0b, 0);
    assert_int_equal(accept(0), 0x40);
    assert_true(word);
}

static void tlfs_10_3_5_a_later_one_of_lower_priority_clears_the_word(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    lapic_ops.request(lapics[0], 0x4F, APIC_EDGE);
    assert_false(word);
    assert_true(in_service(0x50));      /* cleared by us: no EOI */
    assert_int_equal(pending(0), APIC_NONE);
    apic_write(0, 0x0b, 0);
    assert_int_equal(pending(0), 0x4F);
    assert_int_equal(eois, 1);
}

static void tlfs_10_3_5_only_the_innermost_eoi_may_be_skipped(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    take(0x60, APIC_EDGE);
    assert_true(word);
    word = false;
    assert_false(in_service(0x60));
    assert_true(in_service(0x50));
    assert_false(word);                 /* so the guest writes this one */
    apic_write(0, 0x0b, 0);
    assert_false(in_service(0x50));
    assert_int_equal(eois, 2);
}

static void tlfs_10_3_5_conventional_eois_work_whatever_the_word(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    apic_write(0, 0x0b, 0);
    assert_false(word);
    assert_false(in_service(0x50));
    word = false;
    assert_int_equal(pending(0), APIC_NONE);
    assert_int_equal(eois, 1);
}

static void tlfs_10_3_5_the_assist_may_be_switched_at_any_time(void **state)
{
    (void)state;
    enabled = false;
    take(0x50, APIC_EDGE);
    assert_false(word);
    enabled = true;
    apic_write(0, 0x0b, 0);
    assert_false(in_service(0x50));
    take(0x50, APIC_EDGE);
    assert_true(word);
    enabled = false;
    apic_write(0, 0x0b, 0);
    assert_false(in_service(0x50));
    assert_int_equal(eois, 2);
}

static void automatic_eoi_leaves_the_word_alone(void **state)
{
    (void)state;
    take(0x50, APIC_AUTO_EOI);
    assert_false(word);
    assert_int_equal(eois, 0);
}

static void the_task_priority_sees_the_cleared_word(void **state)
{
    (void)state;
    take(0x50, APIC_EDGE);
    assert_int_equal(apic_read(0, 0x0a), 0x50);
    word = false;
    assert_int_equal(apic_read(0, 0x0a), 0);
    rig_check_snapshot(&rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, apics_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tlfs_10_3_5_a_lone_edge_interrupt_needs_no_eoi),
        T(tlfs_10_3_5_a_cleared_word_lets_the_next_interrupt_in),
        T(tlfs_10_3_5_level_triggered_interrupts_need_their_eoi),
        T(tlfs_10_3_5_a_waiting_interrupt_of_lower_priority_wants_the_eoi),
        T(tlfs_10_3_5_a_later_one_of_lower_priority_clears_the_word),
        T(tlfs_10_3_5_only_the_innermost_eoi_may_be_skipped),
        T(tlfs_10_3_5_conventional_eois_work_whatever_the_word),
        T(tlfs_10_3_5_the_assist_may_be_switched_at_any_time),
        T(automatic_eoi_leaves_the_word_alone),
        T(the_task_priority_sees_the_cleared_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
