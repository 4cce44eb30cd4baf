/* SPDX-License-Identifier: MIT
 * A hostile guest: storage, DMA, PCI, firmware configuration and display together survive random accesses, and what
 * they then are is saved and restored. Under the sanitizers this also proves that no register leads outside a buffer. */
#include <stdlib.h>
#include <string.h>

#include "devices/chipset.h"
#include "devices/dma8237.h"
#include "devices/fdc.h"
#include "devices/fw_cfg.h"
#include "devices/ide.h"
#include "devices/vga.h"
#include "tests/devices/rig.h"

static struct rig rig;
static struct vga *vga;
static struct ram *bios;
static uint64_t seed;

static uint32_t noise(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % below);
}

static struct block *disk_of(uint64_t bytes)
{
    struct block *b;

    MUST(block_open_memory(&b, bytes));
    return b;
}

static void build(void)
{
    struct pci *pci;
    struct dma8237 *dma;
    struct fdc *fdc;
    struct ide *ide;
    struct fw_cfg *cfg;
    struct chipset *chipset;

    rig_init(&rig);
    MUST(ram_create(&bios, "bios", 0x20000));
    pci = pci_create(&rig.tree, rig.memory, rig.io);
    chipset = chipset_create(&rig.tree, &(struct chipset_config){ .pci = pci, .memory = rig.memory, .ram = rig.ram,
                                                                 .bios = bios });
    ide = ide_create(&rig.tree, &(struct ide_config){ .pci = pci, .devfn = PCI_DEVFN(1, 1), .io = rig.io,
                                                     .clock = &rig.clock });
    ide_attach_disk(ide, 0, 0, disk_of(1 << 20), NULL);
    ide_attach_disk(ide, 0, 1, disk_of(63 * 512), NULL);
    ide_attach_cdrom(ide, 1, 0, disk_of(1 << 20));
    ide_attach_cdrom(ide, 1, 1, NULL);
    MUST(vga_create(&vga, &rig.tree, &(struct vga_config){ .pci = pci, .devfn = PCI_DEVFN(2, 0), .memory = rig.memory,
                                                          .io = rig.io, .clock = &rig.clock, .rom = "x", .rom_len = 1 }));
    dma = dma8237_create(&rig.tree, rig.memory, rig.io);
    fdc = fdc_create(&rig.tree, rig.io, &rig.clock, dma, rig_irq(&rig, 6));
    MUST(fdc_attach(fdc, 0, disk_of(1474560)));
    MUST(fdc_attach(fdc, 1, NULL));
    cfg = fw_cfg_create(&rig.tree, rig.memory, rig.io);
    fw_cfg_add_writable_file(cfg, "etc/w", 16);
    device_reset_all(&rig.tree);
    chipset_skip_firmware(chipset, 0x600);
    ide_skip_firmware(ide, 0xc000);
    dma8237_skip_firmware(dma);
    vga_skip_firmware(vga);
}

/* Ports of the chips here, as ranges. */
static uint16_t some_port(void)
{
    static const struct { uint16_t at, n; } ranges[] = {
        { 0x1f0, 8 }, { 0x170, 8 }, { 0x3f0, 8 }, { 0x376, 1 }, { 0xc000, 16 }, { 0x000, 16 }, { 0x080, 16 }, { 0x0c0, 32 },
        { 0x3c0, 32 }, { 0x3b0, 16 }, { 0x1ce, 3 }, { 0x510, 12 }, { 0xcf8, 8 }, { 0x1f0, 1 }, { 0x170, 1 }, { 0x3f5, 1 },
    };
    unsigned k = noise(sizeof ranges / sizeof ranges[0]);

    return (uint16_t)(ranges[k].at + noise(ranges[k].n));
}

static void poke_around(void)
{
    unsigned bytes = 1u << noise(3);
    uint32_t value = noise(4) == 0 ? noise(UINT32_MAX) : noise(256);

    switch (noise(8)) {
    case 0: case 1: case 2:
        space_read(rig.io, some_port(), bytes);
        break;
    case 3: case 4: case 5:
        space_write(rig.io, some_port(), bytes, value);
        break;
    case 6:
        space_write(rig.memory, 0xa0000 + noise(0x60000), bytes, value);
        break;
    default:
        rig_wait(&rig, noise(100000));
        break;
    }
}

static void random_accesses_do_no_harm(void **state)
{
    struct frame f;
    static char text[65536];

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        seed = round;
        build();
        for (unsigned k = 0; k < 15000; k++) {
            poke_around();
            if (k % 5000 == 0) {
                vga_frame(vga, &f);
                vga_text(vga, text, sizeof text);
                rig_check_snapshot(&rig);
            }
        }
        rig_free(&rig);
        ram_free(bios);
    }
}

/* A command to a drive with random registers, then its data moved and its end awaited. */
static void random_command(uint16_t base)
{
    for (uint16_t reg = 1; reg < 6; reg++) {
        out8(&rig, (uint16_t)(base + reg), (uint8_t)noise(256));
        if (noise(2))
            out8(&rig, (uint16_t)(base + reg), (uint8_t)noise(4));
    }
    out8(&rig, (uint16_t)(base + 6), (uint8_t)noise(256));
    out8(&rig, (uint16_t)(base + 7), base == 0x170 && noise(2) ? 0xa0 : (uint8_t)noise(256));
    out8(&rig, (uint16_t)(base == 0x1f0 ? 0xc000 : 0xc008), (uint8_t)(noise(2) * 8 + 1));
    for (unsigned k = 0; k < 600; k++) {
        if (noise(2))
            in16(&rig, base);
        else
            out32(&rig, base, noise(4) ? noise(64) : noise(UINT32_MAX));
        if (noise(20) == 0)
            rig_wait_next(&rig);
    }
    out8(&rig, (uint16_t)(base == 0x1f0 ? 0xc000 : 0xc008), 0);
    in8(&rig, (uint16_t)(base + 7));
}

static void reset_channels(void)
{
    out8(&rig, 0x3f6, 4);
    out8(&rig, 0x376, 4);
    out8(&rig, 0x3f6, 0);
    out8(&rig, 0x376, 0);
    rig_wait(&rig, 1000000);
}

static void random_commands_do_no_harm(void **state)
{
    (void)state;
    seed = 100;
    build();
    for (unsigned k = 0; k < 600; k++) {
        out32(&rig, 0xc004, noise(RIG_RAM));
        out32(&rig, 0xc00c, noise(RIG_RAM));
        random_command(noise(2) ? 0x1f0 : 0x170);
        if (k % 300 == 0)
            rig_check_snapshot(&rig);
        if (noise(50) == 0)
            reset_channels();
    }
    rig_free(&rig);
    ram_free(bios);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_accesses_do_no_harm), cmocka_unit_test(random_commands_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
