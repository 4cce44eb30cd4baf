/* SPDX-License-Identifier: MIT
 * PCI: configuration mechanism #1, sizing and decoding of base addresses, interrupt pins, MSI. */
#include "devices/pci.h"

#include <string.h>

#include "tests/devices/rig.h"

struct fixture {
    struct rig rig;
    struct pci *pci;
    struct pci_function *f, *other;
    struct ram *ram;
    uint64_t written;
    unsigned changes;
    uint64_t msi_address;
    uint32_t msi_data;
};

static struct fixture fx;

static uint64_t reg_read(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)bytes;
    return 0xa0 + at;
}

static void reg_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)dev, (void)bytes;
    fx.written = at << 16 | value;
}

static const struct reg rows[] = { { 0, 4, "r", reg_read, reg_write, 16 } };

static void on_change(void *self, unsigned at, unsigned bytes)
{
    (void)self, (void)at, (void)bytes;
    fx.changes++;
}

static void on_msi(void *self, uint64_t address, uint32_t data)
{
    (void)self;
    fx.msi_address = address;
    fx.msi_data = data;
}

static int setup(void **state)
{
    static const struct pci_id id = {
        .vendor = 0x1234, .device = 0x5678, .revision = 3, .class_code = 0x010203, .irq_pin = 1,
    };
    struct irq pirq[4];

    (void)state;
    memset(&fx, 0, sizeof fx);
    rig_init(&fx.rig);
    fx.pci = pci_create(&fx.rig.tree, fx.rig.memory, fx.rig.io);
    for (unsigned k = 0; k < 4; k++)
        pirq[k] = rig_irq(&fx.rig, k);
    pci_connect_pirq(fx.pci, pirq);
    pci_connect_msi(fx.pci, on_msi, NULL);
    fx.f = pci_add(fx.pci, &fx.rig.tree, PCI_DEVFN(3, 0), "f", &id);
    fx.other = pci_add(fx.pci, &fx.rig.tree, PCI_DEVFN(7, 0), "other", &id);
    MUST(ram_create(&fx.ram, "bar", 0x10000));
    pci_bar_registers(fx.f, 0, PCI_BAR_IO, 16, &fx.f->dev, rows, 1);
    pci_bar_registers(fx.f, 1, PCI_BAR_MEMORY, 4096, &fx.f->dev, rows, 1);
    pci_bar_ram(fx.f, 2, PCI_BAR_PREFETCH, fx.ram, ACCESS_READ | ACCESS_WRITE);
    pci_bar_ram(fx.f, PCI_BAR_ROM, PCI_BAR_MEMORY, fx.ram, ACCESS_READ);
    pci_add_msi(fx.f, 0x50);
    pci_on_change(fx.f, on_change, NULL);
    device_reset_all(&fx.rig.tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&fx.rig);
    ram_free(fx.ram);
    return 0;
}

#define F PCI_DEVFN(3, 0)

static void config_is_read_in_any_width(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&fx.rig, F, 0x00, 4), 0x56781234);
    assert_int_equal(rig_config(&fx.rig, F, 0x02, 2), 0x5678);
    assert_int_equal(rig_config(&fx.rig, F, 0x03, 1), 0x56);
    assert_int_equal(rig_config(&fx.rig, F, 0x08, 4), 0x01020303);
}

static void absent_functions_and_buses_read_as_ones(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&fx.rig, PCI_DEVFN(4, 0), 0, 4), 0xffffffff);
    assert_int_equal(rig_config(&fx.rig, PCI_DEVFN(3, 1), 0, 4), 0xffffffff);
    out32(&fx.rig, 0xcf8, 0x80010000 | F << 8);
    assert_int_equal(in32(&fx.rig, 0xcfc), 0xffffffff);
    out32(&fx.rig, 0xcf8, F << 8);             /* enable bit clear */
    assert_int_equal(in32(&fx.rig, 0xcfc), 0xffffffff);
}

static void only_dwords_select(void **state)
{
    (void)state;
    out32(&fx.rig, 0xcf8, 0x80001800);
    out8(&fx.rig, 0xcf8, 0x40);
    out16(&fx.rig, 0xcfa, 0);
    assert_int_equal(in32(&fx.rig, 0xcf8), 0x80001800);
    assert_int_equal(in8(&fx.rig, 0xcf9), 0xff);
}

static void read_only_bits_stay(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x00, 4, 0);
    rig_set_config(&fx.rig, F, 0x3d, 1, 0xff);
    assert_int_equal(rig_config(&fx.rig, F, 0x00, 4), 0x56781234);
    assert_int_equal(rig_config(&fx.rig, F, 0x3d, 1), 1);
    rig_set_config(&fx.rig, F, 0x04, 2, 0xffff);
    assert_int_equal(rig_config(&fx.rig, F, 0x04, 2), 0x0507);
}

static void sizing_gives_size_and_kind(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x04, 2, 3);
    for (unsigned at = 0x10; at < 0x28; at += 4)
        rig_set_config(&fx.rig, F, at, 4, 0xffffffff);
    rig_set_config(&fx.rig, F, 0x30, 4, 0xfffffffe);
    assert_int_equal(rig_config(&fx.rig, F, 0x10, 4), 0xfffffff1);
    assert_int_equal(rig_config(&fx.rig, F, 0x14, 4), 0xfffff000);
    assert_int_equal(rig_config(&fx.rig, F, 0x18, 4), 0xffff0008);
    assert_int_equal(rig_config(&fx.rig, F, 0x1c, 4), 0);
    assert_int_equal(rig_config(&fx.rig, F, 0x30, 4), 0xffff0000);
    assert_false(fx.f->bars[0].mapped || fx.f->bars[1].mapped || fx.f->bars[2].mapped || fx.f->bars[6].mapped);
}

static void bars_follow_address_and_command(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x10, 4, 0xc000);
    assert_int_equal(in8(&fx.rig, 0xc004), 0xff);
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_IO);
    assert_int_equal(in8(&fx.rig, 0xc004), 0xa4);
    out32(&fx.rig, 0xc008, 0x1234);
    assert_int_equal(fx.written, 0x81234);
    rig_set_config(&fx.rig, F, 0x10, 4, 0xd000);
    assert_int_equal(in8(&fx.rig, 0xc004), 0xff);
    assert_int_equal(in8(&fx.rig, 0xd004), 0xa4);
    rig_set_config(&fx.rig, F, 0x04, 2, 0);
    assert_int_equal(in8(&fx.rig, 0xd004), 0xff);
}

static void memory_bars_lie_under_ram(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_MEMORY);
    rig_set_config(&fx.rig, F, 0x18, 4, 0xe0000000);
    space_write(fx.rig.memory, 0xe0000010, 4, 0xdeadbeef);
    assert_int_equal(space_read(fx.rig.memory, 0xe0000010, 4), 0xdeadbeef);
    rig_set_config(&fx.rig, F, 0x18, 4, 0x10000);
    assert_int_equal(space_read(fx.rig.memory, 0x10010, 4), 0);
    assert_int_equal(space_read(fx.rig.memory, 0xe0000010, 4), 0xffffffff);
}

static void two_bars_at_one_address_come_apart_again(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x14, 4, 0xf0000000);
    rig_set_config(&fx.rig, F, 0x18, 4, 0xf0000000);
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_MEMORY);
    rig_set_config(&fx.rig, F, 0x18, 4, 0xf8000000);
    assert_int_equal(space_read(fx.rig.memory, 0xf0000004, 1), 0xa4);
    assert_int_equal(space_read(fx.rig.memory, 0xf8000000, 4), 0);
}

static void rom_has_its_own_enable(void **state)
{
    (void)state;
    fx.ram->bytes[0] = 0x55;
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_MEMORY);
    rig_set_config(&fx.rig, F, 0x30, 4, 0xfeb00000);
    assert_int_equal(space_read(fx.rig.memory, 0xfeb00000, 1), 0xff);
    rig_set_config(&fx.rig, F, 0x30, 4, 0xfeb00001);
    assert_int_equal(space_read(fx.rig.memory, 0xfeb00000, 1), 0x55);
    space_write(fx.rig.memory, 0xfeb00000, 1, 0);
    assert_int_equal(space_read(fx.rig.memory, 0xfeb00000, 1), 0x55);
}

static void pins_are_rotated_and_shared(void **state)
{
    (void)state;
    pci_set_intx(fx.f, true);                   /* slot 3 INTA#: PIRQC */
    assert_true(fx.rig.lines[2]);
    assert_int_equal(rig_config(&fx.rig, F, 0x06, 2) & 8, 8);
    pci_set_intx(fx.other, true);               /* slot 7 INTA#: PIRQC too */
    pci_set_intx(fx.f, false);
    assert_true(fx.rig.lines[2]);
    pci_set_intx(fx.other, false);
    assert_false(fx.rig.lines[2]);
}

static void intx_disable_holds_the_pin(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_NO_INTX);
    pci_set_intx(fx.f, true);
    assert_false(fx.rig.lines[2]);
    rig_set_config(&fx.rig, F, 0x04, 2, 0);
    assert_true(fx.rig.lines[2]);
}

static void msi_is_sent_when_enabled(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&fx.rig, F, 0x06, 2) & 0x10, 0x10);
    assert_int_equal(rig_config(&fx.rig, F, 0x34, 1), 0x50);
    assert_int_equal(rig_config(&fx.rig, F, 0x50, 4), 0x00800005);
    pci_send_msi(fx.f);
    assert_int_equal(fx.msi_address, 0);
    rig_set_config(&fx.rig, F, 0x54, 4, 0xfee01004);
    rig_set_config(&fx.rig, F, 0x5c, 2, 0x4041);
    rig_set_config(&fx.rig, F, 0x52, 2, 1);
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_MASTER);
    pci_send_msi(fx.f);
    assert_int_equal(fx.msi_address, 0xfee01004);
    assert_int_equal(fx.msi_data, 0x4041);
}

static void dma_needs_bus_mastering(void **state)
{
    uint32_t word = 0x11223344;

    (void)state;
    assert_false(pci_dma_write(fx.f, 0x1000, &word, 4));
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_MASTER);
    assert_true(pci_dma_write(fx.f, 0x1000, &word, 4));
    assert_int_equal(space_read(fx.rig.memory, 0x1000, 4), word);
}

static void snapshot_restores_the_map(void **state)
{
    (void)state;
    rig_set_config(&fx.rig, F, 0x10, 4, 0xc000);
    rig_set_config(&fx.rig, F, 0x04, 2, PCI_COMMAND_IO);
    rig_check_snapshot(&fx.rig);
    assert_int_equal(in8(&fx.rig, 0xc004), 0xa4);
    device_reset_all(&fx.rig.tree);
    assert_int_equal(in8(&fx.rig, 0xc004), 0xff);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(config_is_read_in_any_width), T(absent_functions_and_buses_read_as_ones), T(only_dwords_select),
        T(read_only_bits_stay), T(sizing_gives_size_and_kind), T(bars_follow_address_and_command),
        T(memory_bars_lie_under_ram), T(two_bars_at_one_address_come_apart_again), T(rom_has_its_own_enable),
        T(pins_are_rotated_and_shared), T(intx_disable_holds_the_pin), T(msi_is_sent_when_enabled),
        T(dma_needs_bus_mastering), T(snapshot_restores_the_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
