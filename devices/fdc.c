/* SPDX-License-Identifier: MIT
 * Intel 82077AA data sheet in PC/AT mode: registers, resets, the phases of a command over the 16-byte FIFO, and the disks in
 * the drives. What the commands do is in fdc_commands.c. */
#include "devices/fdc.h"

#include <string.h>

#include "base/attrs.h"
#include "base/invariant.h"
#include "devices/fdc_state.h"

STATE_SCHEMA(fdc_state, FDC_STATE);

enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_TO_HOST = 0x40, MSR_READY = 0x80 };

#define RESET_NS 50000u

static const struct format formats[] = {
    {  368640, 40, 2,  9, 1, 2 },       /* 360K in a 1.2M drive */
    {  737280, 80, 2,  9, 2, 4 },
    { 1228800, 80, 2, 15, 0, 2 },
    { 1474560, 80, 2, 18, 0, 4 },
    { 1720320, 80, 2, 21, 0, 4 },       /* DMF */
    { 2949120, 80, 2, 36, 3, 5 },
};

/* Images of no exact size are taken for cut ones of 1.44 or 2.88 MB: what they lack reads as zeros and is not written. */
static const struct format *format_of(uint64_t bytes)
{
    const struct format *larger = NULL;

    for (size_t k = COUNT_OF(formats); k-- > 0; ) {
        if (formats[k].bytes == bytes)
            return &formats[k];
        if (formats[k].bytes > bytes && (formats[k].sectors == 18 || formats[k].sectors == 36))
            larger = &formats[k];
    }
    return larger;
}

/* ---- interrupt and time ---- */

void fdc_set_interrupt(struct fdc *f, bool pending)
{
    f->state.interrupt = pending;
    irq_set(&f->irq, pending && f->state.dor & DOR_DMA);
}

void fdc_set_step(struct fdc *f, enum step step, uint64_t due_ns)
{
    f->state.step = (uint8_t)step;
    f->state.due_ns = due_ns;
    timer_set(f->clock, &f->timer, due_ns);
}

void fdc_after(struct fdc *f, enum step step, uint64_t ns)
{
    fdc_set_step(f, step, clock_ns(f->clock) + ns);
}

/* ---- phases ---- */

void fdc_command_phase(struct fdc *f)
{
    f->state.phase = PHASE_COMMAND;
    f->state.len = f->state.at = f->state.expected = 0;
}

void fdc_result_phase(struct fdc *f, const uint8_t *bytes, unsigned len)
{
    memcpy(f->state.fifo, bytes, len);
    f->state.len = (uint8_t)len;
    f->state.at = 0;
    f->state.phase = PHASE_RESULT;
}

/* ---- registers ---- */

static uint8_t main_status(const struct fdc_state *s)
{
    if (!(s->dor & DOR_RUN) || s->step == STEP_RESET)
        return 0;
    switch (s->phase) {
    case PHASE_COMMAND:
        return (uint8_t)(MSR_READY | s->seeking | (s->len > 0 ? MSR_BUSY : 0));
    case PHASE_RESULT:
        return (uint8_t)(MSR_READY | MSR_TO_HOST | MSR_BUSY | s->seeking);
    default:
        if (s->step == STEP_HOST)
            return (uint8_t)(MSR_READY | MSR_BUSY | MSR_NON_DMA | (fdc_to_disk(s) ? 0 : MSR_TO_HOST));
        return MSR_BUSY | (s->hlt_nd & 1 ? MSR_NON_DMA : 0);
    }
}

static uint8_t fifo_read(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    uint8_t value;

    if (s->step == STEP_HOST && !fdc_to_disk(s)) {
        value = s->buffer[s->buffer_at++];
        if (s->buffer_at == FDC_SECTOR)
            fdc_host_moved(f);
        return value;
    }
    if (s->phase != PHASE_RESULT)
        return 0;
    fdc_set_interrupt(f, false);
    value = s->fifo[s->at++];
    if (s->at == s->len)
        fdc_command_phase(f);
    return value;
}

static void fifo_write(struct fdc *f, uint8_t value)
{
    struct fdc_state *s = &f->state;

    if (!(s->dor & DOR_RUN))
        return;
    if (s->step == STEP_HOST && fdc_to_disk(s)) {
        s->buffer[s->buffer_at++] = value;
        if (s->buffer_at == FDC_SECTOR)
            fdc_host_moved(f);
    } else if (s->phase == PHASE_COMMAND && s->step != STEP_RESET) {
        fdc_command_byte(f, value);
    }
}

/* "Reset": CONFIGURE's values stay while locked, SPECIFY's always. Heads do not move. */
static void software_reset(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    fdc_command_phase(f);
    s->polled = s->sought = s->seeking = 0;
    if (!s->lock) {
        s->config = 0x20;       /* FIFO off, polling on */
        s->precomp = 0;
    }
    s->perpendicular &= 0x3c;
    fdc_set_interrupt(f, false);
    fdc_set_step(f, STEP_NONE, TIMER_OFF);
}

static void dor_write(struct fdc *f, uint8_t value)
{
    uint8_t before = f->state.dor;

    f->state.dor = value;
    if (before & DOR_RUN && !(value & DOR_RUN))
        software_reset(f);
    else if (!(before & DOR_RUN) && value & DOR_RUN)
        fdc_after(f, STEP_RESET, RESET_NS);
    fdc_set_interrupt(f, f->state.interrupt);
}

static void dsr_write(struct fdc *f, uint8_t value)
{
    f->state.dsr = value & 0x7f;
    f->state.rate = value & 3;
    if (value & 0x80 && f->state.dor & DOR_RUN) {
        software_reset(f);
        fdc_after(f, STEP_RESET, RESET_NS);
    }
}

/* Out of reset: unless CONFIGURE turned polling off, an interrupt, and a status of each of the four drives to sense. */
static void finish_reset(struct fdc *f)
{
    fdc_set_step(f, STEP_NONE, TIMER_OFF);
    if (f->state.config & 0x10)
        return;
    f->state.polled = 15;
    fdc_set_interrupt(f, true);
}

static uint8_t dir_read(const struct fdc *f)
{
    unsigned drive = f->state.dor & 3;

    return drive < 2 && f->types[drive] != 0 && f->state.dor >> (4 + drive) & 1 && f->state.changed[drive] ? 0x80 : 0;
}

static uint64_t port_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    struct fdc *f = (struct fdc *)dev;

    switch (at) {
    case 2: return f->state.dor;
    case 3: return f->state.tdr;
    case 4: return main_status(&f->state);
    case 5: return fifo_read(f);
    default: return dir_read(f);
    }
}

static void port_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    struct fdc *f = (struct fdc *)dev;

    switch (at) {
    case 2: dor_write(f, (uint8_t)value); break;
    case 3: f->state.tdr = value & 3; break;
    case 4: dsr_write(f, (uint8_t)value); break;
    case 5: fifo_write(f, (uint8_t)value); break;
    default: f->state.rate = value & 3; break;          /* CCR */
    }
}

static const struct reg fdc_ports[] = {
    { 2, 1, "fdc",     port_read, port_write, 4 },
    { 7, 1, "DIR/CCR", port_read, port_write, 1 },
};

/* ---- life ---- */

static void fire(void *arg)
{
    struct fdc *f = arg;

    if (f->state.step == STEP_RESET)
        finish_reset(f);
    else
        fdc_run_step(f);
}

static void fdc_reset(struct device *dev)
{
    struct fdc *f = (struct fdc *)dev;

    memset(&f->state, 0, sizeof f->state);
    software_reset(f);
    f->state.rate = f->state.dsr = 2;
    f->state.changed[0] = f->state.changed[1] = 1;
}

static void fdc_loaded(struct device *dev)
{
    struct fdc *f = (struct fdc *)dev;

    fdc_set_step(f, f->state.step, f->state.due_ns);
}

static void fdc_destroy(struct device *dev)
{
    for (unsigned k = 0; k < 2; k++)
        block_close(((struct fdc *)dev)->disks[k]);
}

static void fdc_save(struct device *dev, struct writer *out)
{
    for (unsigned k = 0; k < 2; k++)
        block_save(((struct fdc *)dev)->disks[k], out);
}

static struct err fdc_load(struct device *dev, struct reader *in)
{
    struct fdc *f = (struct fdc *)dev;
    const struct fdc_state *s = &f->state;

    if (s->buffer_at >= FDC_SECTOR || s->len > 16 || (s->phase == PHASE_COMMAND && s->len > 8) || s->at > s->len ||
        (s->step == STEP_HOST && fdc_readable(f) == NULL))
        return err_make(ERR_FORMAT, "the snapshot has an impossible state of the floppy controller");
    for (unsigned k = 0; k < 2; k++)
        TRY(block_load(f->disks[k], in));
    return OK;
}

static uint64_t fdc_hash(struct device *dev, uint64_t seed)
{
    for (unsigned k = 0; k < 2; k++)
        seed = block_hash(((struct fdc *)dev)->disks[k], seed);
    return seed;
}

static bool fdc_backing(struct device *dev, unsigned n, struct backing *out)
{
    struct fdc *f = (struct fdc *)dev;

    for (unsigned k = 0; k < 2; k++)
        if (block_backing(f->disks[k], out) && n-- == 0)
            return true;
    return false;
}

static const struct device_class fdc_class = {
    .name = "fdc", .size = sizeof(struct fdc),
    .state = &fdc_state_schema, .state_at = offsetof(struct fdc, state),
    .reset = fdc_reset, .loaded = fdc_loaded, .destroy = fdc_destroy,
    .save_more = fdc_save, .load_more = fdc_load, .hash_more = fdc_hash, .backing = fdc_backing,
};

struct fdc *fdc_create(struct device_tree *t, struct space *io, struct clock *clock, struct dma8237 *dma, struct irq irq)
{
    struct fdc *f = (struct fdc *)device_create(t, &fdc_class, "fdc");

    f->clock = clock;
    f->dma = dma;
    f->irq = irq;
    timer_init(clock, &f->timer, "fdc", fire, f);
    space_add_device(io, 0x3f0, &f->dev, fdc_ports, COUNT_OF(fdc_ports), LAYER_DEVICE);
    return f;
}

static struct err insert(struct fdc *f, unsigned drive, struct block *disk)
{
    const struct format *format = disk != NULL ? format_of(disk->size) : NULL;

    if (disk != NULL && format == NULL)
        return err_make(ERR_FORMAT, "a floppy image has at most 2880 KiB, not %llu bytes", (unsigned long long)disk->size);
    f->disks[drive] = disk;
    f->formats[drive] = format;
    return OK;
}

struct err fdc_attach(struct fdc *f, unsigned drive, struct block *disk)
{
    invariant(drive < 2 && f->types[drive] == 0, "no place for floppy drive %u", drive);
    TRY(insert(f, drive, disk));
    f->types[drive] = f->formats[drive] != NULL ? f->formats[drive]->drive : 4;
    return OK;
}

struct err fdc_change_disk(struct fdc *f, unsigned drive, struct block *disk)
{
    struct block *old = f->disks[drive];

    invariant(drive < 2 && f->types[drive] != 0, "there is no floppy drive %u", drive);
    TRY(insert(f, drive, disk));
    f->state.changed[drive] = 1;
    block_close(old);
    return OK;
}

uint8_t fdc_drive_type(const struct fdc *f, unsigned drive)
{
    return drive < 2 ? f->types[drive] : 0;
}
