/* SPDX-License-Identifier: MIT
 * A PS/2 keyboard (scan code sets 1 and 2) and a PS/2 wheel mouse, as the devices at the two ports of an 8042. */
#ifndef DEVICES_PS2_H
#define DEVICES_PS2_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"

struct ps2;

struct ps2 *ps2_keyboard_create(struct device_tree *tree);
struct ps2 *ps2_mouse_create(struct device_tree *tree);

/* The controller's side. `ready` is called when there is something to read. */
void ps2_connect(struct ps2 *p, void (*ready)(void *self), void *self);
void ps2_write(struct ps2 *p, uint8_t byte);            /* a command or its parameter */
bool ps2_has_data(const struct ps2 *p);
uint8_t ps2_read(struct ps2 *p);

/* The user's side. A key is its set 1 make code, E0xxh when extended; Pause is E11Dh (its release sends nothing). */
void ps2_key(struct ps2 *keyboard, uint16_t scancode, bool pressed);
/* Movement in screen directions (dy grows downwards), wheel steps away from the user, buttons: 1 left, 2 right, 4 middle,
 * 8 and 16 the side buttons. */
void ps2_mouse(struct ps2 *mouse, int dx, int dy, int dz, unsigned buttons);
unsigned ps2_leds(const struct ps2 *keyboard);          /* 1 scroll, 2 num, 4 caps */

extern const uint8_t ps2_set2_to_set1[256];             /* the 8042's translation, without the F0h prefix */

#endif
