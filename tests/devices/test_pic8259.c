/* SPDX-License-Identifier: MIT
 * The 8259A pair against its data sheet. */
#include "devices/pic8259.h"

#include "tests/devices/rig.h"

static struct rig rig;
static struct pic8259 *pic;

/* As a PC's firmware: vectors 08h and 70h, cascade on IR2, 8086 mode, nothing masked. */
static void initialise(uint8_t icw4)
{
    out8(&rig, 0x20, 0x11);
    out8(&rig, 0x21, 0x08);
    out8(&rig, 0x21, 0x04);
    out8(&rig, 0x21, icw4);
    out8(&rig, 0xa0, 0x11);
    out8(&rig, 0xa1, 0x70);
    out8(&rig, 0xa1, 0x02);
    out8(&rig, 0xa1, 0x01);
    out8(&rig, 0x21, 0);
    out8(&rig, 0xa1, 0);
}

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    pic = pic_create(&rig.tree, rig.io, rig_irq(&rig, 0));
    device_reset_all(&rig.tree);
    initialise(0x01);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static unsigned isr(uint16_t port)
{
    out8(&rig, port, 0x0b);
    return in8(&rig, port);
}

static unsigned irr(uint16_t port)
{
    out8(&rig, port, 0x0a);
    return in8(&rig, port);
}

static void a_masked_input_waits_in_irr(void **state)
{
    (void)state;
    out8(&rig, 0x21, 0x02);
    pic_set_irq(pic, 1, true);
    assert_false(rig.lines[0]);
    assert_int_equal(irr(0x20), 0x02);
    out8(&rig, 0x21, 0x00);
    assert_true(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x09);
    assert_false(rig.lines[0]);
    assert_int_equal(irr(0x20), 0x00);
    assert_int_equal(isr(0x20), 0x02);
}

static void higher_priority_interrupts_lower_not_the_reverse(void **state)
{
    (void)state;
    pic_set_irq(pic, 4, true);
    assert_int_equal(pic_acknowledge(pic), 0x0c);
    pic_set_irq(pic, 5, true);
    assert_false(rig.lines[0]);
    pic_set_irq(pic, 3, true);
    assert_true(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x0b);
    out8(&rig, 0x20, 0x20);
    assert_int_equal(isr(0x20), 0x10);
    out8(&rig, 0x20, 0x20);
    assert_int_equal(isr(0x20), 0x00);
    assert_true(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x0d);
}

static void the_slave_answers_through_the_cascade(void **state)
{
    (void)state;
    pic_set_irq(pic, 8, true);
    pic_set_irq(pic, 9, true);
    assert_int_equal(pic_acknowledge(pic), 0x70);
    assert_int_equal(isr(0x20), 0x04);
    assert_int_equal(isr(0xa0), 0x01);
    out8(&rig, 0xa0, 0x20);
    assert_false(rig.lines[0]);               /* the master still serves IR2 */
    out8(&rig, 0x20, 0x20);
    assert_true(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x71);
}

static void a_request_that_goes_away_is_ir7(void **state)
{
    (void)state;
    pic_set_irq(pic, 3, true);
    pic_set_irq(pic, 3, false);
    assert_false(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x0f);
    assert_int_equal(isr(0x20), 0x00);
}

static void masking_on_the_slave_withdraws_the_request_from_the_master(void **state)
{
    (void)state;
    pic_set_irq(pic, 10, true);
    assert_true(rig.lines[0]);
    out8(&rig, 0xa1, 0xff);
    assert_false(rig.lines[0]);
    out8(&rig, 0xa1, 0x00);
    assert_int_equal(pic_acknowledge(pic), 0x72);
}

static void an_edge_asks_once_a_level_again(void **state)
{
    (void)state;
    pic_set_irq(pic, 5, true);
    assert_int_equal(pic_acknowledge(pic), 0x0d);
    out8(&rig, 0x20, 0x65);
    assert_false(rig.lines[0]);
    pic_set_irq(pic, 5, false);
    out8(&rig, 0x4d0, 0xff);
    assert_int_equal(in8(&rig, 0x4d0), 0xf8);    /* IRQ 0-2 are edges for ever */
    out8(&rig, 0x4d1, 0xff);
    assert_int_equal(in8(&rig, 0x4d1), 0xde);
    pic_set_irq(pic, 5, true);
    assert_int_equal(pic_acknowledge(pic), 0x0d);
    out8(&rig, 0x20, 0x65);
    assert_true(rig.lines[0]);
    pic_set_irq(pic, 5, false);
    assert_false(rig.lines[0]);
}

static void specific_eoi_clears_only_its_level(void **state)
{
    (void)state;
    pic_set_irq(pic, 6, true);
    pic_acknowledge(pic);
    pic_set_irq(pic, 3, true);
    pic_acknowledge(pic);
    out8(&rig, 0x20, 0x66);
    assert_int_equal(isr(0x20), 0x08);
}

static void rotation_makes_the_served_level_the_lowest(void **state)
{
    (void)state;
    pic_set_irq(pic, 4, true);
    pic_acknowledge(pic);
    out8(&rig, 0x20, 0xa0);              /* rotate on non-specific EOI: now 5 is highest */
    pic_set_irq(pic, 1, true);
    pic_set_irq(pic, 6, true);
    assert_int_equal(pic_acknowledge(pic), 0x0e);
    out8(&rig, 0x20, 0x20);
    out8(&rig, 0x20, 0xc0);              /* set priority: IR0 lowest, so IR1 highest */
    pic_set_irq(pic, 7, true);
    assert_int_equal(pic_acknowledge(pic), 0x09);
}

static void special_mask_mode_lets_lower_levels_through(void **state)
{
    (void)state;
    pic_set_irq(pic, 3, true);
    pic_acknowledge(pic);
    pic_set_irq(pic, 6, true);
    assert_false(rig.lines[0]);
    out8(&rig, 0x20, 0x68);              /* special mask mode on */
    out8(&rig, 0x21, 0x08);
    assert_true(rig.lines[0]);
    assert_int_equal(pic_acknowledge(pic), 0x0e);
    out8(&rig, 0x20, 0x20);              /* does not touch a masked level */
    assert_int_equal(isr(0x20), 0x08);
    out8(&rig, 0x20, 0x48);
    out8(&rig, 0x20, 0x20);
    assert_int_equal(isr(0x20), 0x00);
}

static void special_fully_nested_mode_nests_the_slave(void **state)
{
    (void)state;
    initialise(0x11);
    pic_set_irq(pic, 12, true);
    assert_int_equal(pic_acknowledge(pic), 0x74);
    pic_set_irq(pic, 9, true);
    assert_true(rig.lines[0]);                /* IR2 again, while IR2 is in service */
    assert_int_equal(pic_acknowledge(pic), 0x71);
    assert_int_equal(isr(0xa0), 0x12);
}

static void automatic_eoi_leaves_no_isr_bit(void **state)
{
    (void)state;
    initialise(0x03);
    pic_set_irq(pic, 1, true);
    assert_int_equal(pic_acknowledge(pic), 0x09);
    assert_int_equal(isr(0x20), 0x00);
    out8(&rig, 0x20, 0x80);              /* rotate in automatic EOI mode */
    pic_set_irq(pic, 1, false);
    pic_set_irq(pic, 1, true);
    pic_acknowledge(pic);
    pic_set_irq(pic, 0, true);
    pic_set_irq(pic, 3, true);
    assert_int_equal(pic_acknowledge(pic), 0x0b);
}

static void polling_is_an_acknowledge(void **state)
{
    (void)state;
    out8(&rig, 0x20, 0x0c);
    assert_int_equal(in8(&rig, 0x20), 0x00);
    pic_set_irq(pic, 5, true);
    out8(&rig, 0x20, 0x0c);
    assert_int_equal(in8(&rig, 0x20), 0x85);
    assert_int_equal(isr(0x20), 0x20);
    assert_false(rig.lines[0]);
}

static void initialisation_forgets_edges_and_masks(void **state)
{
    (void)state;
    out8(&rig, 0x21, 0xff);
    pic_set_irq(pic, 1, true);
    out8(&rig, 0x20, 0x11);
    assert_int_equal(irr(0x20), 0x00);
    out8(&rig, 0x21, 0x20);
    out8(&rig, 0x21, 0x04);
    out8(&rig, 0x21, 0x01);
    assert_int_equal(in8(&rig, 0x21), 0x00);
    assert_false(rig.lines[0]);
    pic_set_irq(pic, 1, false);
    pic_set_irq(pic, 1, true);
    assert_int_equal(pic_acknowledge(pic), 0x21);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    pic_set_irq(pic, 12, true);
    pic_set_irq(pic, 4, true);
    pic_acknowledge(pic);
    rig_check_snapshot(&rig);
    assert_int_equal(isr(0x20), 0x04);
    out8(&rig, 0x20, 0x20);
    out8(&rig, 0xa0, 0x20);
    assert_int_equal(pic_acknowledge(pic), 0x0c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_masked_input_waits_in_irr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(higher_priority_interrupts_lower_not_the_reverse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_slave_answers_through_the_cascade, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_that_goes_away_is_ir7, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masking_on_the_slave_withdraws_the_request_from_the_master, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_edge_asks_once_a_level_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(specific_eoi_clears_only_its_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rotation_makes_the_served_level_the_lowest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(special_mask_mode_lets_lower_levels_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(special_fully_nested_mode_nests_the_slave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(automatic_eoi_leaves_no_isr_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polling_is_an_acknowledge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(initialisation_forgets_edges_and_masks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(state_survives_a_reload, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
