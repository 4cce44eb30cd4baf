/* SPDX-License-Identifier: MIT
 * The 8042 keyboard controller at 60h/64h with its keyboard and mouse, and system control port A at 92h. */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

struct i8042;

/* IRQ 1 and IRQ 12. `reset`: FEh to port 64h or bit 0 of port 92h pulses the processors' INIT (RCIN# of an 82371). */
struct i8042 *i8042_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq keyboard_irq,
                           struct irq mouse_irq, void (*reset)(void *self), void *reset_self);
void i8042_key(struct i8042 *c, uint16_t scancode, bool pressed);               /* as ps2_key() */
void i8042_mouse(struct i8042 *c, int dx, int dy, int dz, unsigned buttons);    /* as ps2_mouse() */
unsigned i8042_leds(const struct i8042 *c);                                     /* as ps2_leds() */
bool i8042_a20(const struct i8042 *c);      /* as last set here or at 92h; the line itself is always on */

#endif
