/* SPDX-License-Identifier: MIT
 * The bridges of the generation 1 board: the 82441FX host bridge (shadow RAM, SMRAM), the PIIX3 ISA bridge (PIRQ routing)
 * and the PIIX4 power management function (where the ACPI ports lie). The IDE function is in ide.h. */
#ifndef DEVICES_CHIPSET_H
#define DEVICES_CHIPSET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"
#include "core/irq.h"
#include "core/ram.h"
#include "core/space.h"
#include "devices/pci.h"

struct chipset;

struct chipset_config {
    struct pci *pci;
    struct space *memory;
    struct space *smm_memory;       /* over `memory`: what processors in SMM see; NULL: the same as all others */
    struct ram *ram;        /* guest-physical 0 up, at least 1 MiB; the machine itself adds it to `memory` at LAYER_RAM */
    struct ram *bios;       /* firmware image: shown below 4 GiB, its last 128 KiB below 1 MiB; NULL: none */
    struct irq isa[16];     /* ISA interrupt lines that PIRQs can be routed to */
    bool smm;               /* processors take SMIs; otherwise firmware finds SMM already set up and leaves it alone */
    /* PM function: the ACPI ports moved to `base`, or vanished. */
    void (*pm_base)(void *self, uint16_t base, bool enabled);
    void *pm_self;
};

/* Slot 0: host bridge; slot 1 function 0: ISA bridge, function 3: power management. */
struct chipset *chipset_create(struct device_tree *t, const struct chipset_config *cfg);

/* An input for a chip whose interrupt shares ISA line `line` with routed PIRQs (the SCI, on 9): levels are or-ed. */
struct irq chipset_shared_irq(struct chipset *c, unsigned line);

/* SMI on a write to the APM control port (PIIX4 DEVACTB bit 25). */
bool chipset_apmc_smi_enabled(const struct chipset *c);

/* Leave the registers as firmware does, for machines started without one: C0000-FFFFF is RAM, PIRQA-D are routed to
 * 10, 10, 11, 11, and the ACPI ports lie at `pm_base`. Call after reset. */
void chipset_skip_firmware(struct chipset *c, uint16_t pm_base);

#endif
