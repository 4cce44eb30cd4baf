/* SPDX-License-Identifier: MIT
 * Chips whose state was loaded from noise, and chips poked at random: nothing may crash, hang or leave its arrays. Meant to
 * be run under the sanitizers; the noise is the same every time. */
#include <string.h>

#include "base/bytes.h"
#include "core/nondet.h"
#include "devices/acpi_pm.h"
#include "devices/debugcon.h"
#include "devices/hpet.h"
#include "devices/i8042.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pic8259.h"
#include "devices/pit8254.h"
#include "devices/rtc146818.h"
#include "devices/testdev.h"
#include "devices/uart16550.h"
#include "tests/devices/rig.h"

#define ROUNDS 300
#define POKES  200

static struct rig rig;
static struct nondet *nd;
static struct pic8259 *pic;
static struct i8042 *kbc;
static struct lapic *lapic;
static struct apic_bus *bus;
static struct uart16550 *uart;
static uint64_t seed;

static uint64_t noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void on_exit_value(void *self, uint32_t value) { (void)self, (void)value; }
static void on_shutdown(void *self) { (void)self; }

static int set_up(void **state)
{
    static const struct acpi_pm_host host = { 0 };
    struct lapic_config apic = { .x2apic = true, .tsc_deadline = true, .phys_bits = 40 };
    struct hpet_config hpet = { .isa = rig_irq(&rig, 0), .msi = apic_bus_msi };

    (void)state;
    seed = 0x9e3779b97f4a7c15;
    nd = nondet_create();
    rig_init(&rig);
    bus = apic_bus_create(&rig.tree, rig.memory);
    hpet.msi_self = bus;
    pic = pic_create(&rig.tree, rig.io, (struct irq){ apic_bus_set_lint, bus, 0 });
    ioapic_create(&rig.tree, rig.memory, bus);
    lapic = lapic_create(&rig.tree, bus, &rig.clock, &apic);
    lapic_connect_pic(lapic, pic_acknowledge, pic);
    pit_create(&rig.tree, rig.io, &rig.clock, (struct irq){ pic_set_irq, pic, 0 });
    rtc_set_wall_clock(rtc_create(&rig.tree, rig.io, &rig.clock, nd, (struct irq){ pic_set_irq, pic, 8 }), 1);
    acpi_pm_set_base(acpi_pm_create(&rig.tree, rig.io, &rig.clock, rig_irq(&rig, 9), &host), 0x600, true);
    kbc = i8042_create(&rig.tree, rig.io, &rig.clock, rig_irq(&rig, 1), rig_irq(&rig, 12), NULL, NULL);
    uart = uart_create(&rig.tree, rig.io, &rig.clock, 0, 0x3f8, rig_irq(&rig, 4));
    hpet_create(&rig.tree, rig.memory, &rig.clock, &hpet);
    testdev_create(&rig.tree, rig.io, rig.memory, (struct irq){ 0 });
    debug_exit_create(&rig.tree, rig.io, 0xf4, 4, on_exit_value, NULL);
    shutdown_port_create(&rig.tree, rig.io, on_shutdown, NULL);
    device_reset_all(&rig.tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    nondet_free(nd);
    return 0;
}

static uint16_t some_port(void)
{
    static const uint16_t bases[] = { 0x20, 0xa0, 0x4d0, 0x40, 0x61, 0x70, 0x72, 0x600, 0x604, 0x608, 0x60c, 0xb2, 0xcf9,
                                      0x60, 0x64, 0x92, 0x3f8, 0x3fc, 0xe0, 0xe8, 0x2000, 0x8900 };

    return (uint16_t)(bases[noise() % (sizeof bases / sizeof bases[0])] + noise() % 4);
}

static gpa_t some_address(void)
{
    static const uint32_t bases[] = { 0xfee00000, 0xfec00000, 0xfed00000, 0xff000000 };
    static const uint16_t spans[] = { 0x400, 0x50, 0x160, 0xffff };
    unsigned k = noise() % 4;

    return bases[k] + noise() % spans[k];
}

static void poke(void)
{
    unsigned bytes = 1u << noise() % 4;

    switch (noise() % 10) {
    case 0: case 1: case 2:
        space_write(rig.io, some_port(), bytes > 4 ? 4 : bytes, noise() >> noise() % 64);
        break;
    case 3:
        space_read(rig.io, some_port(), bytes > 4 ? 4 : bytes);
        break;
    case 4: case 5:
        space_write(rig.memory, some_address() & ~15ull, 4, noise() >> noise() % 64);
        break;
    case 6:
        space_read(rig.memory, some_address(), bytes);
        break;
    case 7:
        rig_wait_next(&rig);
        break;
    case 8:
        if (lapic_ops.pending(lapic) != APIC_NONE)
            lapic_ops.accept(lapic);
        lapic_ops.set_base(lapic, 0xfee00900 | (noise() & 0x400));
        break;
    default:
        i8042_key(kbc, (uint16_t)(noise() & 0xe0ff), noise() & 1);
        i8042_mouse(kbc, (int16_t)noise(), (int16_t)noise(), (int8_t)noise(), (unsigned)noise());
        uart_receive(uart, "noise", noise() % 6);
        pic_set_irq(pic, noise() % 20, noise() & 1);
        break;
    }
}

static void random_accesses(void **state)
{
    (void)state;
    for (unsigned k = 0; k < ROUNDS * POKES; k++)
        poke();
    rig_check_snapshot(&rig);
}

/* Noise of several kinds: dense, sparse, all ones. Times stay within a century, which the loader of the clock sees to. */
static void load_noise(struct device *dev)
{
    uint8_t *bytes = device_state(dev);
    unsigned kind = noise() % 4;
    size_t len = dev->class->state->size;

    if (kind == 3) {
        memset(bytes, 0xff, len);
        return;
    }
    for (size_t k = 0; k < len; k++)
        if (kind == 0 || noise() % 8 == 0)
            bytes[k] = (uint8_t)noise();
}

static void hostile_states(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (struct device *dev = rig.tree.first; dev != NULL; dev = dev->next) {
            struct writer w = { 0 };
            struct reader in;

            if (dev->class->state == NULL)
                continue;
            load_noise(dev);
            device_save(dev, &w);
            in = reader_of(w.bytes, w.len);
            MUST(device_load(dev, &in));
            writer_free(&w);
        }
        for (unsigned k = 0; k < POKES; k++)
            poke();
        device_reset_all(&rig.tree);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { T(random_accesses), T(hostile_states) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
