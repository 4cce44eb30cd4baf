/* SPDX-License-Identifier: MIT
 * Commands of ATA disks, and those that disks and packet devices share, by ATA/ATAPI-6 clause 8. One row per command code
 * says who has it and what runs. Data moves when a virtual deadline comes, so timing never depends on the host's disk. */
#include "devices/ide_drive.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/log.h"

#define ACCESS_NS    50000u         /* a medium access, plus 5 ns a byte: 200 MB/s */
#define NEXT_NS      5000u          /* between the DRQ blocks of a PIO command, plus the bytes */
#define FLUSH_NS     200000u

uint64_t ide_transfer_ns(uint64_t bytes)
{
    return ACCESS_NS + 5 * bytes;
}

uint64_t ata_sectors(const struct ide_drive *d)
{
    return d->block->size / 512;
}

uint64_t ata_sectors_28(const struct ide_drive *d)
{
    uint64_t n = ata_sectors(d);

    return n < 0x0fffffff ? n : 0x0fffffff;
}

/* ---- geometry ---- */

uint16_t ata_default_cylinders(const struct ide_drive *d)
{
    uint64_t n = ata_sectors(d) / (16 * 63);

    return n > 16383 ? 16383 : n == 0 ? 1 : (uint16_t)n;
}

void ata_defaults(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;

    s->at = s->len = s->left = 0;
    s->multiple = 0;
    if (d->kind == IDE_DISK) {
        s->cylinders = ata_default_cylinders(d);
        s->heads = 16;
        s->sectors = 63;
    }
}

void ata_power_on(struct ide_drive *d)
{
    ata_defaults(d);
    d->state.write_cache = 1;
}

/* ---- addresses ---- */

static bool is_ext(uint8_t command)
{
    static const uint8_t ext[] = { 0x24, 0x25, 0x27, 0x29, 0x34, 0x35, 0x39, 0x42 };

    return memchr(ext, command, sizeof ext) != NULL;
}

static uint64_t chs_to_lba(const struct ide_drive_state *s)
{
    uint32_t cylinder = (uint32_t)s->lba_high << 8 | s->lba_mid, head = s->device & 15;

    if (s->lba_low == 0 || s->lba_low > s->sectors || head >= s->heads || cylinder >= s->cylinders)
        return UINT64_MAX;
    return ((uint64_t)cylinder * s->heads + head) * s->sectors + s->lba_low - 1;
}

static uint64_t task_lba(const struct ide_drive_state *s)
{
    uint64_t low = (uint64_t)s->lba_high << 16 | (uint64_t)s->lba_mid << 8 | s->lba_low;

    if (is_ext(s->command))
        return (uint64_t)s->hob_high << 40 | (uint64_t)s->hob_mid << 32 | (uint64_t)s->hob_low << 24 | low;
    return s->device & ATA_LBA ? (uint64_t)(s->device & 15) << 24 | low : chs_to_lba(s);
}

/* Where the command ended, or the sector at fault, goes back into the task file. */
static void put_lba(struct ide_drive_state *s, uint64_t lba)
{
    if (!is_ext(s->command) && !(s->device & ATA_LBA)) {
        uint32_t track = (uint32_t)(lba / s->sectors);

        s->lba_low = (uint8_t)(lba % s->sectors + 1);
        s->device = (uint8_t)((s->device & 0xf0) | track % s->heads);
        s->lba_mid = (uint8_t)(track / s->heads);
        s->lba_high = (uint8_t)(track / s->heads >> 8);
        return;
    }
    s->lba_low = (uint8_t)lba;
    s->lba_mid = (uint8_t)(lba >> 8);
    s->lba_high = (uint8_t)(lba >> 16);
    if (is_ext(s->command)) {
        s->hob_low = (uint8_t)(lba >> 24);
        s->hob_mid = (uint8_t)(lba >> 32);
        s->hob_high = (uint8_t)(lba >> 40);
    } else {
        s->device = (uint8_t)((s->device & 0xf0) | (lba >> 24 & 15));
    }
}

static void fail_later(struct ide_drive *d, uint8_t error)
{
    d->state.error = error;
    drive_after(d, STEP_FAIL, ATA_COMMAND_NS);
}

/* Take address and count from the task file; false: the command already fails. */
static bool take_address(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t count = is_ext(s->command) ? (uint32_t)s->hob_count << 8 | s->count : s->count;

    s->lba = task_lba(s);
    s->left = count != 0 ? count : is_ext(s->command) ? 65536 : 256;
    s->at = s->len = 0;
    if (s->lba > ata_sectors(d) || s->left > ata_sectors(d) - s->lba) {
        s->left = 0;
        fail_later(d, ATA_IDNF);
        return false;
    }
    return true;
}

static void transfer_done(struct ide_drive *d)
{
    put_lba(&d->state, d->state.lba - 1);
    d->state.count = d->state.hob_count = 0;
    drive_done(d);
}

static void medium_failed(struct ide_drive *d, const struct err *e, uint8_t error)
{
    log_at(LOG_DEV, LOG_WARN, "%s: %s", d->dev.name, e->text);
    put_lba(&d->state, d->state.lba);
    d->state.left = 0;
    drive_fail(d, error);
}

/* ---- PIO ---- */

static uint32_t block_sectors(const struct ide_drive_state *s)
{
    return s->left < s->block ? s->left : s->block;
}

static bool choose_block(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool by_multiple = s->command == 0xc4 || s->command == 0xc5 || s->command == 0x29 || s->command == 0x39;

    if (by_multiple && s->multiple == 0) {
        fail_later(d, ATA_ABRT);
        return false;
    }
    s->block = by_multiple ? s->multiple : 1;
    return true;
}

static void read_pio(struct ide_drive *d)
{
    if (choose_block(d) && take_address(d))
        drive_after(d, STEP_DISK_IN, ide_transfer_ns(block_sectors(&d->state) * 512u));
}

/* The first block of a write is asked for without an interrupt. */
static void want_block(struct ide_drive *d)
{
    d->state.len = block_sectors(&d->state) * 512u;
    drive_offer(d);
}

static void write_pio(struct ide_drive *d)
{
    if (!choose_block(d) || !take_address(d))
        return;
    if (d->block->readonly)
        fail_later(d, ATA_ABRT);
    else
        want_block(d);
}

static void disk_in(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t n = block_sectors(s);
    struct err e = block_read(d->block, s->lba * 512, s->buffer, n * 512u);

    if (failed(&e)) {
        medium_failed(d, &e, ATA_UNC);
        return;
    }
    s->lba += n;
    s->left -= n;
    s->at = 0;
    s->len = n * 512u;
    drive_offer(d);
    drive_raise(d);
}

static void disk_out(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    struct err e = block_write(d->block, s->lba * 512, s->buffer, s->len);

    if (failed(&e)) {
        medium_failed(d, &e, ATA_ABRT);
        return;
    }
    s->lba += s->len / 512;
    s->left -= s->len / 512;
    if (s->left == 0) {
        transfer_done(d);
        return;
    }
    want_block(d);
    drive_raise(d);
}

static bool is_write(uint8_t command)
{
    return (command >= 0x30 && command <= 0x39) || command == 0xc5;
}

void ata_host_moved(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;

    if (is_write(s->command)) {
        drive_after(d, STEP_DISK_OUT, NEXT_NS + 5 * (uint64_t)s->len);
    } else if (s->left > 0) {
        drive_after(d, STEP_DISK_IN, NEXT_NS + 5 * 512u * (uint64_t)block_sectors(s));
    } else {        /* data-in commands end without a further interrupt */
        s->status = ATA_DRDY | ATA_DSC;
        s->step = STEP_NONE;
        if (s->command != 0xec && s->command != 0xa1) {
            put_lba(s, s->lba - 1);
            s->count = s->hob_count = 0;
        }
    }
}

/* ---- DMA ---- */

static void read_dma(struct ide_drive *d)
{
    if (take_address(d))
        dma_request(d, true);
}

static void write_dma(struct ide_drive *d)
{
    if (!take_address(d))
        return;
    if (d->block->readonly)
        fail_later(d, ATA_ABRT);
    else
        dma_request(d, false);
}

/* Up to one scratch buffer between disk and memory. False: no more to do for now. */
static bool dma_chunk(struct ide_drive *d, struct ide_dma *dma)
{
    struct ide_drive_state *s = &d->state;
    uint8_t *scratch = d->channel->scratch;
    uint32_t n = s->left < IDE_SCRATCH / 512 ? s->left : IDE_SCRATCH / 512, moved;
    struct err e = OK;

    if (s->dma_in)
        e = block_read(d->block, s->lba * 512, scratch, n * 512u);
    moved = failed(&e) ? 0 : dma_move(dma, scratch, n * 512u, s->dma_in) / 512;
    if (!failed(&e) && !s->dma_in && moved > 0)
        e = block_write(d->block, s->lba * 512, scratch, moved * 512u);
    if (failed(&e)) {
        medium_failed(d, &e, s->dma_in ? ATA_UNC : ATA_ABRT);
        return false;
    }
    s->lba += moved;
    s->left -= moved;
    if (moved < n) {        /* the table was too short: the drive goes on asking, nobody answers */
        dma_end(dma);
        s->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
        s->step = STEP_WAIT_DMA;
        return false;
    }
    return s->left > 0;
}

static void run_dma(struct ide_drive *d)
{
    struct ide_dma dma;

    if (d->kind == IDE_CDROM) {
        atapi_dma(d);
        return;
    }
    dma = dma_begin(d->channel);
    while (dma_chunk(d, &dma))
        ;
    if (d->state.step == STEP_DMA && d->state.left == 0) {
        dma_end(&dma);
        transfer_done(d);
    }
}

/* ---- commands without data ---- */

static void succeed(struct ide_drive *d)
{
    drive_after(d, STEP_DONE, ATA_COMMAND_NS);
}

static void verify(struct ide_drive *d)
{
    uint64_t ns;

    if (!take_address(d))
        return;
    ns = ide_transfer_ns(d->state.left * 512u);
    put_lba(&d->state, d->state.lba + d->state.left - 1);
    d->state.left = 0;
    d->state.count = d->state.hob_count = 0;
    drive_after(d, STEP_DONE, ns);
}

static void seek(struct ide_drive *d)
{
    if (task_lba(&d->state) >= ata_sectors(d))
        fail_later(d, ATA_IDNF);
    else
        succeed(d);
}

static void flush(struct ide_drive *d)
{
    drive_after(d, STEP_FLUSH, FLUSH_NS);
}

static void flush_now(struct ide_drive *d)
{
    struct err e = block_flush(d->block);

    if (failed(&e))
        medium_failed(d, &e, ATA_ABRT);
    else
        drive_done(d);
}

static void native_max(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;

    put_lba(s, (is_ext(s->command) ? ata_sectors(d) : ata_sectors_28(d)) - 1);
    succeed(d);
}

static void set_multiple(struct ide_drive *d)
{
    uint8_t n = d->state.count;

    if (n > IDE_MULTIPLE_MAX || (n & (n - 1)) != 0) {
        d->state.multiple = 0;
        fail_later(d, ATA_ABRT);
        return;
    }
    d->state.multiple = n;
    succeed(d);
}

/* Sectors per track in the count, the highest head in the device register. */
static void set_geometry(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint64_t cylinders;

    if (s->count == 0) {
        fail_later(d, ATA_ABRT);
        return;
    }
    s->heads = (uint8_t)((s->device & 15) + 1);
    s->sectors = s->count;
    cylinders = ata_sectors(d) / ((uint32_t)s->heads * s->sectors);
    s->cylinders = cylinders > 65535 ? 65535 : (uint16_t)cylinders;
    succeed(d);
}

static void check_power(struct ide_drive *d)
{
    d->state.count = 0xff;      /* active or idle */
    succeed(d);
}

/* "SET FEATURES" 03h: transfer mode in the count, type in the high bits. */
static bool set_transfer_mode(struct ide_drive_state *s)
{
    unsigned mode = s->count & 7;

    switch (s->count >> 3) {
    case 0: return mode <= 1;           /* PIO default, without IORDY */
    case 1: return mode <= 4;           /* PIO flow control */
    case 4:
        if (mode > 2)
            return false;
        s->mdma = (uint8_t)BIT(mode);
        s->udma = 0;
        return true;
    case 8:
        if (mode > 5)
            return false;
        s->udma = (uint8_t)BIT(mode);
        s->mdma = 0;
        return true;
    default:
        return false;
    }
}

static void set_features(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool ok = true;

    switch (s->features) {
    case 0x02: s->write_cache = 1; break;
    case 0x82: s->write_cache = 0; break;
    case 0x03: ok = set_transfer_mode(s); break;
    case 0x66: case 0xcc: break;        /* keep or restore settings at SRST: nothing here is lost by it */
    default: ok = false; break;
    }
    if (ok)
        succeed(d);
    else
        fail_later(d, ATA_ABRT);
}

static void device_reset(struct ide_drive *d)
{
    ata_defaults(d);
    drive_signature(d);
}

/* A packet device answers IDENTIFY DEVICE and the like with its signature, so that hosts can tell. */
static void not_a_disk(struct ide_drive *d)
{
    drive_signature(d);
    drive_fail(d, ATA_ABRT);
}

/* ---- the table ---- */

struct ata_command {
    void (*disk)(struct ide_drive *d);
    void (*cdrom)(struct ide_drive *d);
};

static const struct ata_command commands[256] = {
    [0x08] = { NULL,         device_reset },        /* DEVICE RESET */
    [0x10] = { succeed,      NULL },                /* RECALIBRATE */
    [0x20] = { read_pio,     not_a_disk },          /* READ SECTOR(S) */
    [0x21] = { read_pio,     not_a_disk },
    [0x24] = { read_pio,     NULL },                /* READ SECTOR(S) EXT */
    [0x25] = { read_dma,     NULL },                /* READ DMA EXT */
    [0x27] = { native_max,   NULL },                /* READ NATIVE MAX ADDRESS EXT */
    [0x29] = { read_pio,     NULL },                /* READ MULTIPLE EXT */
    [0x30] = { write_pio,    NULL },                /* WRITE SECTOR(S) */
    [0x31] = { write_pio,    NULL },
    [0x34] = { write_pio,    NULL },                /* WRITE SECTOR(S) EXT */
    [0x35] = { write_dma,    NULL },                /* WRITE DMA EXT */
    [0x39] = { write_pio,    NULL },                /* WRITE MULTIPLE EXT */
    [0x40] = { verify,       NULL },                /* READ VERIFY SECTOR(S) */
    [0x41] = { verify,       NULL },
    [0x42] = { verify,       NULL },                /* READ VERIFY SECTOR(S) EXT */
    [0x70] = { seek,         NULL },                /* SEEK */
    [0x91] = { set_geometry, NULL },                /* INITIALIZE DEVICE PARAMETERS */
    [0x94] = { succeed,      succeed },             /* STANDBY IMMEDIATE .. SLEEP, old codes */
    [0x95] = { succeed,      succeed },
    [0x96] = { succeed,      succeed },
    [0x97] = { succeed,      succeed },
    [0x98] = { check_power,  check_power },
    [0x99] = { succeed,      succeed },
    [0xa0] = { NULL,         atapi_start },         /* PACKET */
    [0xa1] = { NULL,         atapi_identify },      /* IDENTIFY PACKET DEVICE */
    [0xc4] = { read_pio,     NULL },                /* READ MULTIPLE */
    [0xc5] = { write_pio,    NULL },                /* WRITE MULTIPLE */
    [0xc6] = { set_multiple, NULL },                /* SET MULTIPLE MODE */
    [0xc8] = { read_dma,     NULL },                /* READ DMA */
    [0xc9] = { read_dma,     NULL },
    [0xca] = { write_dma,    NULL },                /* WRITE DMA */
    [0xcb] = { write_dma,    NULL },
    [0xe0] = { succeed,      succeed },             /* STANDBY IMMEDIATE */
    [0xe1] = { succeed,      succeed },             /* IDLE IMMEDIATE */
    [0xe2] = { succeed,      succeed },             /* STANDBY */
    [0xe3] = { succeed,      succeed },             /* IDLE */
    [0xe5] = { check_power,  check_power },         /* CHECK POWER MODE */
    [0xe6] = { succeed,      succeed },             /* SLEEP */
    [0xe7] = { flush,        NULL },                /* FLUSH CACHE */
    [0xea] = { flush,        NULL },                /* FLUSH CACHE EXT */
    [0xec] = { ata_identify, not_a_disk },          /* IDENTIFY DEVICE */
    [0xef] = { set_features, set_features },        /* SET FEATURES */
    [0xf8] = { native_max,   NULL },                /* READ NATIVE MAX ADDRESS */
};

void ata_command(struct ide_drive *d, uint8_t command)
{
    void (*run)(struct ide_drive *d) = d->kind == IDE_CDROM ? commands[command].cdrom : commands[command].disk;

    if (command == 0x08 && run == NULL && d->state.status & (ATA_BSY | ATA_DRQ))
        return;
    d->state.command = command;
    d->state.error = 0;
    if (run != NULL)
        run(d);
    else
        fail_later(d, ATA_ABRT);
}

void ata_step(struct ide_drive *d, enum ide_step step)
{
    switch (step) {
    case STEP_FLUSH:
        flush_now(d);
        break;
    case STEP_DISK_IN:
        disk_in(d);
        break;
    case STEP_DISK_OUT:
        disk_out(d);
        break;
    case STEP_BUFFER_IN:
        drive_offer(d);
        drive_raise(d);
        break;
    case STEP_DMA:
        run_dma(d);
        break;
    default:
        break;
    }
}
