/* SPDX-License-Identifier: MIT
 * The firmware image, and what firmware finds through fw_cfg: memory map, ACPI tables, boot order. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "machine/chips.h"

#define BIOS_DEFAULT "/usr/share/seabios/bios-256k.bin"

struct err firmware_load(struct machine *m)
{
    struct board *b = m->board;
    const char *path = m->cfg.bios != NULL ? m->cfg.bios : BIOS_DEFAULT;
    struct blob file;

    if (m->cfg.kernel != NULL)
        return m->cfg.bios == NULL ? OK : err_make(ERR_USAGE, "-bios and -kernel exclude each other: -kernel boots without firmware");
    TRY(input_file(&m->inputs, path, &file));
    if (file.len == 0 || file.len % 0x10000 != 0 || file.len > (16u << 20)) {
        struct err e = err_make(ERR_FORMAT, "the firmware '%s' has %zu bytes: a multiple of 64 KiB up to 16 MiB is wanted", path, file.len);

        blob_free(&file);
        return e;
    }
    TRY(ram_create(&b->bios, "bios", file.len));
    memcpy(b->bios->bytes, file.bytes, file.len);
    ram_wrote(b->bios, 0, file.len);
    blob_free(&file);
    return OK;
}

/* fw_cfg's linker script for ACPI tables: 128-byte commands that firmware carries out in order. */
struct loader { uint8_t bytes[160 * 128]; size_t len; };
enum { LOADER_ALLOCATE = 1, LOADER_POINTER = 2, LOADER_CHECKSUM = 3 };
#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"

static uint8_t *loader_command(struct loader *l, uint32_t command, const char *file)
{
    uint8_t *at = l->bytes + l->len;

    invariant(l->len + 128 <= sizeof l->bytes, "too many ACPI loader commands");
    memset(at, 0, 128);
    store32(at, command);
    strcpy((char *)at + 4, file);
    l->len += 128;
    return at;
}

static void loader_allocate(struct loader *l, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *c = loader_command(l, LOADER_ALLOCATE, file);

    store32(c + 60, align);
    c[64] = zone;
}

static void loader_pointer(struct loader *l, const char *file, uint32_t at, uint8_t size)
{
    uint8_t *c = loader_command(l, LOADER_POINTER, file);

    strcpy((char *)c + 60, TABLES_FILE);
    store32(c + 116, at);
    c[120] = size;
}

static void loader_checksum(struct loader *l, const char *file, uint32_t at, uint32_t start, uint32_t len)
{
    uint8_t *c = loader_command(l, LOADER_CHECKSUM, file);

    store32(c + 60, at);
    store32(c + 64, start);
    store32(c + 68, len);
}

static void offer_acpi(struct board *b, const struct acpi_tables *acpi)
{
    struct loader *l = calloc(1, sizeof *l);

    invariant(l != NULL, "out of memory");
    loader_allocate(l, RSDP_FILE, 16, 2);
    loader_allocate(l, TABLES_FILE, 64, 1);
    for (unsigned k = 0; k < acpi->npointers; k++)
        loader_pointer(l, TABLES_FILE, acpi->pointers[k].at, (uint8_t)acpi->pointers[k].size);
    for (unsigned k = 0; k < acpi->nsums; k++)
        loader_checksum(l, TABLES_FILE, acpi->sums[k].at, acpi->sums[k].start, acpi->sums[k].len);
    loader_pointer(l, RSDP_FILE, 16, 4);
    loader_pointer(l, RSDP_FILE, 24, 8);
    loader_checksum(l, RSDP_FILE, 8, 0, 20);
    loader_checksum(l, RSDP_FILE, 32, 0, 36);
    fw_cfg_add_file(b->fw_cfg, RSDP_FILE, acpi->rsdp, sizeof acpi->rsdp);
    fw_cfg_add_file(b->fw_cfg, TABLES_FILE, acpi->bytes, acpi->len);
    fw_cfg_add_file(b->fw_cfg, "etc/table-loader", l->bytes, l->len);
    free(l);
}

static enum rtc_boot boot_letter(char letter)
{
    return letter == 'a' ? RTC_BOOT_FLOPPY : letter == 'c' ? RTC_BOOT_DISK : letter == 'd' ? RTC_BOOT_CD : RTC_BOOT_NONE;
}

struct err board_add_firmware(struct machine *m, const struct acpi_tables *acpi)
{
    struct board *b = m->board;
    uint64_t low = m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX, high = m->cfg.ram_bytes - low;
    const char *order = m->cfg.boot_order;
    size_t n = strlen(order);
    uint8_t e820[40];
    size_t entries = 0;

    store64(e820, 0);
    store64(e820 + 8, low);
    store32(e820 + 16, 1);
    entries++;
    if (high > 0) {
        store64(e820 + 20, GPA_4G);
        store64(e820 + 28, high);
        store32(e820 + 36, 1);
        entries++;
    }
    fw_cfg_add_file(b->fw_cfg, "etc/e820", e820, 20 * entries);
    rtc_set_boot_order(b->rtc, boot_letter(order[0]), n > 1 ? boot_letter(order[1]) : RTC_BOOT_NONE,
                       n > 2 ? boot_letter(order[2]) : RTC_BOOT_NONE);
    offer_acpi(b, acpi);
    return OK;
}
