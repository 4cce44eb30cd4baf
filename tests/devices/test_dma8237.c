/* SPDX-License-Identifier: MIT
 * The 8237A pair against its data sheet, as a device on a channel sees it. */
#include "devices/dma8237.h"

#include <string.h>

#include "tests/devices/rig.h"

static struct rig rig;
static struct dma8237 *dma;

enum { TO_MEMORY = 0x44, FROM_MEMORY = 0x48, VERIFY = 0x40, AUTOINIT = 0x10, DOWN = 0x20 };     /* single mode */

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    dma = dma8237_create(&rig.tree, rig.memory, rig.io);
    device_reset_all(&rig.tree);
    dma8237_skip_firmware(dma);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void program(unsigned channel, uint8_t mode, uint32_t at, uint16_t count)
{
    static const uint8_t page[4] = { 0x87, 0x83, 0x81, 0x82 };

    out8(&rig, 0x0c, 0);
    out8(&rig, (uint16_t)(channel * 2), (uint8_t)at);
    out8(&rig, (uint16_t)(channel * 2), (uint8_t)(at >> 8));
    out8(&rig, (uint16_t)(channel * 2 + 1), (uint8_t)count);
    out8(&rig, (uint16_t)(channel * 2 + 1), (uint8_t)(count >> 8));
    out8(&rig, page[channel], (uint8_t)(at >> 16));
    out8(&rig, 0x0b, (uint8_t)(mode | channel));
    out8(&rig, 0x0a, (uint8_t)channel);
}

static void bytes_go_to_page_and_address(void **state)
{
    struct dma_result r;

    (void)state;
    program(2, TO_MEMORY, 0x12345, 9);
    r = dma_transfer(dma, 2, "0123", 4, true);
    assert_int_equal(r.moved, 4);
    assert_false(r.terminal_count);
    r = dma_transfer(dma, 2, "456789abcdef", 12, true);
    assert_int_equal(r.moved, 6);
    assert_true(r.terminal_count);
    assert_memory_equal(rig.ram->bytes + 0x12345, "0123456789\0", 11);
    assert_int_equal(in8(&rig, 0x08), 0x04);            /* terminal count of channel 2, cleared by reading */
    assert_int_equal(in8(&rig, 0x08), 0x00);
    assert_int_equal(dma_transfer(dma, 2, "x", 1, true).moved, 0);      /* masked now */
}

static void addresses_wrap_within_the_page(void **state)
{
    (void)state;
    program(1, TO_MEMORY, 0x2fffe, 3);
    dma_transfer(dma, 1, "abcd", 4, true);
    assert_memory_equal(rig.ram->bytes + 0x2fffe, "ab", 2);
    assert_memory_equal(rig.ram->bytes + 0x20000, "cd", 2);
}

static void downwards(void **state)
{
    (void)state;
    program(1, TO_MEMORY | DOWN, 0x20003, 3);
    dma_transfer(dma, 1, "abcd", 4, true);
    assert_memory_equal(rig.ram->bytes + 0x20000, "dcba", 4);
}

static void from_memory(void **state)
{
    char got[4];

    (void)state;
    memcpy(rig.ram->bytes + 0x5000, "data", 4);
    program(3, FROM_MEMORY, 0x5000, 3);
    assert_int_equal(dma_transfer(dma, 3, got, 4, true).moved, 0);      /* the wrong direction */
    assert_int_equal(dma_transfer(dma, 3, got, 4, false).moved, 4);
    assert_memory_equal(got, "data", 4);
}

static void verify_counts_only(void **state)
{
    (void)state;
    program(2, VERIFY, 0x5000, 3);
    assert_true(dma_transfer(dma, 2, "abcd", 4, true).terminal_count);
    assert_int_equal(rig.ram->bytes[0x5000], 0);
}

static void autoinit_reloads_and_stays_unmasked(void **state)
{
    (void)state;
    program(1, TO_MEMORY | AUTOINIT, 0x6000, 1);
    assert_true(dma_transfer(dma, 1, "ab", 2, true).terminal_count);
    assert_true(dma_transfer(dma, 1, "cd", 2, true).terminal_count);
    assert_memory_equal(rig.ram->bytes + 0x6000, "cd\0", 3);
}

static void current_values_read_back_in_halves(void **state)
{
    (void)state;
    program(2, TO_MEMORY, 0x1234, 0x100);
    dma_transfer(dma, 2, "abc", 3, true);
    out8(&rig, 0x0c, 0);
    assert_int_equal(in8(&rig, 0x04), 0x37);
    assert_int_equal(in8(&rig, 0x04), 0x12);
    assert_int_equal(in8(&rig, 0x05), 0xfd);
    assert_int_equal(in8(&rig, 0x05), 0x00);
}

static void words_on_the_second_controller(void **state)
{
    struct dma_result r;

    (void)state;
    out8(&rig, 0xd8, 0);
    out8(&rig, 0xc4, 0x00);                             /* channel 5: words from 1000h, so byte address 2000h */
    out8(&rig, 0xc4, 0x10);
    out8(&rig, 0xc6, 1);
    out8(&rig, 0xc6, 0);
    out8(&rig, 0x8b, 0x03);                             /* bit 0 of the page is not used */
    out8(&rig, 0xd6, TO_MEMORY | 1);
    out8(&rig, 0xd4, 1);
    r = dma_transfer(dma, 5, "abcdef", 6, true);
    assert_int_equal(r.moved, 4);
    assert_true(r.terminal_count);
    assert_memory_equal(rig.ram->bytes + 0x22000, "abcd\0", 5);
}

static void masks_and_the_disable_bit(void **state)
{
    (void)state;
    program(2, TO_MEMORY, 0x1000, 100);
    out8(&rig, 0x08, 0x04);
    assert_int_equal(dma_transfer(dma, 2, "a", 1, true).moved, 0);
    out8(&rig, 0x08, 0);
    out8(&rig, 0x0f, 0x0f);
    assert_int_equal(dma_transfer(dma, 2, "a", 1, true).moved, 0);
    out8(&rig, 0x0e, 0);
    out8(&rig, 0xd4, 4);                                /* the cascade masked */
    assert_int_equal(dma_transfer(dma, 2, "a", 1, true).moved, 0);
    out8(&rig, 0xd4, 0);
    assert_int_equal(dma_transfer(dma, 2, "a", 1, true).moved, 1);
    out8(&rig, 0x0d, 0);                                /* master clear masks everything */
    assert_int_equal(dma_transfer(dma, 2, "a", 1, true).moved, 0);
}

static void spare_page_registers_are_scratch(void **state)
{
    (void)state;
    out8(&rig, 0x84, 0x5a);
    assert_int_equal(in8(&rig, 0x84), 0x5a);
    rig_check_snapshot(&rig);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_go_to_page_and_address), T(addresses_wrap_within_the_page), T(downwards), T(from_memory),
        T(verify_counts_only), T(autoinit_reloads_and_stays_unmasked), T(current_values_read_back_in_halves),
        T(words_on_the_second_controller), T(masks_and_the_disable_bit), T(spare_page_registers_are_scratch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
