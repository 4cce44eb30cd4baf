/* SPDX-License-Identifier: MIT
 * The PIIX3 IDE function: two channels with two ATA or ATAPI drives each, on the legacy ports, with bus mastering. */
#ifndef DEVICES_IDE_H
#define DEVICES_IDE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"
#include "devices/block/block.h"
#include "devices/pci.h"

struct ide;

struct ide_config {
    struct pci *pci;
    uint8_t devfn;          /* PIIX: slot 1 function 1 */
    struct space *io;
    struct clock *clock;
    struct irq irq[2];      /* ISA lines 14 and 15 */
};

struct ide *ide_create(struct device_tree *t, const struct ide_config *cfg);

/* Before the first reset. The drive takes the block over. `serial` at most 20 characters, NULL: one made from the place.
 * A CD-ROM drive may be empty. */
void ide_attach_disk(struct ide *ide, unsigned channel, unsigned unit, struct block *disk, const char *serial);
void ide_attach_cdrom(struct ide *ide, unsigned channel, unsigned unit, struct block *disc);

/* While running, in the machine loop: another disc (NULL: none). The old one is closed. */
void ide_change_disc(struct ide *ide, unsigned channel, unsigned unit, struct block *disc);

/* Decode the legacy ports and the bus master registers as firmware leaves them. Call after reset. */
void ide_skip_firmware(struct ide *ide, uint16_t bus_master_base);

#endif
