/* SPDX-License-Identifier: MIT
 * CD-ROM drives: the PACKET protocol of ATA/ATAPI-6 and the read-only commands of MMC-3 and SPC-2, one row per operation
 * code. Answers that only describe drive and disc are in atapi_info.c. */
#include "devices/atapi.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/log.h"

#define PACKET_NS  20000u       /* from the last packet byte to the answer */
#define NEXT_NS    5000u

/* Interrupt reason, in the sector count register */
enum { REASON_COMMAND = 1, REASON_TO_HOST = 2 };

bool atapi_has_disc(const struct ide_drive *d)
{
    return d->block != NULL && !d->state.tray_open;
}

uint32_t atapi_disc_sectors(const struct ide_drive *d)
{
    uint64_t n = atapi_has_disc(d) ? d->block->size / ATAPI_SECTOR : 0;

    return n > 0xffffffff ? 0xffffffff : (uint32_t)n;
}

/* ---- the end of a packet command ---- */

static void packet_done(struct ide_drive *d)
{
    d->state.count = REASON_COMMAND | REASON_TO_HOST;
    d->state.error = 0;
    d->state.sense_key = d->state.asc = d->state.ascq = 0;
    drive_done(d);
}

/* CHECK CONDITION: the sense key is also in the error register. */
void atapi_check_condition(struct ide_drive *d, enum sense_key key, uint8_t asc, uint8_t ascq)
{
    d->state.sense_key = (uint8_t)key;
    d->state.asc = asc;
    d->state.ascq = ascq;
    d->state.left = d->state.at = d->state.len = 0;
    d->state.count = REASON_COMMAND | REASON_TO_HOST;
    drive_fail(d, (uint8_t)(key << 4 | (key == ILLEGAL_REQUEST ? ATA_ABRT : 0)));
}

static void done_soon(struct ide_drive *d)
{
    drive_after(d, STEP_PACKET_DONE, PACKET_NS);
}

/* ---- data to the host ---- */

/* Offer the buffer from state.at on, at most what the host takes per DRQ block; an odd limit counts as one less. */
static void offer_block(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t limit = s->byte_limit == 0 || s->byte_limit == 0xffff ? 0xfffe : s->byte_limit & 0xfffeu;
    uint32_t n = s->filled - s->at < limit ? s->filled - s->at : limit;

    if (n == 0)
        n = s->filled - s->at;
    s->len = s->at + n;
    s->lba_mid = (uint8_t)n;
    s->lba_high = (uint8_t)(n >> 8);
    s->count = REASON_TO_HOST;
    drive_offer_from(d, s->at);
    drive_raise(d);
}

/* Send the first `len` bytes of the buffer, but no more than the host's allocation length. */
void atapi_reply(struct ide_drive *d, uint32_t len, uint32_t allocated)
{
    struct ide_drive_state *s = &d->state;

    s->filled = len < allocated ? len : allocated;
    s->left = 0;
    s->at = 0;
    if (s->filled == 0)
        packet_done(d);
    else if (s->use_dma) {
        s->len = s->filled;
        dma_request(d, true);
    } else
        offer_block(d);
}

static bool read_disc(struct ide_drive *d, uint8_t *to, uint32_t sectors)
{
    struct err e = block_read(d->block, d->state.lba * ATAPI_SECTOR, to, (size_t)sectors * ATAPI_SECTOR);

    if (!failed(&e))
        return true;
    log_at(LOG_DEV, LOG_WARN, "%s: %s", d->dev.name, e.text);
    atapi_check_condition(d, MEDIUM_ERROR, UNRECOVERED, 0);
    return false;
}

static uint32_t sectors_at_once(const struct ide_drive_state *s)
{
    return s->left < IDE_BUFFER / ATAPI_SECTOR ? s->left : IDE_BUFFER / ATAPI_SECTOR;
}

static void disc_in(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t n = sectors_at_once(s);

    if (!atapi_has_disc(d)) {
        atapi_check_condition(d, NOT_READY, NO_MEDIUM, 0);
        return;
    }
    if (!read_disc(d, s->buffer, n))
        return;
    s->lba += n;
    s->left -= n;
    s->at = 0;
    s->filled = n * ATAPI_SECTOR;
    offer_block(d);
}

void atapi_dma(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    struct ide_dma dma = dma_begin(d->channel);
    bool whole = true;

    if (s->len != 0) {
        whole = dma_move(&dma, s->buffer, s->len, true) == s->len;
        s->at = s->len = 0;
    }
    while (whole && s->left > 0) {
        uint32_t n = s->left < IDE_SCRATCH / ATAPI_SECTOR ? s->left : IDE_SCRATCH / ATAPI_SECTOR;

        if (!atapi_has_disc(d)) {
            atapi_check_condition(d, NOT_READY, NO_MEDIUM, 0);
            return;
        }
        if (!read_disc(d, d->channel->scratch, n))
            return;
        whole = dma_move(&dma, d->channel->scratch, n * ATAPI_SECTOR, true) == n * ATAPI_SECTOR;
        s->lba += n;
        s->left -= n;
    }
    dma_end(&dma);
    if (whole) {
        packet_done(d);
    } else {        /* the descriptor table was too short: the rest is never taken */
        s->status = ATA_DRDY | ATA_DRQ;
        s->step = STEP_WAIT_DMA;
    }
}

void atapi_host_moved(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;

    if (s->count & REASON_COMMAND) {        /* that was the packet */
        memcpy(s->packet, s->buffer, sizeof s->packet);
        drive_after(d, STEP_PACKET, PACKET_NS);
    } else if (s->at < s->filled) {
        offer_block(d);
    } else if (s->left > 0) {
        drive_after(d, STEP_DISC_IN, NEXT_NS + 5 * (uint64_t)ATAPI_SECTOR * sectors_at_once(s));
    } else {
        drive_after(d, STEP_PACKET_DONE, NEXT_NS);
    }
}

/* ---- inquiries about the drive ---- */

static void test_unit_ready(struct ide_drive *d)
{
    done_soon(d);
}

static void request_sense(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint8_t *b = s->buffer;

    memset(b, 0, 18);
    b[0] = 0x70;
    b[7] = 10;
    if (s->sense_key == NO_SENSE && s->attention != 0) {
        b[2] = UNIT_ATTENTION;
        b[12] = s->attention;
        s->attention = 0;
    } else {
        b[2] = s->sense_key;
        b[12] = s->asc;
        b[13] = s->ascq;
    }
    s->sense_key = s->asc = s->ascq = 0;
    atapi_reply(d, 18, s->packet[4]);
}

static void prevent_removal(struct ide_drive *d)
{
    d->state.locked = d->state.packet[4] & 1;
    done_soon(d);
}

static void start_stop(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool start = s->packet[4] & 1, load_eject = s->packet[4] & 2;

    if (load_eject && !start && s->locked) {
        atapi_check_condition(d, atapi_has_disc(d) ? ILLEGAL_REQUEST : NOT_READY, REMOVAL_PREVENTED, 2);
        return;
    }
    if (load_eject && s->tray_open == start) {
        s->tray_open = !start;
        s->media_event = start ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
        s->attention = start && d->block != NULL ? CHANGED : 0;
    }
    done_soon(d);
}

/* ---- the disc ---- */

static void read_sectors(struct ide_drive *d, uint32_t lba, uint32_t count)
{
    struct ide_drive_state *s = &d->state;

    if (lba > atapi_disc_sectors(d) || count > atapi_disc_sectors(d) - lba) {
        atapi_check_condition(d, ILLEGAL_REQUEST, OUT_OF_RANGE, 0);
        return;
    }
    s->lba = lba;
    s->left = count;
    s->at = s->len = 0;
    if (count == 0)
        done_soon(d);
    else if (s->use_dma)
        dma_request(d, true);
    else
        drive_after(d, STEP_DISC_IN, ide_transfer_ns((uint64_t)ATAPI_SECTOR * sectors_at_once(s)));
}

static void read_10(struct ide_drive *d)
{
    read_sectors(d, get_be32(d->state.packet + 2), get_be16(d->state.packet + 7));
}

static void read_12(struct ide_drive *d)
{
    read_sectors(d, get_be32(d->state.packet + 2), get_be32(d->state.packet + 6));
}

/* READ CD: user data of data sectors, nothing else (no headers, no subchannels). */
static void read_cd(struct ide_drive *d)
{
    const uint8_t *p = d->state.packet;
    uint32_t count = (uint32_t)p[6] << 16 | get_be16(p + 7);
    unsigned type = p[1] >> 2 & 7;

    if (count != 0 && ((p[9] & 0xf8) != 0 || p[10] != 0) && (p[9] & 0xf8) != 0x10) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (type != 0 && type != 2 && type != 4) {          /* any, mode 1, mode 2 form 1 */
        atapi_check_condition(d, ILLEGAL_REQUEST, NOT_SUPPORTED_MODE, 0);
        return;
    }
    read_sectors(d, get_be32(p + 2), (p[9] & 0xf8) == 0x10 ? count : 0);
}

static void seek(struct ide_drive *d)
{
    if (get_be32(d->state.packet + 2) >= atapi_disc_sectors(d))
        atapi_check_condition(d, ILLEGAL_REQUEST, OUT_OF_RANGE, 0);
    else
        done_soon(d);
}

/* ---- the table ---- */

enum { NEEDS_DISC = 1, DURING_ATTENTION = 2 };

static const struct packet_command {
    void (*run)(struct ide_drive *d);
    uint8_t flags;
} commands[256] = {
    [0x00] = { test_unit_ready,         NEEDS_DISC },
    [0x03] = { request_sense,           DURING_ATTENTION },
    [0x12] = { atapi_inquiry,                 DURING_ATTENTION },
    [0x1a] = { atapi_mode_sense,              0 },
    [0x1b] = { start_stop,              0 },
    [0x1e] = { prevent_removal,         0 },
    [0x25] = { atapi_read_capacity,           NEEDS_DISC },
    [0x28] = { read_10,                 NEEDS_DISC },
    [0x2b] = { seek,                    NEEDS_DISC },
    [0x42] = { atapi_read_subchannel,         NEEDS_DISC },
    [0x43] = { atapi_read_toc,                NEEDS_DISC },
    [0x46] = { atapi_get_configuration,       DURING_ATTENTION },
    [0x4a] = { atapi_get_event_status,        DURING_ATTENTION },
    [0x51] = { atapi_read_disc_information,   NEEDS_DISC },
    [0x52] = { atapi_read_track_information,  NEEDS_DISC },
    [0x5a] = { atapi_mode_sense,              0 },
    [0xa8] = { read_12,                 NEEDS_DISC },
    [0xad] = { atapi_read_dvd_structure,      NEEDS_DISC },
    [0xbb] = { done_soon,               0 },            /* SET CD SPEED */
    [0xbd] = { atapi_mechanism_status,        0 },
    [0xbe] = { read_cd,                 NEEDS_DISC },
};

static void packet_run(struct ide_drive *d)
{
    const struct packet_command *c = &commands[d->state.packet[0]];
    uint8_t attention = d->state.attention;

    if (c->run == NULL) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_OPCODE, 0);
    } else if (attention != 0 && !(c->flags & DURING_ATTENTION)) {
        d->state.attention = 0;
        atapi_check_condition(d, UNIT_ATTENTION, attention, 0);
    } else if (c->flags & NEEDS_DISC && !atapi_has_disc(d)) {
        atapi_check_condition(d, NOT_READY, NO_MEDIUM, d->state.tray_open ? 2 : 1);
    } else {
        c->run(d);
    }
}

void atapi_step(struct ide_drive *d, enum ide_step step)
{
    if (step == STEP_PACKET)
        packet_run(d);
    else if (step == STEP_DISC_IN)
        disc_in(d);
    else
        packet_done(d);
}

/* "PACKET": the byte count limit is in the LBA mid and high registers; the packet is asked for without an interrupt. */
void atapi_start(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;

    if (s->features & 0x02) {       /* overlapped */
        drive_fail(d, ATA_ABRT);
        return;
    }
    s->byte_limit = (uint16_t)(s->lba_high << 8 | s->lba_mid);
    s->use_dma = s->features & 1;
    s->left = 0;
    s->at = s->filled = 0;
    s->len = sizeof s->packet;
    s->count = REASON_COMMAND;
    drive_offer_from(d, 0);
}

void atapi_identify(struct ide_drive *d)
{
    uint8_t *data = d->state.buffer;

    memset(data, 0, 512);
    store16(data, 0x85c0);                              /* ATAPI CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    ide_put_string(data + 10 * 2, d->serial, 20);
    ide_put_string(data + 23 * 2, "1.0", 8);
    ide_put_string(data + 27 * 2, "PARTITA DVD-ROM", 40);
    store16(data + 49 * 2, 0x0f00);                     /* LBA, DMA, IORDY */
    store16(data + 50 * 2, 0x4000);
    store16(data + 53 * 2, 0x0006);
    store16(data + 63 * 2, (uint16_t)(d->state.mdma << 8 | 0x07));
    store16(data + 64 * 2, 0x0003);
    for (unsigned word = 65; word <= 68; word++)
        store16(data + word * 2, 120);
    store16(data + 80 * 2, 0x0078);
    store16(data + 81 * 2, 0x001c);
    store16(data + 82 * 2, 0x0218);                     /* DEVICE RESET, PACKET, power management */
    store16(data + 83 * 2, 0x4000);
    store16(data + 84 * 2, 0x4000);
    store16(data + 85 * 2, 0x0218);
    store16(data + 87 * 2, 0x4000);
    store16(data + 88 * 2, (uint16_t)(d->state.udma << 8 | 0x3f));
    store16(data + 93 * 2, d->unit == 1 ? 0x6b00 : 0x600b);
    ide_identify_checksum(data);
    d->state.at = 0;
    d->state.len = 512;
    drive_after(d, STEP_BUFFER_IN, PACKET_NS);
}

void atapi_power_on(struct ide_drive *d)
{
    d->state.attention = RESET;
    d->state.media_event = d->block != NULL ? EVENT_NEW_MEDIA : EVENT_NONE;
}

void atapi_new_disc(struct ide_drive *d)
{
    d->state.tray_open = 0;
    d->state.attention = d->block != NULL ? CHANGED : 0;
    d->state.media_event = d->block != NULL ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
}
