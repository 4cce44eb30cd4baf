/* SPDX-License-Identifier: MIT
 * Between the two files of the CD-ROM drive: atapi.c owns the PACKET protocol, the medium and the command table,
 * atapi_info.c the answers that describe drive and disc. */
#ifndef DEVICES_ATAPI_H
#define DEVICES_ATAPI_H

#include "devices/ide_drive.h"

#define ATAPI_SECTOR 2048u

enum sense_key { NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };
enum asc { INVALID_OPCODE = 0x20, OUT_OF_RANGE = 0x21, INVALID_FIELD = 0x24, CHANGED = 0x28, RESET = 0x29, NO_MEDIUM = 0x3a,
           REMOVAL_PREVENTED = 0x53, UNRECOVERED = 0x11, NOT_SUPPORTED_MODE = 0x64 };
enum media_event { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIA, EVENT_REMOVAL };

/* MMC is big-endian. */
static inline void put_be16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline void put_be24(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 16);
    put_be16(at + 1, v);
}

static inline void put_be32(uint8_t *at, uint32_t v)
{
    put_be16(at, v >> 16);
    put_be16(at + 2, v);
}

static inline uint32_t get_be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t get_be32(const uint8_t *at)
{
    return get_be16(at) << 16 | get_be16(at + 2);
}

/* atapi.c */
bool     atapi_has_disc(const struct ide_drive *d);
uint32_t atapi_disc_sectors(const struct ide_drive *d);
void     atapi_reply(struct ide_drive *d, uint32_t len, uint32_t allocated);     /* the first bytes of the buffer */
void     atapi_check_condition(struct ide_drive *d, enum sense_key key, uint8_t asc, uint8_t ascq);

/* atapi_info.c: one per operation code */
void atapi_inquiry(struct ide_drive *d);
void atapi_mode_sense(struct ide_drive *d);
void atapi_get_configuration(struct ide_drive *d);
void atapi_mechanism_status(struct ide_drive *d);
void atapi_get_event_status(struct ide_drive *d);
void atapi_read_capacity(struct ide_drive *d);
void atapi_read_toc(struct ide_drive *d);
void atapi_read_disc_information(struct ide_drive *d);
void atapi_read_track_information(struct ide_drive *d);
void atapi_read_subchannel(struct ide_drive *d);
void atapi_read_dvd_structure(struct ide_drive *d);

#endif
