/* SPDX-License-Identifier: MIT
 * The chips of the generation 1 board, for the files that wire them: pc.c and firmware.c. */
#ifndef MACHINE_CHIPS_H
#define MACHINE_CHIPS_H

#include "devices/acpi_pm.h"
#include "devices/apic_bus.h"
#include "devices/chipset.h"
#include "devices/coprocessor.h"
#include "devices/dma8237.h"
#include "devices/fdc.h"
#include "devices/fw_cfg.h"
#include "devices/i8042.h"
#include "devices/ide.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "devices/pic8259.h"
#include "devices/pit8254.h"
#include "devices/rtc146818.h"
#include "devices/stream.h"
#include "devices/uart16550.h"
#include "devices/vga.h"
#include "hv/hv.h"
#include "machine/board.h"
#include "machine/serial.h"

struct board {
    struct machine *machine;
    struct apic_bus *bus;
    struct lapic *lapics[MACHINE_MAX_VPS];
    struct pic8259 *pic;
    struct ioapic *ioapic;
    struct coprocessor *coprocessor;
    struct pit8254 *pit;
    struct rtc146818 *rtc;
    struct acpi_pm *pm;
    struct pci *pci;
    struct chipset *chipset;
    struct ide *ide;
    struct i8042 *i8042;
    struct dma8237 *dma;
    struct fdc *fdc;
    struct vga *vga;
    struct fw_cfg *fw_cfg;
    struct hv *hv;
    struct uart16550 *uarts[MACHINE_SERIALS];
    struct serial_line *lines[MACHINE_SERIALS];
    struct stream *streams[MACHINE_SERIALS], *debug_stream;
    struct ram *bios;
    struct irq sci;
};

/* firmware.c: the image named by -bios, or the distribution's; NULL stays NULL for a direct boot. */
struct err firmware_load(struct machine *m) MUST_USE;

#endif
