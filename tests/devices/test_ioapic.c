/* SPDX-License-Identifier: MIT
 * The I/O APIC against the 82093AA data sheet. */
#include "devices/ioapic.h"

#include "tests/devices/apics.h"
#include "tests/devices/rig.h"

static uint32_t get(unsigned index)
{
    space_write(rig.memory, IOAPIC_BASE, 4, index);
    return (uint32_t)space_read(rig.memory, IOAPIC_BASE + 0x10, 4);
}

static void put(unsigned index, uint32_t value)
{
    space_write(rig.memory, IOAPIC_BASE, 4, index);
    space_write(rig.memory, IOAPIC_BASE + 0x10, 4, value);
}

static void route(unsigned pin, uint32_t low, uint32_t dest)
{
    put(0x11 + 2 * pin, dest << 24);
    put(0x10 + 2 * pin, low);
}

static void registers(void **state)
{
    (void)state;
    assert_int_equal(get(1), 0x00170020);
    put(0, 0xffffffff);
    assert_int_equal(get(0), 0x0f000000);
    assert_int_equal(get(2), 0x0f000000);
    assert_int_equal(get(0x10), 0x10000);
    assert_int_equal(get(0x3f), 0);
    put(0x12, 0xffffffff);
    assert_int_equal(get(0x12), 0x1afff);
    put(0x13, 0xffffffff);
    assert_int_equal(get(0x13), 0xff000000);
}

static void an_edge_is_delivered_once(void **state)
{
    (void)state;
    route(4, 0x34, 1);
    ioapic_set_irq(ioapic, 4, true);
    assert_int_equal(accept(1), 0x34);
    apic_write(1, 0x0b, 0);
    assert_int_equal(pending(1), APIC_NONE);
    ioapic_set_irq(ioapic, 4, false);
    ioapic_set_irq(ioapic, 4, true);
    assert_int_equal(pending(1), 0x34);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
    (void)state;
    route(4, 0x10034, 0);
    ioapic_set_irq(ioapic, 4, true);
    route(4, 0x34, 0);
    assert_int_equal(pending(0), APIC_NONE);
}

static void a_level_waits_for_eoi_and_asks_again(void **state)
{
    (void)state;
    route(9, 0x8039, 0);
    ioapic_set_irq(ioapic, 9, true);
    assert_int_equal(get(0x22), 0xc039);                /* remote IRR */
    assert_int_equal(accept(0), 0x39);
    assert_int_equal(pending(0), APIC_NONE);
    apic_write(0, 0x0b, 0);
    assert_int_equal(accept(0), 0x39);
    ioapic_set_irq(ioapic, 9, false);
    apic_write(0, 0x0b, 0);
    assert_int_equal(get(0x22), 0x8039);
    assert_int_equal(pending(0), APIC_NONE);
}

static void unmasking_an_asserted_level_delivers_it(void **state)
{
    (void)state;
    route(9, 0x18039, 0);
    ioapic_set_irq(ioapic, 9, true);
    assert_int_equal(pending(0), APIC_NONE);
    put(0x22, 0x8039);
    assert_int_equal(pending(0), 0x39);
}

static void the_eoi_register_ends_service_by_vector(void **state)
{
    (void)state;
    apic_write(0, 0x0f, 0x11ff);                        /* the local APIC tells nobody */
    route(9, 0x8039, 0);
    route(10, 0x803a, 0);
    ioapic_set_irq(ioapic, 9, true);
    ioapic_set_irq(ioapic, 10, true);
    ioapic_set_irq(ioapic, 9, false);
    apic_write(0, 0x0b, 0);
    assert_int_equal(get(0x22), 0xc039);
    space_write(rig.memory, IOAPIC_BASE + 0x40, 4, 0x39);
    assert_int_equal(get(0x22), 0x8039);
    assert_int_equal(get(0x24), 0xc03a);
}

static void edge_mode_forgets_remote_irr(void **state)
{
    (void)state;
    route(9, 0x8039, 0);
    ioapic_set_irq(ioapic, 9, true);
    put(0x22, 0x10039);
    put(0x22, 0x18039);
    assert_int_equal(get(0x22), 0x18039);
}

static void delivery_modes(void **state)
{
    (void)state;
    route(1, 0x0400, 2);
    ioapic_set_irq(ioapic, 1, true);
    assert_int_equal(signals[2][APIC_SIGNAL_NMI], 1);
    route(2, 0x0700, 0);
    ioapic_set_irq(ioapic, 2, true);
    assert_int_equal(pending(0), APIC_EXTINT);
    route(3, 0x0955, 0xff);                             /* lowest priority, logical, all */
    ioapic_set_irq(ioapic, 3, true);
    assert_int_equal(pending(1), APIC_NONE);
    accept(0);
    assert_int_equal(pending(0), 0x55);
}

static void nobody_there_leaves_the_level_waiting(void **state)
{
    (void)state;
    route(9, 0x8039, 7);
    ioapic_set_irq(ioapic, 9, true);
    assert_int_equal(get(0x22), 0x8039);
    route(9, 0x8039, 3);
    assert_int_equal(accept(3), 0x39);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    route(9, 0x8039, 0);
    ioapic_set_irq(ioapic, 9, true);
    rig_check_snapshot(&rig);
    accept(0);
    apic_write(0, 0x0b, 0);
    assert_int_equal(accept(0), 0x39);
}

#define T(name) cmocka_unit_test_setup_teardown(name, apics_set_up, apics_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers), T(an_edge_is_delivered_once), T(an_edge_on_a_masked_pin_is_lost),
        T(a_level_waits_for_eoi_and_asks_again), T(unmasking_an_asserted_level_delivers_it),
        T(the_eoi_register_ends_service_by_vector), T(edge_mode_forgets_remote_irr), T(delivery_modes),
        T(nobody_there_leaves_the_level_waiting), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
