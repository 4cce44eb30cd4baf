/* SPDX-License-Identifier: MIT
 * The floppy controller at register level against the 82077AA data sheet, with DMA on channel 2. */
#include "devices/fdc.h"

#include <string.h>

#include "base/bytes.h"
#include "tests/devices/rig.h"

static struct rig rig;
static struct fdc *fdc;
static struct block *disk;

static int setup(void **state)
{
    struct dma8237 *dma;
    uint8_t sector[512];

    (void)state;
    rig_init(&rig);
    dma = dma8237_create(&rig.tree, rig.memory, rig.io);
    fdc = fdc_create(&rig.tree, rig.io, &rig.clock, dma, rig_irq(&rig, 6));
    MUST(block_open_memory(&disk, 1474560));
    for (uint32_t k = 0; k < 2880; k++) {
        memset(sector, (int)(k & 0xff), sizeof sector);
        store32(sector, k);
        MUST(block_write(disk, k * 512u, sector, sizeof sector));
    }
    MUST(fdc_attach(fdc, 0, disk));
    device_reset_all(&rig.tree);
    out8(&rig, 0xd4, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void put(uint8_t value)
{
    assert_int_equal(in8(&rig, 0x3f4) & 0xc0, 0x80);
    out8(&rig, 0x3f5, value);
}

static uint8_t get(void)
{
    assert_int_equal(in8(&rig, 0x3f4) & 0xd0, 0xd0);
    return in8(&rig, 0x3f5);
}

static void wait_irq(void)
{
    for (unsigned k = 0; k < 100 && !rig.lines[6]; k++)
        rig_wait_next(&rig);
    assert_true(rig.lines[6]);
}

static void sense(uint8_t expect, uint8_t track)
{
    put(0x08);
    assert_int_equal(get(), expect);
    assert_int_equal(get(), track);
}

/* Reset by the digital output register, sense the four drives, motor on, 500 kbit/s. */
static void start(void)
{
    out8(&rig, 0x3f2, 0x00);
    out8(&rig, 0x3f2, 0x1c);
    wait_irq();
    for (unsigned k = 0; k < 4; k++)
        sense((uint8_t)(0xc0 | k), 0);
    assert_false(rig.lines[6]);
    out8(&rig, 0x3f7, 0);
    put(0x03);
    put(0xdf);
    put(0x02);
}

static void dma_program(bool to_memory, uint32_t at, uint16_t bytes)
{
    out8(&rig, 0x0a, 6);
    out8(&rig, 0x0c, 0);
    out8(&rig, 0x04, (uint8_t)at);
    out8(&rig, 0x04, (uint8_t)(at >> 8));
    out8(&rig, 0x05, (uint8_t)(bytes - 1));
    out8(&rig, 0x05, (uint8_t)((bytes - 1) >> 8));
    out8(&rig, 0x81, (uint8_t)(at >> 16));
    out8(&rig, 0x0b, to_memory ? 0x46 : 0x4a);
    out8(&rig, 0x0a, 2);
}

static void data_command(uint8_t code, unsigned head, uint8_t c, uint8_t r, uint8_t eot)
{
    const uint8_t bytes[9] = { code, (uint8_t)(head << 2), c, (uint8_t)head, r, 2, eot, 0x1b, 0xff };

    for (unsigned k = 0; k < 9; k++)
        put(bytes[k]);
}

/* The seven result bytes: ST0, ST1, ST2 and where it stands. */
static void result(uint8_t st0, uint8_t st1, uint8_t st2, uint8_t c, uint8_t h, uint8_t r)
{
    wait_irq();
    assert_int_equal(get(), st0);
    assert_false(rig.lines[6]);             /* the first result byte takes the interrupt back */
    assert_int_equal(get(), st1);
    assert_int_equal(get(), st2);
    assert_int_equal(get(), c);
    assert_int_equal(get(), h);
    assert_int_equal(get(), r);
    assert_int_equal(get(), 2);
    assert_int_equal(in8(&rig, 0x3f4), 0x80);
}

static void seek(uint8_t track)
{
    put(0x0f);
    put(0x00);
    put(track);
    assert_int_equal(in8(&rig, 0x3f4) & 0x0f, 1);
    wait_irq();
    sense(0x20, track);
}

static void reset_interrupts_and_polls_four_drives(void **state)
{
    (void)state;
    start();
    put(0x08);
    assert_int_equal(get(), 0x80);          /* nothing pending: one byte, invalid */
    assert_int_equal(in8(&rig, 0x3f4), 0x80);
}

static void the_gate_bit_holds_the_interrupt(void **state)
{
    (void)state;
    out8(&rig, 0x3f2, 0x00);
    out8(&rig, 0x3f2, 0x04);
    rig_wait(&rig, 1000000);
    assert_false(rig.lines[6]);
    out8(&rig, 0x3f2, 0x0c);
    assert_true(rig.lines[6]);
}

static void version_and_dump(void **state)
{
    (void)state;
    start();
    put(0x10);
    assert_int_equal(get(), 0x90);
    put(0x13);
    put(0);
    put(0x57);
    put(0);
    put(0x94);
    assert_int_equal(get(), 0x10);          /* locked */
    out8(&rig, 0x3f4, 0x80);                /* software reset keeps CONFIGURE now */
    rig_wait(&rig, 1000000);
    put(0x0e);
    for (unsigned k = 0; k < 8; k++)
        (void)get();
    assert_int_equal(get(), 0x57);
    assert_int_equal(get(), 0);
}

static void recalibrate_and_seek(void **state)
{
    (void)state;
    start();
    seek(40);
    put(0x04);
    put(0x00);
    assert_int_equal(get() & 0x30, 0x20);   /* not on track 0 */
    put(0x07);
    put(0x00);
    wait_irq();
    sense(0x20, 0);
    put(0x04);
    put(0x00);
    assert_int_equal(get() & 0x30, 0x30);
}

static void reads_one_sector_by_dma(void **state)
{
    (void)state;
    start();
    dma_program(true, 0x20000, 512);
    data_command(0xe6, 0, 0, 5, 18);
    result(0, 0, 0, 0, 0, 6);
    assert_int_equal(space_read(rig.memory, 0x20000, 4), 4);
    assert_int_equal(rig.ram->bytes[0x201ff], 4);
    assert_int_equal(rig.ram->bytes[0x20200], 0);
}

static void multi_track_goes_on_to_the_other_head(void **state)
{
    (void)state;
    start();
    seek(3);
    dma_program(true, 0x20000, 20 * 512);
    data_command(0xe6, 0, 3, 17, 18);
    result(0x04, 0, 0, 4, 0, 1);            /* ended at the last sector of head 1: next is cylinder 4 */
    for (unsigned k = 0; k < 20; k++)
        assert_int_equal(space_read(rig.memory, 0x20000 + k * 512, 4), 3 * 36 + 16 + k);
}

static void no_terminal_count_is_end_of_cylinder(void **state)
{
    (void)state;
    start();
    dma_program(true, 0x20000, 3 * 512);
    data_command(0x46, 0, 0, 17, 18);
    result(0x40, 0x80, 0, 1, 0, 1);
}

static void writes_reach_the_disk(void **state)
{
    uint8_t seen[512];

    (void)state;
    start();
    memset(rig.ram->bytes + 0x20000, 0x77, 512);
    seek(79);
    dma_program(false, 0x20000, 512);
    data_command(0xc5, 1, 79, 18, 18);
    result(0x04, 0, 0, 80, 0, 1);
    MUST(block_read(disk, 2879 * 512, seen, 512));
    assert_int_equal(seen[0], 0x77);
    assert_int_equal(seen[511], 0x77);
}

static void a_masked_channel_overruns(void **state)
{
    (void)state;
    start();
    out8(&rig, 0x0a, 6);
    data_command(0xe6, 0, 0, 1, 18);
    wait_irq();
    assert_int_equal(get(), 0x40);
    assert_int_equal(get(), 0x10);
}

static void wrong_places_find_no_data(void **state)
{
    (void)state;
    start();
    dma_program(true, 0x20000, 512);
    data_command(0xe6, 0, 0, 19, 36);
    result(0x40, 0x04, 0, 0, 0, 19);
    data_command(0xe6, 0, 5, 1, 18);        /* not where the head is */
    result(0x40, 0x04, 0x10, 5, 0, 1);
}

static void the_rate_must_fit_the_medium(void **state)
{
    (void)state;
    start();
    out8(&rig, 0x3f7, 2);
    dma_program(true, 0x20000, 512);
    data_command(0xe6, 0, 0, 1, 18);
    result(0x40, 0x01, 0, 0, 0, 1);
    put(0x4a);
    put(0x00);
    result(0x40, 0x01, 0, 0, 0, 1);
}

static void read_id_sees_a_sector(void **state)
{
    uint8_t bytes[7];

    (void)state;
    start();
    seek(7);
    put(0x4a);
    put(0x04);
    wait_irq();
    for (unsigned k = 0; k < 7; k++)
        bytes[k] = get();
    assert_int_equal(bytes[0], 0x04);
    assert_int_equal(bytes[3], 7);
    assert_int_equal(bytes[4], 1);
    assert_in_range(bytes[5], 1, 18);
}

static void non_dma_mode_moves_through_the_fifo(void **state)
{
    (void)state;
    start();
    put(0x03);
    put(0xdf);
    put(0x03);                              /* ND */
    data_command(0x46, 0, 0, 18, 18);
    wait_irq();
    assert_int_equal(in8(&rig, 0x3f4), 0xf0);
    assert_int_equal(in8(&rig, 0x3f5), 17);
    for (unsigned k = 1; k < 512; k++)
        in8(&rig, 0x3f5);
    result(0x40, 0x80, 0, 1, 0, 1);
}

static void change_line_drops_after_a_step(void **state)
{
    struct block *other;

    (void)state;
    start();
    assert_int_equal(in8(&rig, 0x3f7) & 0x80, 0x80);
    seek(1);
    assert_int_equal(in8(&rig, 0x3f7) & 0x80, 0);
    MUST(block_open_memory(&other, 737280));
    MUST(fdc_change_disk(fdc, 0, other));
    assert_int_equal(in8(&rig, 0x3f7) & 0x80, 0x80);
    seek(0);
    out8(&rig, 0x3f7, 2);
    dma_program(true, 0x20000, 512);
    data_command(0xe6, 0, 0, 9, 9);
    result(0, 0, 0, 0, 1, 1);
}

static void an_empty_drive_gives_no_marks(void **state)
{
    (void)state;
    MUST(fdc_change_disk(fdc, 0, NULL));
    start();
    data_command(0xe6, 0, 0, 1, 18);
    wait_irq();
    assert_int_equal(get(), 0x40);
    assert_int_equal(get(), 0x01);
}

static void a_cut_image_reads_as_zeros_at_its_end(void **state)
{
    struct block *other;

    (void)state;
    MUST(block_open_memory(&other, 5 * 512));
    MUST(fdc_change_disk(fdc, 0, other));
    start();
    memset(rig.ram->bytes + 0x20000, 0x55, 1024);
    dma_program(true, 0x20000, 1024);
    data_command(0xe6, 0, 0, 5, 18);
    result(0, 0, 0, 0, 0, 7);
    assert_int_equal(rig.ram->bytes[0x203ff], 0);
    dma_program(false, 0x20000, 512);
    data_command(0xc5, 0, 0, 6, 18);
    result(0x40, 0x20, 0, 0, 0, 6);
}

static void odd_images_are_refused(void **state)
{
    struct block *other;
    struct err e;

    (void)state;
    MUST(block_open_memory(&other, 12345 * 512));
    e = fdc_attach(fdc, 1, other);
    assert_int_equal(e.code, ERR_FORMAT);
    block_close(other);
    assert_int_equal(fdc_drive_type(fdc, 0), 4);
    assert_int_equal(fdc_drive_type(fdc, 1), 0);
}

static void snapshot_between_the_phases(void **state)
{
    (void)state;
    start();
    dma_program(true, 0x20000, 1024);
    data_command(0xe6, 0, 0, 5, 18);
    rig_check_snapshot(&rig);
    rig_wait_next(&rig);
    rig_check_snapshot(&rig);
    wait_irq();
    rig_check_snapshot(&rig);
    result(0, 0, 0, 0, 0, 7);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_interrupts_and_polls_four_drives), T(the_gate_bit_holds_the_interrupt), T(version_and_dump),
        T(recalibrate_and_seek), T(reads_one_sector_by_dma), T(multi_track_goes_on_to_the_other_head),
        T(no_terminal_count_is_end_of_cylinder), T(writes_reach_the_disk), T(a_masked_channel_overruns),
        T(wrong_places_find_no_data), T(the_rate_must_fit_the_medium), T(read_id_sees_a_sector),
        T(non_dma_mode_moves_through_the_fifo), T(change_line_drops_after_a_step), T(an_empty_drive_gives_no_marks),
        T(a_cut_image_reads_as_zeros_at_its_end), T(odd_images_are_refused), T(snapshot_between_the_phases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
