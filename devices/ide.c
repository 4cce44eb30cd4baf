/* SPDX-License-Identifier: MIT
 * Channels: the command and control block registers (ATA/ATAPI-6 clause 7), drive selection, interrupt line, software reset
 * and diagnostics, and the data register. Both drives latch every register write; the selected one answers reads. */
#include "devices/ide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "devices/ide_drive.h"

STATE_SCHEMA(ide_drive_state, IDE_DRIVE_STATE);
STATE_SCHEMA(ide_channel_state, IDE_CHANNEL_STATE);

#define RESET_NS 100000

static struct ide_drive *selected(struct ide_channel *ch)
{
    return ch->drives[ch->state.selected];
}

static bool present(const struct ide_drive *d)
{
    return d->kind != IDE_ABSENT;
}

/* ---- interrupt line ---- */

/* The selected drive drives INTRQ unless nIEN; a rising edge is latched by the bus master ("82371SB: BMISX"). */
void channel_update_line(struct ide_channel *ch)
{
    bool level = selected(ch)->state.intrq && !(ch->state.control & ATA_NIEN);

    if (level && !ch->state.line)
        ch->state.bm_status |= 4;
    ch->state.line = level;
    irq_set(&ch->irq, level);
}

void drive_raise(struct ide_drive *d)
{
    d->state.intrq = 1;
    channel_update_line(d->channel);
}

static void drive_lower(struct ide_drive *d)
{
    d->state.intrq = 0;
    channel_update_line(d->channel);
}

/* ---- steps of a command ---- */

static void set_step(struct ide_drive *d, enum ide_step step, uint64_t due_ns)
{
    d->state.step = step;
    d->state.due_ns = due_ns;
    timer_set(d->channel->ide->clock, &d->timer, due_ns);
}

void drive_after(struct ide_drive *d, enum ide_step step, uint64_t ns)
{
    d->state.status = (d->state.status & ATA_DRDY) | ATA_BSY;
    set_step(d, step, step == STEP_WAIT_DMA ? TIMER_OFF : clock_ns(d->channel->ide->clock) + ns);
}

void drive_offer_from(struct ide_drive *d, uint32_t at)
{
    d->state.at = at;
    d->state.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    set_step(d, STEP_HOST, TIMER_OFF);
}

void drive_offer(struct ide_drive *d)
{
    drive_offer_from(d, 0);
}

void drive_done(struct ide_drive *d)
{
    d->state.status = ATA_DRDY | ATA_DSC;
    set_step(d, STEP_NONE, TIMER_OFF);
    drive_raise(d);
}

void drive_fail(struct ide_drive *d, uint8_t error)
{
    d->state.error = error;
    d->state.status = ATA_DRDY | ATA_DSC | ATA_ERR;
    set_step(d, STEP_NONE, TIMER_OFF);
    drive_raise(d);
}

/* "Signature and persistence": a packet device shows EB14h and no DRDY. Error 01h: diagnostics passed. */
void drive_signature(struct ide_drive *d)
{
    bool packet = d->kind == IDE_CDROM;

    d->state.error = 0x01;
    d->state.count = 1;
    d->state.lba_low = 1;
    d->state.lba_mid = packet ? 0x14 : 0;
    d->state.lba_high = packet ? 0xeb : 0;
    d->state.device &= packet ? ATA_DEV : 0;
    d->state.status = packet ? 0 : ATA_DRDY | ATA_DSC;
    set_step(d, STEP_NONE, TIMER_OFF);
}

/* EXECUTE DEVICE DIAGNOSTIC goes to both drives whatever is selected; device 0 is selected afterwards and interrupts. */
void drive_diagnose(struct ide_channel *ch)
{
    for (unsigned k = 0; k < 2; k++)
        if (present(ch->drives[k]))
            drive_signature(ch->drives[k]);
    ch->state.selected = 0;
    for (unsigned k = 0; k < 2; k++)
        ch->drives[k]->state.device &= (uint8_t)~ATA_DEV;
    if (present(ch->drives[0]))
        drive_raise(ch->drives[0]);
}

static void drive_fire(void *arg)
{
    struct ide_drive *d = arg;
    enum ide_step step = d->state.step;

    d->state.due_ns = TIMER_OFF;
    switch (step) {
    case STEP_RESET:
        drive_signature(d);
        break;
    case STEP_DONE:
        drive_done(d);
        break;
    case STEP_FAIL:
        drive_fail(d, d->state.error);
        break;
    case STEP_PACKET:
    case STEP_DISC_IN:
    case STEP_PACKET_DONE:
        atapi_step(d, step);
        break;
    default:
        ata_step(d, step);
        break;
    }
}

static void host_moved(struct ide_drive *d)
{
    if (d->kind == IDE_CDROM && d->state.command == 0xa0)
        atapi_host_moved(d);
    else
        ata_host_moved(d);
}

/* ---- registers ---- */

/* Nothing drives the bus but the pull-down on DD7. */
static uint64_t floating(unsigned bytes)
{
    return bytes == 1 ? 0x7f : bytes == 2 ? 0xff7f : 0xff7fff7f;
}

static bool data_ready(const struct ide_drive *d)
{
    return d->state.step == STEP_HOST && d->state.status & ATA_DRQ;
}

static uint64_t data_read(struct device *dev, uint32_t at UNUSED, unsigned bytes)
{
    struct ide_drive *d = selected((struct ide_channel *)dev);
    struct ide_drive_state *s = &d->state;
    uint32_t n = s->len - s->at < bytes ? s->len - s->at : bytes;
    uint64_t value;

    if (!present(d))
        return floating(bytes);
    if (!data_ready(d))
        return 0;
    value = load_bytes(s->buffer + s->at, n);
    s->at += n;
    if (s->at == s->len)
        host_moved(d);
    return value;
}

static void data_write(struct device *dev, uint32_t at UNUSED, unsigned bytes, uint64_t value)
{
    struct ide_drive *d = selected((struct ide_channel *)dev);
    struct ide_drive_state *s = &d->state;
    uint32_t n = s->len - s->at < bytes ? s->len - s->at : bytes;

    if (!present(d) || !data_ready(d))
        return;
    store_bytes(s->buffer + s->at, n, value);
    s->at += n;
    if (s->at == s->len)
        host_moved(d);
}

static uint8_t status_of(struct ide_channel *ch)
{
    const struct ide_drive *d = selected(ch);

    if (present(d))
        return d->state.status;
    /* "Device 0 only configurations": device 0 answers 00h for the absent device 1 */
    return d->unit == 1 && present(ch->drives[0]) ? 0x00 : 0x7f;
}

static uint8_t task_read_reg(const struct ide_drive_state *s, unsigned reg, bool hob)
{
    switch (reg) {
    case 1: return s->error;
    case 2: return hob ? s->hob_count : s->count;
    case 3: return hob ? s->hob_low : s->lba_low;
    case 4: return hob ? s->hob_mid : s->lba_mid;
    case 5: return hob ? s->hob_high : s->lba_high;
    default: return s->device;
    }
}

static uint64_t task_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    struct ide_channel *ch = (struct ide_channel *)dev;
    struct ide_drive *d = selected(ch);

    if (at == 7) {
        uint8_t status = status_of(ch);

        if (present(d))
            drive_lower(d);
        return status;
    }
    if (!present(d) && d->unit == 1)
        d = ch->drives[0];
    if (!present(d))
        return 0x7f;
    if (at == 6)
        return (d->state.device & ~ATA_DEV & 0xff) | 0xa0u | (ch->state.selected ? ATA_DEV : 0u);
    if (d->state.status & ATA_BSY)
        return d->state.status;     /* while BSY any command block register reads as status */
    return task_read_reg(&d->state, at, ch->state.control & ATA_HOB);
}

static void task_write_reg(struct ide_drive_state *s, unsigned reg, uint8_t value)
{
    switch (reg) {
    case 1: s->hob_features = s->features; s->features = value; break;
    case 2: s->hob_count = s->count;       s->count = value;    break;
    case 3: s->hob_low = s->lba_low;       s->lba_low = value;  break;
    case 4: s->hob_mid = s->lba_mid;       s->lba_mid = value;  break;
    case 5: s->hob_high = s->lba_high;     s->lba_high = value; break;
    default: s->device = value;                                 break;
    }
}

static void write_command(struct ide_channel *ch, uint8_t command)
{
    struct ide_drive *d = selected(ch);

    if (command == 0x90 && (present(ch->drives[0]) || present(ch->drives[1]))) {
        drive_diagnose(ch);
        return;
    }
    if (!present(d) || ch->state.control & ATA_SRST)
        return;
    if (d->state.status & (ATA_BSY | ATA_DRQ) && command != 0x08)
        return;
    drive_lower(d);
    ata_command(d, command);
}

static void task_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    struct ide_channel *ch = (struct ide_channel *)dev;

    ch->state.control &= (uint8_t)~ATA_HOB;
    if (at == 7) {
        write_command(ch, (uint8_t)value);
        return;
    }
    for (unsigned k = 0; k < 2; k++)
        if (present(ch->drives[k]) && !(ch->drives[k]->state.status & (ATA_BSY | ATA_DRQ) && at != 6))
            task_write_reg(&ch->drives[k]->state, at, (uint8_t)value);
    if (at == 6) {
        ch->state.selected = value & ATA_DEV ? 1 : 0;
        channel_update_line(ch);
    }
}

static uint64_t alternate_read(struct device *dev, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    return status_of((struct ide_channel *)dev);
}

/* "Software reset protocol": busy while SRST is set, then the signature. */
static void soft_reset_begin(struct ide_channel *ch)
{
    for (unsigned k = 0; k < 2; k++) {
        struct ide_drive *d = ch->drives[k];

        if (!present(d))
            continue;
        d->state.intrq = 0;
        d->state.command = 0;
        d->state.status = ATA_BSY;
        ata_defaults(d);
        set_step(d, STEP_RESET, TIMER_OFF);
    }
}

static void control_write(struct device *dev, uint32_t at UNUSED, unsigned bytes UNUSED, uint64_t value)
{
    struct ide_channel *ch = (struct ide_channel *)dev;
    uint8_t changed = ch->state.control ^ (uint8_t)value;

    ch->state.control = (uint8_t)value & (ATA_NIEN | ATA_SRST | ATA_HOB);
    if (changed & ATA_SRST) {
        if (value & ATA_SRST)
            soft_reset_begin(ch);
        else
            for (unsigned k = 0; k < 2; k++)
                if (present(ch->drives[k]))
                    drive_after(ch->drives[k], STEP_RESET, RESET_NS);
        ch->state.selected = 0;
    }
    channel_update_line(ch);
}

/* Offsets from 1F0h and 170h: the control block is 206h further on both channels. */
static const struct reg channel_ports[] = {
    { 0x000, 4, "data",           data_read,      data_write,    1 },
    { 0x001, 1, "task file",      task_read,      task_write,    7 },
    { 0x206, 1, "device control", alternate_read, control_write, 1 },
};

void channel_decode(struct ide_channel *ch, bool on)
{
    static const uint16_t base[2] = { 0x1f0, 0x170 };

    if (on == ch->decoded)
        return;
    if (on)
        space_add_device(ch->ide->io, base[ch->index], &ch->dev, channel_ports, COUNT_OF(channel_ports), LAYER_DEVICE);
    else
        space_remove(ch->ide->io, base[ch->index], LAYER_DEVICE);
    ch->decoded = on;
}

/* ---- life ---- */

static void drive_reset(struct device *dev)
{
    struct ide_drive *d = (struct ide_drive *)dev;

    memset(&d->state, 0, sizeof d->state);
    set_step(d, STEP_NONE, TIMER_OFF);
    if (!present(d))
        return;
    ata_power_on(d);
    if (d->kind == IDE_CDROM)
        atapi_power_on(d);
    drive_signature(d);
}

static void drive_loaded(struct device *dev)
{
    struct ide_drive *d = (struct ide_drive *)dev;

    set_step(d, d->state.step, d->state.due_ns);
}

static void drive_destroy(struct device *dev)
{
    block_close(((struct ide_drive *)dev)->block);
}

static void drive_save(struct device *dev, struct writer *out)
{
    block_save(((struct ide_drive *)dev)->block, out);
}

/* Lengths from a file must not lead outside the buffer. */
static struct err drive_load(struct device *dev, struct reader *in)
{
    const struct ide_drive_state *s = &((struct ide_drive *)dev)->state;

    if (s->at > s->len || s->len > IDE_BUFFER || s->filled > IDE_BUFFER ||
        s->block > IDE_MULTIPLE_MAX || s->multiple > IDE_MULTIPLE_MAX)
        return err_make(ERR_FORMAT, "the snapshot has an impossible state of drive %s", dev->name);
    return block_load(((struct ide_drive *)dev)->block, in);
}

static uint64_t drive_hash(struct device *dev, uint64_t seed)
{
    return block_hash(((struct ide_drive *)dev)->block, seed);
}

static bool drive_backing(struct device *dev, unsigned n, struct backing *out)
{
    return n == 0 && block_backing(((struct ide_drive *)dev)->block, out);
}

const struct device_class ide_drive_class = {
    .name = "ide-drive", .size = sizeof(struct ide_drive),
    .state = &ide_drive_state_schema, .state_at = offsetof(struct ide_drive, state),
    .reset = drive_reset, .loaded = drive_loaded, .destroy = drive_destroy,
    .save_more = drive_save, .load_more = drive_load, .hash_more = drive_hash, .backing = drive_backing,
};

static void channel_reset(struct device *dev)
{
    struct ide_channel *ch = (struct ide_channel *)dev;

    memset(&ch->state, 0, sizeof ch->state);
    dma_channel_reset(ch);
    irq_set(&ch->irq, false);
}

static void channel_loaded(struct device *dev)
{
    ((struct ide_channel *)dev)->state.selected &= 1;
}

static void channel_destroy(struct device *dev)
{
    struct ide_channel *ch = (struct ide_channel *)dev;

    free(ch->scratch);
    if (ch->index == 1)
        free(ch->ide);
}

const struct device_class ide_channel_class = {
    .name = "ide-channel", .size = sizeof(struct ide_channel),
    .state = &ide_channel_state_schema, .state_at = offsetof(struct ide_channel, state),
    .reset = channel_reset, .loaded = channel_loaded, .destroy = channel_destroy,
};

static void attach(struct ide_drive *d, enum ide_kind kind, struct block *block, const char *serial)
{
    invariant(d->kind == IDE_ABSENT, "%s is attached already", d->dev.name);
    d->kind = kind;
    d->block = block;
    if (serial != NULL)
        snprintf(d->serial, sizeof d->serial, "%s", serial);
    else
        snprintf(d->serial, sizeof d->serial, "PT%05u", 1 + d->channel->index * 2 + d->unit);
}

void ide_attach_disk(struct ide *ide, unsigned channel, unsigned unit, struct block *disk, const char *serial)
{
    attach(ide->channels[channel]->drives[unit], IDE_DISK, disk, serial);
}

void ide_attach_cdrom(struct ide *ide, unsigned channel, unsigned unit, struct block *disc)
{
    attach(ide->channels[channel]->drives[unit], IDE_CDROM, disc, NULL);
}

void ide_change_disc(struct ide *ide, unsigned channel, unsigned unit, struct block *disc)
{
    struct ide_drive *d = ide->channels[channel]->drives[unit];

    invariant(d->kind == IDE_CDROM, "%s is no CD-ROM drive", d->dev.name);
    block_close(d->block);
    d->block = disc;
    atapi_new_disc(d);
}

void drive_init(struct ide_drive *d, struct ide_channel *ch, unsigned unit)
{
    d->channel = ch;
    d->unit = unit;
    timer_init(ch->ide->clock, &d->timer, d->dev.name, drive_fire, d);
}
