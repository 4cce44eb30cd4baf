/* SPDX-License-Identifier: MIT
 * ACPI fixed hardware: events, SCI, the PM timer, sleeping, SMI command and reset ports. */
#include "devices/acpi_pm.h"

#include "devices/ticks.h"
#include "tests/devices/rig.h"

#define BASE 0x600
#define HALF (1u << 23)

static struct rig rig;
static struct acpi_pm *pm;
static unsigned poweroffs, resets, smis, inits;
static bool smi_allowed;

static void on_poweroff(void *self) { (void)self; poweroffs++; }
static void on_reset(void *self) { (void)self; resets++; }
static void on_init(void *self) { (void)self; inits++; }
static void on_smi(void *self) { (void)self; smis++; }
static bool ask_smi(void *self) { (void)self; return smi_allowed; }

static int set_up(void **state)
{
    static const struct acpi_pm_host host = { on_poweroff, on_reset, on_smi, NULL, on_init };

    (void)state;
    rig_init(&rig);
    poweroffs = resets = smis = inits = 0;
    smi_allowed = false;
    pm = acpi_pm_create(&rig.tree, rig.io, &rig.clock, rig_irq(&rig, 9), &host);
    acpi_pm_connect_smi(pm, ask_smi, NULL);
    device_reset_all(&rig.tree);
    acpi_pm_set_base(pm, BASE, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void the_block_follows_its_base(void **state)
{
    (void)state;
    assert_int_equal(in16(&rig, BASE + 4), 0);
    acpi_pm_set_base(pm, 0xb000, true);
    assert_int_equal(in16(&rig, BASE + 4), 0xffff);
    assert_int_equal(in16(&rig, 0xb004), 0);
    acpi_pm_set_base(pm, 0xb000, false);
    assert_int_equal(in16(&rig, 0xb004), 0xffff);
}

static void the_timer_counts_3579545_hz_in_24_bits(void **state)
{
    (void)state;
    assert_int_equal(in32(&rig, BASE + 8), 0);
    rig_wait(&rig, NS_PER_S);
    assert_int_equal(in32(&rig, BASE + 8), 3579545);
    rig_wait(&rig, 4ull * NS_PER_S);
    assert_int_equal(in32(&rig, BASE + 8), 5 * 3579545 - (1 << 24));
}

static void timer_status_comes_with_each_change_of_its_top_bit(void **state)
{
    (void)state;
    out8(&rig, 0xb2, ACPI_ENABLE);
    out16(&rig, BASE + 2, 1);
    rig_wait(&rig, ns_of_ticks(HALF, ACPI_PM_TIMER_HZ) - 1);
    assert_false(rig.lines[9]);
    rig_wait(&rig, 1);
    assert_true(rig.lines[9]);
    assert_int_equal(in16(&rig, BASE), 1);
    out16(&rig, BASE, 1);
    assert_false(rig.lines[9]);
    assert_int_equal(in16(&rig, BASE), 0);
    rig_wait(&rig, ns_of_ticks(HALF, ACPI_PM_TIMER_HZ) + 1);
    assert_int_equal(rig.edges[9], 2);
}

static void timer_status_is_there_without_an_interrupt(void **state)
{
    (void)state;
    rig_wait(&rig, 3ull * NS_PER_S);
    assert_int_equal(in16(&rig, BASE), 1);
    assert_int_equal(rig.edges[9], 0);
}

static void the_power_button_interrupts_only_in_acpi_mode(void **state)
{
    (void)state;
    out16(&rig, BASE + 2, 0x0100);
    acpi_pm_power_button(pm);
    assert_int_equal(in16(&rig, BASE), 0x0100);
    assert_false(rig.lines[9]);
    out8(&rig, 0xb2, ACPI_ENABLE);
    assert_int_equal(in16(&rig, BASE + 4) & 1, 1);
    assert_true(rig.lines[9]);
    out16(&rig, BASE, 0x0100);
    assert_false(rig.lines[9]);
    out8(&rig, 0xb2, ACPI_DISABLE);
    assert_int_equal(in16(&rig, BASE + 4) & 1, 0);
}

static void writing_enables_alone_clears_no_status(void **state)
{
    (void)state;
    acpi_pm_power_button(pm);
    out16(&rig, BASE + 2, 0xffff);
    assert_int_equal(in16(&rig, BASE), 0x0100);
    assert_int_equal(in16(&rig, BASE + 2), 0x0521);
    out8(&rig, BASE + 1, 0x01);             /* the high byte of status alone */
    assert_int_equal(in16(&rig, BASE), 0x0000);
    assert_int_equal(in16(&rig, BASE + 2), 0x0521);
}

static void sleep_type_5_powers_off(void **state)
{
    (void)state;
    out16(&rig, BASE + 4, 1 << 13 | 1 << 10);
    assert_int_equal(poweroffs, 0);         /* S3 is not offered */
    out16(&rig, BASE + 4, 1 << 13 | ACPI_S5_TYPE << 10);
    assert_int_equal(poweroffs, 1);
    assert_int_equal(in16(&rig, BASE + 4) & 1 << 13, 0);
}

static void general_purpose_events(void **state)
{
    (void)state;
    out8(&rig, 0xb2, ACPI_ENABLE);
    out16(&rig, BASE + ACPI_GPE0 + 2, 0x0004);
    acpi_pm_set_gpe(pm, 2, true);
    assert_true(rig.lines[9]);
    assert_int_equal(in16(&rig, BASE + ACPI_GPE0), 0x0004);
    out16(&rig, BASE + ACPI_GPE0, 0x0004);
    assert_false(rig.lines[9]);
    acpi_pm_set_gpe(pm, 3, true);
    assert_false(rig.lines[9]);
    assert_int_equal(in16(&rig, BASE + ACPI_GPE0), 0x0008);
}

static void the_command_port_raises_an_smi_when_allowed(void **state)
{
    (void)state;
    out8(&rig, 0xb3, 0x5a);
    out8(&rig, 0xb2, 0x01);
    assert_int_equal(in8(&rig, 0xb2), 0x01);
    assert_int_equal(in8(&rig, 0xb3), 0x5a);
    assert_int_equal(smis, 0);
    smi_allowed = true;
    out8(&rig, 0xb2, 0x01);
    assert_int_equal(smis, 0);                  /* GLBCTL.SMI_EN too */
    out8(&rig, BASE + ACPI_GLOBAL_CONTROL, 1);
    out8(&rig, 0xb2, 0x01);
    assert_int_equal(smis, 1);
}

static void the_reset_port_acts_on_the_rise_of_bit_2(void **state)
{
    (void)state;
    out8(&rig, 0xcf9, 0x02);
    assert_int_equal(resets, 0);
    out8(&rig, 0xcf9, 0x06);
    assert_int_equal(resets, 1);
    out8(&rig, 0xcf9, 0x06);
    assert_int_equal(resets, 1);
    assert_int_equal(in8(&rig, 0xcf9), 0x06);
    device_reset_all(&rig.tree);
    assert_int_equal(in8(&rig, 0xcf9), 0x00);
    out8(&rig, 0xcf9, 0x04);
    assert_int_equal(resets, 1);
    assert_int_equal(inits, 1);             /* soft */
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    out8(&rig, 0xb2, ACPI_ENABLE);
    out16(&rig, BASE + 2, 1);
    rig_check_snapshot(&rig);
    rig_wait(&rig, 3ull * NS_PER_S);
    assert_true(rig.lines[9]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_block_follows_its_base), T(the_timer_counts_3579545_hz_in_24_bits),
        T(timer_status_comes_with_each_change_of_its_top_bit), T(timer_status_is_there_without_an_interrupt),
        T(the_power_button_interrupts_only_in_acpi_mode), T(writing_enables_alone_clears_no_status),
        T(sleep_type_5_powers_off), T(general_purpose_events), T(the_command_port_raises_an_smi_when_allowed),
        T(the_reset_port_acts_on_the_rise_of_bit_2), T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
