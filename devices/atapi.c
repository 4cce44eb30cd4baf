/* SPDX-License-Identifier: MIT
 * CD-ROM drives: the PACKET protocol of ATA/ATAPI-6 and the read-only commands of MMC-3 and SPC-2, one row per operation
 * code. A disc is one data track of 2048-byte sectors. */
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/log.h"
#include "devices/ide_drive.h"

#define SECTOR 2048u
#define PACKET_NS  20000u       /* from the last packet byte to the answer */
#define NEXT_NS    5000u

enum sense_key { NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };
enum asc { INVALID_OPCODE = 0x20, OUT_OF_RANGE = 0x21, INVALID_FIELD = 0x24, CHANGED = 0x28, RESET = 0x29, NO_MEDIUM = 0x3a,
           REMOVAL_PREVENTED = 0x53, UNRECOVERED = 0x11, NOT_SUPPORTED_MODE = 0x64 };
enum media_event { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIA, EVENT_REMOVAL };

/* Interrupt reason, in the sector count register */
enum { REASON_COMMAND = 1, REASON_TO_HOST = 2 };

#define CD_SECTORS_MAX 360000u      /* 80 minutes; a larger disc is a DVD */

static void put_be16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static void put_be24(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 16);
    put_be16(at + 1, v);
}

static void put_be32(uint8_t *at, uint32_t v)
{
    put_be16(at, v >> 16);
    put_be16(at + 2, v);
}

static uint32_t get_be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get_be32(const uint8_t *at)
{
    return get_be16(at) << 16 | get_be16(at + 2);
}

static bool has_disc(const struct ide_drive *d)
{
    return d->block != NULL && !d->state.tray_open;
}

static uint32_t disc_sectors(const struct ide_drive *d)
{
    uint64_t n = has_disc(d) ? d->block->size / SECTOR : 0;

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
static void check_condition(struct ide_drive *d, enum sense_key key, uint8_t asc, uint8_t ascq)
{
    d->state.sense_key = (uint8_t)key;
    d->state.asc = asc;
    d->state.ascq = ascq;
    d->state.left = d->state.len = 0;
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
static void reply(struct ide_drive *d, uint32_t len, uint32_t allocated)
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
    struct err e = block_read(d->block, d->state.lba * SECTOR, to, (size_t)sectors * SECTOR);

    if (!failed(&e))
        return true;
    log_at(LOG_DEV, LOG_WARN, "%s: %s", d->dev.name, e.text);
    check_condition(d, MEDIUM_ERROR, UNRECOVERED, 0);
    return false;
}

static uint32_t sectors_at_once(const struct ide_drive_state *s)
{
    return s->left < IDE_BUFFER / SECTOR ? s->left : IDE_BUFFER / SECTOR;
}

static void disc_in(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t n = sectors_at_once(s);

    if (!has_disc(d)) {
        check_condition(d, NOT_READY, NO_MEDIUM, 0);
        return;
    }
    if (!read_disc(d, s->buffer, n))
        return;
    s->lba += n;
    s->left -= n;
    s->at = 0;
    s->filled = n * SECTOR;
    offer_block(d);
}

void atapi_dma(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    struct ide_dma dma = dma_begin(d->channel);
    bool whole = true;

    if (s->len != 0) {
        whole = dma_move(&dma, s->buffer, s->len, true) == s->len;
        s->len = 0;
    }
    while (whole && s->left > 0) {
        uint32_t n = s->left < IDE_SCRATCH / SECTOR ? s->left : IDE_SCRATCH / SECTOR;

        if (!has_disc(d)) {
            check_condition(d, NOT_READY, NO_MEDIUM, 0);
            return;
        }
        if (!read_disc(d, d->channel->scratch, n))
            return;
        whole = dma_move(&dma, d->channel->scratch, n * SECTOR, true) == n * SECTOR;
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
        drive_after(d, STEP_DISC_IN, NEXT_NS + 5 * (uint64_t)SECTOR * sectors_at_once(s));
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
    reply(d, 18, s->packet[4]);
}

static void inquiry(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    if (d->state.packet[1] & 3 || d->state.packet[2] != 0) {        /* no vital product data */
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 36);
    b[0] = 0x05;            /* CD-ROM */
    b[1] = 0x80;            /* removable */
    b[3] = 0x21;            /* ATAPI, response format of SPC */
    b[4] = 31;
    memcpy(b + 8, "PARTITA DVD-ROM         1.0 ", 28);
    reply(d, 36, d->state.packet[4]);
}

static uint32_t page_error_recovery(uint8_t *b)
{
    static const uint8_t page[8] = { 0x01, 6, 0x00, 5 };

    memcpy(b, page, sizeof page);
    return sizeof page;
}

static uint32_t page_audio(uint8_t *b)
{
    static const uint8_t page[16] = { 0x0e, 14, 0x04 };

    memcpy(b, page, sizeof page);
    return sizeof page;
}

/* MMC-3 "CD Capabilities and Mechanical Status Page" */
static uint32_t page_capabilities(const struct ide_drive *d, uint8_t *b)
{
    memset(b, 0, 22);
    b[0] = 0x2a;
    b[1] = 20;
    b[2] = 0x3b;            /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
    b[4] = 0x70;            /* mode 2 forms, multi-session */
    b[6] = 0x29 | (d->state.locked ? 0x02 : 0);     /* tray, eject, lock */
    put_be16(b + 8, 706);   /* 4x */
    put_be16(b + 10, 2);
    put_be16(b + 12, 512);
    put_be16(b + 14, 706);
    return 22;
}

/* All pages the drive has of those asked for; 0 when there is none. */
static uint32_t mode_pages(const struct ide_drive *d, unsigned page, uint8_t *b)
{
    uint32_t n = 0;

    if (page == 0x01 || page == 0x3f)
        n += page_error_recovery(b + n);
    if (page == 0x0e || page == 0x3f)
        n += page_audio(b + n);
    if (page == 0x2a || page == 0x3f)
        n += page_capabilities(d, b + n);
    return n;
}

static void mode_sense(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t header = s->packet[0] == 0x1a ? 4 : 8, n, type = has_disc(d) ? 0x01 : 0x70;

    if (s->packet[2] >> 6 == 3) {       /* saved values */
        check_condition(d, ILLEGAL_REQUEST, 0x39, 0);
        return;
    }
    memset(s->buffer, 0, header);
    n = mode_pages(d, s->packet[2] & 0x3f, s->buffer + header);
    if (n == 0) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (s->packet[2] >> 6 == 1)         /* changeable values: none */
        for (uint32_t k = header; k < header + n; k += 2u + s->buffer[k + 1])
            memset(s->buffer + k + 2, 0, s->buffer[k + 1]);
    if (header == 4) {
        s->buffer[0] = (uint8_t)(header + n - 1);
        s->buffer[1] = (uint8_t)type;
        reply(d, header + n, s->packet[4]);
    } else {
        put_be16(s->buffer, header + n - 2);
        s->buffer[2] = (uint8_t)type;
        reply(d, header + n, get_be16(s->packet + 7));
    }
}

static uint16_t current_profile(const struct ide_drive *d)
{
    return disc_sectors(d) == 0 ? 0 : disc_sectors(d) <= CD_SECTORS_MAX ? 0x0008 : 0x0010;
}

static uint32_t feature_profiles(const struct ide_drive *d, uint8_t *b)
{
    uint16_t now = current_profile(d);

    memset(b, 0, 12);
    b[2] = 0x03;            /* version 0, persistent, current */
    b[3] = 8;
    put_be16(b + 4, 0x0010);
    b[6] = now == 0x0010;
    put_be16(b + 8, 0x0008);
    b[10] = now == 0x0008;
    return 12;
}

/* MMC-3 "Features": code, flags and version, parameter bytes. Rows ascend, as the answer must. */
static const struct feature {
    uint16_t code;
    uint8_t flags;          /* version and persistent; bit 0 is filled in */
    uint16_t profile;       /* current with this disc, 0: always */
    uint8_t len;
    uint8_t bytes[8];
} features[] = {
    { 0x0001, 0x03, 0,      4, { 0, 0, 0, 2 } },                    /* core: ATAPI */
    { 0x0002, 0x03, 0,      4, { 0 } },                             /* morphing */
    { 0x0003, 0x03, 0,      4, { 0x29 } },                          /* removable medium: tray, eject, lock */
    { 0x0010, 0x00, 0xffff, 8, { 0, 0, 8, 0, 0, 1, 0, 0 } },        /* random readable: 2048 bytes, 1 block */
    { 0x001e, 0x00, 0x0008, 4, { 0 } },                             /* CD read */
    { 0x001f, 0x00, 0x0010, 4, { 0 } },                             /* DVD read */
    { 0x0100, 0x03, 0,      0, { 0 } },                             /* power management */
};

static bool feature_wanted(unsigned code, unsigned start, unsigned request, bool current)
{
    switch (request) {
    case 0: return code >= start;
    case 1: return code >= start && current;
    default: return code == start;
    }
}

static void get_configuration(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    unsigned request = s->packet[1] & 3, start = get_be16(s->packet + 2);
    uint32_t n = 8;

    if (request == 3) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(s->buffer, 0, 8);
    put_be16(s->buffer + 6, current_profile(d));
    if (feature_wanted(0, start, request, true))
        n += feature_profiles(d, s->buffer + n);
    for (size_t k = 0; k < COUNT_OF(features); k++) {
        const struct feature *f = &features[k];
        uint16_t now = current_profile(d);
        bool current = f->profile == 0 || f->profile == now || (f->profile == 0xffff && now != 0);

        if (!feature_wanted(f->code, start, request, current))
            continue;
        put_be16(s->buffer + n, f->code);
        s->buffer[n + 2] = (uint8_t)((f->flags & 0xfe) | current);
        s->buffer[n + 3] = f->len;
        memcpy(s->buffer + n + 4, f->bytes, f->len);
        n += 4u + f->len;
    }
    put_be32(s->buffer, n - 4);
    reply(d, n, get_be16(s->packet + 7));
}

static void mechanism_status(struct ide_drive *d)
{
    memset(d->state.buffer, 0, 8);
    d->state.buffer[1] = d->state.tray_open ? 0x10 : 0;
    reply(d, 8, get_be16(d->state.packet + 8));
}

/* MMC-3 "GET EVENT/STATUS NOTIFICATION": only media events exist, and only polling. */
static void get_event_status(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool media = s->packet[4] & 0x10;

    if (!(s->packet[1] & 1)) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(s->buffer, 0, 8);
    put_be16(s->buffer, media ? 6 : 2);
    s->buffer[2] = media ? 0x04 : 0x80;
    s->buffer[3] = 0x10;
    if (media) {
        s->buffer[4] = s->media_event;
        s->buffer[5] = (uint8_t)((s->tray_open ? 1 : 0) | (has_disc(d) ? 2 : 0));
        s->media_event = EVENT_NONE;
    }
    reply(d, media ? 8 : 4, get_be16(s->packet + 7));
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
        check_condition(d, has_disc(d) ? ILLEGAL_REQUEST : NOT_READY, REMOVAL_PREVENTED, 2);
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

static void read_capacity(struct ide_drive *d)
{
    put_be32(d->state.buffer, disc_sectors(d) - 1);
    put_be32(d->state.buffer + 4, SECTOR);
    reply(d, 8, 8);
}

static void read_sectors(struct ide_drive *d, uint32_t lba, uint32_t count)
{
    struct ide_drive_state *s = &d->state;

    if (lba > disc_sectors(d) || count > disc_sectors(d) - lba) {
        check_condition(d, ILLEGAL_REQUEST, OUT_OF_RANGE, 0);
        return;
    }
    s->lba = lba;
    s->left = count;
    s->len = 0;
    if (count == 0)
        done_soon(d);
    else if (s->use_dma)
        dma_request(d, true);
    else
        drive_after(d, STEP_DISC_IN, ide_transfer_ns((uint64_t)SECTOR * sectors_at_once(s)));
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
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (type != 0 && type != 2 && type != 4) {          /* any, mode 1, mode 2 form 1 */
        check_condition(d, ILLEGAL_REQUEST, NOT_SUPPORTED_MODE, 0);
        return;
    }
    read_sectors(d, get_be32(p + 2), (p[9] & 0xf8) == 0x10 ? count : 0);
}

static void seek(struct ide_drive *d)
{
    if (get_be32(d->state.packet + 2) >= disc_sectors(d))
        check_condition(d, ILLEGAL_REQUEST, OUT_OF_RANGE, 0);
    else
        done_soon(d);
}

/* An address as logical block or as minute, second, frame (2 seconds in, 75 frames a second). */
static void put_address(uint8_t *at, uint32_t lba, bool msf)
{
    uint32_t frames = lba + 150;

    if (!msf) {
        put_be32(at, lba);
        return;
    }
    at[0] = 0;
    at[1] = (uint8_t)(frames / (75 * 60));
    at[2] = (uint8_t)(frames / 75 % 60);
    at[3] = (uint8_t)(frames % 75);
}

static uint8_t *put_toc_entry(uint8_t *at, uint8_t track, uint32_t lba, bool msf)
{
    at[0] = 0;
    at[1] = 0x14;           /* position data, data track */
    at[2] = track;
    at[3] = 0;
    put_address(at + 4, lba, msf);
    return at + 8;
}

static uint8_t *put_raw_entry(uint8_t *at, uint8_t point, uint8_t minute, uint8_t second, uint8_t frame)
{
    const uint8_t entry[11] = { 1, 0x14, 0, point, 0, 0, 0, 0, minute, second, frame };

    memcpy(at, entry, sizeof entry);
    return at + sizeof entry;
}

/* Format 2: the points A0, A1, A2 (first and last track, lead-out) and track 1. */
static uint8_t *put_raw_toc(uint8_t *at, uint32_t sectors)
{
    uint8_t out[4];

    put_address(out, sectors, true);
    at = put_raw_entry(at, 0xa0, 1, 0, 0);
    at = put_raw_entry(at, 0xa1, 1, 0, 0);
    at = put_raw_entry(at, 0xa2, out[1], out[2], out[3]);
    return put_raw_entry(at, 1, 0, 2, 0);
}

static void read_toc(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool msf = s->packet[1] & 2;
    unsigned format = s->packet[2] & 15, start = s->packet[6];
    uint8_t *b = s->buffer, *end = b + 4;

    if (format == 0)        /* older hosts put the format into the control byte */
        format = s->packet[9] >> 6;
    b[2] = b[3] = 1;
    if (format > 2 || (format == 0 && start > 1 && start != 0xaa)) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (format == 0) {
        if (start <= 1)
            end = put_toc_entry(end, 1, 0, msf);
        end = put_toc_entry(end, 0xaa, disc_sectors(d), msf);
    } else if (format == 1) {
        end = put_toc_entry(end, 1, 0, msf);
    } else {
        end = put_raw_toc(end, disc_sectors(d));
    }
    put_be16(b, (uint32_t)(end - b) - 2);
    reply(d, (uint32_t)(end - b), get_be16(s->packet + 7));
}

static void read_disc_information(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    memset(b, 0, 34);
    put_be16(b, 32);
    b[2] = 0x0e;            /* last session complete, disc finalized */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20;            /* unrestricted use */
    memset(b + 16, 0xff, 8);
    reply(d, 34, get_be16(d->state.packet + 7));
}

static void read_track_information(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;
    unsigned by = d->state.packet[1] & 3;
    uint32_t which = get_be32(d->state.packet + 2);

    if ((by == 0 && which >= disc_sectors(d)) || (by != 0 && which != 1)) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 36);
    put_be16(b, 34);
    b[2] = b[3] = 1;        /* track and session */
    b[5] = 0x04;            /* data track */
    b[6] = 0x01;            /* mode 1 */
    put_be32(b + 24, disc_sectors(d));
    reply(d, 36, get_be16(d->state.packet + 7));
}

/* READ SUBCHANNEL, current position: nothing plays. */
static void read_subchannel(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;
    bool data = d->state.packet[2] & 0x40;

    if (data && d->state.packet[3] != 1) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 16);
    b[1] = 0x15;
    if (data) {
        b[3] = 12;
        b[4] = 1;
        b[5] = 0x14;
        b[6] = b[7] = 1;
        put_address(b + 8, 0, d->state.packet[1] & 2);
        put_address(b + 12, 0, d->state.packet[1] & 2);
    }
    reply(d, data ? 16 : 4, get_be16(d->state.packet + 7));
}

/* READ DVD STRUCTURE, physical format: one layer of read-only data from 30000h on. */
static void read_dvd_structure(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    if (current_profile(d) != 0x0010 || d->state.packet[7] != 0) {
        check_condition(d, ILLEGAL_REQUEST, current_profile(d) != 0x0010 ? 0x30 : INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 2052);
    put_be16(b, 2050);
    b[4] = 0x01;            /* DVD-ROM, version 1 */
    b[5] = 0x0f;            /* 120 mm, no rate given */
    b[6] = 0x01;            /* one layer, embossed */
    put_be24(b + 9, 0x30000);
    put_be24(b + 13, 0x30000 + disc_sectors(d) - 1);
    reply(d, 2052, get_be16(d->state.packet + 8));
}

/* ---- the table ---- */

enum { NEEDS_DISC = 1, DURING_ATTENTION = 2 };

static const struct packet_command {
    void (*run)(struct ide_drive *d);
    uint8_t flags;
} commands[256] = {
    [0x00] = { test_unit_ready,         NEEDS_DISC },
    [0x03] = { request_sense,           DURING_ATTENTION },
    [0x12] = { inquiry,                 DURING_ATTENTION },
    [0x1a] = { mode_sense,              0 },
    [0x1b] = { start_stop,              0 },
    [0x1e] = { prevent_removal,         0 },
    [0x25] = { read_capacity,           NEEDS_DISC },
    [0x28] = { read_10,                 NEEDS_DISC },
    [0x2b] = { seek,                    NEEDS_DISC },
    [0x42] = { read_subchannel,         NEEDS_DISC },
    [0x43] = { read_toc,                NEEDS_DISC },
    [0x46] = { get_configuration,       DURING_ATTENTION },
    [0x4a] = { get_event_status,        DURING_ATTENTION },
    [0x51] = { read_disc_information,   NEEDS_DISC },
    [0x52] = { read_track_information,  NEEDS_DISC },
    [0x5a] = { mode_sense,              0 },
    [0xa8] = { read_12,                 NEEDS_DISC },
    [0xad] = { read_dvd_structure,      NEEDS_DISC },
    [0xbb] = { done_soon,               0 },            /* SET CD SPEED */
    [0xbd] = { mechanism_status,        0 },
    [0xbe] = { read_cd,                 NEEDS_DISC },
};

static void packet_run(struct ide_drive *d)
{
    const struct packet_command *c = &commands[d->state.packet[0]];
    uint8_t attention = d->state.attention;

    if (c->run == NULL) {
        check_condition(d, ILLEGAL_REQUEST, INVALID_OPCODE, 0);
    } else if (attention != 0 && !(c->flags & DURING_ATTENTION)) {
        d->state.attention = 0;
        check_condition(d, UNIT_ATTENTION, attention, 0);
    } else if (c->flags & NEEDS_DISC && !has_disc(d)) {
        check_condition(d, NOT_READY, NO_MEDIUM, d->state.tray_open ? 2 : 1);
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
