/* SPDX-License-Identifier: MIT
 * An interrupt line: who to tell, and which input of theirs. */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>
#include <stddef.h>

struct irq {
    void (*set)(void *self, unsigned line, bool level);
    void *self;
    unsigned line;
};

static inline void irq_set(const struct irq *irq, bool level)
{
    if (irq->set != NULL)
        irq->set(irq->self, irq->line, level);
}

static inline void irq_pulse(const struct irq *irq)
{
    irq_set(irq, true);
    irq_set(irq, false);
}

#endif
