/* SPDX-License-Identifier: MIT
 * A serial line: what arrives from outside waits here and enters the port at line speed, in virtual time. */
#ifndef MACHINE_SERIAL_H
#define MACHINE_SERIAL_H

#include "core/clock.h"
#include "core/device.h"
#include "devices/uart16550.h"

struct serial_line;

struct serial_line *serial_line_create(struct device_tree *tree, struct clock *clock, unsigned index, struct uart16550 *uart);
void serial_line_push(struct serial_line *line, const void *bytes, size_t len);     /* from the door; beyond 16 KiB bytes are lost */

#endif
