/* SPDX-License-Identifier: MIT
 * ACPI fixed hardware of a PIIX4: PM1 event and control, PM timer, GPE0, the SMI command ports and the reset control
 * register. The PCI function that says where the block lies is the chipset's. */
#ifndef DEVICES_ACPI_PM_H
#define DEVICES_ACPI_PM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

/* Offsets from the base of the block, for the FADT. */
enum { ACPI_PM1_EVENT = 0x00, ACPI_PM1_CONTROL = 0x04, ACPI_PM_TIMER = 0x08, ACPI_GPE0 = 0x0c, ACPI_GLOBAL_CONTROL = 0x28,
       ACPI_PM_SIZE = 0x40 };
enum { ACPI_GPE0_BYTES = 4, ACPI_SMI_PORT = 0xb2, ACPI_ENABLE = 0xf1, ACPI_DISABLE = 0xf0, ACPI_RESET_PORT = 0xcf9,
       ACPI_RESET_VALUE = 0x06, ACPI_S5_TYPE = 0 };
#define ACPI_PM_TIMER_HZ 3579545u

struct acpi_pm;

/* What the chip asks of the machine; any may be NULL. */
struct acpi_pm_host {
    void (*poweroff)(void *self);
    void (*reset)(void *self);
    void (*smi)(void *self);                /* the command port was written while DEVACTB and GLBCTL allow it */
    void *self;
    void (*init)(void *self);               /* soft reset: INIT to the processors; NULL: `reset` does for it */
};

/* `sci` is IRQ 9. */
struct acpi_pm *acpi_pm_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq sci,
                               const struct acpi_pm_host *host);
void acpi_pm_set_base(void *pm, uint16_t base, bool enabled);       /* fits chipset_config.pm_base */
void acpi_pm_connect_smi(struct acpi_pm *pm, bool (*enabled)(void *self), void *self);   /* DEVACTB: asked at each command */
void acpi_pm_power_button(struct acpi_pm *pm);
void acpi_pm_set_gpe(void *pm, unsigned event, bool level);     /* struct irq.set; events 0-15, a rise sets status */

#endif
