/* SPDX-License-Identifier: MIT
 * The 8254 interval timer at 40h-43h and the system control port B at 61h (speaker gate, refresh toggle). */
#ifndef DEVICES_PIT8254_H
#define DEVICES_PIT8254_H

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

#define PIT_HZ 1193182u

struct pit8254;

/* `out` is OUT of counter 0: IRQ 0. */
struct pit8254 *pit_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq out);
uint32_t pit_speaker_hz(const struct pit8254 *pit);     /* the tone on the speaker now, 0 when silent */

#endif
