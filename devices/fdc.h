/* SPDX-License-Identifier: MIT
 * The 82077AA floppy disk controller with two drives, on DMA channel 2. */
#ifndef DEVICES_FDC_H
#define DEVICES_FDC_H

#include <stdint.h>

#include "base/err.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"
#include "devices/block/block.h"
#include "devices/dma8237.h"

struct fdc;

/* Ports 3F2h-3F5h and 3F7h; `irq` is ISA line 6. */
struct fdc *fdc_create(struct device_tree *t, struct space *io, struct clock *clock, struct dma8237 *dma, struct irq irq);

/* Before the first reset: a drive fit for the disk, which it takes over; with NULL an empty 1.44 MB drive. An image larger
 * than any floppy is an error, and then stays the caller's. */
struct err fdc_attach(struct fdc *f, unsigned drive, struct block *disk) MUST_USE;

/* While running, in the machine loop: another disk (NULL: none). The old one is closed. */
struct err fdc_change_disk(struct fdc *f, unsigned drive, struct block *disk) MUST_USE;

/* Drive type as CMOS byte 10h has it: 0 none, 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
uint8_t fdc_drive_type(const struct fdc *f, unsigned drive);

#endif
