/* SPDX-License-Identifier: MIT
 * What a CD-ROM drive says of itself and of its disc, which is one data track of 2048-byte sectors: the inquiries of SPC-2
 * and MMC-3. */
#include "devices/atapi.h"

#include <string.h>

#include "base/attrs.h"

#define CD_SECTORS_MAX 360000u      /* 80 minutes; a larger disc is a DVD */

/* ---- the drive ---- */

void atapi_inquiry(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    if (d->state.packet[1] & 3 || d->state.packet[2] != 0) {        /* no vital product data */
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 36);
    b[0] = 0x05;            /* CD-ROM */
    b[1] = 0x80;            /* removable */
    b[3] = 0x21;            /* ATAPI, response format of SPC */
    b[4] = 31;
    memcpy(b + 8, "PARTITA DVD-ROM         1.0 ", 28);
    atapi_reply(d, 36, d->state.packet[4]);
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

void atapi_mode_sense(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    uint32_t header = s->packet[0] == 0x1a ? 4 : 8, n, type = atapi_has_disc(d) ? 0x01 : 0x70;

    if (s->packet[2] >> 6 == 3) {       /* saved values */
        atapi_check_condition(d, ILLEGAL_REQUEST, 0x39, 0);
        return;
    }
    memset(s->buffer, 0, header);
    n = mode_pages(d, s->packet[2] & 0x3f, s->buffer + header);
    if (n == 0) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (s->packet[2] >> 6 == 1)         /* changeable values: none */
        for (uint32_t k = header; k < header + n; k += 2u + s->buffer[k + 1])
            memset(s->buffer + k + 2, 0, s->buffer[k + 1]);
    if (header == 4) {
        s->buffer[0] = (uint8_t)(header + n - 1);
        s->buffer[1] = (uint8_t)type;
        atapi_reply(d, header + n, s->packet[4]);
    } else {
        put_be16(s->buffer, header + n - 2);
        s->buffer[2] = (uint8_t)type;
        atapi_reply(d, header + n, get_be16(s->packet + 7));
    }
}

static uint16_t current_profile(const struct ide_drive *d)
{
    return atapi_disc_sectors(d) == 0 ? 0 : atapi_disc_sectors(d) <= CD_SECTORS_MAX ? 0x0008 : 0x0010;
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

void atapi_get_configuration(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    unsigned request = s->packet[1] & 3, start = get_be16(s->packet + 2);
    uint32_t n = 8;

    if (request == 3) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
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
    atapi_reply(d, n, get_be16(s->packet + 7));
}

void atapi_mechanism_status(struct ide_drive *d)
{
    memset(d->state.buffer, 0, 8);
    d->state.buffer[1] = d->state.tray_open ? 0x10 : 0;
    atapi_reply(d, 8, get_be16(d->state.packet + 8));
}

/* MMC-3 "GET EVENT/STATUS NOTIFICATION": only media events exist, and only polling. */
void atapi_get_event_status(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool media = s->packet[4] & 0x10;

    if (!(s->packet[1] & 1)) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(s->buffer, 0, 8);
    put_be16(s->buffer, media ? 6 : 2);
    s->buffer[2] = media ? 0x04 : 0x80;
    s->buffer[3] = 0x10;
    if (media) {
        s->buffer[4] = s->media_event;
        s->buffer[5] = (uint8_t)((s->tray_open ? 1 : 0) | (atapi_has_disc(d) ? 2 : 0));
        s->media_event = EVENT_NONE;
    }
    atapi_reply(d, media ? 8 : 4, get_be16(s->packet + 7));
}

/* ---- the disc ---- */

void atapi_read_capacity(struct ide_drive *d)
{
    put_be32(d->state.buffer, atapi_disc_sectors(d) - 1);
    put_be32(d->state.buffer + 4, ATAPI_SECTOR);
    atapi_reply(d, 8, 8);
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

void atapi_read_toc(struct ide_drive *d)
{
    struct ide_drive_state *s = &d->state;
    bool msf = s->packet[1] & 2;
    unsigned format = s->packet[2] & 15, start = s->packet[6];
    uint8_t *b = s->buffer, *end = b + 4;

    if (format == 0)        /* older hosts put the format into the control byte */
        format = s->packet[9] >> 6;
    b[2] = b[3] = 1;
    if (format > 2 || (format == 0 && start > 1 && start != 0xaa)) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    if (format == 0) {
        if (start <= 1)
            end = put_toc_entry(end, 1, 0, msf);
        end = put_toc_entry(end, 0xaa, atapi_disc_sectors(d), msf);
    } else if (format == 1) {
        end = put_toc_entry(end, 1, 0, msf);
    } else {
        end = put_raw_toc(end, atapi_disc_sectors(d));
    }
    put_be16(b, (uint32_t)(end - b) - 2);
    atapi_reply(d, (uint32_t)(end - b), get_be16(s->packet + 7));
}

void atapi_read_disc_information(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    memset(b, 0, 34);
    put_be16(b, 32);
    b[2] = 0x0e;            /* last session complete, disc finalized */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20;            /* unrestricted use */
    memset(b + 16, 0xff, 8);
    atapi_reply(d, 34, get_be16(d->state.packet + 7));
}

void atapi_read_track_information(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;
    unsigned by = d->state.packet[1] & 3;
    uint32_t which = get_be32(d->state.packet + 2);

    if ((by == 0 && which >= atapi_disc_sectors(d)) || (by != 0 && which != 1)) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 36);
    put_be16(b, 34);
    b[2] = b[3] = 1;        /* track and session */
    b[5] = 0x04;            /* data track */
    b[6] = 0x01;            /* mode 1 */
    put_be32(b + 24, atapi_disc_sectors(d));
    atapi_reply(d, 36, get_be16(d->state.packet + 7));
}

/* READ SUBCHANNEL, current position: nothing plays. */
void atapi_read_subchannel(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;
    bool data = d->state.packet[2] & 0x40;

    if (data && d->state.packet[3] != 1) {
        atapi_check_condition(d, ILLEGAL_REQUEST, INVALID_FIELD, 0);
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
    atapi_reply(d, data ? 16 : 4, get_be16(d->state.packet + 7));
}

/* READ DVD STRUCTURE, physical format: one layer of read-only data from 30000h on. */
void atapi_read_dvd_structure(struct ide_drive *d)
{
    uint8_t *b = d->state.buffer;

    if (current_profile(d) != 0x0010 || d->state.packet[7] != 0) {
        atapi_check_condition(d, ILLEGAL_REQUEST, current_profile(d) != 0x0010 ? 0x30 : INVALID_FIELD, 0);
        return;
    }
    memset(b, 0, 2052);
    put_be16(b, 2050);
    b[4] = 0x01;            /* DVD-ROM, version 1 */
    b[5] = 0x0f;            /* 120 mm, no rate given */
    b[6] = 0x01;            /* one layer, embossed */
    put_be24(b + 9, 0x30000);
    put_be24(b + 13, 0x30000 + atapi_disc_sectors(d) - 1);
    atapi_reply(d, 2052, get_be16(d->state.packet + 8));
}
