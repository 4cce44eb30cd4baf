/* SPDX-License-Identifier: MIT
 * Up to four local APICs on a bus with an I/O APIC, and a record of what each tells its processor. */
#ifndef TESTS_DEVICES_APICS_H
#define TESTS_DEVICES_APICS_H

#include <string.h>

#include "base/bytes.h"
#include "devices/apic_bus.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "tests/devices/rig.h"

#define APICS 4
#define APIC_PAGE 0xfee00000u

static struct rig rig;
static struct apic_bus *bus;
static struct ioapic *ioapic;
static struct lapic *lapics[APICS];
static unsigned signals[APICS][5];      /* by enum apic_signal */
static unsigned sipi_vector[APICS];

static void on_signal(void *self, enum apic_signal what, unsigned vector)
{
    size_t index = (size_t)((unsigned (*)[5])self - signals);

    signals[index][what]++;
    if (what == APIC_SIGNAL_SIPI)
        sipi_vector[index] = vector;
}

static int apics_set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(signals, 0, sizeof signals);
    bus = apic_bus_create(&rig.tree, rig.memory);
    ioapic = ioapic_create(&rig.tree, rig.memory, bus);
    for (unsigned k = 0; k < APICS; k++) {
        struct lapic_config cfg = { .index = k, .tsc_hz = 2000000000, .phys_bits = 40, .x2apic = true,
                                    .tsc_deadline = true };
        struct apic_client client = { on_signal, signals[k] };

        lapics[k] = lapic_create(&rig.tree, bus, &rig.clock, &cfg);
        lapic_connect(lapics[k], &client);
    }
    device_reset_all(&rig.tree);
    for (unsigned k = 0; k < APICS; k++)
        lapic_ops.write(lapics[k], 0x0f, 0x1ff);        /* software enable */
    return 0;
}

static int apics_tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static inline uint64_t apic_read(unsigned n, unsigned reg)
{
    uint64_t value = 0;

    assert_true(lapic_ops.read(lapics[n], reg, &value));
    return value;
}

static inline void apic_write(unsigned n, unsigned reg, uint64_t value)
{
    assert_true(lapic_ops.write(lapics[n], reg, value));
}

static inline int pending(unsigned n) { return lapic_ops.pending(lapics[n]); }
static inline int accept(unsigned n) { return lapic_ops.accept(lapics[n]); }
static inline void enter_x2apic(unsigned n)
{
    assert_true(lapic_ops.set_base(lapics[n], lapic_ops.base(lapics[n]) | 0x400));
}

#endif
