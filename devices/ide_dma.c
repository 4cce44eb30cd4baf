/* SPDX-License-Identifier: MIT
 * The PIIX3 IDE function (290550): legacy port decoding by IDETIM, and the bus master registers and descriptor tables of
 * both channels ("Programming Interface for Bus Master IDE Controller" 1.0). */
#include "devices/ide_drive.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"

enum { IDETIM = 0x40, IDETIM_DECODE = 0x8000, BM_START = 0x01, BM_TO_MEMORY = 0x08 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_INTERRUPT = 0x04, BM_CAPABLE = 0x60 };

/* ---- starting ---- */

static struct ide_drive *waiting_drive(struct ide_channel *ch)
{
    for (unsigned k = 0; k < 2; k++)
        if (ch->drives[k]->state.step == STEP_WAIT_DMA)
            return ch->drives[k];
    return NULL;
}

/* Both sides are ready and agree on the direction: the data arrives after its model time. */
static void try_start(struct ide_channel *ch)
{
    struct ide_drive *d = waiting_drive(ch);
    uint64_t bytes;

    if (d == NULL || !(ch->state.bm_status & BM_ACTIVE) || !pci_is_master(ch->ide->function))
        return;
    if (!!(ch->state.bm_command & BM_TO_MEMORY) != d->state.dma_in)
        return;
    bytes = d->state.len != 0 ? d->state.len : (uint64_t)d->state.left * (d->kind == IDE_CDROM ? 2048 : 512);
    drive_after(d, STEP_DMA, ide_transfer_ns(bytes));
}

void dma_request(struct ide_drive *d, bool to_memory)
{
    d->state.dma_in = to_memory;
    drive_after(d, STEP_WAIT_DMA, 0);
    try_start(d->channel);
}

/* ---- descriptor tables ---- */

struct ide_dma dma_begin(struct ide_channel *ch)
{
    return (struct ide_dma){ .channel = ch, .table = ch->state.bm_table };
}

/* The next region: address and size (0: 64 KiB), both even; bit 31 of the second word ends the table. */
static bool next_region(struct ide_dma *dma)
{
    uint8_t entry[8];

    if (dma->last || !pci_dma_read(dma->channel->ide->function, dma->table, entry, sizeof entry)) {
        dma->ended = true;
        return false;
    }
    dma->at = load32(entry) & ~1u;
    dma->left = load16(entry + 4) & 0xfffeu;
    if (dma->left == 0)
        dma->left = 0x10000;
    dma->last = entry[7] & 0x80;
    dma->table = (dma->table & 0xffff0000) | ((dma->table + 8) & 0xffff);
    return true;
}

uint32_t dma_move(struct ide_dma *dma, uint8_t *bytes, uint32_t len, bool to_memory)
{
    struct pci_function *f = dma->channel->ide->function;
    uint32_t moved = 0;

    while (moved < len) {
        uint32_t n = len - moved;
        bool done;

        if (dma->left == 0 && !next_region(dma))
            break;
        n = n < dma->left ? n : dma->left;
        done = to_memory ? pci_dma_write(f, dma->at, bytes + moved, n) : pci_dma_read(f, dma->at, bytes + moved, n);
        if (!done)
            break;
        dma->at += n;
        dma->left -= n;
        moved += n;
    }
    return moved;
}

/* "Bus Master IDE status": Active stays set when the table asks for more than the drive moved. */
void dma_end(struct ide_dma *dma)
{
    if (dma->left == 0 && dma->last)
        dma->channel->state.bm_status &= (uint8_t)~BM_ACTIVE;
}

/* ---- registers ---- */

static struct ide_channel *channel_at(struct device *dev, uint32_t at)
{
    /* the window is added with channel 0 as its device */
    return ((struct ide_channel *)dev)->ide->channels[at >> 3 & 1];
}

static uint64_t command_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    return channel_at(dev, at)->state.bm_command;
}

static void command_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    struct ide_channel *ch = channel_at(dev, at);
    uint8_t before = ch->state.bm_command;

    ch->state.bm_command = (uint8_t)value & (BM_START | BM_TO_MEMORY);
    if (!(before & BM_START) && value & BM_START) {
        ch->state.bm_status |= BM_ACTIVE;
        try_start(ch);
    }
    if (!(value & BM_START)) {
        ch->state.bm_status &= (uint8_t)~BM_ACTIVE;
        for (unsigned k = 0; k < 2; k++)
            if (ch->drives[k]->state.step == STEP_DMA)
                drive_after(ch->drives[k], STEP_WAIT_DMA, 0);
    }
}

static uint64_t status_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    return channel_at(dev, at)->state.bm_status;
}

static void status_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    uint8_t *status = &channel_at(dev, at)->state.bm_status;

    *status &= (uint8_t)~(value & (BM_ERROR | BM_INTERRUPT));
    *status = (uint8_t)((*status & ~BM_CAPABLE) | (value & BM_CAPABLE));
}

static uint64_t table_read(struct device *dev, uint32_t at, unsigned bytes)
{
    uint32_t table = channel_at(dev, at)->state.bm_table;

    return load_bytes((uint8_t *)&table + (at & 3), bytes);
}

static void table_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    uint32_t *table = &channel_at(dev, at)->state.bm_table;

    store_bytes((uint8_t *)table + (at & 3), bytes, value);
    *table &= ~3u;
}

static uint64_t reserved_read(struct device *dev UNUSED, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    return 0;
}

static const struct reg bm_ports[] = {
    { 0x0, 1, "primary command",     command_read,  command_write, 1 },
    { 0x1, 1, "reserved",            reserved_read, reg_ignore,    1 },
    { 0x2, 1, "primary status",      status_read,   status_write,  1 },
    { 0x3, 1, "reserved",            reserved_read, reg_ignore,    1 },
    { 0x4, 4, "primary table",       table_read,    table_write,   4 },
    { 0x8, 1, "secondary command",   command_read,  command_write, 1 },
    { 0x9, 1, "reserved",            reserved_read, reg_ignore,    1 },
    { 0xa, 1, "secondary status",    status_read,   status_write,  1 },
    { 0xb, 1, "reserved",            reserved_read, reg_ignore,    1 },
    { 0xc, 4, "secondary table",     table_read,    table_write,   4 },
};

void dma_channel_reset(struct ide_channel *ch)
{
    ch->state.bm_table = 0;
    ch->state.bm_command = 0;
    ch->state.bm_status = 0;
}

/* ---- the function ---- */

static void config_changed(void *self, unsigned at, unsigned bytes)
{
    struct ide *ide = self;
    bool io = pci_config(ide->function, PCI_COMMAND, 2) & PCI_COMMAND_IO;

    for (unsigned k = 0; k < 2; k++) {
        channel_decode(ide->channels[k], io && pci_config(ide->function, IDETIM + 2 * k, 2) & IDETIM_DECODE);
        if (at <= PCI_COMMAND && at + bytes > PCI_COMMAND && bytes < PCI_CONFIG_SIZE)
            try_start(ide->channels[k]);
    }
}

static void function_create(struct ide *ide, struct device_tree *t, const struct ide_config *cfg)
{
    static const struct pci_id id = {
        .vendor = 0x8086, .device = 0x7010, .class_code = 0x010180, .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
    };
    struct pci_function *f = pci_add(cfg->pci, t, cfg->devfn, "ide", &id);

    pci_define(f, PCI_STATUS, 2, 0x0280, 0);
    pci_define(f, PCI_COMMAND, 2, 0x0000, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    pci_define(f, IDETIM, 2, 0x0000, 0xffff);
    pci_define(f, IDETIM + 2, 2, 0x0000, 0xffff);
    pci_define(f, 0x44, 1, 0x00, 0xff);         /* SIDETIM */
    pci_bar_registers(f, 4, PCI_BAR_IO, 16, &ide->channels[0]->dev, bm_ports, COUNT_OF(bm_ports));
    pci_on_change(f, config_changed, ide);
    ide->function = f;
}

static struct ide_channel *channel_create(struct ide *ide, struct device_tree *t, unsigned index, struct irq irq)
{
    char name[16];
    struct ide_channel *ch;

    snprintf(name, sizeof name, "ide.%u", index);
    ch = (struct ide_channel *)device_create(t, &ide_channel_class, name);
    ch->ide = ide;
    ch->index = index;
    ch->irq = irq;
    ch->scratch = malloc(IDE_SCRATCH);
    invariant(ch->scratch != NULL, "out of memory for an IDE channel");
    for (unsigned k = 0; k < 2; k++) {
        snprintf(name, sizeof name, "ide.%u.%u", index, k);
        ch->drives[k] = (struct ide_drive *)device_create(t, &ide_drive_class, name);
        drive_init(ch->drives[k], ch, k);
    }
    return ch;
}

struct ide *ide_create(struct device_tree *t, const struct ide_config *cfg)
{
    struct ide *ide = calloc(1, sizeof *ide);

    invariant(ide != NULL, "out of memory for the IDE controller");
    ide->io = cfg->io;
    ide->clock = cfg->clock;
    for (unsigned k = 0; k < 2; k++)
        ide->channels[k] = channel_create(ide, t, k, cfg->irq[k]);
    function_create(ide, t, cfg);
    return ide;
}

void ide_skip_firmware(struct ide *ide, uint16_t bus_master_base)
{
    pci_write_config(ide->function, IDETIM, 4, 0x80008000);
    pci_write_config(ide->function, PCI_BAR0 + 16, 4, bus_master_base);
    pci_write_config(ide->function, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
}
