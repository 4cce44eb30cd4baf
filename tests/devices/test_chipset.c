/* SPDX-License-Identifier: MIT
 * 440FX shadow RAM and SMRAM, PIIX3 interrupt routing, where the PIIX4 power management ports lie. */
#include "devices/chipset.h"

#include <string.h>

#include "tests/devices/rig.h"

#define HOST PCI_DEVFN(0, 0)
#define ISA  PCI_DEVFN(1, 0)
#define PM   PCI_DEVFN(1, 3)

static struct rig rig;
static struct pci *pci;
static struct chipset *chipset;
static struct ram *bios;
static struct space *smm_memory;
static uint16_t pm_base;
static bool pm_enabled;

static void on_pm_base(void *self, uint16_t base, bool enabled)
{
    (void)self;
    pm_base = base;
    pm_enabled = enabled;
}

static int setup(void **state)
{
    struct chipset_config cfg = { .memory = NULL };

    (void)state;
    rig_init(&rig);
    MUST(ram_create(&bios, "bios", 0x40000));
    for (uint32_t k = 0; k < 0x40000; k++)
        bios->bytes[k] = (uint8_t)(0xb0 | k >> 16);
    pci = pci_create(&rig.tree, rig.memory, rig.io);
    smm_memory = space_create_over("smm", rig.memory);
    cfg = (struct chipset_config){ .pci = pci, .memory = rig.memory, .smm_memory = smm_memory, .ram = rig.ram, .bios = bios,
                                   .pm_base = on_pm_base };
    for (unsigned k = 0; k < 16; k++)
        cfg.isa[k] = rig_irq(&rig, k);
    chipset = chipset_create(&rig.tree, &cfg);
    device_reset_all(&rig.tree);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_free(smm_memory);
    rig_free(&rig);
    ram_free(bios);
    return 0;
}

static uint8_t mem(gpa_t at) { return (uint8_t)space_read(rig.memory, at, 1); }

static void ids_are_those_firmware_looks_for(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&rig, HOST, 0, 4), 0x12378086);
    assert_int_equal(rig_config(&rig, HOST, 0x2c, 4), 0x11001af4);
    assert_int_equal(rig_config(&rig, ISA, 0, 4), 0x70008086);
    assert_int_equal(rig_config(&rig, ISA, 0x0e, 1), 0x80);
    assert_int_equal(rig_config(&rig, PM, 0, 4), 0x71138086);
    assert_int_equal(rig_config(&rig, PM, 0x3d, 1), 1);
}

static void firmware_is_seen_at_reset(void **state)
{
    (void)state;
    assert_int_equal(mem(0xfffc0000), 0xb0);
    assert_int_equal(mem(0xfffffff0), 0xb3);
    assert_int_equal(mem(0xe0000), 0xb2);
    assert_int_equal(mem(0xffff0), 0xb3);
    assert_int_equal(mem(0xc0000), 0xff);
    assert_int_equal(mem(0xbffff), 0);
    space_write(rig.memory, 0xf0000, 1, 1);
    space_write(rig.memory, 0xc0000, 1, 1);
    assert_int_equal(mem(0xf0000), 0xb3);
    assert_int_equal(rig.ram->bytes[0xf0000], 0);
    assert_int_equal(rig.ram->bytes[0xc0000], 0);
}

/* "PAM": 00 bus, 01 read DRAM, 10 write DRAM, 11 both, for each of the thirteen segments. */
static void every_segment_has_four_states(void **state)
{
    static const struct { gpa_t at; uint8_t reg, shift; } segments[] = {
        { 0xf0000, 0x59, 4 }, { 0xc0000, 0x5a, 0 }, { 0xc4000, 0x5a, 4 }, { 0xc8000, 0x5b, 0 }, { 0xcc000, 0x5b, 4 },
        { 0xd0000, 0x5c, 0 }, { 0xd4000, 0x5c, 4 }, { 0xd8000, 0x5d, 0 }, { 0xdc000, 0x5d, 4 }, { 0xe0000, 0x5e, 0 },
        { 0xe4000, 0x5e, 4 }, { 0xe8000, 0x5f, 0 }, { 0xec000, 0x5f, 4 },
    };

    (void)state;
    for (unsigned k = 0; k < sizeof segments / sizeof segments[0]; k++) {
        gpa_t at = segments[k].at + 0x123;
        uint8_t bus = mem(at);

        rig.ram->bytes[at] = 0x11;
        rig_set_config(&rig, HOST, segments[k].reg, 1, 1u << segments[k].shift);
        assert_int_equal(mem(at), 0x11);
        space_write(rig.memory, at, 1, 0x22);
        assert_int_equal(rig.ram->bytes[at], 0x11);
        rig_set_config(&rig, HOST, segments[k].reg, 1, 2u << segments[k].shift);
        assert_int_equal(mem(at), bus);
        space_write(rig.memory, at, 4, 0x33333333);
        assert_int_equal(mem(at), bus);
        assert_int_equal(rig.ram->bytes[at + 3], 0x33);
        rig_set_config(&rig, HOST, segments[k].reg, 1, 3u << segments[k].shift);
        assert_int_equal(mem(at), 0x33);
        space_write(rig.memory, at, 1, 0x44);
        assert_int_equal(mem(at), 0x44);
        rig_set_config(&rig, HOST, segments[k].reg, 1, 0);
        assert_int_equal(mem(at), bus);
    }
}

static void neighbours_keep_their_state(void **state)
{
    (void)state;
    rig_set_config(&rig, HOST, 0x5a, 1, 0x22);      /* C0000 and C4000 write-only */
    rig_set_config(&rig, HOST, 0x5b, 1, 0x02);      /* C8000 too */
    rig_set_config(&rig, HOST, 0x5a, 1, 0x23);      /* C0000 now both */
    space_write(rig.memory, 0xc4000, 1, 0x55);
    space_write(rig.memory, 0xc8000, 1, 0x66);
    space_write(rig.memory, 0xc0000, 1, 0x77);
    assert_int_equal(rig.ram->bytes[0xc4000], 0x55);
    assert_int_equal(rig.ram->bytes[0xc8000], 0x66);
    assert_int_equal(mem(0xc0000), 0x77);
    assert_int_equal(mem(0xc4000), 0xff);
}

static void plain_shadow_is_whole_pages(void **state)
{
    (void)state;
    assert_non_null(space_page(rig.memory, 0xf0000).host);
    assert_int_equal(space_page(rig.memory, 0xf0000).rights & ACCESS_WRITE, 0);
    rig_set_config(&rig, HOST, 0x59, 1, 0x30);
    assert_ptr_equal(space_page(rig.memory, 0xf0000).host, rig.ram->bytes + 0xf0000);
}

static void open_smram_shows_dram(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&rig, HOST, 0x72, 1), 0x02);
    rig_set_config(&rig, HOST, 0x72, 1, 0x4a);
    space_write(rig.memory, 0xa0000, 1, 0x12);
    assert_int_equal(rig.ram->bytes[0xa0000], 0x12);
    rig_set_config(&rig, HOST, 0x72, 1, 0x0a);
    rig_set_config(&rig, HOST, 0x72, 1, 0x1a);      /* lock: open stays clear until reset */
    rig_set_config(&rig, HOST, 0x72, 1, 0x4a);
    assert_int_equal(rig_config(&rig, HOST, 0x72, 1), 0x1a);
    device_reset_all(&rig.tree);
    assert_int_equal(rig_config(&rig, HOST, 0x72, 1), 0x02);
}

static struct pci_function *card(unsigned slot)
{
    static const struct pci_id id = { .vendor = 1, .irq_pin = 1 };
    struct pci_function *f = pci_add(pci, &rig.tree, PCI_DEVFN(slot, 0), "card", &id);

    device_reset_all(&rig.tree);
    return f;
}

static void pirqs_are_routed_and_shared(void **state)
{
    struct pci_function *one, *two;

    (void)state;
    one = card(2);                                  /* slot 2 INTA#: PIRQB */
    two = card(3);                                  /* slot 3 INTA#: PIRQC */
    assert_int_equal(rig_config(&rig, ISA, 0x61, 1), 0x80);
    pci_set_intx(one, true);
    assert_false(rig.lines[11]);
    rig_set_config(&rig, ISA, 0x61, 1, 11);
    assert_true(rig.lines[11]);
    rig_set_config(&rig, ISA, 0x62, 1, 11);
    pci_set_intx(two, true);
    pci_set_intx(one, false);
    assert_true(rig.lines[11]);
    assert_int_equal(rig.edges[11], 1);
    rig_set_config(&rig, ISA, 0x62, 1, 10);
    assert_false(rig.lines[11]);
    assert_true(rig.lines[10]);
    rig_set_config(&rig, ISA, 0x62, 1, 8);          /* reserved */
    assert_false(rig.lines[10] || rig.lines[8]);
}

static void the_sci_shares_its_line(void **state)
{
    struct irq sci = chipset_shared_irq(chipset, 9);
    struct pci_function *f;

    (void)state;
    f = card(2);
    rig_set_config(&rig, ISA, 0x61, 1, 9);
    irq_set(&sci, true);
    pci_set_intx(f, true);
    irq_set(&sci, false);
    assert_true(rig.lines[9]);
    pci_set_intx(f, false);
    assert_false(rig.lines[9]);
}

static void pm_ports_move(void **state)
{
    (void)state;
    rig_set_config(&rig, PM, 0x40, 4, 0x601);
    assert_false(pm_enabled);
    rig_set_config(&rig, PM, 0x80, 1, 1);
    assert_true(pm_enabled);
    assert_int_equal(pm_base, 0x600);
    assert_int_equal(rig_config(&rig, PM, 0x40, 4), 0x601);
    device_reset_all(&rig.tree);
    assert_false(pm_enabled);
}

static void firmware_finds_smm_done_where_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(rig_config(&rig, PM, 0x58, 4) >> 25 & 1, 1);
    assert_false(chipset_apmc_smi_enabled(chipset));
}

/* 82441FX "SMRAM": G_SMRAME for SMM alone, D_OPEN for all, D_LCK until reset. */
static void smram_is_seen_in_smm(void **state)
{
    (void)state;
    rig.ram->bytes[0xb0000] = 0x77;
    rig.ram->bytes[0x40000] = 0xff;         /* stands for the VGA window */
    space_add_ram(rig.memory, 0xb0000, rig.ram, 0x40000, PAGE_SIZE, ACCESS_READ, LAYER_DEVICE);
    assert_int_equal(space_read(smm_memory, 0xb0000, 1), 0xff);
    rig_set_config(&rig, HOST, 0x72, 1, 0x0a);
    assert_int_equal(space_read(smm_memory, 0xb0000, 1), 0x77);
    assert_int_equal(mem(0xb0000), 0xff);
    rig_set_config(&rig, HOST, 0x72, 1, 0x4a);
    assert_int_equal(mem(0xb0000), 0x77);
    rig_set_config(&rig, HOST, 0x72, 1, 0x1a);
    rig_set_config(&rig, HOST, 0x72, 1, 0x42);
    assert_int_equal(rig_config(&rig, HOST, 0x72, 1), 0x1a);
    assert_int_equal(mem(0xb0000), 0xff);
    assert_int_equal(space_read(smm_memory, 0xb0000, 1), 0x77);
    device_reset_all(&rig.tree);
    assert_int_equal(space_read(smm_memory, 0xb0000, 1), 0xff);
}

static void snapshot_restores_shadowing(void **state)
{
    (void)state;
    rig_set_config(&rig, HOST, 0x59, 1, 0x30);
    rig_set_config(&rig, HOST, 0x5a, 1, 0x21);
    rig_set_config(&rig, HOST, 0x72, 1, 0x0a);
    rig.ram->bytes[0xa0000] = 0x66;
    space_add_ram(rig.memory, 0xa0000, rig.ram, 0x40000, PAGE_SIZE, ACCESS_READ, LAYER_DEVICE);
    rig_set_config(&rig, PM, 0x40, 4, 0xb000);
    rig_set_config(&rig, PM, 0x80, 1, 1);
    pm_base = 0;
    rig_check_snapshot(&rig);
    assert_int_equal(pm_base, 0xb000);
    assert_int_equal(space_read(smm_memory, 0xa0000, 1), 0x66);
    assert_int_equal(mem(0xa0000), 0);
    space_write(rig.memory, 0xf0000, 1, 0x99);
    assert_int_equal(mem(0xf0000), 0x99);
}

static void skipping_firmware_opens_the_board(void **state)
{
    (void)state;
    chipset_skip_firmware(chipset, 0x600);
    space_write(rig.memory, 0xc0000, 1, 0x12);
    space_write(rig.memory, 0xfffff, 1, 0x34);
    assert_int_equal(rig.ram->bytes[0xc0000], 0x12);
    assert_int_equal(rig.ram->bytes[0xfffff], 0x34);
    assert_true(pm_enabled);
    assert_int_equal(rig_config(&rig, ISA, 0x60, 4), 0x0b0b0a0a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ids_are_those_firmware_looks_for), T(firmware_is_seen_at_reset), T(every_segment_has_four_states),
        T(neighbours_keep_their_state), T(plain_shadow_is_whole_pages), T(open_smram_shows_dram),
        T(pirqs_are_routed_and_shared), T(the_sci_shares_its_line), T(pm_ports_move),
        T(firmware_finds_smm_done_where_there_is_none), T(snapshot_restores_shadowing), T(smram_is_seen_in_smm),
        T(skipping_firmware_opens_the_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
