/* SPDX-License-Identifier: MIT
 * Intel 82077AA data sheet in PC/AT mode: command, execution and result phases over a 16-byte FIFO, sectors of 512 bytes.
 * A sector, a seek and a reset end at virtual deadlines. */
#include "devices/fdc.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/invariant.h"
#include "base/log.h"

enum { DOR_RUN = 0x04, DOR_DMA = 0x08 };
enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_TO_HOST = 0x40, MSR_READY = 0x80 };
enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0, ST0_SEEK_END = 0x20, ST0_CHECK = 0x10 };
enum { ST1_NO_MARK = 0x01, ST1_WRITE_PROTECT = 0x02, ST1_NO_DATA = 0x04, ST1_OVERRUN = 0x10, ST1_DATA = 0x20,
       ST1_END_OF_CYLINDER = 0x80 };
enum { ST2_WRONG_CYLINDER = 0x10, ST2_CONTROL_MARK = 0x40 };

enum phase { PHASE_COMMAND, PHASE_EXECUTE, PHASE_RESULT };
enum step { STEP_NONE, STEP_RESET, STEP_SEEK, STEP_SECTOR, STEP_READ_ID, STEP_HOST };

#define SECTOR 512u
#define RESET_NS   50000u
#define SECTOR_NS  300000u          /* a sector passes the head */
#define TRACK_NS   200000u          /* one step of the head */
#define DMA_CHANNEL 2

#define FDC_STATE(ONE, MANY)                                                    \
    ONE (u64, due_ns,      "deadline of `step`")                                \
    ONE (u16, buffer_at,   "non-DMA: next byte of the sector")                  \
    ONE (u8,  dor,         "digital output")                                    \
    ONE (u8,  dsr,         "data rate select")                                  \
    ONE (u8,  tdr,         "tape drive")                                        \
    ONE (u8,  rate,        "data rate in force: 0 500k, 1 300k, 2 250k, 3 1M")  \
    ONE (u8,  phase,       "enum phase")                                        \
    ONE (u8,  step,        "enum step")                                         \
    ONE (u8,  interrupt,   "interrupt pending")                                 \
    ONE (u8,  polled,      "drives whose status SENSE INTERRUPT must still tell after reset") \
    ONE (u8,  sought,      "drives that ended a seek")                          \
    ONE (u8,  seeking,     "drives on the way, MSR bits 0-3")                   \
    ONE (u8,  len,         "bytes in the FIFO")                                 \
    ONE (u8,  at,          "next byte of a result")                             \
    ONE (u8,  expected,    "bytes of this command")                             \
    ONE (u8,  srt_hut,     "SPECIFY, first byte")                               \
    ONE (u8,  hlt_nd,      "SPECIFY, second byte; bit 0: non-DMA mode")         \
    ONE (u8,  config,      "CONFIGURE, second byte")                            \
    ONE (u8,  precomp,     "CONFIGURE, third byte")                             \
    ONE (u8,  perpendicular, "PERPENDICULAR MODE")                              \
    ONE (u8,  lock,        "LOCK")                                              \
    ONE (u8,  st1,         "of the running command")                            \
    ONE (u8,  st2,         "of the running command")                            \
    ONE (u8,  cylinder,    "C of the running command")                          \
    ONE (u8,  head,        "H")                                                 \
    ONE (u8,  sector,      "R")                                                 \
    ONE (u8,  ended,       "terminal count came")                               \
    MANY(u8,  track, 4,    "where the heads are")                               \
    MANY(u8,  target, 4,   "where they go")                                     \
    MANY(u8,  changed, 2,  "disk change lines")                                 \
    MANY(u8,  fifo, 16,    "command or result bytes")                           \
    MANY(u8,  unused, 3,   "")                                                  \
    MANY(u8,  buffer, SECTOR, "one sector")
STATE_STRUCT(fdc_state, FDC_STATE);
STATE_SCHEMA(fdc_state, FDC_STATE);

struct format {
    uint64_t bytes;
    uint8_t cylinders, heads, sectors;
    uint8_t rate;               /* the one it can be read with */
    uint8_t drive;              /* CMOS type of a drive for it */
};

struct fdc {
    struct device dev;
    struct fdc_state state;
    struct clock *clock;
    struct dma8237 *dma;
    struct irq irq;
    struct timer timer;
    struct block *disks[2];
    const struct format *formats[2];        /* of the disk inside, NULL: empty */
    uint8_t types[2];
};

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

static void set_interrupt(struct fdc *f, bool pending)
{
    f->state.interrupt = pending;
    irq_set(&f->irq, pending && f->state.dor & DOR_DMA);
}

static void set_step(struct fdc *f, enum step step, uint64_t due_ns)
{
    f->state.step = (uint8_t)step;
    f->state.due_ns = due_ns;
    timer_set(f->clock, &f->timer, due_ns);
}

static void after(struct fdc *f, enum step step, uint64_t ns)
{
    set_step(f, step, clock_ns(f->clock) + ns);
}

/* ---- phases ---- */

static void command_phase(struct fdc *f)
{
    f->state.phase = PHASE_COMMAND;
    f->state.len = f->state.at = f->state.expected = 0;
}

static void result_phase(struct fdc *f, const uint8_t *bytes, unsigned len)
{
    memcpy(f->state.fifo, bytes, len);
    f->state.len = (uint8_t)len;
    f->state.at = 0;
    f->state.phase = PHASE_RESULT;
}

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

    set_step(f, STEP_NONE, TIMER_OFF);
    result_phase(f, result, sizeof result);
    set_interrupt(f, true);
}

static void fail_data(struct fdc *f, uint8_t st1, uint8_t st2)
{
    f->state.st1 |= st1;
    f->state.st2 |= st2;
    end_data(f, ST0_ABNORMAL);
}

/* ---- the medium ---- */

/* A disk turns under the head and its marks can be read at this data rate. */
static const struct format *readable(const struct fdc *f)
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

    return (((uint64_t)s->track[drive_of(s)] * format->heads + head) * format->sectors + s->sector - 1) * SECTOR;
}

/* Is there a sector with this identification on the track? Answers with ST1, ST2 in *st2. */
static uint8_t find_sector(const struct fdc *f, uint8_t *st2)
{
    const struct fdc_state *s = &f->state;
    const struct format *format = readable(f);

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

static bool to_disk(const struct fdc_state *s)
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
    after(f, STEP_SECTOR, SECTOR_NS);
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
    struct dma_result r = dma_transfer(f->dma, DMA_CHANNEL, s->buffer, SECTOR, to_memory);

    s->ended = r.terminal_count;
    return r.terminal_count || r.moved == SECTOR;
}

/* The disk may have been taken out, or the motor stopped, while a slow host moved the bytes. */
static void write_back(struct fdc *f)
{
    const struct format *format = readable(f);
    struct err e;

    if (format == NULL) {
        fail_data(f, ST1_NO_MARK, 0);
        return;
    }
    e = block_write(f->disks[drive_of(&f->state)], sector_offset(f, format), f->state.buffer, SECTOR);
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
    set_step(f, STEP_HOST, TIMER_OFF);
    set_interrupt(f, true);
}

static struct err sector_in(struct block *disk, uint64_t at, uint8_t *to)
{
    memset(to, 0, SECTOR);
    return at < disk->size ? block_read(disk, at, to, SECTOR) : OK;
}

static void read_sector(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    struct err e = sector_in(f->disks[drive_of(s)], sector_offset(f, readable(f)), s->buffer);

    if (failed(&e)) {
        log_at(LOG_DEV, LOG_WARN, "fdc: %s", e.text);
        fail_data(f, ST1_DATA, 0);
    } else if (opcode(s) == CMD_VERIFY) {
        s->ended = !(s->fifo[1] & 0x80) && s->sector == s->fifo[6];
        sector_done(f);
    } else if (s->hlt_nd & 1) {
        offer_host(f);
    } else if (!move_by_dma(f, true)) {
        fail_data(f, ST1_OVERRUN, 0);
    } else {
        sector_done(f);
    }
}

static void write_sector(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    if (f->disks[drive_of(s)]->readonly)
        fail_data(f, ST1_WRITE_PROTECT, 0);
    else if (s->hlt_nd & 1)
        offer_host(f);
    else if (memset(s->buffer, 0, SECTOR), !move_by_dma(f, false))
        fail_data(f, ST1_OVERRUN, 0);
    else
        write_back(f);
}

static void transfer_sector(struct fdc *f)
{
    uint8_t st2, st1 = find_sector(f, &st2);

    if (st1 != 0)
        fail_data(f, st1, st2);
    else if (to_disk(&f->state))
        write_sector(f);
    else
        read_sector(f);
}

/* FORMAT TRACK: four bytes C, H, R, N per sector come from the host; the sectors named get the filler byte. */
static void format_track(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    const struct format *format = readable(f);
    uint8_t id[4], filler = s->fifo[5];
    unsigned count = s->fifo[3];

    if (format == NULL || f->disks[drive_of(s)]->readonly) {
        fail_data(f, format == NULL ? ST1_NO_MARK : ST1_WRITE_PROTECT, 0);
        return;
    }
    memset(s->buffer, filler, SECTOR);
    for (unsigned k = 0; k < count; k++) {
        struct err e;

        if (dma_transfer(f->dma, DMA_CHANNEL, id, sizeof id, false).moved != sizeof id) {
            fail_data(f, ST1_OVERRUN, 0);
            return;
        }
        s->sector = id[2];
        if (id[2] == 0 || id[2] > format->sectors)
            continue;
        e = block_write(f->disks[drive_of(s)], sector_offset(f, format), s->buffer, SECTOR);
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
    after(f, STEP_SECTOR, SECTOR_NS * (s->fifo[3] + 1u));
}

/* ---- READ ID ---- */

static void start_read_id(struct fdc *f)
{
    f->state.phase = PHASE_EXECUTE;
    f->state.st1 = f->state.st2 = 0;
    after(f, STEP_READ_ID, SECTOR_NS);
}

/* The first identification that passes; which one that is depends on time, as on a turning disk. */
static void finish_read_id(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    const struct format *format = readable(f);

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
    command_phase(f);
    after(f, STEP_SEEK, TRACK_NS * (1u + (from > to ? from - to : to - from)));
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
    set_step(f, STEP_NONE, TIMER_OFF);
    set_interrupt(f, true);
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
        result_phase(f, result, 1);
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
    set_interrupt(f, false);
    result_phase(f, result, 2);
}

/* ---- small commands ---- */

static void specify(struct fdc *f)
{
    f->state.srt_hut = f->state.fifo[1];
    f->state.hlt_nd = f->state.fifo[2];
    command_phase(f);
}

static void sense_drive(struct fdc *f)
{
    const struct fdc_state *s = &f->state;
    unsigned drive = drive_of(s);
    bool protected = drive < 2 && f->disks[drive] != NULL && f->disks[drive]->readonly;
    uint8_t st3 = (uint8_t)(0x28 | (s->fifo[1] & 7) | (s->track[drive] == 0 ? 0x10 : 0) | (protected ? 0x40 : 0));

    result_phase(f, &st3, 1);
}

static void configure(struct fdc *f)
{
    f->state.config = f->state.fifo[2];
    f->state.precomp = f->state.fifo[3];
    command_phase(f);
}

static void perpendicular(struct fdc *f)
{
    f->state.perpendicular = f->state.fifo[1];
    command_phase(f);
}

static void lock(struct fdc *f)
{
    uint8_t result;

    f->state.lock = f->state.fifo[0] >> 7;
    result = (uint8_t)(f->state.lock << 4);
    result_phase(f, &result, 1);
}

static void dump_registers(struct fdc *f)
{
    const struct fdc_state *s = &f->state;
    const uint8_t result[10] = {
        s->track[0], s->track[1], s->track[2], s->track[3], s->srt_hut, s->hlt_nd, 18,
        (uint8_t)(s->lock << 7 | (s->perpendicular & 0x7f)), s->config, s->precomp,
    };

    result_phase(f, result, sizeof result);
}

static void version(struct fdc *f)
{
    const uint8_t result = 0x90;        /* an enhanced controller */

    result_phase(f, &result, 1);
}

static void invalid(struct fdc *f)
{
    const uint8_t result = ST0_INVALID;

    result_phase(f, &result, 1);
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

static void command_byte(struct fdc *f, uint8_t value)
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
            return (uint8_t)(MSR_READY | MSR_BUSY | MSR_NON_DMA | (to_disk(s) ? 0 : MSR_TO_HOST));
        return MSR_BUSY | (s->hlt_nd & 1 ? MSR_NON_DMA : 0);
    }
}

/* "Non-DMA mode": bytes of the sector through the FIFO. There is no TC pin on this path, so EOT ends the command. */
static void host_moved(struct fdc *f)
{
    set_interrupt(f, false);
    if (to_disk(&f->state))
        write_back(f);
    else
        sector_done(f);
}

static uint8_t fifo_read(struct fdc *f)
{
    struct fdc_state *s = &f->state;
    uint8_t value;

    if (s->step == STEP_HOST && !to_disk(s)) {
        value = s->buffer[s->buffer_at++];
        if (s->buffer_at == SECTOR)
            host_moved(f);
        return value;
    }
    if (s->phase != PHASE_RESULT)
        return 0;
    set_interrupt(f, false);
    value = s->fifo[s->at++];
    if (s->at == s->len)
        command_phase(f);
    return value;
}

static void fifo_write(struct fdc *f, uint8_t value)
{
    struct fdc_state *s = &f->state;

    if (!(s->dor & DOR_RUN))
        return;
    if (s->step == STEP_HOST && to_disk(s)) {
        s->buffer[s->buffer_at++] = value;
        if (s->buffer_at == SECTOR)
            host_moved(f);
    } else if (s->phase == PHASE_COMMAND && s->step != STEP_RESET) {
        command_byte(f, value);
    }
}

/* "Reset": CONFIGURE's values stay while locked, SPECIFY's always. Heads do not move. */
static void software_reset(struct fdc *f)
{
    struct fdc_state *s = &f->state;

    command_phase(f);
    s->polled = s->sought = s->seeking = 0;
    if (!s->lock) {
        s->config = 0x20;       /* FIFO off, polling on */
        s->precomp = 0;
    }
    s->perpendicular &= 0x3c;
    set_interrupt(f, false);
    set_step(f, STEP_NONE, TIMER_OFF);
}

static void dor_write(struct fdc *f, uint8_t value)
{
    uint8_t before = f->state.dor;

    f->state.dor = value;
    if (before & DOR_RUN && !(value & DOR_RUN))
        software_reset(f);
    else if (!(before & DOR_RUN) && value & DOR_RUN)
        after(f, STEP_RESET, RESET_NS);
    set_interrupt(f, f->state.interrupt);
}

static void dsr_write(struct fdc *f, uint8_t value)
{
    f->state.dsr = value & 0x7f;
    f->state.rate = value & 3;
    if (value & 0x80 && f->state.dor & DOR_RUN) {
        software_reset(f);
        after(f, STEP_RESET, RESET_NS);
    }
}

/* Out of reset: unless CONFIGURE turned polling off, an interrupt, and a status of each of the four drives to sense. */
static void finish_reset(struct fdc *f)
{
    set_step(f, STEP_NONE, TIMER_OFF);
    if (f->state.config & 0x10)
        return;
    f->state.polled = 15;
    set_interrupt(f, true);
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

    switch (f->state.step) {
    case STEP_RESET:   finish_reset(f); break;
    case STEP_SEEK:    finish_seek(f); break;
    case STEP_SECTOR:  run_sector(f); break;
    case STEP_READ_ID: finish_read_id(f); break;
    default: break;
    }
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

    set_step(f, f->state.step, f->state.due_ns);
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

    if (s->buffer_at >= SECTOR || s->len > 16 || (s->phase == PHASE_COMMAND && s->len > 8) || s->at > s->len ||
        (s->step == STEP_HOST && readable(f) == NULL))
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

static const struct device_class fdc_class = {
    .name = "fdc", .size = sizeof(struct fdc),
    .state = &fdc_state_schema, .state_at = offsetof(struct fdc, state),
    .reset = fdc_reset, .loaded = fdc_loaded, .destroy = fdc_destroy,
    .save_more = fdc_save, .load_more = fdc_load, .hash_more = fdc_hash,
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
