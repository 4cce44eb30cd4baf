/* SPDX-License-Identifier: MIT
 * The commands of the 82077AA, "Command Set/Descriptions": parameters are in the FIFO, sectors of 512 bytes move by DMA or
 * through the FIFO, and a sector, a seek and an identification end at virtual deadlines. */
#include "devices/fdc_state.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"

enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0, ST0_SEEK_END = 0x20, ST0_CHECK = 0x10 };
enum { ST1_NO_MARK = 0x01, ST1_WRITE_PROTECT = 0x02, ST1_NO_DATA = 0x04, ST1_OVERRUN = 0x10, ST1_DATA = 0x20,
       ST1_END_OF_CYLINDER = 0x80 };
enum { ST2_WRONG_CYLINDER = 0x10, ST2_CONTROL_MARK = 0x40 };

#define SECTOR_NS  300000u          /* a sector passes the head */
#define TRACK_NS   200000u          /* one step of the head */
#define DMA_CHANNEL 2

static unsigned drive_of(const struct fdc_state *s)
{
    return s->fifo[1] & 3;
}

/* ST0's drive and head bits are those of the command. */
static uint8_t st0(const struct fdc_state *s, uint8_t code)
{
    return (uint8_t)(code | (s->fifo[1] & 7));
}

/* Data commands end with ST0, ST1, ST2, C, H, R, N and an interrupt. */
static void end_data(struct fdc *f, uint8_t code)
{
    struct fdc_state *s = &f->state;
    const uint8_t result[7] = { st0(s, code), s->st1, s->st2, s->cylinder, s->head, s->sector, 2 };

    fdc_set_step(f, STEP_NONE, TIMER_OFF);
    fdc_result_phase(f, result, sizeof result);
    fdc_set_interrupt(f, true);
}

static void fail_data(struct fdc *f, uint8_t st1, uint8_t st2)
{
    f->state.st1 |= st1;
    f->state.st2 |= st2;
    end_data(f, ST0_ABNORMAL);
}

/* ---- the medium ---- */

/* A disk turns under the head and its marks can be read at this data rate. */
const struct format *fdc_readable(const struct fdc *f)
{
    unsigned drive = drive_of(&f->state);
    const struct format *format = drive < 2 ? f->formats[drive] : NULL;

    if (format == NULL || !(f->state.dor >> (4 + drive) & 1) || f->state.track[drive] >= format->cylinders)
        return NULL;
    if (format->rate != f->state.rate && !(format->rate == 1 && f->state.rate == 2))
        return NULL;
    return format;
}

static uint64_t sector_offset(const struct fdc *f, const struct format *format)
{
    const struct fdc_state *s = &f->state;
    unsigned head = s->fifo[1] >> 2 & 1;

    return (((uint64_t)s->track[drive_of(s)] * format->heads + head) * format->sectors + s->sector - 1) * FDC_SECTOR;
}

/* Is there a sector with this identification on the track? Answers with ST1, ST2 in *st2. */
static uint8_t find_sector(const struct fdc *f, uint8_t *st2)
{
    const struct fdc_state *s = &f->state;
    const struct format *format = fdc_readable(f);

    *st2 = 0;
    if (format == NULL)
        return ST1_NO_MARK;
    if (s->cylinder != s->track[drive_of(s)]) {
        *st2 = ST2_WRONG_CYLINDER;
        return ST1_NO_DATA;
    }
    if (s->head != (s->fifo[1] >> 2 & 1) || s->head >= format->heads || s->sector == 0 || s->sector > format->sectors ||
        s->fifo[5] != 2)
        return ST1_NO_DATA;
    return 0;
}

/* ---- data commands ---- */

enum { CMD_READ_TRACK = 0x02, CMD_WRITE = 0x05, CMD_READ = 0x06, CMD_WRITE_DELETED = 0x09, CMD_READ_DELETED = 0x0c,
       CMD_FORMAT = 0x0d, CMD_VERIFY = 0x16 };

static unsigned opcode(const struct fdc_state *s) { return s->fifo[0] & 0x1f; }

bool fdc_to_disk(const struct fdc_state *s)
{
    return opcode(s) == CMD_WRITE || opcode(s) == CMD_WRITE_DELETED || opcode(s) == CMD_FORMAT;
}

/* "Result phase" table: the identification of the sector after the last one. True: that was the last of the cylinder. */
static bool next_sector(struct fdc_state *s)
{
    bool multi_track = s->fifo[0] & 0x80;

    if (s->sector != s->fifo[6]) {
        s->sector++;
        return false;
    }
    s->sector = 1;
    if (!multi_track) {
        s->cylinder++;
        return true;
    }
    s->head ^= 1;
    s->fifo[1] ^= 4;
    if (s->head != 0)
        return false;
    s->cylinder++;
    return true;
}

static void sector_soon(struct fdc *f)
{
    fdc_after(f, STEP_SECTOR, SECTOR_NS);
}

static void sector_done(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    uint8_t head_bits = s->fifo[1];
    bool last = next_sector(s);

    if (s->ended) {
        s->fifo[1] = head_bits;         /* ST0 tells the head that was used */
        end_data(f, 0);
    } else if (last) {
        s->fifo[1] = head_bits;
        fail_data(f, ST1_END_OF_CYLINDER, 0);
    } else {
        sector_soon(f);
    }
}

/* Move the sector in the buffer by DMA. False: the channel did not answer. */
static bool move_by_dma(struct fdc *f, bool to_memory)
{
    struct fdc_state *s = &f->state;
    struct dma_result r = dma_transfer(f->dma, DMA_CHANNEL, s->buffer, FDC_SECTOR, to_memory);

    s->ended = r.terminal_count;
    return r.terminal_count || r.moved == FDC_SECTOR;
}

/* The disk may have been taken out, or the motor stopped, while a slow host moved the bytes. */
static void write_back(struct fdc *f)
{
    const struct format *format = fdc_readable(f);
    struct err e;

    if (format == NULL) {
        fail_data(f, ST1_NO_MARK, 0);
        return;
    }
    e = block_write(f->disks[drive_of(&f->state)], sector_offset(f, format), f->state.buffer, FDC_SECTOR);
    if (failed(&e)) {
        log_at(LOG_DEV, LOG_WARN, "fdc: %s", e.text);
        fail_data(f, ST1_DATA, 0);
    } else {
        sector_done(f);
    }
}

static void offer_host(struct fdc *f)
{
    f->state.buffer_at = 0;
    fdc_set_step(f, STEP_HOST, TIMER_OFF);
    fdc_set_interrupt(f, true);
}

static struct err sector_in(struct block *disk, uint64_t at, uint8_t *to)
{
    memset(to, 0, FDC_SECTOR);
    return at < disk->size ? block_read(disk, at, to, FDC_SECTOR) : OK;
}

/* READ DELETED DATA meets only ordinary sectors here: skipped with SK, else the first one moves and ends the command. */
static bool skip_ordinary(struct fdc_state *s)
{
    if (opcode(s) != CMD_READ_DELETED)
        return false;
    s->st2 |= ST2_CONTROL_MARK;
    return s->fifo[0] & 0x20;
}

static void sector_read(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    if (skip_ordinary(s)) {
        sector_done(f);
    } else if (opcode(s) == CMD_VERIFY) {
        s->ended = !(s->fifo[1] & 0x80) && s->sector == s->fifo[6];
        sector_done(f);
    } else if (s->hlt_nd & 1) {
        offer_host(f);
    } else if (!move_by_dma(f, true)) {
        fail_data(f, ST1_OVERRUN, 0);
    } else {
        s->ended |= opcode(s) == CMD_READ_DELETED;
        sector_done(f);
    }
}

static void read_sector(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    struct err e = sector_in(f->disks[drive_of(s)], sector_offset(f, fdc_readable(f)), s->buffer);

    if (failed(&e)) {
        log_at(LOG_DEV, LOG_WARN, "fdc: %s", e.text);
        fail_data(f, ST1_DATA, 0);
    } else {
        sector_read(f);
    }
}

static void write_sector(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    if (f->disks[drive_of(s)]->readonly)
        fail_data(f, ST1_WRITE_PROTECT, 0);
    else if (s->hlt_nd & 1)
        offer_host(f);
    else if (memset(s->buffer, 0, FDC_SECTOR), !move_by_dma(f, false))
        fail_data(f, ST1_OVERRUN, 0);
    else
        write_back(f);
}

static void transfer_sector(struct fdc *f)
{
    uint8_t st2, st1 = find_sector(f, &st2);

    if (st1 != 0)
        fail_data(f, st1, st2);
    else if (fdc_to_disk(&f->state))
        write_sector(f);
    else
        read_sector(f);
}

/* FORMAT TRACK: four bytes C, H, R, N per sector come from the host; the sectors named get the filler byte. */
static void format_track(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    const struct format *format = fdc_readable(f);
    uint8_t id[4], filler = s->fifo[5];
    unsigned count = s->fifo[3];

    if (format == NULL || f->disks[drive_of(s)]->readonly) {
        fail_data(f, format == NULL ? ST1_NO_MARK : ST1_WRITE_PROTECT, 0);
        return;
    }
    memset(s->buffer, filler, FDC_SECTOR);
    for (unsigned k = 0; k < count; k++) {
        struct err e;

        if (dma_transfer(f->dma, DMA_CHANNEL, id, sizeof id, false).moved != sizeof id) {
            fail_data(f, ST1_OVERRUN, 0);
            return;
        }
        s->sector = id[2];
        if (id[2] == 0 || id[2] > format->sectors)
            continue;
        e = block_write(f->disks[drive_of(s)], sector_offset(f, format), s->buffer, FDC_SECTOR);
        if (failed(&e)) {
            fail_data(f, ST1_DATA, 0);
            return;
        }
    }
    end_data(f, 0);
}

static void run_sector(struct fdc *f)
{
    if (opcode(&f->state) == CMD_FORMAT)
        format_track(f);
    else
        transfer_sector(f);
}

static void start_data(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    s->phase = PHASE_EXECUTE;
    s->st1 = s->st2 = 0;
    s->ended = 0;
    s->cylinder = s->fifo[2];
    s->head = s->fifo[3] & 1;
    s->sector = s->fifo[4];
    if (s->config & 0x40 && drive_of(s) < 2 && s->cylinder < 85)       /* implied seek */
        s->track[drive_of(s)] = s->cylinder;
    sector_soon(f);
}

static void start_format(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    s->phase = PHASE_EXECUTE;
    s->st1 = s->st2 = 0;
    s->cylinder = s->track[drive_of(s)];
    s->head = s->fifo[1] >> 2 & 1;
    fdc_after(f, STEP_SECTOR, SECTOR_NS * (s->fifo[3] + 1u));
}

/* ---- READ ID ---- */

static void start_read_id(struct fdc *f)
{
    f->state.phase = PHASE_EXECUTE;
    f->state.st1 = f->state.st2 = 0;
    fdc_after(f, STEP_READ_ID, SECTOR_NS);
}

/* The first identification that passes; which one that is depends on time, as on a turning disk. */
static void finish_read_id(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    const struct format *format = fdc_readable(f);

    s->cylinder = s->track[drive_of(s)];
    s->head = s->fifo[1] >> 2 & 1;
    s->sector = 1;
    if (format == NULL) {
        fail_data(f, ST1_NO_MARK, 0);
        return;
    }
    s->sector = (uint8_t)(clock_ns(f->clock) / SECTOR_NS % format->sectors + 1);
    end_data(f, 0);
}

/* ---- seeks ---- */

static void start_seek(struct fdc *f, uint8_t to)
{
    struct fdc_state *s = &f->state;
    unsigned drive = drive_of(s), from = s->track[drive];

    s->target[drive] = to;
    s->seeking |= (uint8_t)BIT(drive);
    fdc_command_phase(f);
    fdc_after(f, STEP_SEEK, TRACK_NS * (1u + (from > to ? from - to : to - from)));
}

static void finish_seek(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    for (unsigned k = 0; k < 4; k++) {
        if (!(s->seeking >> k & 1))
            continue;
        s->track[k] = s->target[k];
        if (k < 2 && f->formats[k] != NULL)
            s->changed[k] = 0;          /* a step pulse with a disk inside resets the line */
    }
    s->sought |= s->seeking;
    s->seeking = 0;
    fdc_set_step(f, STEP_NONE, TIMER_OFF);
    fdc_set_interrupt(f, true);
}

static void seek(struct fdc *f) { start_seek(f, f->state.fifo[2]); }
static void recalibrate(struct fdc *f) { start_seek(f, 0); }

/* RELATIVE SEEK: bit 6 of the command says inwards. */
static void relative_seek(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    int to = s->track[drive_of(s)] + (s->fifo[0] & 0x40 ? s->fifo[2] : -(int)s->fifo[2]);

    start_seek(f, (uint8_t)(to < 0 ? 0 : to > 84 ? 84 : to));
}

static void seek_or_relative(struct fdc *f)
{
    if (f->state.fifo[0] & 0x80)
        relative_seek(f);
    else
        seek(f);
}

/* "Sense Interrupt Status": ended seeks first by drive number, then the drives polled after reset; else invalid. */
static void sense_interrupt(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    uint8_t pending = s->polled ? s->polled : s->sought, result[2] = { ST0_INVALID, 0 };
    unsigned drive;

    if (pending == 0) {
        fdc_result_phase(f, result, 1);
        return;
    }
    drive = bits_lowest(pending);
    result[0] = (uint8_t)((s->polled ? ST0_POLLED : ST0_SEEK_END) | drive);
    result[1] = s->track[drive];
    if (!s->polled && drive >= 2)
        result[0] |= ST0_ABNORMAL | ST0_CHECK;          /* no drive: track 0 never comes */
    if (s->polled)
        s->polled &= (uint8_t)~BIT(drive);
    else
        s->sought &= (uint8_t)~BIT(drive);
    fdc_set_interrupt(f, false);
    fdc_result_phase(f, result, 2);
}

/* ---- small commands ---- */

static void specify(struct fdc *f)
{
    f->state.srt_hut = f->state.fifo[1];
    f->state.hlt_nd = f->state.fifo[2];
    fdc_command_phase(f);
}

static void sense_drive(struct fdc *f)
{
    const struct fdc_state *s = &f->state;
    unsigned drive = drive_of(s);
    bool protected = drive < 2 && f->disks[drive] != NULL && f->disks[drive]->readonly;
    uint8_t st3 = (uint8_t)(0x28 | (s->fifo[1] & 7) | (s->track[drive] == 0 ? 0x10 : 0) | (protected ? 0x40 : 0));

    fdc_result_phase(f, &st3, 1);
}

static void configure(struct fdc *f)
{
    f->state.config = f->state.fifo[2];
    f->state.precomp = f->state.fifo[3];
    fdc_command_phase(f);
}

static void perpendicular(struct fdc *f)
{
    f->state.perpendicular = f->state.fifo[1];
    fdc_command_phase(f);
}

static void lock(struct fdc *f)
{
    uint8_t result;

    f->state.lock = f->state.fifo[0] >> 7;
    result = (uint8_t)(f->state.lock << 4);
    fdc_result_phase(f, &result, 1);
}

static void dump_registers(struct fdc *f)
{
    const struct fdc_state *s = &f->state;
    const uint8_t result[10] = {
        s->track[0], s->track[1], s->track[2], s->track[3], s->srt_hut, s->hlt_nd, 18,
        (uint8_t)(s->lock << 7 | (s->perpendicular & 0x7f)), s->config, s->precomp,
    };

    fdc_result_phase(f, result, sizeof result);
}

static void version(struct fdc *f)
{
    const uint8_t result = 0x90;        /* an enhanced controller */

    fdc_result_phase(f, &result, 1);
}

static void invalid(struct fdc *f)
{
    const uint8_t result = ST0_INVALID;

    fdc_result_phase(f, &result, 1);
}

/* ---- command bytes ---- */

static const struct command {
    uint8_t len;                /* with its parameters */
    void (*run)(struct fdc *f);
} commands[32] = {
    [CMD_READ_TRACK]    = { 9, start_data },
    [0x03]              = { 3, specify },
    [0x04]              = { 2, sense_drive },
    [CMD_WRITE]         = { 9, start_data },
    [CMD_READ]          = { 9, start_data },
    [0x07]              = { 2, recalibrate },
    [0x08]              = { 1, sense_interrupt },
    [CMD_WRITE_DELETED] = { 9, start_data },
    [0x0a]              = { 2, start_read_id },
    [CMD_READ_DELETED]  = { 9, start_data },
    [CMD_FORMAT]        = { 6, start_format },
    [0x0e]              = { 1, dump_registers },
    [0x0f]              = { 3, seek_or_relative },
    [0x10]              = { 1, version },
    [0x12]              = { 2, perpendicular },
    [0x13]              = { 4, configure },
    [0x14]              = { 1, lock },
    [CMD_VERIFY]        = { 9, start_data },
};

void fdc_command_byte(struct fdc *f, uint8_t value)
{
    struct fdc_state *s = &f->state;
    const struct command *c;

    s->fifo[s->len++] = value;
    c = &commands[opcode(s)];
    s->expected = c->run != NULL ? c->len : 1;
    if (s->len < s->expected)
        return;
    if (c->run == NULL)
        log_once(LOG_DEV, "fdc: command %02x is not one of this controller's", s->fifo[0]);
    (c->run != NULL ? c->run : invalid)(f);
}

/* "Non-DMA mode": bytes of the sector through the FIFO. There is no TC pin on this path, so EOT ends the command. */
void fdc_host_moved(struct fdc *f)
{
    fdc_set_interrupt(f, false);
    if (fdc_to_disk(&f->state))
        write_back(f);
    else
        sector_done(f);
}

void fdc_run_step(struct fdc *f)
{
    switch (f->state.step) {
    case STEP_SEEK:    finish_seek(f); break;
    case STEP_SECTOR:  run_sector(f); break;
    case STEP_READ_ID: finish_read_id(f); break;
    default: break;
    }
}
