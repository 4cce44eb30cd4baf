/* SPDX-License-Identifier: MIT
 * The bus between local APICs, I/O APIC and message signalled interrupts: who receives a message, and the memory window
 * behind which each processor finds its own local APIC. */
#ifndef DEVICES_APIC_BUS_H
#define DEVICES_APIC_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"
#include "core/space.h"

struct lapic;

/* Delivery modes, as in the ICR, redirection entries and MSI data (SDM 3A "Interrupt Command Register (ICR)"). */
enum apic_mode {
    APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_STARTUP = 6, APIC_EXTINT_MODE = 7,
};

#define APIC_DEST_ALL UINT32_MAX        /* broadcast; senders with 8-bit destinations translate FFh to it */
#define APIC_BUS_MAX  64

struct apic_bus;

struct apic_window {
    struct device dev;                  /* what the address space calls; never in the tree, has no state */
    struct apic_bus *bus;
    gpa_t at;
    unsigned users;                     /* local APICs whose base lies here; 0: free */
};

struct apic_bus {
    struct device dev;
    unsigned current;                   /* the machine sets it before a processor runs: whose local APIC the window shows */
    struct space *memory;
    struct lapic *lapics[APIC_BUS_MAX];
    unsigned count;
    struct apic_window windows[APIC_BUS_MAX];
    void (*eoi)(void *self, unsigned vector);   /* EOI of a level-triggered vector: the I/O APIC */
    void *eoi_self;
};

struct apic_bus *apic_bus_create(struct device_tree *tree, struct space *memory);
void apic_bus_connect_eoi(struct apic_bus *bus, void (*eoi)(void *self, unsigned vector), void *self);

/* Deliver to all that match (or the one of lowest priority); false when nobody took it. */
bool apic_bus_send(struct apic_bus *bus, uint32_t dest, bool logical, enum apic_mode mode, unsigned vector, bool level);
bool apic_bus_send_others(struct apic_bus *bus, const struct lapic *sender, enum apic_mode mode, unsigned vector);
/* A device's write to FEExxxxxh (SDM 3A "Message Address Register Format"); fits pci_connect_msi(). */
void apic_bus_msi(void *bus, uint64_t address, uint32_t data);
/* The LINT pins (0: INTR, 1: NMI) of all processors, which a PC ties together; fits struct irq. */
void apic_bus_set_lint(void *bus, unsigned pin, bool level);

/* The INIT# pin of all processors, which also reaches those whose local APIC is disabled. */
void apic_bus_init_processors(struct apic_bus *bus);

/* For local APICs only. */
void apic_bus_attach(struct apic_bus *bus, struct lapic *lapic, unsigned index);
void apic_bus_open_window(struct apic_bus *bus, gpa_t at);
void apic_bus_close_window(struct apic_bus *bus, gpa_t at);
void apic_bus_broadcast_eoi(struct apic_bus *bus, unsigned vector);

#endif
