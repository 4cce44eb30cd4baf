/* SPDX-License-Identifier: MIT
 * ATA disks on the PIIX3 channels, at register level against ATA/ATAPI-6 and the bus master specification. */
#include "devices/ide.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/devices/rig.h"

#define IDE PCI_DEVFN(1, 1)
#define BM  0xc000
#define SECTORS 20000u          /* of the first disk */

enum { BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, ERR = 0x01 };
enum { ABRT = 0x04, IDNF = 0x10 };

static struct rig rig;
static struct ide *ide;
static struct block *disk, *slave;

static int setup(void **state)
{
    struct pci *pci;
    uint8_t sector[512];

    (void)state;
    rig_init(&rig);
    pci = pci_create(&rig.tree, rig.memory, rig.io);
    ide = ide_create(&rig.tree, &(struct ide_config){ .pci = pci, .devfn = IDE, .io = rig.io, .clock = &rig.clock,
                                                     .irq = { rig_irq(&rig, 14), rig_irq(&rig, 15) } });
    MUST(block_open_memory(&disk, SECTORS * 512u));
    MUST(block_open_memory(&slave, UINT64_C(0x20000000) * 512));        /* 256 GiB: beyond 28 bits */
    for (uint32_t k = 0; k < 300; k++) {
        memset(sector, (int)(k & 0xff), sizeof sector);
        store32(sector, k);
        MUST(block_write(disk, k * 512u, sector, sizeof sector));
    }
    ide_attach_disk(ide, 0, 0, disk, "SERIAL");
    ide_attach_disk(ide, 0, 1, slave, NULL);
    device_reset_all(&rig.tree);
    ide_skip_firmware(ide, BM);
    out8(&rig, 0x3f6, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void task(uint8_t count, uint32_t lba)
{
    out8(&rig, 0x1f2, count);
    out8(&rig, 0x1f3, (uint8_t)lba);
    out8(&rig, 0x1f4, (uint8_t)(lba >> 8));
    out8(&rig, 0x1f5, (uint8_t)(lba >> 16));
    out8(&rig, 0x1f6, (uint8_t)(0x40 | lba >> 24));
}

static void task_ext(unsigned unit, uint16_t count, uint64_t lba)
{
    out8(&rig, 0x1f6, (uint8_t)(0x40 | unit << 4));
    out8(&rig, 0x1f2, (uint8_t)(count >> 8));
    out8(&rig, 0x1f3, (uint8_t)(lba >> 24));
    out8(&rig, 0x1f4, (uint8_t)(lba >> 32));
    out8(&rig, 0x1f5, (uint8_t)(lba >> 40));
    out8(&rig, 0x1f2, (uint8_t)count);
    out8(&rig, 0x1f3, (uint8_t)lba);
    out8(&rig, 0x1f4, (uint8_t)(lba >> 8));
    out8(&rig, 0x1f5, (uint8_t)(lba >> 16));
}

/* Issue a command and let it come to its first interrupt or DRQ. */
static uint8_t run(uint8_t command)
{
    out8(&rig, 0x1f7, command);
    while (in8(&rig, 0x3f6) & BSY)
        rig_wait_next(&rig);
    return in8(&rig, 0x3f6);
}

static void read_sector(uint8_t *to)
{
    for (unsigned k = 0; k < 512; k += 2)
        store16(to + k, in16(&rig, 0x1f0));
}

static void write_sector(const uint8_t *from)
{
    for (unsigned k = 0; k < 512; k += 4)
        out32(&rig, 0x1f0, load32(from + k));
}

static uint8_t settle(void)
{
    while (in8(&rig, 0x3f6) & BSY)
        rig_wait_next(&rig);
    return in8(&rig, 0x3f6);
}

/* ---- identity ---- */

static void reset_leaves_the_disk_signature(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, 0x1f1), 0x01);
    assert_int_equal(in8(&rig, 0x1f2), 1);
    assert_int_equal(in8(&rig, 0x1f3), 1);
    assert_int_equal(in8(&rig, 0x1f4), 0);
    assert_int_equal(in8(&rig, 0x1f5), 0);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC);
}

static void identify_tells_what_works(void **state)
{
    uint8_t id[512], sum = 0;

    (void)state;
    assert_int_equal(run(0xec), DRDY | DSC | DRQ);
    assert_true(rig.lines[14]);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC | DRQ);
    assert_false(rig.lines[14]);
    read_sector(id);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC);
    assert_memory_equal(id + 20, "ESIRLA", 6);                  /* bytes of words are swapped */
    assert_int_equal(load32(id + 120), SECTORS);
    assert_int_equal(load64(id + 200), SECTORS);
    assert_int_equal(load16(id + 98) & 0x0300, 0x0300);         /* LBA, DMA */
    assert_int_equal(load16(id + 166) & 0xc400, 0x4400);        /* 48-bit addresses */
    for (unsigned k = 0; k < 512; k++)
        sum = (uint8_t)(sum + id[k]);
    assert_int_equal(sum, 0);
}

static void large_disks_clamp_28_bit_capacity(void **state)
{
    uint8_t id[512];

    (void)state;
    out8(&rig, 0x1f6, 0x10);
    run(0xec);
    read_sector(id);
    assert_int_equal(load32(id + 120), 0x0fffffff);
    assert_int_equal(load64(id + 200), 0x20000000);
    assert_int_equal(load16(id + 2), 16383);
}

/* ---- PIO ---- */

static void read_sectors_interrupts_per_sector(void **state)
{
    uint8_t data[512];

    (void)state;
    task(3, 7);
    out8(&rig, 0x1f7, 0x20);
    assert_int_equal(in8(&rig, 0x1f7) & (BSY | DRQ), BSY);
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(settle(), DRDY | DSC | DRQ);
        assert_true(rig.lines[14]);
        in8(&rig, 0x1f7);
        read_sector(data);
        assert_int_equal(load32(data), 7 + k);
        assert_int_equal(data[511], 7 + k);
    }
    assert_int_equal(rig.edges[14], 3);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f3), 9);              /* the last sector */
    assert_int_equal(in8(&rig, 0x1f2), 0);
}

static void a_count_of_zero_is_256(void **state)
{
    uint8_t data[512];

    (void)state;
    task(0, 0);
    out8(&rig, 0x1f7, 0x20);
    for (unsigned k = 0; k < 256; k++) {
        assert_int_equal(settle(), DRDY | DSC | DRQ);
        read_sector(data);
        assert_int_equal(load32(data), k);
    }
    assert_int_equal(settle(), DRDY | DSC);
}

static void data_moves_in_16_and_32_bits(void **state)
{
    (void)state;
    task(1, 0x104);
    run(0x20);
    assert_int_equal(in32(&rig, 0x1f0), 0x104);
    assert_int_equal(in16(&rig, 0x1f0), 0x0404);
    assert_int_equal(in32(&rig, 0x1f0), 0x04040404);
}

static void written_sectors_are_on_the_disk(void **state)
{
    uint8_t data[512], seen[1024];

    (void)state;
    task(2, 1000);
    assert_int_equal(run(0x30), DRDY | DSC | DRQ);
    assert_false(rig.lines[14]);                        /* the first block is asked for silently */
    memset(data, 0xaa, sizeof data);
    write_sector(data);
    assert_int_equal(settle(), DRDY | DSC | DRQ);
    assert_true(rig.lines[14]);
    in8(&rig, 0x1f7);
    memset(data, 0xbb, sizeof data);
    write_sector(data);
    assert_int_equal(settle(), DRDY | DSC);
    assert_true(rig.lines[14]);
    MUST(block_read(disk, 1000 * 512, seen, sizeof seen));
    assert_int_equal(seen[0], 0xaa);
    assert_int_equal(seen[1023], 0xbb);
}

static void multiple_moves_blocks(void **state)
{
    uint8_t data[512];

    (void)state;
    task(5, 20);
    assert_int_equal(run(0xc4), DRDY | DSC | ERR);      /* not set yet */
    assert_int_equal(in8(&rig, 0x1f1), ABRT);
    out8(&rig, 0x1f2, 4);
    assert_int_equal(run(0xc6), DRDY | DSC);
    rig.edges[14] = 0;
    in8(&rig, 0x1f7);
    task(5, 20);
    out8(&rig, 0x1f7, 0xc4);
    for (unsigned k = 0; k < 5; k++) {
        settle();
        in8(&rig, 0x1f7);
        read_sector(data);
        assert_int_equal(load32(data), 20 + k);
    }
    assert_int_equal(rig.edges[14], 2);                 /* four and one */
    out8(&rig, 0x1f2, 3);
    assert_int_equal(run(0xc6), DRDY | DSC | ERR);
}

static void chs_addresses_follow_the_geometry(void **state)
{
    uint8_t data[512];

    (void)state;
    out8(&rig, 0x1f2, 17);
    out8(&rig, 0x1f6, 0x03);                            /* 4 heads of 17 sectors */
    assert_int_equal(run(0x91), DRDY | DSC);
    out8(&rig, 0x1f2, 1);
    out8(&rig, 0x1f3, 5);
    out8(&rig, 0x1f4, 2);
    out8(&rig, 0x1f5, 0);
    out8(&rig, 0x1f6, 0x01);                            /* cylinder 2, head 1, sector 5 */
    run(0x20);
    read_sector(data);
    assert_int_equal(load32(data), (2 * 4 + 1) * 17 + 4);
    out8(&rig, 0x1f2, 1);
    out8(&rig, 0x1f3, 0);                               /* there is no sector 0 */
    assert_int_equal(run(0x20), DRDY | DSC | ERR);
    assert_int_equal(in8(&rig, 0x1f1), IDNF);
}

static void reads_beyond_the_end_fail(void **state)
{
    (void)state;
    task(2, SECTORS - 1);
    assert_int_equal(run(0x20), DRDY | DSC | ERR);
    assert_int_equal(in8(&rig, 0x1f1), IDNF);
    assert_true(rig.lines[14]);
    task(1, SECTORS - 1);
    assert_int_equal(run(0x20), DRDY | DSC | DRQ);
}

static void ext_commands_take_48_bits(void **state)
{
    uint8_t data[512] = { 0x5a }, seen;

    (void)state;
    task_ext(1, 1, 0x10000005);
    assert_int_equal(run(0x34), DRDY | DSC | DRQ);
    write_sector(data);
    assert_int_equal(settle(), DRDY | DSC);
    MUST(block_read(slave, UINT64_C(0x10000005) * 512, &seen, 1));
    assert_int_equal(seen, 0x5a);
    task_ext(1, 1, 0x20000000);
    assert_int_equal(run(0x24), DRDY | DSC | ERR);
    assert_int_equal(in8(&rig, 0x1f1), IDNF);
    out8(&rig, 0x3f6, 0x80);                            /* HOB */
    assert_int_equal(in8(&rig, 0x1f3), 0x20);
    out8(&rig, 0x1f2, 0);                               /* any write to the task file clears it */
    assert_int_equal(in8(&rig, 0x1f3), 0);
}

/* ---- other commands ---- */

static void native_max_is_the_last_sector(void **state)
{
    (void)state;
    out8(&rig, 0x1f6, 0x40);
    assert_int_equal(run(0xf8), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f3) | in8(&rig, 0x1f4) << 8, SECTORS - 1);
    out8(&rig, 0x1f6, 0x50);
    assert_int_equal(run(0x27), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f5), 0xff);
    out8(&rig, 0x3f6, 0x80);
    assert_int_equal(in8(&rig, 0x1f3), 0x1f);
}

static void set_features_changes_what_identify_says(void **state)
{
    uint8_t id[512];

    (void)state;
    out8(&rig, 0x1f1, 0x03);
    out8(&rig, 0x1f2, 0x22);                            /* multiword DMA 2 */
    assert_int_equal(run(0xef), DRDY | DSC);
    out8(&rig, 0x1f1, 0x82);
    assert_int_equal(run(0xef), DRDY | DSC);
    run(0xec);
    read_sector(id);
    assert_int_equal(load16(id + 126), 0x0407);
    assert_int_equal(load16(id + 170) & 0x20, 0);
    out8(&rig, 0x1f1, 0x03);
    out8(&rig, 0x1f2, 0x47);                            /* Ultra DMA 7 */
    assert_int_equal(run(0xef), DRDY | DSC | ERR);
    out8(&rig, 0x1f1, 0x99);
    assert_int_equal(run(0xef), DRDY | DSC | ERR);
}

static void unknown_commands_abort(void **state)
{
    (void)state;
    assert_int_equal(run(0xff), DRDY | DSC | ERR);
    assert_int_equal(in8(&rig, 0x1f1), ABRT);
    assert_int_equal(run(0xa1), DRDY | DSC | ERR);      /* IDENTIFY PACKET DEVICE is for packet devices */
    assert_int_equal(run(0xe7), DRDY | DSC);            /* FLUSH CACHE */
    assert_int_equal(run(0xe5), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f2), 0xff);
}

static void nien_holds_the_line(void **state)
{
    (void)state;
    out8(&rig, 0x3f6, 0x02);
    assert_int_equal(run(0xe7), DRDY | DSC);
    assert_false(rig.lines[14]);
    out8(&rig, 0x3f6, 0x00);
    assert_true(rig.lines[14]);
    in8(&rig, 0x3f6);                                   /* the alternate status does not acknowledge */
    assert_true(rig.lines[14]);
    in8(&rig, 0x1f7);
    assert_false(rig.lines[14]);
}

static void soft_reset_takes_time_and_signs(void **state)
{
    (void)state;
    task(1, 0x123456);
    out8(&rig, 0x1f7, 0x20);
    out8(&rig, 0x3f6, 0x04);
    assert_int_equal(in8(&rig, 0x1f7), BSY);
    rig_wait(&rig, 10000000);
    assert_int_equal(in8(&rig, 0x1f7), BSY);
    out8(&rig, 0x3f6, 0x00);
    assert_int_equal(in8(&rig, 0x1f7) & BSY, BSY);
    assert_int_equal(settle(), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f3), 1);
    assert_int_equal(in8(&rig, 0x1f4), 0);
    assert_false(rig.lines[14]);
}

static void diagnostics_answer_for_both(void **state)
{
    (void)state;
    out8(&rig, 0x1f6, 0x10);
    assert_int_equal(run(0x90), DRDY | DSC);
    assert_int_equal(in8(&rig, 0x1f6) & 0x10, 0);
    assert_int_equal(in8(&rig, 0x1f1), 0x01);
    assert_true(rig.lines[14]);
}

static void absent_drives_are_told_apart(void **state)
{
    (void)state;
    out8(&rig, 0x376, 0);
    assert_int_equal(in8(&rig, 0x177), 0x7f);           /* an empty channel floats, DD7 pulled down */
    out8(&rig, 0x172, 0x55);
    assert_int_not_equal(in8(&rig, 0x172), 0x55);
}

static void legacy_ports_need_idetim_and_io(void **state)
{
    (void)state;
    rig_set_config(&rig, IDE, 0x40, 2, 0);
    assert_int_equal(in8(&rig, 0x1f7), 0xff);
    rig_set_config(&rig, IDE, 0x40, 2, 0x8000);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC);
    rig_set_config(&rig, IDE, 0x04, 2, 0);
    assert_int_equal(in8(&rig, 0x1f7), 0xff);
}

/* ---- bus master ---- */

static void prd(unsigned index, uint32_t at, uint16_t bytes, bool last)
{
    space_write(rig.memory, 0x1000 + 8 * index, 4, at);
    space_write(rig.memory, 0x1004 + 8 * index, 4, bytes | (last ? 0x80000000u : 0));
}

static void dma_reads_along_the_table(void **state)
{
    (void)state;
    prd(0, 0x20000, 0x300, false);
    prd(1, 0x30000, 0x100, true);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM + 2, 0x06);
    out8(&rig, BM, 0x08);
    task(2, 100);
    out8(&rig, 0x1f7, 0xc8);
    assert_int_equal(in8(&rig, 0x3f6) & BSY, BSY);
    rig_wait(&rig, 1000000);
    assert_false(rig.lines[14]);                        /* nothing moves before the start bit */
    out8(&rig, BM, 0x09);
    assert_int_equal(in8(&rig, BM + 2) & 7, 1);
    settle();
    assert_true(rig.lines[14]);
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);         /* interrupt, no longer active */
    assert_int_equal(space_read(rig.memory, 0x20000, 4), 100);
    assert_int_equal(space_read(rig.memory, 0x20200, 4), 101);
    assert_int_equal(space_read(rig.memory, 0x30000, 1), 101);
    assert_int_equal(in8(&rig, 0x1f7), DRDY | DSC);
    assert_int_equal(in8(&rig, BM + 2) & 4, 4);         /* latched until written */
    out8(&rig, BM, 0);
    out8(&rig, BM + 2, 4);
    assert_int_equal(in8(&rig, BM + 2) & 7, 0);
}

static void dma_writes_reach_the_disk(void **state)
{
    uint8_t seen[512];

    (void)state;
    space_write(rig.memory, 0x20000, 4, 0xcafe1234);
    prd(0, 0x20000, 0x200, true);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x01);
    task_ext(0, 1, 55);
    out8(&rig, 0x1f7, 0x35);
    assert_int_equal(settle(), DRDY | DSC);
    MUST(block_read(disk, 55 * 512, seen, 512));
    assert_int_equal(load32(seen), 0xcafe1234);
}

static void a_longer_table_stays_active(void **state)
{
    (void)state;
    prd(0, 0x20000, 0, true);                           /* 64 KiB */
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x09);
    task(1, 3);
    out8(&rig, 0x1f7, 0xc8);
    settle();
    assert_int_equal(in8(&rig, BM + 2) & 7, 5);
    out8(&rig, BM, 0);
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);
}

static void a_shorter_table_leaves_the_drive_waiting(void **state)
{
    (void)state;
    prd(0, 0x20000, 0x200, true);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x09);
    task(2, 3);
    out8(&rig, 0x1f7, 0xc8);
    rig_wait(&rig, 100000000);
    assert_int_equal(in8(&rig, BM + 2) & 7, 0);
    assert_false(rig.lines[14]);
    assert_int_equal(space_read(rig.memory, 0x20000, 4), 3);
    out8(&rig, 0x3f6, 4);                               /* only a reset helps */
    out8(&rig, 0x3f6, 0);
    assert_int_equal(settle(), DRDY | DSC);
}

static void large_transfers_go_in_one_command(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 16; k++)
        prd(k, 0x100000 + k * 0x10000, 0, k == 15);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x09);
    task_ext(0, 2048, 0);
    out8(&rig, 0x1f7, 0x25);
    assert_int_equal(settle(), DRDY | DSC);
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);
    for (unsigned k = 0; k < 300; k += 37)
        assert_int_equal(space_read(rig.memory, 0x100000 + k * 512, 4), k);
}

static void without_bus_mastering_nothing_moves(void **state)
{
    (void)state;
    rig_set_config(&rig, IDE, 0x04, 2, PCI_COMMAND_IO);
    prd(0, 0x20000, 0x200, true);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x09);
    task(1, 3);
    out8(&rig, 0x1f7, 0xc8);
    rig_wait(&rig, 100000000);
    assert_int_equal(in8(&rig, BM + 2) & 7, 1);
    rig_set_config(&rig, IDE, 0x04, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    settle();
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);
}

/* ---- time and state ---- */

static void completions_come_at_virtual_deadlines(void **state)
{
    uint64_t start = clock_ns(&rig.clock);

    (void)state;
    task(1, 0);
    out8(&rig, 0x1f7, 0x20);
    settle();
    assert_int_equal(clock_ns(&rig.clock) - start, 50000 + 512 * 5);
}

static void snapshot_in_the_middle_of_a_command(void **state)
{
    uint8_t data[512];

    (void)state;
    task(2, 40);
    out8(&rig, 0x1f7, 0x20);
    rig_check_snapshot(&rig);
    settle();
    in16(&rig, 0x1f0);
    rig_check_snapshot(&rig);
    for (unsigned k = 2; k < 512; k += 2)
        in16(&rig, 0x1f0);
    rig_check_snapshot(&rig);
    settle();
    read_sector(data);
    assert_int_equal(load32(data), 41);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(reset_leaves_the_disk_signature), T(identify_tells_what_works), T(large_disks_clamp_28_bit_capacity),
        T(read_sectors_interrupts_per_sector), T(a_count_of_zero_is_256), T(data_moves_in_16_and_32_bits),
        T(written_sectors_are_on_the_disk), T(multiple_moves_blocks), T(chs_addresses_follow_the_geometry),
        T(reads_beyond_the_end_fail), T(ext_commands_take_48_bits), T(native_max_is_the_last_sector),
        T(set_features_changes_what_identify_says), T(unknown_commands_abort), T(nien_holds_the_line),
        T(soft_reset_takes_time_and_signs), T(diagnostics_answer_for_both), T(absent_drives_are_told_apart),
        T(legacy_ports_need_idetim_and_io), T(dma_reads_along_the_table), T(dma_writes_reach_the_disk),
        T(a_longer_table_stays_active), T(a_shorter_table_leaves_the_drive_waiting),
        T(large_transfers_go_in_one_command), T(without_bus_mastering_nothing_moves),
        T(completions_come_at_virtual_deadlines), T(snapshot_in_the_middle_of_a_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
