/* SPDX-License-Identifier: MIT
 * High precision event timers: a 64-bit counter of 100 MHz and three comparators (IA-PC HPET specification 1.0a). */
#ifndef DEVICES_HPET_H
#define DEVICES_HPET_H

#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

#define HPET_BASE      0xfed00000u
#define HPET_HZ        100000000u
#define HPET_ID        0x8086a201u      /* low half of the capability register, also in the ACPI table */

struct hpet;

struct hpet_config {
    struct irq isa;         /* lines 0 and 8 of `isa.set`: the legacy timers' and, replacing them, comparators 0 and 1 */
    struct irq pins;        /* I/O APIC pins 20-23 of `pins.set` */
    void (*msi)(void *self, uint64_t address, uint32_t data);
    void *msi_self;
};

struct hpet *hpet_create(struct device_tree *tree, struct space *memory, struct clock *clock, const struct hpet_config *cfg);
/* struct irq.set for the 8254 (line 0) and the RTC (line 8), which legacy replacement cuts off. */
void hpet_set_legacy(void *hpet, unsigned line, bool level);

#endif
