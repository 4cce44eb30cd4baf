/* SPDX-License-Identifier: MIT
 * A 16550A serial port. What the guest sends leaves at once; what arrives is taken while the receiver has room. */
#ifndef DEVICES_UART16550_H
#define DEVICES_UART16550_H

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

struct uart16550;

enum uart_modem { UART_CTS = 0x10, UART_DSR = 0x20, UART_RI = 0x40, UART_DCD = 0x80 };

/* `index` 0-3 names it "uart.N"; registers at `base`..`base`+7 of `io`. */
struct uart16550 *uart_create(struct device_tree *tree, struct space *io, struct clock *clock, unsigned index, uint16_t base,
                              struct irq irq);
void   uart_connect(struct uart16550 *uart, void (*out)(void *self, uint8_t byte), void *self);
size_t uart_receive(struct uart16550 *uart, const void *bytes, size_t len); /* how many were taken: at most uart_room() */
size_t uart_room(const struct uart16550 *uart);                             /* none while the port loops back */
void   uart_set_modem(struct uart16550 *uart, uint8_t lines);               /* enum uart_modem; at first CTS, DSR, DCD */

#endif
