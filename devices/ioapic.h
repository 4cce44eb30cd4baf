/* SPDX-License-Identifier: MIT
 * 82093AA I/O APIC with 24 inputs and the EOI register of its version 20h successors. */
#ifndef DEVICES_IOAPIC_H
#define DEVICES_IOAPIC_H

#include "core/device.h"
#include "core/space.h"
#include "devices/apic_bus.h"

#define IOAPIC_PINS 24
#define IOAPIC_BASE 0xfec00000u

struct ioapic;

/* At IOAPIC_BASE of `memory`; takes the bus's EOI broadcasts. */
struct ioapic *ioapic_create(struct device_tree *tree, struct space *memory, struct apic_bus *bus);
/* struct irq.set. `level` is assertion: a pulled-down active-low wire is true, so the polarity bit changes nothing. */
void ioapic_set_irq(void *ioapic, unsigned pin, bool level);

#endif
