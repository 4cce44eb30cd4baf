/* SPDX-License-Identifier: MIT
 * The local APIC as its neighbours see it: the processor, SynIC and the I/O APIC meet here and include nothing of each other. */
#ifndef CORE_APIC_H
#define CORE_APIC_H

#include <stdbool.h>
#include <stdint.h>

#define APIC_NONE    (-1)
#define APIC_EXTINT  256    /* pending(): the 8259 wants in through LINT0 */

enum apic_trigger { APIC_EDGE, APIC_LEVEL, APIC_AUTO_EOI };

/* A word of the guest's memory that says "this interrupt needs no EOI", which the guest clears instead of writing EOI (TLFS
 * 10.3.5). get: is it set? set: false when there is no such word now. */
struct apic_assist {
    bool (*get)(void *arg);
    bool (*set)(void *arg, bool no_eoi_required);
};

/* IA32_APIC_BASE */
enum { LAPIC_BASE_BSP = 1 << 8, LAPIC_BASE_EXTD = 1 << 10, LAPIC_BASE_EN = 1 << 11 };

struct apic_ops {
    int      (*pending)(void *self);                        /* highest deliverable vector, APIC_EXTINT or APIC_NONE */
    int      (*accept)(void *self);                         /* acknowledge it; the vector (from the 8259 for EXTINT) */
    void     (*request)(void *self, unsigned vector, enum apic_trigger how);
    /* Register number = MMIO offset >> 4 (the x2APIC MSR number - 800h). false: #GP in x2APIC mode. ICR is 64 bits at 30h in x2APIC. */
    bool     (*read)(void *self, unsigned reg, uint64_t *value);
    bool     (*write)(void *self, unsigned reg, uint64_t value);
    uint64_t (*base)(void *self);                           /* IA32_APIC_BASE */
    bool     (*set_base)(void *self, uint64_t value);       /* false: #GP (SDM 3A "x2APIC State Transitions") */
    uint64_t (*tsc_deadline)(void *self);                   /* MSR 6E0h */
    void     (*set_tsc_deadline)(void *self, uint64_t tsc);
    void     (*performance)(void *self);                    /* the performance counters' entry of the local vector table */
    void     (*corrected_error)(void *self);                /* the CMCI entry of the local vector table; may be NULL */
    /* Call `hook` after every EOI with the vector it took out of service, so that SynIC can deliver queued messages
     * (TLFS 11.4). One hook per APIC; wiring, not state. */
    void     (*on_eoi)(void *self, void (*hook)(void *arg, unsigned vector), void *arg);
    void     (*assist)(void *self, const struct apic_assist *assist, void *arg);   /* wiring, too; may be NULL */
};

/* What an APIC tells its processor. */
enum apic_signal { APIC_SIGNAL_INTR, APIC_SIGNAL_NMI, APIC_SIGNAL_SMI, APIC_SIGNAL_INIT, APIC_SIGNAL_SIPI };

struct apic_client {
    void (*signal)(void *self, enum apic_signal what, unsigned vector);
    void *self;
};

#endif
