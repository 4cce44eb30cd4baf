/* SPDX-License-Identifier: MIT
 * The two 8237A DMA controllers of a PC and their page registers. A device moves its data when it wants to; the channel's
 * registers say where to and how much. */
#ifndef DEVICES_DMA8237_H
#define DEVICES_DMA8237_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"
#include "core/space.h"

struct dma8237;

/* Ports 00h-0Fh, 80h-8Fh and C0h-DFh. */
struct dma8237 *dma8237_create(struct device_tree *t, struct space *memory, struct space *io);

struct dma_result {
    uint32_t moved;             /* bytes, less than asked for at terminal count or while the channel is masked */
    bool terminal_count;
};

/* The device on `channel` (0-3 bytes, 5-7 words) moves up to `len` bytes between `bytes` and memory. The direction is the
 * device's; a channel programmed the other way moves nothing, one programmed for verify only counts. */
struct dma_result dma_transfer(struct dma8237 *dma, unsigned channel, void *bytes, uint32_t len, bool to_memory);

/* Open the cascade as firmware does, so that the byte channels can work. Call after reset, for machines without one. */
void dma8237_skip_firmware(struct dma8237 *dma);

#endif
