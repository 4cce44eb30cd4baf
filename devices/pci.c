/* SPDX-License-Identifier: MIT
 * PCI Local Bus Specification 2.2: configuration mechanism #1, configuration headers, decoding of base addresses, and the
 * wiring of interrupt pins to the four PIRQ lines. There are no bridges, so only bus 0 answers. */
#include "devices/pci.h"

#include <stdio.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"

enum { MSI_ID = 5, MSI_ENABLE = 1, MSI_64_BIT = 0x80 };

#define PCI_STATE(ONE, MANY)                                          \
    ONE(u32, address, "CONFIG_ADDRESS: bit 31 enables data cycles")
STATE_STRUCT(pci_state, PCI_STATE);
STATE_SCHEMA(pci_state, PCI_STATE);
STATE_SCHEMA(pci_function_state, PCI_FUNCTION_STATE);

struct pci {
    struct device dev;
    struct pci_state state;
    struct space *memory, *io;
    struct pci_function *functions;     /* in creation order */
    int next_layer;
    struct irq pirq[4];
    void (*deliver_msi)(void *self, uint64_t address, uint32_t data);
    void *msi_self;
};

/* ---- base addresses ---- */

static unsigned bar_offset(unsigned bar)
{
    return bar == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * bar;
}

static struct space *bar_space(const struct pci_function *f, const struct pci_bar *b)
{
    return b->kind == PCI_BAR_IO ? f->pci->io : f->pci->memory;
}

/* Whether the function decodes this range now. Zero and ranges that touch the top are what sizing and reset leave there. */
static bool bar_decoded(const struct pci_function *f, unsigned bar, uint32_t *at)
{
    const struct pci_bar *b = &f->bars[bar];
    uint32_t value = load32(f->state.config + bar_offset(bar));
    uint16_t command = load16(f->state.config + PCI_COMMAND);
    uint64_t end;

    if (b->kind == PCI_BAR_NONE || !(command & (b->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
        return false;
    if (bar == PCI_BAR_ROM && !(value & 1))
        return false;
    *at = value & ~(b->size - 1);
    end = (uint64_t)*at + b->size;
    return *at != 0 && end < (b->kind == PCI_BAR_IO ? UINT64_C(0x10001) : UINT64_C(0x100000000));
}

static void bar_unmap(struct pci_function *f, struct pci_bar *b)
{
    if (b->mapped)
        space_remove(bar_space(f, b), b->at, b->layer);
    b->mapped = false;
}

static void bar_update(struct pci_function *f, unsigned bar)
{
    struct pci_bar *b = &f->bars[bar];
    uint32_t at = 0;
    bool decoded = bar_decoded(f, bar, &at);

    if (decoded == b->mapped && (!decoded || at == b->at))
        return;
    bar_unmap(f, b);
    if (!decoded)
        return;
    b->at = at;
    b->mapped = true;
    if (b->ram != NULL)
        space_add_ram(f->pci->memory, at, b->ram, 0, b->size, b->rights, b->layer);
    else
        space_add_device(bar_space(f, b), at, b->dev, b->rows, b->nrows, b->layer);
}

static void bars_update(struct pci_function *f)
{
    for (unsigned k = 0; k < PCI_BAR_COUNT; k++)
        bar_update(f, k);
}

static struct pci_bar *bar_define(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, uint32_t size)
{
    struct pci_bar *b = &f->bars[bar];
    uint32_t low = kind == PCI_BAR_IO ? 1 : kind == PCI_BAR_PREFETCH && bar != PCI_BAR_ROM ? 8 : 0;

    invariant(bar < PCI_BAR_COUNT && b->kind == PCI_BAR_NONE, "%s: base address %u is taken", f->dev.name, bar);
    invariant(size >= 4 && (size & (size - 1)) == 0 && (kind == PCI_BAR_IO || size >= 16),
              "%s: base address %u cannot have %u bytes", f->dev.name, bar, size);
    *b = (struct pci_bar){ .kind = kind, .size = size, .layer = f->pci->next_layer++ };
    pci_define(f, bar_offset(bar), 4, low, ~(size - 1) | (bar == PCI_BAR_ROM ? 1 : 0));
    f->writable[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    return b;
}

void pci_bar_registers(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, uint32_t size,
                       struct device *dev, const struct reg *rows, size_t nrows)
{
    struct pci_bar *b = bar_define(f, bar, kind, size);

    b->dev = dev;
    b->rows = rows;
    b->nrows = nrows;
}

void pci_bar_ram(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, struct ram *ram, unsigned rights)
{
    struct pci_bar *b = bar_define(f, bar, kind, (uint32_t)ram->len);

    b->ram = ram;
    b->rights = rights;
}

/* ---- configuration space ---- */

void pci_define(struct pci_function *f, unsigned at, unsigned bytes, uint32_t value, uint32_t writable)
{
    store_bytes(f->defaults + at, bytes, value);
    store_bytes(f->writable + at, bytes, writable);
}

uint32_t pci_config(const struct pci_function *f, unsigned at, unsigned bytes)
{
    return (uint32_t)load_bytes(f->state.config + at, bytes);
}

static void update_pirq(struct pci *pci, unsigned line);

static unsigned pirq_of(const struct pci_function *f)
{
    return (unsigned)((f->devfn >> 3) + f->state.config[PCI_IRQ_PIN] - 2) & 3;
}

static void config_applied(struct pci_function *f, unsigned at, unsigned bytes)
{
    bars_update(f);
    if (f->state.config[PCI_IRQ_PIN] != 0)
        update_pirq(f->pci, pirq_of(f));
    if (f->changed != NULL)
        f->changed(f->self, at, bytes);
}

void pci_write_config(struct pci_function *f, unsigned at, unsigned bytes, uint32_t value)
{
    for (unsigned k = 0; k < bytes; k++) {
        uint8_t *byte = &f->state.config[at + k], w = f->writable[at + k], v = (uint8_t)(value >> (8 * k));

        *byte = (uint8_t)((*byte & ~w) | (v & w));
        *byte &= (uint8_t)~(v & f->clearable[at + k]);
    }
    config_applied(f, at, bytes);
}

static struct pci_function *find_function(const struct pci *pci, unsigned bus, uint8_t devfn)
{
    struct pci_function *f = bus == 0 ? pci->functions : NULL;

    while (f != NULL && f->devfn != devfn)
        f = f->next;
    return f;
}

/* The function that CONFIG_ADDRESS names, when its enable bit is set. */
static struct pci_function *addressed(const struct pci *pci)
{
    uint32_t a = pci->state.address;

    return a >> 31 ? find_function(pci, a >> 16 & 0xff, (uint8_t)(a >> 8)) : NULL;
}

static uint64_t address_read(struct device *dev, uint32_t at UNUSED, unsigned bytes)
{
    return bytes == 4 ? ((struct pci *)dev)->state.address : reg_open_bus(dev, at, bytes);
}

/* "82441FX: CONFADD": only a Dword access selects; narrower ones pass through to the bus. */
static void address_write(struct device *dev, uint32_t at UNUSED, unsigned bytes, uint64_t value)
{
    if (bytes == 4)
        ((struct pci *)dev)->state.address = (uint32_t)value & 0x80fffffc;
}

static uint64_t data_read(struct device *dev, uint32_t at, unsigned bytes)
{
    struct pci *pci = (struct pci *)dev;
    const struct pci_function *f = addressed(pci);

    if (f == NULL)
        return reg_open_bus(dev, at, bytes);
    return pci_config(f, (pci->state.address & 0xfc) + (at & 3), bytes);
}

static void data_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct pci *pci = (struct pci *)dev;
    struct pci_function *f = addressed(pci);

    if (f != NULL)
        pci_write_config(f, (pci->state.address & 0xfc) + (at & 3), bytes, (uint32_t)value);
}

static const struct reg pci_ports[] = {
    { 0xcf8, 4, "config address", address_read, address_write, 1 },     /* byte accesses beside it are other chips' */
    { 0xcfc, 4, "config data",    data_read,    data_write,    4 },
};

/* ---- interrupts ---- */

static bool asserts_intx(const struct pci_function *f)
{
    return f->state.intx && !(load16(f->state.config + PCI_COMMAND) & PCI_COMMAND_NO_INTX);
}

/* Pins of neighbouring slots are rotated, as on the boards whose firmware we run: slot 1 INTA# is PIRQA#. */
static void update_pirq(struct pci *pci, unsigned line)
{
    bool level = false;

    for (const struct pci_function *f = pci->functions; f != NULL; f = f->next)
        if (f->state.config[PCI_IRQ_PIN] != 0 && pirq_of(f) == line)
            level |= asserts_intx(f);
    irq_set(&pci->pirq[line], level);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    if (f->state.intx == level)
        return;
    f->state.intx = level;
    f->state.config[PCI_STATUS] = (uint8_t)((f->state.config[PCI_STATUS] & ~8) | (level ? 8 : 0));
    update_pirq(f->pci, pirq_of(f));
}

/* PCI 2.2 "6.8.1 MSI Capability Structure": control, 64-bit address, data. */
void pci_add_msi(struct pci_function *f, unsigned at)
{
    invariant(at >= 0x40 && at + 14 <= PCI_CONFIG_SIZE && at % 4 == 0, "%s: no MSI capability fits at %x", f->dev.name, at);
    pci_define(f, at, 2, (uint32_t)(f->defaults[PCI_CAPABILITIES] << 8 | MSI_ID), 0);
    pci_define(f, at + 2, 2, MSI_64_BIT, MSI_ENABLE);
    pci_define(f, at + 4, 4, 0, 0xfffffffc);
    pci_define(f, at + 8, 4, 0, 0xffffffff);
    pci_define(f, at + 12, 2, 0, 0xffff);
    f->defaults[PCI_CAPABILITIES] = (uint8_t)at;
    f->defaults[PCI_STATUS] |= 0x10;
    f->msi_at = (uint8_t)at;
}

bool pci_msi_enabled(const struct pci_function *f)
{
    return f->msi_at != 0 && (f->state.config[f->msi_at + 2] & MSI_ENABLE);
}

void pci_send_msi(struct pci_function *f)
{
    const uint8_t *msi = f->state.config + f->msi_at;

    if (pci_msi_enabled(f) && pci_is_master(f) && f->pci->deliver_msi != NULL)
        f->pci->deliver_msi(f->pci->msi_self, load64(msi + 4), load16(msi + 12));
}

/* ---- bus mastering ---- */

bool pci_is_master(const struct pci_function *f)
{
    return f->state.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

struct space *pci_memory(const struct pci_function *f)
{
    return f->pci->memory;
}

bool pci_dma_read(struct pci_function *f, gpa_t at, void *to, uint64_t len)
{
    if (!pci_is_master(f))
        return false;
    space_read_bytes(f->pci->memory, at, to, len);
    return true;
}

bool pci_dma_write(struct pci_function *f, gpa_t at, const void *from, uint64_t len)
{
    if (!pci_is_master(f))
        return false;
    space_write_bytes(f->pci->memory, at, from, len);
    return true;
}

/* ---- life ---- */

static void function_reset(struct device *dev)
{
    struct pci_function *f = (struct pci_function *)dev;

    memcpy(f->state.config, f->defaults, PCI_CONFIG_SIZE);
    f->state.intx = 0;
    config_applied(f, 0, PCI_CONFIG_SIZE);
}

/* PIRQ lines are not driven here: who listens to them restores its own inputs. */
static void function_loaded(struct device *dev)
{
    struct pci_function *f = (struct pci_function *)dev;

    bars_update(f);
    if (f->changed != NULL)
        f->changed(f->self, 0, PCI_CONFIG_SIZE);
}

static const struct device_class function_class = {
    .name = "pci-function", .size = sizeof(struct pci_function),
    .state = &pci_function_state_schema, .state_at = offsetof(struct pci_function, state),
    .reset = function_reset, .loaded = function_loaded,
};

static void pci_reset(struct device *dev)
{
    ((struct pci *)dev)->state.address = 0;
}

static const struct device_class pci_class = {
    .name = "pci", .size = sizeof(struct pci),
    .state = &pci_state_schema, .state_at = offsetof(struct pci, state),
    .reset = pci_reset,
};

struct pci *pci_create(struct device_tree *t, struct space *memory, struct space *io)
{
    struct pci *pci = (struct pci *)device_create(t, &pci_class, "pci");

    pci->memory = memory;
    pci->io = io;
    pci->next_layer = PCI_LAYER;
    space_add_device(io, 0, &pci->dev, pci_ports, COUNT_OF(pci_ports), LAYER_DEVICE);
    return pci;
}

void pci_connect_pirq(struct pci *pci, const struct irq pirq[4])
{
    memcpy(pci->pirq, pirq, sizeof pci->pirq);
}

void pci_connect_msi(struct pci *pci, void (*deliver)(void *self, uint64_t address, uint32_t data), void *self)
{
    pci->deliver_msi = deliver;
    pci->msi_self = self;
}

static void define_header(struct pci_function *f, const struct pci_id *id)
{
    pci_define(f, PCI_VENDOR, 2, id->vendor, 0);
    pci_define(f, PCI_DEVICE, 2, id->device, 0);
    pci_define(f, PCI_COMMAND, 2, 0, PCI_COMMAND_MASTER | PCI_COMMAND_SERR | (id->irq_pin ? PCI_COMMAND_NO_INTX : 0));
    pci_define(f, PCI_REVISION, 4, id->class_code << 8 | id->revision, 0);
    pci_define(f, PCI_CACHE_LINE, 1, 0, 0xff);
    pci_define(f, PCI_LATENCY, 1, 0, 0xf8);
    pci_define(f, PCI_HEADER_TYPE, 1, id->multifunction ? 0x80 : 0, 0);
    pci_define(f, PCI_SUBSYSTEM_VENDOR, 2, id->subsystem_vendor, 0);
    pci_define(f, PCI_SUBSYSTEM, 2, id->subsystem, 0);
    pci_define(f, PCI_IRQ_LINE, 1, 0, id->irq_pin ? 0xff : 0);
    pci_define(f, PCI_IRQ_PIN, 1, id->irq_pin, 0);
    store16(f->clearable + PCI_STATUS, 0xf900);
}

struct pci_function *pci_add(struct pci *pci, struct device_tree *t, uint8_t devfn, const char *name,
                             const struct pci_id *id)
{
    struct pci_function *f = (struct pci_function *)device_create(t, &function_class, name), **end = &pci->functions;

    invariant(find_function(pci, 0, devfn) == NULL, "two PCI functions at %02x.%x", devfn >> 3, devfn & 7u);
    f->pci = pci;
    f->devfn = devfn;
    define_header(f, id);
    while (*end != NULL)
        end = &(*end)->next;
    *end = f;
    return f;
}

void pci_on_change(struct pci_function *f, void (*changed)(void *self, unsigned at, unsigned bytes), void *self)
{
    f->changed = changed;
    f->self = self;
}
