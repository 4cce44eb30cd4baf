/* SPDX-License-Identifier: MIT
 * Who receives a message: physical, flat, cluster and x2APIC logical destinations, arbitration, MSI (SDM 3A "Determining
 * IPI Destination", "Message Signalled Interrupts"). */
#include "devices/apic_bus.h"

#include "tests/devices/apics.h"
#include "tests/devices/rig.h"

/* Which processors have the vector pending, as bits; takes it off them. */
static unsigned receivers(int vector)
{
    unsigned who = 0;

    for (unsigned k = 0; k < APICS; k++) {
        if (pending(k) == vector) {
            who |= 1u << k;
            accept(k);
            apic_write(k, 0x0b, 0);
        }
    }
    return who;
}

static void set_logical(unsigned dfr, const uint8_t ids[APICS])
{
    for (unsigned k = 0; k < APICS; k++) {
        apic_write(k, 0x0e, dfr << 28);
        apic_write(k, 0x0d, (uint32_t)ids[k] << 24);
    }
}

static void physical_destinations(void **state)
{
    (void)state;
    assert_true(apic_bus_send(bus, 2, false, APIC_FIXED, 0x40, false));
    assert_int_equal(receivers(0x40), 4);
    assert_true(apic_bus_send(bus, APIC_DEST_ALL, false, APIC_FIXED, 0x40, false));
    assert_int_equal(receivers(0x40), 15);
    assert_false(apic_bus_send(bus, 9, false, APIC_FIXED, 0x40, false));
}

static void flat_logical_destinations(void **state)
{
    (void)state;
    set_logical(15, (const uint8_t[]){ 1, 2, 4, 8 });
    apic_bus_send(bus, 0x0a, true, APIC_FIXED, 0x41, false);
    assert_int_equal(receivers(0x41), 10);
    assert_false(apic_bus_send(bus, 0x30, true, APIC_FIXED, 0x41, false));
}

static void cluster_logical_destinations(void **state)
{
    (void)state;
    set_logical(0, (const uint8_t[]){ 0x11, 0x12, 0x21, 0x22 });
    apic_bus_send(bus, 0x23, true, APIC_FIXED, 0x42, false);
    assert_int_equal(receivers(0x42), 12);
    apic_bus_send(bus, 0x11, true, APIC_FIXED, 0x42, false);
    assert_int_equal(receivers(0x42), 1);
}

static void x2apic_logical_destinations(void **state)
{
    (void)state;
    for (unsigned k = 0; k < APICS; k++)
        enter_x2apic(k);
    apic_bus_send(bus, 0x0000000c, true, APIC_FIXED, 0x43, false);
    assert_int_equal(receivers(0x43), 12);
    assert_false(apic_bus_send(bus, 0x0001000f, true, APIC_FIXED, 0x43, false));
    apic_bus_send(bus, APIC_DEST_ALL, true, APIC_FIXED, 0x43, false);
    assert_int_equal(receivers(0x43), 15);
}

static void the_lowest_priority_takes_it(void **state)
{
    (void)state;
    for (unsigned k = 0; k < APICS; k++)
        apic_write(k, 0x08, k == 2 ? 0x10 : 0x20);
    assert_true(apic_bus_send(bus, APIC_DEST_ALL, false, APIC_LOWEST, 0x44, false));
    assert_int_equal(receivers(0x44), 4);
    apic_write(2, 0x08, 0x20);
    apic_bus_send(bus, APIC_DEST_ALL, false, APIC_LOWEST, 0x44, false);
    assert_int_equal(receivers(0x44), 1);
}

static void icr_destination_in_xapic_mode_is_eight_bits(void **state)
{
    (void)state;
    apic_write(1, 0x31, 3u << 24);
    apic_write(1, 0x30, 0x45);
    assert_int_equal(receivers(0x45), 8);
    apic_write(1, 0x31, 0xffu << 24);
    apic_write(1, 0x30, 0x45);
    assert_int_equal(receivers(0x45), 15);
}

static void msi_messages(void **state)
{
    (void)state;
    apic_bus_msi(bus, 0xfee01000, 0x46);
    assert_int_equal(receivers(0x46), 2);
    apic_bus_msi(bus, 0xfeeff000, 0x46);
    assert_int_equal(receivers(0x46), 15);
    set_logical(15, (const uint8_t[]){ 1, 2, 4, 8 });
    apic_bus_msi(bus, 0xfee0c004, 0x46);                /* logical, no redirection */
    assert_int_equal(receivers(0x46), 12);
    apic_bus_msi(bus, 0xfee0c00c, 0x46);                /* with redirection: one of them */
    assert_int_equal(receivers(0x46), 4);
    apic_bus_msi(bus, 0xfee02000, 0x400);
    assert_int_equal(signals[2][APIC_SIGNAL_NMI], 1);
    apic_bus_msi(bus, 0xfee02000, 0xc047);
    assert_int_equal(apic_read(2, 0x1a), 1u << 7);      /* level: TMR */
    apic_bus_msi(bus, 0xfed00000, 0x48);                /* not an interrupt address */
    assert_int_equal(receivers(0x48), 0);
}

static void pins_reach_all_processors(void **state)
{
    (void)state;
    apic_write(1, 0x35, 0x700);
    apic_bus_set_lint(bus, 0, true);
    assert_int_equal(pending(0), APIC_NONE);
    assert_int_equal(pending(1), APIC_EXTINT);
    apic_bus_set_lint(bus, 0, false);
    assert_int_equal(pending(1), APIC_NONE);
}

static void the_init_pin_reaches_even_disabled_apics(void **state)
{
    (void)state;
    assert_true(lapic_ops.set_base(lapics[2], 0xfee00000));
    apic_bus_init_processors(bus);
    for (unsigned k = 0; k < APICS; k++)
        assert_int_equal(signals[k][APIC_SIGNAL_INIT], 1);
    assert_int_equal(apic_read(1, 0x0f), 0xff);
}

#define T(name) cmocka_unit_test_setup_teardown(name, apics_set_up, apics_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(physical_destinations), T(flat_logical_destinations), T(cluster_logical_destinations),
        T(x2apic_logical_destinations), T(the_lowest_priority_takes_it), T(icr_destination_in_xapic_mode_is_eight_bits),
        T(msi_messages), T(pins_reach_all_processors),
        T(the_init_pin_reaches_even_disabled_apics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
