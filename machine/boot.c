/* SPDX-License-Identifier: MIT
 * What a machine starts with: chooses between firmware and a kernel given with -kernel, and for the latter does what
 * firmware would have done: memory map, ACPI tables, PCI set-up, interrupt controllers and timer. */
#include "machine/boot.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "machine/board.h"

#define ACPI_ROOM 0x20000u      /* reserved below the top of low memory for ACPI tables */
#define EBDA_AT   0x9fc00u      /* the extended BIOS data area: the last KiB of conventional memory */

static uint64_t low_ram(const struct machine *m)
{
    return m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX;
}

unsigned boot_e820(const struct machine *m, struct e820 *out)
{
    uint64_t low = low_ram(m);
    unsigned n = 0;

    out[n++] = (struct e820){ 0, EBDA_AT, E820_RAM };
    out[n++] = (struct e820){ EBDA_AT, 0x400, E820_RESERVED };
    out[n++] = (struct e820){ 0xf0000, 0x10000, E820_RESERVED };
    out[n++] = (struct e820){ 0x100000, low - 0x100000 - ACPI_ROOM, E820_RAM };
    out[n++] = (struct e820){ low - ACPI_ROOM, ACPI_ROOM, E820_ACPI };
    if (m->cfg.ram_bytes > low)
        out[n++] = (struct e820){ GPA_4G, m->cfg.ram_bytes - low, E820_RAM };
    return n;
}

/* -initrd "a,b args,c": files separated by commas, each with its own arguments after the first blank. */
static struct err read_modules(struct boot *b, struct inputs *inputs, const char *spec)
{
    while (*spec != '\0') {
        size_t len = strcspn(spec, ",");
        struct boot_module *module = &b->modules[b->nmodules];
        char path[4096];

        if (b->nmodules == BOOT_MAX_MODULES)
            return err_make(ERR_USAGE, "-initrd: more than %d files", BOOT_MAX_MODULES);
        if (len >= sizeof path)
            return err_make(ERR_USAGE, "-initrd: the path '%.60s...' is too long", spec);
        memcpy(path, spec, len);
        path[len] = '\0';
        module->line = strdup(path);
        path[strcspn(path, " ")] = '\0';
        TRY(input_file(inputs, path, &module->file));
        if (module->file.len == 0) {
            blob_free(&module->file);
            return err_make(ERR_FORMAT, "the initrd '%s' is empty", path);
        }
        b->nmodules++;
        spec += len + (spec[len] == ',');
    }
    return OK;
}

static struct err read_files(struct machine *m, struct boot *b)
{
    if (m->cfg.kernel == NULL) {
        b->kind = BOOT_FIRMWARE;
        return m->cfg.initrd == NULL ? OK : err_make(ERR_USAGE, "-initrd needs -kernel");
    }
    TRY(input_file(&m->inputs, m->cfg.kernel, &b->kernel));
    if (b->kernel.len == 0)
        return err_make(ERR_FORMAT, "the kernel '%s' is empty", m->cfg.kernel);
    if (multiboot_is_image(&b->kernel))
        b->kind = BOOT_MULTIBOOT;
    else if (linux_is_image(&b->kernel))
        b->kind = BOOT_LINUX;
    else
        return err_make(ERR_FORMAT, "'%s' is neither a Linux bzImage nor a Multiboot image", m->cfg.kernel);
    if (m->cfg.initrd != NULL)
        TRY(read_modules(b, &m->inputs, m->cfg.initrd));
    if (m->cfg.ram_bytes < (4u << 20))
        return err_make(ERR_USAGE, "-m %u MiB: -kernel needs at least 4M", (unsigned)(m->cfg.ram_bytes >> 20));
    return b->kind == BOOT_LINUX ? linux_check(m, b) : multiboot_check(m, b);
}

struct err boot_create(struct machine *m)
{
    m->boot = calloc(1, sizeof *m->boot);
    invariant(m->boot != NULL, "out of memory");
    TRY(read_files(m, m->boot));
    acpi_tables_build(&m->boot->acpi, m);
    if (m->boot->kind == BOOT_FIRMWARE)
        return board_add_firmware(m, &m->boot->acpi);
    m->boot->acpi_base = (uint32_t)(low_ram(m) - ACPI_ROOM);
    invariant(m->boot->acpi.len <= ACPI_ROOM, "ACPI tables outgrow their room");
    acpi_tables_relocate(&m->boot->acpi, m->boot->acpi_base);
    return OK;
}

void boot_free(struct machine *m)
{
    if (m->boot == NULL)
        return;
    blob_free(&m->boot->kernel);
    for (unsigned k = 0; k < BOOT_MAX_MODULES; k++) {
        blob_free(&m->boot->modules[k].file);
        free(m->boot->modules[k].line);
    }
    free(m->boot->acpi.bytes);
    free(m->boot);
    m->boot = NULL;
}

void boot_enter_flat(struct machine *m, uint32_t eip)
{
    static const uint64_t gdt[4] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
    static const struct { enum cpu_reg sel, base, limit, attr; uint16_t selector, attributes; } segs[] = {
        { CPU_REG_CS, CPU_REG_CS_BASE, CPU_REG_CS_LIMIT, CPU_REG_CS_ATTR, 0x10, 0xc09b },
        { CPU_REG_DS, CPU_REG_DS_BASE, CPU_REG_DS_LIMIT, CPU_REG_DS_ATTR, 0x18, 0xc093 },
        { CPU_REG_ES, CPU_REG_ES_BASE, CPU_REG_ES_LIMIT, CPU_REG_ES_ATTR, 0x18, 0xc093 },
        { CPU_REG_SS, CPU_REG_SS_BASE, CPU_REG_SS_LIMIT, CPU_REG_SS_ATTR, 0x18, 0xc093 },
        { CPU_REG_FS, CPU_REG_FS_BASE, CPU_REG_FS_LIMIT, CPU_REG_FS_ATTR, 0x18, 0xc093 },
        { CPU_REG_GS, CPU_REG_GS_BASE, CPU_REG_GS_LIMIT, CPU_REG_GS_ATTR, 0x18, 0xc093 },
    };
    struct cpu *cpu = m->vps[0];
    bool ok;

    space_write_bytes(m->memory, BOOT_GDT, gdt, sizeof gdt);
    ok = cpu_set_reg(cpu, CPU_REG_CR0, 0x11);
    ok = cpu_set_reg(cpu, CPU_REG_GDTR_BASE, BOOT_GDT) && ok;
    ok = cpu_set_reg(cpu, CPU_REG_GDTR_LIMIT, sizeof gdt - 1) && ok;
    for (size_t k = 0; k < COUNT_OF(segs); k++) {
        ok = cpu_set_reg(cpu, segs[k].sel, segs[k].selector) && ok;
        ok = cpu_set_reg(cpu, segs[k].base, 0) && ok;
        ok = cpu_set_reg(cpu, segs[k].limit, 0xffffffff) && ok;
        ok = cpu_set_reg(cpu, segs[k].attr, segs[k].attributes) && ok;
    }
    ok = cpu_set_reg(cpu, CPU_REG_RFLAGS, 2) && ok;
    ok = cpu_set_reg(cpu, CPU_REG_RIP, eip) && ok;
    invariant(ok, "the processor refused flat protected mode");
}

/* The interrupt controllers and the timer as PC firmware hands them over: vectors 08h and 70h, 18.2 ticks a second, all lines
 * but the timer's masked. A vector table of handlers that only return is there for guests that go to real mode. */
static void start_interrupts(struct machine *m)
{
    static const struct { uint16_t port; uint8_t value; } programs[] = {
        { 0x43, 0x36 }, { 0x40, 0x00 }, { 0x40, 0x00 },     /* first: OUT rises, and ICW1 forgets that edge */
        { 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0xfa },
        { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 }, { 0xa1, 0xff },
    };
    static const uint8_t handlers[] = {
        0x50, 0xb0, 0x20, 0xe6, 0xa0,       /* IRQ 8-15: push ax; mov al, 20h; out a0h, al; on with the master's */
        0xeb, 0x03,                         /* jmp over */
        0x50, 0xb0, 0x20, 0xe6, 0x20,       /* IRQ 0-7: push ax; mov al, 20h; out 20h, al */
        0x58, 0xcf,                         /* pop ax; iret */
    };
    uint8_t table[256 * 4];

    for (unsigned vector = 0; vector < 256; vector++) {
        unsigned at = BOOT_HANDLERS + (vector >= 0x70 && vector < 0x78 ? 0 : vector >= 8 && vector < 16 ? 7 : 13);

        store32(table + 4 * vector, (at & 0xf0000) << 12 | (at & 0xffff));
    }
    space_write_bytes(m->memory, 0, table, sizeof table);
    space_write_bytes(m->memory, BOOT_HANDLERS, handlers, sizeof handlers);
    for (size_t k = 0; k < COUNT_OF(programs); k++)
        space_write(m->io, programs[k].port, 1, programs[k].value);
}

/* What guests read of the BIOS data area without asking a BIOS: Xen puts its trampoline below the end of memory that it finds
 * here, and Linux reserves from there on. */
static void leave_bios_data(struct machine *m)
{
    static const uint8_t ebda_kib = 1;
    uint8_t area[0x100] = { 0 };

    store16(area + 0x0e, EBDA_AT >> 4);
    store16(area + 0x13, EBDA_AT >> 10);
    space_write_bytes(m->memory, 0x400, area, sizeof area);
    space_write_bytes(m->memory, EBDA_AT, &ebda_kib, 1);
}

static void boot_directly(struct machine *m)
{
    const struct boot *b = m->boot;

    board_direct_setup(m);
    start_interrupts(m);
    leave_bios_data(m);
    space_write_bytes(m->memory, b->acpi_base, b->acpi.bytes, b->acpi.len);
    space_write_bytes(m->memory, BOOT_RSDP, b->acpi.rsdp, sizeof b->acpi.rsdp);
    if (b->kind == BOOT_LINUX)
        linux_load(m, b);
    else
        multiboot_load(m, b);
}

void boot_reset(struct machine *m)
{
    if (m->boot->kind != BOOT_FIRMWARE)
        boot_directly(m);
    board_note_zeroed(m);
}
