/* SPDX-License-Identifier: MIT
 * The 8042 keyboard controller at 60h/64h with its keyboard and mouse, and system control port A at 92h. */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include <stdbool.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"
#include "devices/ps2.h"

struct i8042;

/* `reset`: FEh to port 64h or bit 0 of port 92h pulses the processors' reset. Keyboard and mouse: *_create of ps2.h. */
struct i8042 *i8042_create(struct device_tree *tree, struct space *io, struct clock *clock, struct ps2 *keyboard,
                           struct ps2 *mouse, struct irq keyboard_irq, struct irq mouse_irq);
void i8042_connect_reset(struct i8042 *c, void (*reset)(void *self), void *self);
bool i8042_a20(const struct i8042 *c);      /* as last set here or at 92h; the line itself is always on */

#endif
