/* SPDX-License-Identifier: MIT
 * The device of bare-metal test guests that QEMU calls pc-testdev: a latch, interrupt lines at will, memory that traps. */
#ifndef DEVICES_TESTDEV_H
#define DEVICES_TESTDEV_H

#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

#define TESTDEV_LINES 24

/* Port 2000h + n drives `lines.set` with line `lines.line + n`. */
struct device *testdev_create(struct device_tree *tree, struct space *io, struct space *memory, struct irq lines);

#endif
