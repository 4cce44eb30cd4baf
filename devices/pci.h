/* SPDX-License-Identifier: MIT
 * PCI bus 0 behind configuration mechanism #1, and the functions on it. A function is a device of its own whose state is
 * its 256 bytes of configuration space; the chip behind it adds base address registers and is told of changes. */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

/* Base address registers lie below RAM: the host bridge claims what is DRAM, the ISA bridge's fixed ports come first too. */
#define PCI_LAYER (-1000)

#define PCI_DEVFN(slot, function) ((uint8_t)((slot) << 3 | (function)))

enum pci_reg {
    PCI_VENDOR = 0x00, PCI_DEVICE = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION = 0x08, PCI_CLASS = 0x09,
    PCI_CACHE_LINE = 0x0c, PCI_LATENCY = 0x0d, PCI_HEADER_TYPE = 0x0e, PCI_BAR0 = 0x10, PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e, PCI_ROM = 0x30, PCI_CAPABILITIES = 0x34, PCI_IRQ_LINE = 0x3c, PCI_IRQ_PIN = 0x3d,
};

enum pci_command {
    PCI_COMMAND_IO = 0x0001, PCI_COMMAND_MEMORY = 0x0002, PCI_COMMAND_MASTER = 0x0004, PCI_COMMAND_PARITY = 0x0040,
    PCI_COMMAND_SERR = 0x0100, PCI_COMMAND_NO_INTX = 0x0400,
};

enum { PCI_CONFIG_SIZE = 256, PCI_BAR_ROM = 6, PCI_BAR_COUNT = 7 };

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_PREFETCH };

struct pci_id {
    uint16_t vendor, device;
    uint8_t revision;
    uint32_t class_code;        /* 24 bits: class, subclass, programming interface */
    uint16_t subsystem_vendor, subsystem;
    uint8_t irq_pin;            /* 0: none, 1: INTA# .. 4: INTD# */
    bool multifunction;
};

struct pci;

#define PCI_FUNCTION_STATE(ONE, MANY)                                       \
    MANY(u8, config, 256, "configuration space")                            \
    ONE (u8, intx,        "the function asserts its interrupt pin")
STATE_STRUCT(pci_function_state, PCI_FUNCTION_STATE);

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size;
    struct device *dev;         /* registers: rows of this device */
    const struct reg *rows;
    size_t nrows;
    struct ram *ram;            /* or plain memory */
    unsigned rights;
    int layer;
    bool mapped;                /* what is in the address space now; derived from config */
    uint32_t at;
};

struct pci_function {
    struct device dev;
    struct pci_function_state state;
    struct pci *pci;
    struct pci_function *next;
    uint8_t devfn, msi_at;        /* msi_at: its MSI capability, 0 when none */
    uint8_t defaults[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE];
    uint8_t clearable[PCI_CONFIG_SIZE];     /* bits that a written 1 clears */
    struct pci_bar bars[PCI_BAR_COUNT];
    /* Configuration bytes [at, at + bytes) were written; (0, 256) after reset and after load. May be NULL. */
    void (*changed)(void *self, unsigned at, unsigned bytes);
    void *self;
};

/* The bus; ports CF8 (32 bits wide only, so CF9 stays free for the reset control register) and CFC-CFF of `io`. */
struct pci *pci_create(struct device_tree *t, struct space *memory, struct space *io);
/* Where PIRQA# to PIRQD# go, and who takes message signalled interrupts. */
void pci_connect_pirq(struct pci *pci, const struct irq pirq[4]);
void pci_connect_msi(struct pci *pci, void (*deliver)(void *self, uint64_t address, uint32_t data), void *self);

/* Building a function, before the first reset. */
struct pci_function *pci_add(struct pci *pci, struct device_tree *t, uint8_t devfn, const char *name,
                             const struct pci_id *id);
void pci_on_change(struct pci_function *f, void (*changed)(void *self, unsigned at, unsigned bytes), void *self);
/* `bytes` (1, 2 or 4) of configuration: the power-on value and which bits a write changes. */
void pci_define(struct pci_function *f, unsigned at, unsigned bytes, uint32_t value, uint32_t writable);
void pci_bar_registers(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, uint32_t size,
                       struct device *dev, const struct reg *rows, size_t nrows);
void pci_bar_ram(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, struct ram *ram, unsigned rights);
/* An MSI capability with one 64-bit message at configuration offset `at`, linked into the list. */
void pci_add_msi(struct pci_function *f, unsigned at);

/* While running. */
void     pci_set_intx(struct pci_function *f, bool level);
bool     pci_msi_enabled(const struct pci_function *f);
void     pci_send_msi(struct pci_function *f);
uint32_t pci_config(const struct pci_function *f, unsigned at, unsigned bytes);
/* As a guest's write to configuration space does it: masks apply, the owner is told. */
void     pci_write_config(struct pci_function *f, unsigned at, unsigned bytes, uint32_t value);
bool     pci_is_master(const struct pci_function *f);
struct space *pci_memory(const struct pci_function *f);
/* Bus mastering; false and nothing moved while the command register does not allow it. */
bool     pci_dma_read(struct pci_function *f, gpa_t at, void *to, uint64_t len) MUST_USE;
bool     pci_dma_write(struct pci_function *f, gpa_t at, const void *from, uint64_t len) MUST_USE;

#endif
