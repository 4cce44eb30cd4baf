/* SPDX-License-Identifier: MIT
 * What an ATA disk says of itself: the 256 words of IDENTIFY DEVICE by ATA/ATAPI-6 clause 8.12. */
#include "devices/ide_drive.h"

#include <string.h>

#include "base/bytes.h"

void ide_put_string(uint8_t *to, const char *text, unsigned len)
{
    size_t n = strlen(text);

    for (unsigned k = 0; k < len; k++)
        to[k ^ 1] = k < n ? (uint8_t)text[k] : ' ';
}

/* Word 255: signature A5h and the two's complement of the sum of the other bytes. */
void ide_identify_checksum(uint8_t *data)
{
    uint8_t sum = 0;

    data[510] = 0xa5;
    for (unsigned k = 0; k < 511; k++)
        sum = (uint8_t)(sum + data[k]);
    data[511] = (uint8_t)-sum;
}

static void identify_geometry(struct ide_drive *d, uint8_t *data)
{
    const struct ide_drive_state *s = &d->state;
    uint32_t chs = (uint32_t)s->cylinders * s->heads * s->sectors;

    store16(data + 1 * 2, ata_default_cylinders(d));
    store16(data + 3 * 2, 16);
    store16(data + 6 * 2, 63);
    store16(data + 54 * 2, s->cylinders);
    store16(data + 55 * 2, s->heads);
    store16(data + 56 * 2, s->sectors);
    store32(data + 57 * 2, chs);
    store32(data + 60 * 2, (uint32_t)ata_sectors_28(d));
    store64(data + 100 * 2, ata_sectors(d));
}

/* Word 93: result of the hardware reset, seen from this drive. */
static uint16_t reset_result(const struct ide_drive *d)
{
    bool has_slave = d->channel->drives[1]->kind != IDE_ABSENT;

    if (d->unit == 1)
        return 0x6b00;
    return has_slave ? 0x603b : 0x600b;
}

/* "IDENTIFY DEVICE" words that say what the drive can do; the word numbers are the standard's. */
static void identify_features(struct ide_drive *d, uint8_t *data)
{
    const struct ide_drive_state *s = &d->state;

    store16(data + 47 * 2, 0x8000 | IDE_MULTIPLE_MAX);
    store16(data + 49 * 2, 0x0f00);                         /* LBA, DMA, IORDY */
    store16(data + 50 * 2, 0x4000);
    store16(data + 51 * 2, 0x0200);
    store16(data + 53 * 2, 0x0007);                         /* words 54-58, 64-70, 88 are valid */
    store16(data + 59 * 2, s->multiple ? 0x0100 | s->multiple : 0);
    store16(data + 63 * 2, (uint16_t)(s->mdma << 8 | 0x07));
    store16(data + 64 * 2, 0x0003);                         /* PIO modes 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        store16(data + word * 2, 120);
    store16(data + 80 * 2, 0x0078);                         /* ATA-3 to ATA/ATAPI-6 */
    store16(data + 81 * 2, 0x001c);
    store16(data + 82 * 2, 0x0028);                         /* write cache, power management */
    store16(data + 83 * 2, 0x7400);                         /* FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses */
    store16(data + 84 * 2, 0x4000);
    store16(data + 85 * 2, s->write_cache ? 0x0028 : 0x0008);
    store16(data + 86 * 2, 0x3400);
    store16(data + 87 * 2, 0x4000);
    store16(data + 88 * 2, (uint16_t)(s->udma << 8 | 0x3f));
    store16(data + 93 * 2, reset_result(d));
}

void ata_identify(struct ide_drive *d)
{
    uint8_t *data = d->state.buffer;

    memset(data, 0, 512);
    store16(data, 0x0040);                                  /* fixed disk */
    ide_put_string(data + 10 * 2, d->serial, 20);
    ide_put_string(data + 23 * 2, "1.0", 8);
    ide_put_string(data + 27 * 2, "PARTITA HARDDISK", 40);
    identify_geometry(d, data);
    identify_features(d, data);
    ide_identify_checksum(data);
    d->state.at = 0;
    d->state.len = 512;
    drive_after(d, STEP_BUFFER_IN, ATA_COMMAND_NS);
}
