/* SPDX-License-Identifier: MIT
 * What the rest of machine/ asks of the board beyond machine/internal.h. */
#ifndef MACHINE_BOARD_H
#define MACHINE_BOARD_H

#include "machine/internal.h"

/* Ports and interrupt numbers of the board, as its chips and its ACPI tables both need them. */
#define BOARD_PM_BASE   0x600u      /* PIIX4 power management block */
#define BOARD_SMI_PORT  0xb2u
#define BOARD_GPE0_BASE 0x60cu
#define BOARD_SCI       9u
#define BOARD_IOAPIC_ID 0u          /* its own number space: local APIC ids start at 0 too (x2APIC systems) */

/* Put the firmware image below 4 GiB and under 1 MiB and offer it tables and the memory map through fw_cfg. */
struct err board_add_firmware(struct machine *m, const struct acpi_tables *acpi) MUST_USE;

/* After everything is loaded at a reset: which RAM is still zero, for guests that ask the hypervisor. */
void board_note_zeroed(struct machine *m);

/* The hypervisor's counters, if there is one (hv_counters()). */
void board_counters(const struct machine *m, void (*counter)(void *arg, const char *name, uint64_t value), void *arg);

/* A direct boot has no firmware: open shadow RAM, place PCI BARs, route interrupts, local APIC to virtual-wire mode. */
void board_direct_setup(struct machine *m);

#endif
