/* SPDX-License-Identifier: MIT
 * CD-ROM drives at register level: the PACKET protocol by PIO and DMA, and what MMC-3 and SPC-2 commands answer. */
#include "devices/ide.h"

#include <string.h>

#include "base/bytes.h"
#include "tests/devices/rig.h"

#define IDE PCI_DEVFN(1, 1)
#define BM  0xc008              /* secondary channel */
#define SECTORS 400u

enum { BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, CHK = 0x01 };
enum { TO_HOST = 2, COMMAND = 1 };

static struct rig rig;
static struct ide *ide;
static uint8_t data[65536];

static struct block *disc_of(uint32_t sectors)
{
    struct block *disc;
    uint8_t sector[2048];

    MUST(block_open_memory(&disc, sectors * UINT64_C(2048)));
    for (uint32_t k = 0; k < sectors && k < SECTORS; k++) {
        memset(sector, (int)(k & 0xff), sizeof sector);
        store32(sector, k);
        MUST(block_write(disc, k * 2048u, sector, sizeof sector));
    }
    return disc;
}

static uint8_t settle(void)
{
    while (in8(&rig, 0x376) & BSY)
        rig_wait_next(&rig);
    return in8(&rig, 0x376);
}

static void send(const uint8_t *packet, uint16_t limit, bool dma)
{
    out8(&rig, 0x176, 0);
    out8(&rig, 0x171, dma);
    out8(&rig, 0x174, (uint8_t)limit);
    out8(&rig, 0x175, (uint8_t)(limit >> 8));
    out8(&rig, 0x177, 0xa0);
    assert_int_equal(in8(&rig, 0x376) & (BSY | DRQ), DRQ);
    assert_int_equal(in8(&rig, 0x172), COMMAND);
    for (unsigned k = 0; k < 12; k += 2)
        out16(&rig, 0x170, load16(packet + k));
}

/* Carry out a packet by PIO; what it sent is in `data`, the length is returned; *status is the final one. */
static uint32_t packet_limited(const uint8_t *packet, uint16_t limit, uint8_t *status)
{
    uint32_t len = 0;

    send(packet, limit, false);
    while ((*status = settle()) & DRQ) {
        uint32_t n = in8(&rig, 0x174) | (uint32_t)in8(&rig, 0x175) << 8;

        assert_int_equal(in8(&rig, 0x172), TO_HOST);
        assert_true(rig.lines[15]);
        in8(&rig, 0x177);
        for (uint32_t k = 0; k < n; k += 2)
            store16(data + len + k, in16(&rig, 0x170));
        len += n;
    }
    assert_int_equal(in8(&rig, 0x172), TO_HOST | COMMAND);
    assert_true(rig.lines[15]);
    in8(&rig, 0x177);
    return len;
}

#define PACKET(...) (const uint8_t[12]){ __VA_ARGS__ }

static uint32_t packet(const uint8_t *bytes)
{
    uint8_t status;
    uint32_t len = packet_limited(bytes, 0xfffe, &status);

    assert_int_equal(status, DRDY | DSC);
    return len;
}

/* The packet fails with this sense key and code. */
static void fails(const uint8_t *bytes, uint8_t key, uint8_t asc)
{
    uint8_t status;

    packet_limited(bytes, 0xfffe, &status);
    assert_int_equal(status, DRDY | DSC | CHK);
    assert_int_equal(in8(&rig, 0x171) >> 4, key);
    assert_int_equal(packet(PACKET(0x03, 0, 0, 0, 18)), 18);
    assert_int_equal(data[2], key);
    assert_int_equal(data[12], asc);
}

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void open_rig(struct block *disc)
{
    struct pci *pci;

    rig_init(&rig);
    pci = pci_create(&rig.tree, rig.memory, rig.io);
    ide = ide_create(&rig.tree, &(struct ide_config){ .pci = pci, .devfn = IDE, .io = rig.io, .clock = &rig.clock,
                                                     .irq = { rig_irq(&rig, 14), rig_irq(&rig, 15) } });
    ide_attach_cdrom(ide, 1, 0, disc);
    device_reset_all(&rig.tree);
    ide_skip_firmware(ide, 0xc000);
}

static int setup(void **state)
{
    (void)state;
    open_rig(disc_of(SECTORS));
    packet(PACKET(0x03, 0, 0, 0, 18));          /* takes the power-on unit attention */
    return 0;
}

static int setup_fresh(void **state)
{
    (void)state;
    open_rig(disc_of(SECTORS));
    return 0;
}

static int setup_empty(void **state)
{
    (void)state;
    open_rig(NULL);
    packet(PACKET(0x03, 0, 0, 0, 18));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void reset_leaves_the_packet_signature(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, 0x174), 0x14);
    assert_int_equal(in8(&rig, 0x175), 0xeb);
    assert_int_equal(in8(&rig, 0x177), 0);
    out8(&rig, 0x174, 0);
    out8(&rig, 0x177, 0xec);                    /* IDENTIFY DEVICE: abort, with the signature */
    assert_int_equal(settle(), DRDY | DSC | CHK);
    assert_int_equal(in8(&rig, 0x171), 4);
    assert_int_equal(in8(&rig, 0x174), 0x14);
    out8(&rig, 0x174, 0);
    out8(&rig, 0x177, 0x08);                    /* DEVICE RESET */
    assert_int_equal(in8(&rig, 0x177), 0);
    assert_int_equal(in8(&rig, 0x175), 0xeb);
}

static void identify_packet_device(void **state)
{
    uint8_t sum = 0;

    (void)state;
    out8(&rig, 0x177, 0xa1);
    assert_int_equal(settle(), DRDY | DSC | DRQ);
    for (unsigned k = 0; k < 512; k += 2)
        store16(data + k, in16(&rig, 0x170));
    assert_int_equal(load16(data), 0x85c0);
    for (unsigned k = 0; k < 512; k++)
        sum = (uint8_t)(sum + data[k]);
    assert_int_equal(sum, 0);
}

static void power_on_is_a_unit_attention_told_once(void **state)
{
    uint8_t status;

    (void)state;
    packet(PACKET(0x12, 0, 0, 0, 36));          /* INQUIRY does not mind */
    packet_limited(PACKET(0x00), 0xfffe, &status);
    assert_int_equal(status, DRDY | DSC | CHK);
    assert_int_equal(in8(&rig, 0x171) >> 4, 6);
    packet(PACKET(0x03, 0, 0, 0, 18));
    assert_int_equal(data[2], 6);
    assert_int_equal(data[12], 0x29);
    packet(PACKET(0x00));
    packet(PACKET(0x03, 0, 0, 0, 18));
    assert_int_equal(data[2], 0);
}

static void inquiry_names_a_cdrom(void **state)
{
    (void)state;
    assert_int_equal(packet(PACKET(0x12, 0, 0, 0, 36)), 36);
    assert_int_equal(data[0], 5);
    assert_int_equal(data[1], 0x80);
    assert_memory_equal(data + 8, "PARTITA ", 8);
    assert_int_equal(packet(PACKET(0x12, 0, 0, 0, 5)), 5);
    fails(PACKET(0x12, 1, 0, 0, 36), 5, 0x24);
}

static void capacity_is_the_last_sector(void **state)
{
    (void)state;
    assert_int_equal(packet(PACKET(0x25)), 8);
    assert_int_equal(be32(data), SECTORS - 1);
    assert_int_equal(be32(data + 4), 2048);
}

static void reads_come_in_blocks_of_the_hosts_size(void **state)
{
    uint8_t status;

    (void)state;
    assert_int_equal(packet(PACKET(0x28, 0, 0, 0, 0, 17, 0, 0, 5)), 5 * 2048);
    for (unsigned k = 0; k < 5; k++)
        assert_int_equal(load32(data + k * 2048), 17 + k);
    rig.edges[15] = 0;
    assert_int_equal(packet_limited(PACKET(0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 2), 1000, &status), 4096);
    assert_int_equal(load32(data), 9);
    assert_int_equal(load32(data + 2048), 10);
    assert_int_equal(rig.edges[15], 6);         /* 4096 bytes by 1000, and the end */
    fails(PACKET(0x28, 0, 0, 0, 1, 0x8f, 0, 0, 2), 5, 0x21);
}

static void reads_by_dma(void **state)
{
    (void)state;
    space_write(rig.memory, 0x1000, 8, UINT64_C(0x8000080000020000));
    space_write(rig.memory, 0x1000, 4, 0x20000);
    space_write(rig.memory, 0x1004, 4, 0x80000000 | 3 * 2048);
    out32(&rig, BM + 4, 0x1000);
    out8(&rig, BM, 0x08);
    send(PACKET(0x28, 0, 0, 0, 0, 30, 0, 0, 3), 0, true);
    out8(&rig, BM, 0x09);
    assert_int_equal(settle(), DRDY | DSC);
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);
    assert_int_equal(in8(&rig, 0x172), TO_HOST | COMMAND);
    assert_int_equal(space_read(rig.memory, 0x20000, 4), 30);
    assert_int_equal(space_read(rig.memory, 0x21000, 4), 32);
}

static void short_answers_by_dma(void **state)
{
    (void)state;
    space_write(rig.memory, 0x1000, 4, 0x20000);
    space_write(rig.memory, 0x1004, 4, 0x80000000 | 8);
    out32(&rig, BM + 4, 0x1000);
    send(PACKET(0x25), 0, true);
    out8(&rig, BM, 0x09);
    assert_int_equal(settle(), DRDY | DSC);
    assert_int_equal(in8(&rig, BM + 2) & 7, 4);
    assert_int_equal(space_read(rig.memory, 0x20002, 2), 0x8f01);       /* big-endian 018f: 399 */
}

static void toc_lists_track_and_lead_out(void **state)
{
    (void)state;
    assert_int_equal(packet(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 64)), 20);
    assert_int_equal(data[1], 18);
    assert_int_equal(data[5], 0x14);
    assert_int_equal(data[6], 1);
    assert_int_equal(be32(data + 8), 0);
    assert_int_equal(data[14], 0xaa);
    assert_int_equal(be32(data + 16), SECTORS);
    packet(PACKET(0x43, 2, 0, 0, 0, 0, 0, 0, 64));
    assert_int_equal(be32(data + 8), 0x00000200);       /* 00:02:00 */
    assert_int_equal(be32(data + 16), 0x00000719);      /* 400 + 150 frames: 7 s 25 */
    assert_int_equal(packet(PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 64)), 12);
    assert_int_equal(packet(PACKET(0x43, 2, 2, 0, 0, 0, 0, 0, 64)), 4 + 44);
    fails(PACKET(0x43, 0, 0, 0, 0, 0, 7, 0, 64), 5, 0x24);
}

static void configuration_lists_features_in_order(void **state)
{
    uint32_t len = packet(PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0)), at = 8;
    int last = -1;

    (void)state;
    assert_int_equal(be32(data), len - 4);
    assert_int_equal(data[7], 0x08);                    /* CD-ROM */
    while (at < len) {
        int code = data[at] << 8 | data[at + 1];

        assert_true(code > last);
        last = code;
        at += 4u + data[at + 3];
    }
    assert_int_equal(at, len);
    assert_int_equal(packet(PACKET(0x46, 2, 0, 0x1f, 0, 0, 0, 1, 0)), 16);
    assert_int_equal(data[10] & 1, 0);                  /* DVD read: not with this disc */
}

static void mode_pages(void **state)
{
    (void)state;
    assert_int_equal(packet(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128)), 30);
    assert_int_equal(data[1], 28);
    assert_int_equal(data[8], 0x2a);
    assert_int_equal(packet(PACKET(0x1a, 0, 0x2a, 0, 128)), 26);
    assert_int_equal(packet(PACKET(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 12)), 12);
    fails(PACKET(0x5a, 0, 0x08, 0, 0, 0, 0, 0, 128), 5, 0x24);
}

static void unknown_operations_are_illegal(void **state)
{
    (void)state;
    fails(PACKET(0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 5, 0x20);
    assert_int_equal(in8(&rig, 0x171) & 4, 0);
}

static void an_empty_drive_is_not_ready(void **state)
{
    (void)state;
    fails(PACKET(0x00), 2, 0x3a);
    fails(PACKET(0x25), 2, 0x3a);
    fails(PACKET(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 2, 0x3a);
    packet(PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0));
    assert_int_equal(data[7], 0);
}

static void a_new_disc_is_announced(void **state)
{
    (void)state;
    ide_change_disc(ide, 1, 0, disc_of(500000));
    packet(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
    assert_int_equal(data[4], 2);                       /* new media */
    assert_int_equal(data[5], 2);
    packet(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
    assert_int_equal(data[4], 0);
    fails(PACKET(0x00), 6, 0x28);
    packet(PACKET(0x00));
    packet(PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0));
    assert_int_equal(data[7], 0x10);                    /* DVD-ROM now */
    packet(PACKET(0x25));
    assert_int_equal(be32(data), 499999);
}

static void eject_obeys_the_lock(void **state)
{
    (void)state;
    packet(PACKET(0x1e, 0, 0, 0, 1));
    fails(PACKET(0x1b, 0, 0, 0, 2), 5, 0x53);
    packet(PACKET(0x1e, 0, 0, 0, 0));
    packet(PACKET(0x1b, 0, 0, 0, 2));
    fails(PACKET(0x00), 2, 0x3a);
    packet(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8));
    assert_int_equal(data[1] & 0x10, 0x10);
    packet(PACKET(0x1b, 0, 0, 0, 3));
    fails(PACKET(0x00), 6, 0x28);
    packet(PACKET(0x00));
}

static void disc_and_track_information(void **state)
{
    (void)state;
    assert_int_equal(packet(PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 34)), 34);
    assert_int_equal(data[2], 0x0e);
    assert_int_equal(packet(PACKET(0x52, 1, 0, 0, 0, 1, 0, 0, 36)), 36);
    assert_int_equal(be32(data + 24), SECTORS);
    assert_int_equal(packet(PACKET(0x42, 0, 0x40, 1, 0, 0, 0, 0, 16)), 16);
    assert_int_equal(packet(PACKET(0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0x10)), 2048);
    assert_int_equal(load32(data), 3);
}

static void snapshot_between_blocks(void **state)
{
    (void)state;
    send(PACKET(0x28, 0, 0, 0, 0, 17, 0, 0, 9), 0xfffe, false);
    rig_check_snapshot(&rig);
    settle();
    for (unsigned k = 0; k < 8192; k += 2)
        in16(&rig, 0x170);
    rig_check_snapshot(&rig);
    settle();
    rig_check_snapshot(&rig);
    assert_int_equal(in32(&rig, 0x170), 21);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup_fresh, teardown)
#define EMPTY(f) cmocka_unit_test_setup_teardown(f, setup_empty, teardown)
    const struct CMUnitTest tests[] = {
        FRESH(reset_leaves_the_packet_signature), T(identify_packet_device), FRESH(power_on_is_a_unit_attention_told_once),
        T(inquiry_names_a_cdrom), T(capacity_is_the_last_sector), T(reads_come_in_blocks_of_the_hosts_size),
        T(reads_by_dma), T(short_answers_by_dma), T(toc_lists_track_and_lead_out),
        T(configuration_lists_features_in_order), T(mode_pages), T(unknown_operations_are_illegal),
        EMPTY(an_empty_drive_is_not_ready), EMPTY(a_new_disc_is_announced), T(eject_obeys_the_lock),
        T(disc_and_track_information), T(snapshot_between_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
