/* SPDX-License-Identifier: MIT
 * ACPI tables for guests (ACPI 6.4 chapter 5): FACS, DSDT, FADT, MADT, an SSDT naming the processors, RSDT and XSDT. Built
 * once as one blob with the places of its pointers and checksums, so that firmware's linker or a direct boot can place it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "bios/dsdt_gen1.h"
#include "machine/board.h"

#define HEADER_BYTES 36u
#define OEM_ID       "PARTIT"
#define LAPIC_AT     0xfee00000u
#define IOAPIC_AT    0xfec00000u

static uint32_t append(struct acpi_tables *t, const void *bytes, size_t len)
{
    uint32_t at = (uint32_t)t->len;

    t->bytes = realloc(t->bytes, t->len + len);
    invariant(t->bytes != NULL, "out of memory for ACPI tables");
    memcpy(t->bytes + at, bytes, len);
    t->len += len;
    return at;
}

static void append_uint(struct acpi_tables *t, unsigned bytes, uint64_t v)
{
    append(t, &v, bytes);
}

static void pointer(struct acpi_tables *t, uint32_t at, uint32_t size)
{
    invariant(t->npointers < COUNT_OF(t->pointers), "too many ACPI pointers");
    t->pointers[t->npointers].at = at;
    t->pointers[t->npointers++].size = size;
}

static uint32_t table_start(struct acpi_tables *t, const char *signature, uint8_t revision)
{
    uint8_t header[HEADER_BYTES] = { 0 };

    memcpy(header, signature, 4);
    header[8] = revision;
    memcpy(header + 10, OEM_ID, 6);
    memcpy(header + 16, "PARTITA ", 8);
    store32(header + 24, 1);
    memcpy(header + 28, "PART", 4);
    store32(header + 32, 1);
    return append(t, header, sizeof header);
}

static void table_end(struct acpi_tables *t, uint32_t start)
{
    store32(t->bytes + start + 4, (uint32_t)t->len - start);
    t->bytes[start + 9] = 0;
    invariant(t->nsums < COUNT_OF(t->sums), "too many ACPI tables");
    t->sums[t->nsums].start = start;
    t->sums[t->nsums].len = (uint32_t)t->len - start;
    t->sums[t->nsums++].at = start + 9;
}

static uint32_t build_facs(struct acpi_tables *t)
{
    uint8_t facs[64] = { 0 };

    memcpy(facs, "FACS", 4);
    store32(facs + 4, sizeof facs);
    facs[32] = 1;
    return append(t, facs, sizeof facs);
}

static uint32_t build_dsdt(struct acpi_tables *t)
{
    uint32_t at = append(t, dsdt_gen1_aml_code, sizeof dsdt_gen1_aml_code);

    table_end(t, at);
    return at;
}

/* Generic address structure of an I/O register block (5.2.3.2). */
static void gas_io(uint8_t *at, unsigned bits, uint16_t port)
{
    at[0] = 1;
    at[1] = (uint8_t)bits;
    store64(at + 4, port);
}

enum { FADT_WBINVD = 1 << 0, FADT_PROC_C1 = 1 << 2, FADT_SLP_BUTTON = 1 << 5, FADT_RTC_S4 = 1 << 7, FADT_TMR_EXT = 1 << 8,
       FADT_RESET = 1 << 10, FADT_APIC_PHYSICAL = 1 << 19 };
enum { IAPC_LEGACY = 1, IAPC_8042 = 2 };

static uint32_t build_fadt(struct acpi_tables *t, uint32_t facs, uint32_t dsdt)
{
    uint32_t at = table_start(t, "FACP", 3);
    uint8_t p[244] = { 0 };             /* with room for the header, so that offsets read as the specification prints them */

    store32(p + 36, facs);
    store32(p + 40, dsdt);
    store16(p + 46, BOARD_SCI);
    store32(p + 48, BOARD_SMI_PORT);
    p[52] = 0xf1;                       /* ACPI_ENABLE, ACPI_DISABLE */
    p[53] = 0xf0;
    store32(p + 56, BOARD_PM_BASE);
    store32(p + 64, BOARD_PM_BASE + 4);
    store32(p + 76, BOARD_PM_BASE + 8);
    store32(p + 80, BOARD_GPE0_BASE);
    p[88] = 4;                          /* PM1_EVT_LEN, PM1_CNT_LEN, PM_TMR_LEN, GPE0_BLK_LEN */
    p[89] = 2;
    p[91] = 4;
    p[92] = 4;
    store16(p + 96, 0xfff);             /* P_LVL2_LAT, P_LVL3_LAT: no C2, no C3 */
    store16(p + 98, 0xfff);
    p[108] = 0x32;                      /* RTC century register */
    store16(p + 109, IAPC_LEGACY | IAPC_8042);
    store32(p + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RTC_S4 | FADT_RESET);
    gas_io(p + 116, 8, 0xcf9);
    p[128] = 0x06;                      /* reset value */
    gas_io(p + 148, 32, BOARD_PM_BASE);
    gas_io(p + 172, 16, BOARD_PM_BASE + 4);
    gas_io(p + 208, 32, BOARD_PM_BASE + 8);
    gas_io(p + 220, 32, BOARD_GPE0_BASE);
    store64(p + 140, dsdt);
    append(t, p + HEADER_BYTES, sizeof p - HEADER_BYTES);
    pointer(t, at + 36, 4);
    pointer(t, at + 40, 4);
    pointer(t, at + 140, 8);
    table_end(t, at);
    return at;
}

static void madt_override(struct acpi_tables *t, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    append_uint(t, 1, 2);
    append_uint(t, 1, 10);
    append_uint(t, 1, 0);
    append_uint(t, 1, irq);
    append_uint(t, 4, gsi);
    append_uint(t, 2, flags);
}

static uint32_t build_madt(struct acpi_tables *t, unsigned nvps)
{
    static const uint8_t level_irqs[] = { 5, 9, 10, 11 };
    uint32_t at = table_start(t, "APIC", 3);

    append_uint(t, 4, LAPIC_AT);
    append_uint(t, 4, 1);               /* PCAT_COMPAT: there are 8259s */
    for (unsigned k = 0; k < nvps; k++) {
        append_uint(t, 1, 0);           /* local APIC: processor uid, APIC id, enabled */
        append_uint(t, 1, 8);
        append_uint(t, 1, k);
        append_uint(t, 1, k);
        append_uint(t, 4, 1);
    }
    append_uint(t, 1, 1);               /* I/O APIC */
    append_uint(t, 1, 12);
    append_uint(t, 1, BOARD_IOAPIC_ID);
    append_uint(t, 1, 0);
    append_uint(t, 4, IOAPIC_AT);
    append_uint(t, 4, 0);
    madt_override(t, 0, 2, 0);
    for (size_t k = 0; k < sizeof level_irqs; k++)
        madt_override(t, level_irqs[k], level_irqs[k], 0x0d);   /* active high, level */
    append_uint(t, 1, 4);               /* NMI on LINT1 of every processor */
    append_uint(t, 1, 6);
    append_uint(t, 1, 0xff);
    append_uint(t, 2, 0);
    append_uint(t, 1, 1);
    table_end(t, at);
    return at;
}

/* Scope (\_SB) { Device (Cnn) { Name (_HID, "ACPI0007") Name (_UID, n) } ... } */
static uint32_t build_ssdt(struct acpi_tables *t, unsigned nvps)
{
    static const uint8_t hid[] = { 0x08, '_', 'H', 'I', 'D', 0x0d, 'A', 'C', 'P', 'I', '0', '0', '0', '7', 0 };
    uint32_t at = table_start(t, "SSDT", 2);
    uint32_t each = 2 + 1 + 4 + sizeof hid + 7, scope = 5 + nvps * each + 2;

    append_uint(t, 1, 0x10);            /* ScopeOp, two-byte PkgLength (20.2.4) */
    append_uint(t, 1, 0x40 | (scope & 15));
    append_uint(t, 1, scope >> 4);
    append(t, "\\_SB_", 5);
    for (unsigned k = 0; k < nvps; k++) {
        char name[5];

        snprintf(name, sizeof name, "C%03u", k % 1000);
        append_uint(t, 2, 0x825b);      /* DeviceOp */
        append_uint(t, 1, each - 2);
        append(t, name, 4);
        append(t, hid, sizeof hid);
        append(t, "\x08_UID\x0a", 6);
        append_uint(t, 1, k);
    }
    table_end(t, at);
    return at;
}

static void build_roots(struct acpi_tables *t, const uint32_t *tables, unsigned n)
{
    static const struct { const char *signature; unsigned size; } roots[] = { { "RSDT", 4 }, { "XSDT", 8 } };

    for (unsigned r = 0; r < COUNT_OF(roots); r++) {
        uint32_t at = table_start(t, roots[r].signature, 1);

        *(r == 0 ? &t->rsdt_at : &t->xsdt_at) = at;
        for (unsigned k = 0; k < n; k++) {
            pointer(t, (uint32_t)t->len, roots[r].size);
            append_uint(t, roots[r].size, tables[k]);
        }
        table_end(t, at);
    }
}

void acpi_tables_build(struct acpi_tables *t, const struct machine *m)
{
    uint32_t facs, dsdt, tables[3];

    *t = (struct acpi_tables){ 0 };
    facs = build_facs(t);
    dsdt = build_dsdt(t);
    tables[0] = build_fadt(t, facs, dsdt);
    tables[1] = build_madt(t, m->nvps);
    tables[2] = build_ssdt(t, m->nvps);
    build_roots(t, tables, COUNT_OF(tables));
    memcpy(t->rsdp, "RSD PTR ", 8);
    memcpy(t->rsdp + 9, OEM_ID, 6);
    t->rsdp[15] = 2;
    store32(t->rsdp + 16, t->rsdt_at);
    store32(t->rsdp + 20, sizeof t->rsdp);
    store64(t->rsdp + 24, t->xsdt_at);
}

static void checksum(uint8_t *bytes, uint32_t len, uint8_t *at)
{
    uint8_t sum = 0;

    *at = 0;
    for (uint32_t k = 0; k < len; k++)
        sum = (uint8_t)(sum + bytes[k]);
    *at = (uint8_t)-sum;
}

void acpi_tables_relocate(struct acpi_tables *t, uint32_t base)
{
    for (unsigned k = 0; k < t->npointers; k++) {
        uint8_t *at = t->bytes + t->pointers[k].at;

        store_bytes(at, t->pointers[k].size, load_bytes(at, t->pointers[k].size) + base);
    }
    for (unsigned k = 0; k < t->nsums; k++)
        checksum(t->bytes + t->sums[k].start, t->sums[k].len, t->bytes + t->sums[k].at);
    store32(t->rsdp + 16, t->rsdt_at + base);
    store64(t->rsdp + 24, t->xsdt_at + base);
    checksum(t->rsdp, 20, t->rsdp + 8);
    checksum(t->rsdp, sizeof t->rsdp, t->rsdp + 32);
}
