/* SPDX-License-Identifier: MIT
 * A local APIC in xAPIC and x2APIC mode, with its timer. */
#ifndef DEVICES_LAPIC_H
#define DEVICES_LAPIC_H

#include "core/apic.h"
#include "core/clock.h"
#include "core/device.h"
#include "devices/apic_bus.h"

#define LAPIC_DEFAULT_HZ 200000000u

struct lapic_config {
    uint32_t index;                     /* place on the bus and initial APIC id; 0 is the bootstrap processor */
    uint64_t apic_hz;                   /* input of the timer's divider; 0: LAPIC_DEFAULT_HZ */
    uint64_t tsc_hz;                    /* TSC = ns * tsc_hz / 1e9 + offset */
    unsigned phys_bits;                 /* MAXPHYADDR; 0: 52, or lapic_set_phys_bits() */
    bool x2apic;                        /* CPUID.1:ECX[21] */
    bool tsc_deadline;                  /* CPUID.1:ECX[24] */
    bool cmci;                          /* IA32_MCG_CAP[10], or lapic_set_cmci() */
};

struct lapic *lapic_create(struct device_tree *tree, struct apic_bus *bus, struct clock *clock,
                           const struct lapic_config *cfg);
extern const struct apic_ops lapic_ops;                 /* self: the struct lapic */

void lapic_connect(struct lapic *l, const struct apic_client *processor);
/* INTA cycles go to the 8259: returns its vector. */
void lapic_connect_pic(struct lapic *l, int (*acknowledge)(void *self), void *self);
/* The processor's TSC offset, asked when a deadline is armed; lapic_tsc_changed() after it moved. */
void lapic_connect_tsc(struct lapic *l, uint64_t (*offset)(void *self), void *self);
void lapic_tsc_changed(struct lapic *l);
void lapic_set_phys_bits(struct lapic *l, unsigned bits);       /* for processors that are created after their APIC */
void lapic_set_cmci(struct lapic *l, bool exists);

void lapic_set_lint(void *lapic, unsigned pin, bool level);     /* struct irq.set; pins 0 and 1 */
/* As firmware leaves it on the bootstrap processor: enabled, LINT0 ExtINT, LINT1 NMI. For boots without firmware. */
void lapic_enter_virtual_wire(struct lapic *l);

/* The bus's questions. */
bool     lapic_matches(const struct lapic *l, uint32_t dest, bool logical);
void     lapic_catch_up(struct lapic *l);     /* an EOI that the guest gave by clearing the assist word takes effect */
unsigned lapic_arbitration_priority(const struct lapic *l);
bool     lapic_accepts(const struct lapic *l, enum apic_mode mode);
void     lapic_receive(struct lapic *l, enum apic_mode mode, unsigned vector, bool level);
uint64_t lapic_window_read(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes);
void     lapic_window_write(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes, uint64_t value);

#endif
