/* SPDX-License-Identifier: MIT
 * The generation 1 board: which chip is where, and which line goes to which pin. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "base/log.h"
#include "devices/acpi_pm.h"
#include "devices/apic_bus.h"
#include "devices/chipset.h"
#include "devices/debugcon.h"
#include "devices/dma8237.h"
#include "devices/fdc.h"
#include "devices/fw_cfg.h"
#include "devices/i8042.h"
#include "devices/ide.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "devices/pic8259.h"
#include "devices/pit8254.h"
#include "devices/rtc146818.h"
#include "devices/stream.h"
#include "devices/testdev.h"
#include "devices/uart16550.h"
#include "devices/vga.h"
#include "hv/hv.h"
#include "machine/board.h"
#include "machine/hyperv_testdev.h"
#include "machine/serial.h"

struct board {
    struct machine *machine;
    struct apic_bus *bus;
    struct lapic *lapics[MACHINE_MAX_VPS];
    struct pic8259 *pic;
    struct ioapic *ioapic;
    struct pit8254 *pit;
    struct rtc146818 *rtc;
    struct acpi_pm *pm;
    struct pci *pci;
    struct chipset *chipset;
    struct ide *ide;
    struct i8042 *i8042;
    struct dma8237 *dma;
    struct fdc *fdc;
    struct vga *vga;
    struct fw_cfg *fw_cfg;
    struct hv *hv;
    struct uart16550 *uarts[MACHINE_SERIALS];
    struct serial_line *lines[MACHINE_SERIALS];
    struct stream *streams[MACHINE_SERIALS], *debug_stream;
    struct ram *bios;
    struct irq sci;
};

/* ---- interrupt lines ---- */

/* An ISA line reaches both the 8259s and the I/O APIC; IRQ 0 enters the latter on pin 2 (MADT source override). */
static void isa_irq(void *self, unsigned line, bool level)
{
    struct board *b = self;

    pic_set_irq(b->pic, line, level);
    ioapic_set_irq(b->ioapic, line == 0 ? 2 : line, level);
}

/* pc-testdev drives the pins of the I/O APIC by number; the first sixteen are ISA lines. */
static void test_line(void *self, unsigned line, bool level)
{
    struct board *b = self;

    if (line < 16)
        isa_irq(b, line, level);
    else
        ioapic_set_irq(b->ioapic, line, level);
}

static struct irq isa(struct board *b, unsigned line)
{
    return (struct irq){ isa_irq, b, line };
}

static int acknowledge_pic(void *self)
{
    return pic_acknowledge(((struct board *)self)->pic);
}

/* ---- what chips ask of the machine ---- */

static void on_reset(void *self) { machine_ask_reset(self); }
static void on_power_off(void *self) { machine_stop(self, RUN_POWEROFF); }

static void on_exit_port(void *self, uint32_t value)
{
    struct machine *m = self;

    m->loop.exit_value = value;
    machine_stop(m, RUN_DEBUG_EXIT);
}

static void on_deadline_moved(void *self)
{
    struct machine *m = self;

    cpu_attention(m->vps[m->loop.current], ATTEND_DEADLINE);
}

static void on_tsc_changed(void *lapic)
{
    lapic_tsc_changed(lapic);
}

/* A guest crash by the Hv#1 crash MSRs belongs on the user's terminal. */
static void on_crash(void *self, const uint64_t p[5], const char *text, size_t len)
{
    (void)self;
    fflush(stdout);
    fprintf(stderr, "partita: the guest crashed: P0-P4 %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
            p[0], p[1], p[2], p[3], p[4]);
    if (len > 0)
        fprintf(stderr, "%.*s\n", (int)len, text);
}

/* ---- storage ---- */

static struct err attach_ide(struct board *b, const struct drive_config *d, bool *taken)
{
    struct block *block;
    int place = d->index;

    for (int k = 0; place < 0 && k < 4; k++) {
        int candidate = d->cdrom ? (k + 2) % 4 : k;         /* CDs go to the second channel first, as QEMU has it */

        if (!taken[candidate])
            place = candidate;
    }
    if (place < 0 || taken[place])
        return err_make(ERR_USAGE, "-drive file=%s: IDE place %d is taken or there is none left", d->file, place);
    taken[place] = true;
    TRY(block_open(&block, d->file, d->readonly || d->cdrom, d->snapshot));
    if (d->cdrom)
        ide_attach_cdrom(b->ide, (unsigned)place / 2, (unsigned)place % 2, block);
    else
        ide_attach_disk(b->ide, (unsigned)place / 2, (unsigned)place % 2, block, NULL);
    return OK;
}

static struct err attach_floppy(struct board *b, const struct drive_config *d, bool *taken)
{
    int place = d->index >= 0 ? d->index : taken[0] ? 1 : 0;
    struct block *block;
    struct err e;

    if (place > 1 || taken[place])
        return err_make(ERR_USAGE, "-drive file=%s,if=floppy: floppy place %d is taken or does not exist", d->file, place);
    taken[place] = true;
    TRY(block_open(&block, d->file, d->readonly, d->snapshot));
    e = fdc_attach(b->fdc, (unsigned)place, block);
    if (failed(&e))
        block_close(block);
    return e;
}

static struct err attach_drives(struct machine *m, struct board *b)
{
    bool ide_taken[4] = { false }, floppy_taken[2] = { false };

    for (unsigned k = 0; k < m->cfg.ndrives; k++) {
        const struct drive_config *d = &m->cfg.drives[k];

        if (d->bus == DRIVE_FLOPPY)
            TRY(attach_floppy(b, d, floppy_taken));
        else
            TRY(attach_ide(b, d, ide_taken));
    }
    rtc_set_floppies(b->rtc, floppy_taken[0] ? (enum rtc_floppy)fdc_drive_type(b->fdc, 0) : RTC_FLOPPY_NONE,
                     floppy_taken[1] ? (enum rtc_floppy)fdc_drive_type(b->fdc, 1) : RTC_FLOPPY_NONE);
    return OK;
}

/* ---- serial ports ---- */

static void stream_byte(void *stream, uint8_t byte)
{
    stream_write(stream, &byte, 1);
}

static struct err open_stream(struct stream **out, const char *option, const char *spec, struct nondet *nd, uint8_t port)
{
    struct err e = stream_open(out, spec, nd, port);

    return failed(&e) ? err_make(e.code, "%s: %.200s", option, e.text) : OK;
}

static struct err create_serials(struct machine *m, struct board *b)
{
    static const struct { uint16_t port; uint8_t irq; } places[MACHINE_SERIALS] = {
        { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 },
    };

    for (unsigned k = 0; k < MACHINE_SERIALS; k++) {
        if (m->cfg.serial[k] == NULL && k > 0)
            continue;
        b->uarts[k] = uart_create(&m->tree, m->io, &m->clock, k, places[k].port, isa(b, places[k].irq));
        b->lines[k] = serial_line_create(&m->tree, &m->clock, k, b->uarts[k]);
        if (m->cfg.serial[k] == NULL)
            continue;
        TRY(open_stream(&b->streams[k], "-serial", m->cfg.serial[k], m->nondet, (uint8_t)k));
        uart_connect(b->uarts[k], stream_byte, b->streams[k]);
    }
    return OK;
}

/* ---- firmware ---- */

#define BIOS_DEFAULT "/usr/share/seabios/bios-256k.bin"
#define VGA_BIOS     "/usr/share/seabios/vgabios-stdvga.bin"

static struct err load_bios(struct machine *m, struct board *b)
{
    const char *path = m->cfg.bios != NULL ? m->cfg.bios : BIOS_DEFAULT;
    struct blob file;

    if (m->cfg.kernel != NULL)
        return m->cfg.bios == NULL ? OK : err_make(ERR_USAGE, "-bios and -kernel exclude each other: -kernel boots without firmware");
    TRY(file_read_all(path, &file));
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

/* ---- the board ---- */

static void on_sci(void *self, unsigned line, bool level)
{
    (void)line;
    irq_set(&((struct board *)self)->sci, level);
}

static void drop_byte(void *self, uint8_t byte)
{
    (void)self, (void)byte;
}

static void on_ferr(void *self, bool level)
{
    isa_irq(self, 13, level);
}

static bool has_feature(const struct cpu_config *cfg, enum feature f)
{
    return cfg->features[f / 64] >> (f % 64) & 1;
}

static void create_processor(struct machine *m, struct board *b, struct cpu_config *cfg, unsigned index)
{
    struct lapic_config apic = { .index = index, .apic_hz = MACHINE_APIC_HZ, .tsc_hz = MACHINE_TSC_HZ,
                                 .x2apic = has_feature(cfg, F_X2APIC), .tsc_deadline = has_feature(cfg, F_TSC_DEADLINE) };
    struct lapic *lapic = lapic_create(&m->tree, b->bus, &m->clock, &apic);
    struct cpu_ports ports = { .memory = m->memory, .io = m->io, .clock = &m->clock, .nondet = m->nondet,
                               .apic = &lapic_ops, .apic_self = lapic, .ferr = on_ferr, .ferr_self = b,
                               .tsc_changed = on_tsc_changed, .tsc_self = lapic };
    struct apic_client client;

    cfg->index = index;
    m->vps[index] = cpu_create(&m->tree, cfg, &ports);
    b->lapics[index] = lapic;
    client = (struct apic_client){ cpu_signal, m->vps[index] };
    lapic_connect(lapic, &client);
    lapic_connect_pic(lapic, acknowledge_pic, b);
    lapic_connect_tsc(lapic, cpu_tsc_offset, m->vps[index]);
}

static struct err create_processors(struct machine *m, struct board *b)
{
    struct cpu_config cfg = { 0 };

    TRY(cpu_config_parse(&cfg, m->cfg.cpu));
    cfg.count = m->nvps;
    cfg.tsc_hz = MACHINE_TSC_HZ;
    cfg.apic_hz = MACHINE_APIC_HZ;
    cfg.rdrand_seed = 0x5061727469746121;       /* any constant: the generator is part of the machine's state */
    cfg.hypervisor = m->cfg.hv;
    for (unsigned k = 0; k < m->nvps; k++)
        create_processor(m, b, &cfg, k);
    return OK;
}

static void create_hypervisor(struct machine *m, struct board *b)
{
    struct hv_config cfg = { .nvps = m->nvps, .tsc_hz = MACHINE_TSC_HZ, .apic_hz = MACHINE_APIC_HZ, .crash = on_crash,
                             .crash_self = m, .reset = on_reset, .reset_self = m };

    b->hv = hv_create(&m->tree, &cfg, m->memory, &m->clock);
    for (unsigned k = 0; k < m->nvps; k++)
        hv_add_vp(b->hv, m->vps[k], &lapic_ops, b->lapics[k]);
}

static void create_interrupts(struct machine *m, struct board *b)
{
    b->bus = apic_bus_create(&m->tree, m->memory);
    b->pic = pic_create(&m->tree, m->io, (struct irq){ apic_bus_set_lint, b->bus, 0 });
    b->ioapic = ioapic_create(&m->tree, m->memory, b->bus);
    b->pit = pit_create(&m->tree, m->io, &m->clock, isa(b, 0));
    b->rtc = rtc_create(&m->tree, m->io, &m->clock, m->nondet, isa(b, 8));
    rtc_set_wall_clock(b->rtc, m->cfg.rtc_start_ns);
    rtc_set_memory(b->rtc, m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX,
                   m->cfg.ram_bytes < RAM_LOW_MAX ? 0 : m->cfg.ram_bytes - RAM_LOW_MAX);
    rtc_set_processors(b->rtc, m->nvps);
}

static void create_chipset(struct machine *m, struct board *b)
{
    struct acpi_pm_host host = { on_power_off, on_reset, NULL, m };
    struct chipset_config cfg = { .memory = m->memory, .ram = m->ram, .bios = b->bios, .pm_base = acpi_pm_set_base };

    b->pci = pci_create(&m->tree, m->memory, m->io);
    for (unsigned k = 0; k < 16; k++)
        cfg.isa[k] = isa(b, k);
    cfg.pci = b->pci;
    /* The SCI shares line 9 with routed PIRQs, so the PM chip is wired after the chipset that or-s them. */
    b->pm = acpi_pm_create(&m->tree, m->io, &m->clock, (struct irq){ on_sci, b, 0 }, &host);
    cfg.pm_self = b->pm;
    b->chipset = chipset_create(&m->tree, &cfg);
    b->sci = chipset_shared_irq(b->chipset, BOARD_SCI);
    pci_connect_msi(b->pci, apic_bus_msi, b->bus);
    b->ide = ide_create(&m->tree, &(struct ide_config){ .pci = b->pci, .devfn = PCI_DEVFN(1, 1), .io = m->io, .clock = &m->clock,
                                                       .irq = { isa(b, 14), isa(b, 15) } });
}

static struct err create_vga(struct machine *m, struct board *b)
{
    struct vga_config cfg = { .pci = b->pci, .devfn = PCI_DEVFN(2, 0), .memory = m->memory, .io = m->io, .clock = &m->clock };
    struct blob rom = { 0 };
    struct err e;

    if (!m->cfg.vga)
        return OK;
    if (m->cfg.kernel == NULL)
        TRY(file_read_all(VGA_BIOS, &rom));
    cfg.rom = rom.bytes;
    cfg.rom_len = rom.len;
    e = vga_create(&b->vga, &m->tree, &cfg);
    blob_free(&rom);
    return e;
}

static struct err create_test_devices(struct machine *m, struct board *b)
{
    if (m->cfg.debugcon != NULL)
        TRY(open_stream(&b->debug_stream, "-debugcon", m->cfg.debugcon, m->nondet, 0xff));
    debugcon_create(&m->tree, m->io, DEBUGCON_PORT, b->debug_stream != NULL ? stream_byte : drop_byte, b->debug_stream);
    shutdown_port_create(&m->tree, m->io, on_power_off, m);
    if (m->cfg.debug_exit)
        debug_exit_create(&m->tree, m->io, m->cfg.debug_exit_port, m->cfg.debug_exit_bytes, on_exit_port, m);
    if (m->cfg.testdev)
        testdev_create(&m->tree, m->io, m->memory, (struct irq){ test_line, b, 0 });
    if (m->cfg.hyperv_testdev && b->hv == NULL)
        return err_make(ERR_USAGE, "-device hyperv-testdev needs -hv on");
    if (m->cfg.hyperv_testdev)
        hyperv_testdev_create(&m->tree, m->io, b->hv);
    return OK;
}

static struct err create_chips(struct machine *m, struct board *b)
{
    TRY(load_bios(m, b));
    create_interrupts(m, b);
    TRY(create_processors(m, b));
    if (m->cfg.hv)
        create_hypervisor(m, b);
    create_chipset(m, b);
    b->dma = dma8237_create(&m->tree, m->memory, m->io);
    b->fdc = fdc_create(&m->tree, m->io, &m->clock, b->dma, isa(b, 6));
    TRY(attach_drives(m, b));
    TRY(create_vga(m, b));
    b->i8042 = i8042_create(&m->tree, m->io, &m->clock, isa(b, 1), isa(b, 12), on_reset, m);
    TRY(create_serials(m, b));
    b->fw_cfg = fw_cfg_create(&m->tree, m->memory, m->io);
    fw_cfg_add_u64(b->fw_cfg, FW_CFG_RAM_SIZE, m->cfg.ram_bytes);
    fw_cfg_add_u16(b->fw_cfg, FW_CFG_NB_CPUS, (uint16_t)m->nvps);
    fw_cfg_add_u16(b->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t)m->nvps);
    return create_test_devices(m, b);
}

struct err board_create(struct machine *m)
{
    struct board *b = calloc(1, sizeof *b);

    invariant(b != NULL, "out of memory for the board");
    m->board = b;
    b->machine = m;
    m->clock.deadline_moved = on_deadline_moved;
    m->clock.deadline_arg = m;
    return create_chips(m, b);
}

void board_free(struct machine *m)
{
    struct board *b = m->board;

    if (b == NULL)
        return;
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        stream_close(b->streams[k]);
    stream_close(b->debug_stream);
    ram_free(b->bios);
    free(b);
    m->board = NULL;
}

void board_select_vp(struct machine *m, unsigned index)
{
    m->board->bus->current = index;
}

void board_direct_setup(struct machine *m)
{
    struct board *b = m->board;

    chipset_skip_firmware(b->chipset, BOARD_PM_BASE);
    ide_skip_firmware(b->ide, 0xc000);
    if (b->vga != NULL)
        vga_skip_firmware(b->vga);
    lapic_enter_virtual_wire(b->lapics[0]);
}

/* ---- outside ---- */

void board_input(struct machine *m, const struct nondet_event *e)
{
    struct board *b = m->board;

    switch (e->kind) {
    case NONDET_SERIAL:
        if (e->len > 0 && e->bytes[0] < MACHINE_SERIALS && b->lines[e->bytes[0]] != NULL)
            serial_line_push(b->lines[e->bytes[0]], e->bytes + 1, e->len - 1);
        break;
    case NONDET_KEY:
        i8042_key(b->i8042, load16(e->bytes), e->bytes[2] != 0);
        break;
    case NONDET_MOUSE:
        i8042_mouse(b->i8042, (int16_t)load16(e->bytes), (int16_t)load16(e->bytes + 2), (int8_t)e->bytes[4], e->bytes[5]);
        break;
    case NONDET_REQUEST:
        if (e->bytes[0] == REQUEST_POWER_BUTTON)
            acpi_pm_power_button(b->pm);
        break;
    default:
        break;
    }
}

bool board_has_input(const struct machine *m)
{
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        if (m->board->streams[k] != NULL && stream_has_input(m->board->streams[k]))
            return true;
    return m->tick != NULL;
}

void board_flush_output(struct machine *m)
{
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        if (m->board->streams[k] != NULL)
            stream_flush(m->board->streams[k]);
}

bool machine_frame(struct machine *m, struct frame *out)
{
    if (m->board->vga == NULL)
        return false;
    vga_frame(m->board->vga, out);
    return true;
}

bool machine_text(struct machine *m, char *out, size_t room)
{
    return m->board->vga != NULL && vga_text(m->board->vga, out, room) > 0;
}
