/* SPDX-License-Identifier: MIT
 * Firmware configuration by ports and by DMA, as firmware drives it. */
#include "devices/fw_cfg.h"

#include <stdlib.h>
#include <string.h>

#include "tests/devices/rig.h"

static struct rig rig;
static struct fw_cfg *cfg;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    cfg = fw_cfg_create(&rig.tree, rig.memory, rig.io);
    fw_cfg_add_u64(cfg, FW_CFG_RAM_SIZE, 0x123456789a);
    fw_cfg_add_u16(cfg, FW_CFG_NB_CPUS, 3);
    fw_cfg_add_text(cfg, FW_CFG_CMDLINE_DATA, "quiet");
    fw_cfg_add_file(cfg, "etc/e820", "eeee", 4);
    fw_cfg_add_file(cfg, "bootorder", "boot", 5);
    fw_cfg_add_file(cfg, "etc/acpi/rsdp", "0123456789", 10);
    fw_cfg_add_writable_file(cfg, "etc/vmgenid_addr", 8);
    device_reset_all(&rig.tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void read_item(uint16_t key, void *to, size_t len)
{
    out16(&rig, 0x510, key);
    for (size_t k = 0; k < len; k++)
        ((uint8_t *)to)[k] = in8(&rig, 0x511);
}

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* Key of a file by the directory, 0 when it is not there. */
static uint16_t key_of(const char *name, uint32_t *len)
{
    uint8_t count[4], entry[64];
    uint16_t found = 0;

    read_item(FW_CFG_FILE_DIR, count, 4);
    for (uint32_t k = 0; k < be32(count); k++) {
        for (unsigned n = 0; n < 64; n++)
            entry[n] = in8(&rig, 0x511);
        if (strcmp((char *)entry + 8, name) == 0) {
            found = (uint16_t)(entry[4] << 8 | entry[5]);
            *len = be32(entry);
        }
    }
    return found;
}

static void dma(uint32_t control, uint32_t len, uint64_t address)
{
    for (unsigned k = 0; k < 4; k++) {
        space_write(rig.memory, 0x1000 + k, 1, control >> (24 - 8 * k));
        space_write(rig.memory, 0x1004 + k, 1, len >> (24 - 8 * k));
    }
    for (unsigned k = 0; k < 8; k++)
        space_write(rig.memory, 0x1008 + k, 1, address >> (56 - 8 * k));
    out32(&rig, 0x514, 0);
    out32(&rig, 0x518, __builtin_bswap32(0x1000));
}

static void signature_and_version(void **state)
{
    char signature[5] = "";
    uint32_t id;

    (void)state;
    read_item(FW_CFG_SIGNATURE, signature, 4);
    assert_string_equal(signature, "QEMU");
    read_item(FW_CFG_ID, &id, 4);
    assert_int_equal(id, 3);
    assert_int_equal(in32(&rig, 0x514), 0x554d4551);        /* "QEMU" in memory order */
    assert_int_equal(in32(&rig, 0x518), 0x47464320);        /* " CFG" */
}

static void numbers_are_little_endian_and_end_in_zeros(void **state)
{
    uint8_t bytes[10];

    (void)state;
    read_item(FW_CFG_RAM_SIZE, bytes, 10);
    assert_memory_equal(bytes, "\x9a\x78\x56\x34\x12\0\0\0\0\0", 10);
    read_item(FW_CFG_NB_CPUS, bytes, 2);
    assert_int_equal(bytes[0], 3);
    read_item(0x30ff, bytes, 2);
    assert_int_equal(bytes[0], 0);
}

static void directory_is_sorted_and_names_every_file(void **state)
{
    uint32_t len = 0;
    char text[5] = "";

    (void)state;
    assert_int_equal(key_of("bootorder", &len), FW_CFG_FILE_FIRST);
    assert_int_equal(key_of("etc/acpi/rsdp", &len), FW_CFG_FILE_FIRST + 1);
    assert_int_equal(len, 10);
    assert_int_equal(key_of("etc/e820", &len), FW_CFG_FILE_FIRST + 2);
    assert_int_equal(key_of("nothing", &len), 0);
    read_item(FW_CFG_FILE_FIRST + 2, text, 4);
    assert_string_equal(text, "eeee");
}

static void dma_reads_skips_and_pads(void **state)
{
    uint32_t len;
    uint16_t key = key_of("etc/acpi/rsdp", &len);

    (void)state;
    memset(rig.ram->bytes + 0x2000, 0xff, 16);
    dma((uint32_t)key << 16 | 0x08 | 0x04, 3, 0);           /* select and skip */
    assert_int_equal(space_read(rig.memory, 0x1000, 4), 0);
    dma(0x02, 10, 0x2000);
    assert_memory_equal(rig.ram->bytes + 0x2000, "3456789\0\0\0\xff", 11);
    assert_int_equal(in8(&rig, 0x511), 0);
}

static void only_writable_files_take_dma_writes(void **state)
{
    uint32_t len;
    uint16_t key = key_of("etc/vmgenid_addr", &len), other = key_of("etc/e820", &len);
    size_t size;

    (void)state;
    space_write(rig.memory, 0x2000, 8, 0x1122334455667788);
    dma((uint32_t)key << 16 | 0x08 | 0x10, 8, 0x2000);
    assert_int_equal(space_read(rig.memory, 0x1000, 4), 0);
    assert_memory_equal(fw_cfg_file(cfg, "etc/vmgenid_addr", &size), "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    dma((uint32_t)other << 16 | 0x08 | 0x10, 4, 0x2000);
    assert_int_equal(space_read(rig.memory, 0x1000, 4), 0x01000000);
    assert_memory_equal(fw_cfg_file(cfg, "etc/e820", &size), "eeee", 4);
    rig_check_snapshot(&rig);
    device_reset_all(&rig.tree);
    assert_int_equal(fw_cfg_file(cfg, "etc/vmgenid_addr", &size)[0], 0);
}

static void a_dma_write_beyond_the_end_is_an_error(void **state)
{
    uint32_t len;
    uint16_t key = key_of("etc/vmgenid_addr", &len);

    (void)state;
    dma((uint32_t)key << 16 | 0x08 | 0x10, 9, 0x2000);
    assert_int_equal(space_read(rig.memory, 0x1000, 4), 0x01000000);
    dma((uint32_t)key << 16 | 0x08 | 0x02, 0xffffff, 0x200000);     /* a long read past the end only pads */
    assert_int_equal(space_read(rig.memory, 0x1000, 4), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(signature_and_version), T(numbers_are_little_endian_and_end_in_zeros), T(directory_is_sorted_and_names_every_file),
        T(dma_reads_skips_and_pads), T(only_writable_files_take_dma_writes), T(a_dma_write_beyond_the_end_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
