/* SPDX-License-Identifier: MIT
 * The two cascaded 8259A interrupt controllers of a PC with their edge/level registers. */
#ifndef DEVICES_PIC8259_H
#define DEVICES_PIC8259_H

#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

struct pic8259;

/* `out` is the master's INT pin: LINT0 of the local APICs. */
struct pic8259 *pic_create(struct device_tree *tree, struct space *io, struct irq out);
void pic_set_irq(void *pic, unsigned line, bool level);     /* struct irq.set: inputs 0-15; 2, the cascade, is ignored */
int  pic_acknowledge(void *pic);                            /* the processor's INTA cycles: the vector */

#endif
