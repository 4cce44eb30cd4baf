/* SPDX-License-Identifier: MIT
 * The board's half of MS-DOS compatible x87 errors: FERR# becomes IRQ 13, a write to port F0h takes it back and holds IGNNE#
 * for as long as the error lasts. */
#ifndef DEVICES_COPROCESSOR_H
#define DEVICES_COPROCESSOR_H

#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

struct coprocessor;

struct coprocessor *coprocessor_create(struct device_tree *tree, struct space *io, struct irq irq13, struct irq ignne);
void coprocessor_error(struct coprocessor *c, bool level);      /* FERR# */

#endif
