/* SPDX-License-Identifier: MIT
 * Coprocessor errors on a PC: IRQ 13 until port F0h is written, IGNNE# from then until the error is gone. */
#include "tests/check.h"

#include "devices/coprocessor.h"

static struct device_tree tree;
static struct space *io;
static struct coprocessor *chip;
static bool irq13, ignne;

static void follow(void *self, unsigned line, bool level)
{
    (void)line;
    *(bool *)self = level;
}

static int open_it(void **state)
{
    (void)state;
    irq13 = ignne = false;
    device_tree_init(&tree);
    io = space_create("ports", 0x10000);
    chip = coprocessor_create(&tree, io, (struct irq){ follow, &irq13, 13 }, (struct irq){ follow, &ignne, 0 });
    device_reset_all(&tree);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    device_tree_free(&tree);
    space_free(io);
    return 0;
}

static void an_error_goes_its_way(void **state)
{
    (void)state;
    coprocessor_error(chip, true);
    assert_true(irq13 && !ignne);
    space_write(io, 0xf0, 1, 0);
    assert_true(!irq13 && ignne);
    coprocessor_error(chip, true);      /* met again: no second interrupt */
    assert_true(!irq13 && ignne);
    coprocessor_error(chip, false);
    assert_true(!irq13 && !ignne);
    coprocessor_error(chip, true);
    assert_true(irq13);
}

static void without_an_error_the_port_holds_nothing(void **state)
{
    (void)state;
    space_write(io, 0xf0, 1, 0);
    assert_true(!irq13 && !ignne);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_error_goes_its_way, open_it, close_it),
        cmocka_unit_test_setup_teardown(without_an_error_the_port_holds_nothing, open_it, close_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
