/* SPDX-License-Identifier: MIT
 * The local APIC against SDM 3A "Advanced Programmable Interrupt Controller (APIC)". */
#include "devices/lapic.h"

#include "tests/devices/apics.h"
#include "tests/devices/rig.h"

static uint32_t load(unsigned at) { return (uint32_t)space_read(rig.memory, APIC_PAGE + at, 4); }
static void store(unsigned at, uint32_t value) { space_write(rig.memory, APIC_PAGE + at, 4, value); }

static void state_after_reset(void **state)
{
    (void)state;
    device_reset_all(&rig.tree);
    assert_int_equal(lapic_ops.base(lapics[0]), 0xfee00900);
    assert_int_equal(lapic_ops.base(lapics[1]), 0xfee00800);
    assert_int_equal(load(0x20), 0);
    assert_int_equal(load(0x30) & 0xff00ff, 0x050014);
    assert_int_equal(load(0xd0), 0);
    assert_int_equal(load(0xe0), 0xffffffff);
    assert_int_equal(load(0xf0), 0xff);
    for (unsigned at = 0x320; at <= 0x370; at += 0x10)
        assert_int_equal(load(at), 0x10000);
    assert_int_equal(load(0x380) | load(0x390) | load(0x3e0), 0);
}

/* "CMCI Local APIC Interface": an entry of its own, on processors that have it. */
static void corrected_errors_have_an_entry(void **state)
{
    (void)state;
    lapic_set_cmci(lapics[0], true);
    assert_int_equal(load(0x30) & 0xff00ff, 0x060014);
    assert_int_equal(load(0x2f0), 0x10000);
    lapic_ops.corrected_error(lapics[0]);
    assert_int_equal(pending(0), APIC_NONE);
    store(0x2f0, 0x10077);
    lapic_ops.corrected_error(lapics[0]);
    assert_int_equal(pending(0), APIC_NONE);
    store(0x2f0, 0x77);
    lapic_ops.corrected_error(lapics[0]);
    assert_int_equal(accept(0), 0x77);
    store(0xb0, 0);
    store(0x2f0, 0x400);
    lapic_ops.corrected_error(lapics[0]);
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
    lapic_set_cmci(lapics[0], false);
    assert_int_equal(load(0x2f0), 0);
}

static void each_processor_finds_its_own(void **state)
{
    (void)state;
    for (unsigned k = 0; k < APICS; k++) {
        bus->current = k;
        assert_int_equal(load(0x20), k << 24);
    }
}

static void acceptance_moves_irr_to_isr_by_priority(void **state)
{
    (void)state;
    assert_int_equal(pending(0), APIC_NONE);
    lapic_ops.request(lapics[0], 0x31, APIC_EDGE);
    lapic_ops.request(lapics[0], 0x52, APIC_EDGE);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 2);
    assert_int_equal(load(0x210), 1u << 17);
    assert_int_equal(load(0x220), 1u << 18);
    assert_int_equal(accept(0), 0x52);
    assert_int_equal(load(0x120), 1u << 18);
    assert_int_equal(load(0xa0), 0x50);
    assert_int_equal(pending(0), APIC_NONE);            /* class 3 does not pass class 5 */
    lapic_ops.request(lapics[0], 0x5f, APIC_EDGE);
    assert_int_equal(pending(0), APIC_NONE);            /* nor does the same class */
    lapic_ops.request(lapics[0], 0x60, APIC_EDGE);
    assert_int_equal(accept(0), 0x60);
    store(0xb0, 0);
    store(0xb0, 0);
    assert_int_equal(accept(0), 0x5f);
    store(0xb0, 0);
    assert_int_equal(accept(0), 0x31);
}

static void task_priority_holds_back_its_class_and_below(void **state)
{
    (void)state;
    lapic_ops.request(lapics[0], 0x45, APIC_EDGE);
    store(0x80, 0x40);
    assert_int_equal(pending(0), APIC_NONE);
    assert_int_equal(load(0xa0), 0x40);
    store(0x80, 0x3f);
    assert_int_equal(pending(0), 0x45);
    assert_int_equal(accept(0), 0x45);
    assert_int_equal(load(0xa0), 0x40);
    store(0x80, 0x73);
    assert_int_equal(load(0xa0), 0x73);
}

/* "Local Vector Table": the performance counters' entry masks itself with its interrupt. */
static void performance_interrupts_mask_themselves(void **state)
{
    (void)state;
    lapic_ops.performance(lapics[0]);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 0);  /* masked since reset */
    store(0x340, 0x61);
    lapic_ops.performance(lapics[0]);
    assert_int_equal(pending(0), 0x61);
    assert_int_equal(load(0x340), 0x10061);
    store(0x340, 0x400);
    lapic_ops.performance(lapics[0]);
    lapic_ops.performance(lapics[0]);
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
    assert_int_equal(load(0x340), 0x10400);
}

static void automatic_eoi_sets_no_isr_bit(void **state)
{
    (void)state;
    lapic_ops.request(lapics[0], 0x60, APIC_AUTO_EOI);
    assert_int_equal(accept(0), 0x60);
    assert_int_equal(load(0x130), 0);
    lapic_ops.request(lapics[0], 0x60, APIC_EDGE);
    assert_int_equal(accept(0), 0x60);
    assert_int_equal(load(0x130), 1);
}

static void nothing_pending_is_the_spurious_vector(void **state)
{
    (void)state;
    store(0xf0, 0x1ef);
    assert_int_equal(accept(0), 0xef);
    assert_int_equal(load(0x170), 0);
}

static void software_disable_masks_lvts_and_refuses_fixed(void **state)
{
    (void)state;
    store(0x370, 0xfe);
    store(0xf0, 0xff);
    assert_int_equal(load(0x370), 0x100fe);
    store(0x370, 0xfe);
    assert_int_equal(load(0x370), 0x100fe);
    assert_false(apic_bus_send(bus, 0, false, APIC_FIXED, 0x40, false));
    assert_true(apic_bus_send(bus, 0, false, APIC_NMI, 0, false));
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
}

static void illegal_registers_and_vectors_are_errors(void **state)
{
    (void)state;
    store(0x370, 0xfe);
    assert_int_equal(load(0x40), 0);
    assert_int_equal(pending(0), 0xfe);
    assert_int_equal(load(0x280), 0);                   /* latched by a write only */
    store(0x280, 0);
    assert_int_equal(load(0x280), 0x80);
    store(0x300, 0x40005);                              /* self IPI with vector 5 */
    store(0x280, 0);
    assert_int_equal(load(0x280), 0x20);
    apic_bus_send(bus, 0, false, APIC_FIXED, 7, false);
    store(0x280, 0);
    assert_int_equal(load(0x280), 0x40);
    store(0x280, 0);
    assert_int_equal(load(0x280), 0);
}

static void lint_pins_as_nmi_and_extint(void **state)
{
    (void)state;
    store(0x360, 0x400);
    lapic_set_lint(lapics[0], 1, true);
    lapic_set_lint(lapics[0], 1, true);
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
    store(0x350, 0x10700);
    lapic_set_lint(lapics[0], 0, true);
    assert_int_equal(pending(0), APIC_NONE);
    store(0x350, 0x700);
    assert_int_equal(pending(0), APIC_EXTINT);
    assert_int_equal(signals[0][APIC_SIGNAL_INTR], 1);
    lapic_set_lint(lapics[0], 0, false);
    assert_int_equal(pending(0), APIC_NONE);
}

static int eight_bit_vector(void *self)
{
    lapic_set_lint(self, 0, false);
    return 0x21;
}

static void extint_is_acknowledged_by_the_8259(void **state)
{
    (void)state;
    lapic_connect_pic(lapics[0], eight_bit_vector, lapics[0]);
    lapic_enter_virtual_wire(lapics[0]);
    lapic_ops.request(lapics[0], 0xf0, APIC_EDGE);
    lapic_set_lint(lapics[0], 0, true);
    assert_int_equal(accept(0), 0x21);
    assert_int_equal(load(0x110), 0);                   /* no ISR bit */
    assert_int_equal(accept(0), 0xf0);
}

static void a_level_lint_asks_again_after_its_eoi(void **state)
{
    (void)state;
    store(0x350, 0x8055);
    lapic_set_lint(lapics[0], 0, true);
    assert_int_equal(load(0x350), 0xc055);              /* remote IRR */
    assert_int_equal(accept(0), 0x55);
    store(0xb0, 0);
    assert_int_equal(accept(0), 0x55);
    lapic_set_lint(lapics[0], 0, false);
    store(0xb0, 0);
    assert_int_equal(pending(0), APIC_NONE);
    assert_int_equal(load(0x350), 0x8055);
}

static void a_globally_disabled_apic_is_two_pins(void **state)
{
    (void)state;
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00100));
    assert_int_equal(load(0x30), 0xffffffff);
    lapic_set_lint(lapics[0], 0, true);
    assert_int_equal(pending(0), APIC_EXTINT);
    lapic_set_lint(lapics[0], 1, true);
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
    assert_false(apic_bus_send(bus, 0, false, APIC_INIT, 0, false));
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00900));
    assert_int_equal(load(0xf0), 0x1ff);                /* registers survive */
}

static void the_window_moves_with_the_base(void **state)
{
    (void)state;
    assert_true(lapic_ops.set_base(lapics[0], 0xfed40900));
    assert_int_equal((uint32_t)space_read(rig.memory, 0xfed40030, 4) & 0xff, 0x14);
    assert_int_equal(load(0x30), 0xffffffff);           /* processor 0 has nothing there any more */
    bus->current = 1;
    assert_int_equal(load(0x30) & 0xff, 0x14);
    assert_int_equal((uint32_t)space_read(rig.memory, 0xfed40030, 4), 0xffffffff);
    bus->current = 0;
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00900));
    assert_int_equal(load(0x30) & 0xff, 0x14);
    assert_int_equal((uint32_t)space_read(rig.memory, 0xfed40030, 4), 0xffffffff);
}

static void base_transitions(void **state)
{
    (void)state;
    assert_false(lapic_ops.set_base(lapics[0], 0xfee00901));            /* reserved bits */
    assert_false(lapic_ops.set_base(lapics[0], 0x10000000900));         /* beyond 40 address bits */
    assert_false(lapic_ops.set_base(lapics[0], 0xfee00500));            /* EXTD without EN */
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00d00));             /* xAPIC to x2APIC */
    assert_false(lapic_ops.set_base(lapics[0], 0xfee00900));            /* and not straight back */
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00100));
    assert_false(lapic_ops.set_base(lapics[0], 0xfee00d00));            /* disabled to x2APIC */
    assert_true(lapic_ops.set_base(lapics[0], 0xfee00900));
}

static void x2apic_checks_registers_and_reserved_bits(void **state)
{
    uint64_t v;

    (void)state;
    enter_x2apic(0);
    assert_int_equal(load(0x30), 0xffffffff);
    assert_int_equal(apic_read(0, 0x02), 0);
    assert_false(lapic_ops.read(lapics[0], 0x0e, &v));
    assert_false(lapic_ops.read(lapics[0], 0x0b, &v));
    assert_false(lapic_ops.read(lapics[0], 0x31, &v));
    assert_false(lapic_ops.read(lapics[0], 0x3f, &v));
    assert_false(lapic_ops.read(lapics[0], 0x04, &v));
    assert_false(lapic_ops.write(lapics[0], 0x02, 0));
    assert_false(lapic_ops.write(lapics[0], 0x0d, 0));
    assert_false(lapic_ops.write(lapics[0], 0x08, 0x100));
    assert_false(lapic_ops.write(lapics[0], 0x0b, 1));
    assert_false(lapic_ops.write(lapics[0], 0x28, 1));
    assert_false(lapic_ops.write(lapics[0], 0x0f, 0x10000));
    assert_false(lapic_ops.write(lapics[0], 0x32, 0x80000000));
    assert_false(lapic_ops.write(lapics[0], 0x38, 0x100000000));
    assert_false(lapic_ops.write(lapics[0], 0x30, 0x100000));
    assert_true(lapic_ops.write(lapics[0], 0x08, 0x20));
    assert_true(lapic_ops.write(lapics[0], 0x0b, 0));
}

static void x2apic_self_ipi_and_logical_id(void **state)
{
    (void)state;
    enter_x2apic(3);
    assert_int_equal(apic_read(3, 0x0d), 0x8);
    apic_write(3, 0x3f, 0x77);
    assert_int_equal(accept(3), 0x77);
    apic_write(3, 0x30, (uint64_t)2 << 32 | 0x44);      /* physical destination 2 */
    assert_int_equal(accept(2), 0x44);
    assert_int_equal(apic_read(3, 0x30), (uint64_t)2 << 32 | 0x44);
}

static void ipis_by_shorthand(void **state)
{
    (void)state;
    store(0x300, 0x40051);                              /* self */
    assert_int_equal(accept(0), 0x51);
    store(0xb0, 0);
    store(0x300, 0x80052);                              /* all */
    store(0x300, 0xc0063);                              /* all others */
    for (unsigned k = 0; k < APICS; k++)
        assert_int_equal(accept(k), k == 0 ? 0x52 : 0x63);
}

static void a_self_nmi_is_delivered(void **state)
{
    (void)state;
    store(0x300, 0x40400);
    assert_int_equal(signals[0][APIC_SIGNAL_NMI], 1);
}

static void init_and_startup(void **state)
{
    (void)state;
    bus->current = 1;
    store(0x80, 0x30);
    bus->current = 0;
    store(0x310, 1u << 24);
    store(0x300, 0xc500);                               /* INIT, level, assert */
    assert_int_equal(signals[1][APIC_SIGNAL_INIT], 1);
    store(0x300, 0x8500);                               /* de-assert: nothing */
    assert_int_equal(signals[1][APIC_SIGNAL_INIT], 1);
    store(0x300, 0x4608);
    assert_int_equal(signals[1][APIC_SIGNAL_SIPI], 1);
    assert_int_equal(sipi_vector[1], 8);
    bus->current = 1;
    assert_int_equal(load(0x80), 0);
    assert_int_equal(load(0xf0), 0xff);
    assert_int_equal(load(0x20), 1u << 24);
}

static unsigned eoi_vectors[8], neois;

static void note_eoi(void *self, unsigned vector)
{
    (void)self;
    eoi_vectors[neois++ & 7] = vector;
}

static void only_level_vectors_are_broadcast_at_eoi(void **state)
{
    (void)state;
    neois = 0;
    apic_bus_connect_eoi(bus, note_eoi, NULL);
    apic_bus_send(bus, 0, false, APIC_FIXED, 0x41, true);
    apic_bus_send(bus, 0, false, APIC_FIXED, 0x62, false);
    assert_int_equal(load(0x1a0), 2);
    accept(0);
    store(0xb0, 0);
    assert_int_equal(neois, 0);
    accept(0);
    store(0xb0, 0);
    assert_int_equal(neois, 1);
    assert_int_equal(eoi_vectors[0], 0x41);
    store(0xf0, 0x11ff);                                /* suppress the broadcast */
    apic_bus_send(bus, 0, false, APIC_FIXED, 0x41, true);
    accept(0);
    store(0xb0, 0);
    assert_int_equal(neois, 1);
}

static void odd_accesses_reach_the_aligned_register(void **state)
{
    (void)state;
    store(0x80, 0x5a);
    assert_int_equal(space_read(rig.memory, APIC_PAGE + 0x80, 1), 0x5a);
    assert_int_equal(space_read(rig.memory, APIC_PAGE + 0x30, 2), load(0x30) & 0xffff);
    assert_int_equal(space_read(rig.memory, APIC_PAGE + 0x32, 1), load(0x30) >> 16 & 0xff);
    assert_int_equal(load(0x84), 0);
    space_write(rig.memory, APIC_PAGE + 0x84, 4, 0xff);
    assert_int_equal(load(0x80), 0x5a);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    lapic_ops.request(lapics[0], 0x45, APIC_LEVEL);
    lapic_ops.set_base(lapics[1], 0xfed40800);
    enter_x2apic(2);
    rig_check_snapshot(&rig);
    assert_int_equal(accept(0), 0x45);
}

#define T(name) cmocka_unit_test_setup_teardown(name, apics_set_up, apics_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(state_after_reset), T(corrected_errors_have_an_entry), T(each_processor_finds_its_own), T(acceptance_moves_irr_to_isr_by_priority),
        T(task_priority_holds_back_its_class_and_below), T(automatic_eoi_sets_no_isr_bit),
        T(performance_interrupts_mask_themselves),
        T(nothing_pending_is_the_spurious_vector), T(software_disable_masks_lvts_and_refuses_fixed),
        T(illegal_registers_and_vectors_are_errors), T(lint_pins_as_nmi_and_extint),
        T(extint_is_acknowledged_by_the_8259), T(a_level_lint_asks_again_after_its_eoi),
        T(a_globally_disabled_apic_is_two_pins), T(the_window_moves_with_the_base), T(base_transitions),
        T(x2apic_checks_registers_and_reserved_bits), T(x2apic_self_ipi_and_logical_id), T(ipis_by_shorthand),
        T(a_self_nmi_is_delivered), T(init_and_startup), T(only_level_vectors_are_broadcast_at_eoi),
        T(odd_accesses_reach_the_aligned_register),
        T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
