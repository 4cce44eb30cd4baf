/* SPDX-License-Identifier: MIT
 * Ports that exist only in emulators: the debug console of firmware, the exit port of test guests, and the shutdown port. */
#ifndef DEVICES_DEBUGCON_H
#define DEVICES_DEBUGCON_H

#include <stdint.h>

#include "core/device.h"
#include "core/space.h"

#define DEBUGCON_PORT  0x402
#define SHUTDOWN_PORT  0x8900

/* A byte sink at `port` that reads E9h, by which firmware knows it. */
struct device *debugcon_create(struct device_tree *tree, struct space *io, uint16_t port,
                               void (*out)(void *self, uint8_t byte), void *self);
/* A write of v, of any width, at `base`..`base + size - 1` ends the program; the usual status is 2v+1. */
struct device *debug_exit_create(struct device_tree *tree, struct space *io, uint16_t base, uint16_t size,
                                 void (*exit)(void *self, uint32_t value), void *self);
/* "Shutdown", byte by byte, at SHUTDOWN_PORT. */
struct device *shutdown_port_create(struct device_tree *tree, struct space *io, void (*shutdown)(void *self), void *self);

#endif
