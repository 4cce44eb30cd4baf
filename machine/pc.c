/* SPDX-License-Identifier: MIT
 * The generation 1 board: which chip is where, and which line goes to which pin. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "devices/debugcon.h"
#include "devices/testdev.h"
#include "machine/chips.h"
#include "machine/hyperv_testdev.h"

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

/* A soft reset is INIT to the processors, and firmware takes over. Without firmware, or where a reset is to end the run, it
 * is as good as a hard one. */
static void on_init(void *self)
{
    struct machine *m = self;

    if (m->board->bios == NULL || m->cfg.no_reboot)
        machine_ask_reset(m);
    else
        apic_bus_init_processors(m->board->bus);
}

/* The chipset's SMI# reaches processor 0 only: firmware sets up SMM, SMBASE above all, on no other. */
static void on_smi(void *self) { cpu_signal(((struct machine *)self)->vps[0], APIC_SIGNAL_SMI, 0); }

static bool smi_enabled(void *chipset) { return chipset_apmc_smi_enabled(chipset); }

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

static struct err attach_ide(struct board *b, struct inputs *inputs, const struct drive_config *d, bool *taken)
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
    TRY(input_disk(inputs, d, &block));
    if (d->cdrom)
        ide_attach_cdrom(b->ide, (unsigned)place / 2, (unsigned)place % 2, block);
    else
        ide_attach_disk(b->ide, (unsigned)place / 2, (unsigned)place % 2, block, NULL);
    return OK;
}

static struct err attach_floppy(struct board *b, struct inputs *inputs, const struct drive_config *d, bool *taken)
{
    int place = d->index >= 0 ? d->index : taken[0] ? 1 : 0;
    struct block *block;
    struct err e;

    if (place > 1 || taken[place])
        return err_make(ERR_USAGE, "-drive file=%s,if=floppy: floppy place %d is taken or does not exist", d->file, place);
    taken[place] = true;
    TRY(input_disk(inputs, d, &block));
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
            TRY(attach_floppy(b, &m->inputs, d, floppy_taken));
        else
            TRY(attach_ide(b, &m->inputs, d, ide_taken));
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

/* The first port has listeners besides its stream. */
static void first_byte(void *machine, uint8_t byte)
{
    struct machine *m = machine;

    if (m->serial_byte != NULL && !m->mute)
        m->serial_byte(m->serial_arg, byte);
    if (m->board->streams[0] != NULL)
        stream_byte(m->board->streams[0], byte);
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
        if (k == 0)
            uart_connect(b->uarts[0], first_byte, m);
        if (m->cfg.serial[k] == NULL)
            continue;
        TRY(open_stream(&b->streams[k], "-serial", m->cfg.serial[k], m->nondet, (uint8_t)k));
        if (k > 0)
            uart_connect(b->uarts[k], stream_byte, b->streams[k]);
    }
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
    coprocessor_error(((struct board *)self)->coprocessor, level);
}

static void on_ignne(void *self, unsigned line, bool level)
{
    struct machine *m = self;

    (void)line;
    for (unsigned k = 0; k < m->nvps; k++)
        cpu_set_ignne(m->vps[k], level);
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
    struct cpu_ports ports = { .memory = m->memory, .smm_memory = m->smm_memory, .io = m->io, .clock = &m->clock,
                               .nondet = m->nondet, .apic = &lapic_ops, .apic_self = lapic, .ferr = on_ferr, .ferr_self = b,
                               .tsc_changed = on_tsc_changed, .tsc_self = lapic };
    struct apic_client client;

    cfg->index = index;
    m->vps[index] = cpu_create(&m->tree, cfg, &ports);
    b->lapics[index] = lapic;
    client = (struct apic_client){ cpu_signal, m->vps[index] };
    lapic_connect(lapic, &client);
    lapic_connect_pic(lapic, acknowledge_pic, b);
    lapic_connect_tsc(lapic, cpu_tsc_offset, m->vps[index]);
    lapic_set_phys_bits(lapic, cpu_physical_bits(m->vps[index]));
    lapic_set_cmci(lapic, cpu_mcg_cap(m->vps[index]) >> 10 & 1);
}

static struct err create_processors(struct machine *m, struct board *b)
{
    struct cpu_config cfg = { 0 };

    TRY(cpu_config_parse(&cfg, m->cfg.cpu));
    cfg.count = m->nvps;
    cfg.tsc_hz = MACHINE_TSC_HZ;
    cfg.apic_hz = MACHINE_APIC_HZ;
    cfg.rdrand_seed = m->cfg.seed;
    if (m->cfg.hv)
        cpu_config_partition(&cfg);
    cfg.jit = m->cfg.jit ? CPU_JIT_THRESHOLD : 0;
    cfg.jit_off = m->cfg.jit_off;
    cfg.jit_counts = m->cfg.jit_counts;
    cfg.translated = m->cfg.translated;
    cfg.translated_arg = m->cfg.translated_arg;
    cfg.count_handlers = m->cfg.count_handlers;
    cfg.smm_intel64 = m->cfg.smm == SMM_INTEL64;
    for (unsigned k = 0; k < m->nvps; k++)
        create_processor(m, b, &cfg, k);
    return OK;
}

/* ---- -trace ---- */

static void on_trace(void *self, const char *line)
{
    const struct machine *m = self;

    fprintf(m->trace_file, "%s\n", line);
}

static struct err open_trace(struct machine *m, struct hv_config *cfg)
{
    const char *file = m->cfg.trace != NULL ? strstr(m->cfg.trace, "file=") : NULL;

    if (m->cfg.trace == NULL)
        return OK;
    m->trace_file = file != NULL ? fopen(file + 5, "w") : stderr;
    if (m->trace_file == NULL)
        return err_make(ERR_IO, "-trace %s: cannot write that file", m->cfg.trace);
    cfg->trace = on_trace;
    cfg->trace_self = m;
    return OK;
}

void board_trace(struct machine *m, void (*trace)(void *self, const char *line), void *self)
{
    if (m->board->hv != NULL)
        hv_set_trace(m->board->hv, trace != NULL ? trace : m->trace_file != NULL ? on_trace : NULL, trace != NULL ? self : m);
}

static struct err create_hypervisor(struct machine *m, struct board *b)
{
    struct hv_config cfg = { .nvps = m->nvps, .tsc_hz = MACHINE_TSC_HZ, .apic_hz = MACHINE_APIC_HZ, .crash = on_crash,
                             .crash_self = m, .reset = on_reset, .reset_self = m };

    TRY(hv_offer_parse(&cfg.offer, m->cfg.hv_spec != NULL ? m->cfg.hv_spec : ""));
    TRY(open_trace(m, &cfg));
    cfg.amd = cpu_is_amd(m->vps[0]);
    cfg.ibt = cpu_has(m->vps[0], F_CET_IBT);
    b->hv = hv_create(&m->tree, &cfg, m->memory, &m->clock);
    for (unsigned k = 0; k < m->nvps; k++)
        hv_add_vp(b->hv, m->vps[k], &lapic_ops, b->lapics[k]);
    return OK;
}

static void create_interrupts(struct machine *m, struct board *b)
{
    b->bus = apic_bus_create(&m->tree, m->memory);
    b->pic = pic_create(&m->tree, m->io, (struct irq){ apic_bus_set_lint, b->bus, 0 });
    b->ioapic = ioapic_create(&m->tree, m->memory, b->bus);
    b->coprocessor = coprocessor_create(&m->tree, m->io, isa(b, 13), (struct irq){ on_ignne, m, 0 });
    b->pit = pit_create(&m->tree, m->io, &m->clock, isa(b, 0));
    b->rtc = rtc_create(&m->tree, m->io, &m->clock, m->nondet, isa(b, 8));
    rtc_set_wall_clock(b->rtc, m->cfg.rtc_start_ns);
    rtc_set_memory(b->rtc, m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX,
                   m->cfg.ram_bytes < RAM_LOW_MAX ? 0 : m->cfg.ram_bytes - RAM_LOW_MAX);
    rtc_set_processors(b->rtc, m->nvps);
}

static void create_chipset(struct machine *m, struct board *b)
{
    struct acpi_pm_host host = { on_power_off, on_reset, on_smi, m, on_init };
    struct chipset_config cfg = { .memory = m->memory, .smm_memory = m->smm_memory, .smm = m->cfg.smm != SMM_OFF,
                                  .ram = m->ram, .bios = b->bios, .pm_base = acpi_pm_set_base };

    b->pci = pci_create(&m->tree, m->memory, m->io);
    for (unsigned k = 0; k < 16; k++)
        cfg.isa[k] = isa(b, k);
    cfg.pci = b->pci;
    /* The SCI shares line 9 with routed PIRQs, so the PM chip is wired after the chipset that or-s them. */
    b->pm = acpi_pm_create(&m->tree, m->io, &m->clock, (struct irq){ on_sci, b, 0 }, &host);
    cfg.pm_self = b->pm;
    b->chipset = chipset_create(&m->tree, &cfg);
    acpi_pm_connect_smi(b->pm, smi_enabled, b->chipset);
    b->sci = chipset_shared_irq(b->chipset, BOARD_SCI);
    pci_connect_msi(b->pci, apic_bus_msi, b->bus);
    b->ide = ide_create(&m->tree, &(struct ide_config){ .pci = b->pci, .devfn = PCI_DEVFN(1, 1), .io = m->io, .clock = &m->clock,
                                                       .irq = { isa(b, 14), isa(b, 15) } });
}

#define VGA_BIOS "/usr/share/seabios/vgabios-stdvga.bin"

static struct err create_vga(struct machine *m, struct board *b)
{
    struct vga_config cfg = { .pci = b->pci, .devfn = PCI_DEVFN(2, 0), .memory = m->memory, .io = m->io, .clock = &m->clock };
    struct blob rom = { 0 };
    struct err e;

    if (!m->cfg.vga)
        return OK;
    if (m->cfg.kernel == NULL)
        TRY(input_file(&m->inputs, VGA_BIOS, &rom));
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
    TRY(firmware_load(m));
    create_interrupts(m, b);
    TRY(create_processors(m, b));
    if (m->cfg.hv)
        TRY(create_hypervisor(m, b));
    else if (m->cfg.trace != NULL)
        return err_make(ERR_USAGE, "-trace hv: there is no hypervisor with -hv off");
    create_chipset(m, b);
    b->dma = dma8237_create(&m->tree, m->memory, m->io);
    b->fdc = fdc_create(&m->tree, m->io, &m->clock, b->dma, isa(b, 6));
    TRY(attach_drives(m, b));
    TRY(create_vga(m, b));
    b->i8042 = i8042_create(&m->tree, m->io, &m->clock, isa(b, 1), isa(b, 12), on_init, m);
    TRY(create_serials(m, b));
    b->fw_cfg = fw_cfg_create(&m->tree, m->memory, m->io);
    fw_cfg_add_u64(b->fw_cfg, FW_CFG_RAM_SIZE, m->cfg.ram_bytes);
    fw_cfg_add_u16(b->fw_cfg, FW_CFG_NB_CPUS, (uint16_t)m->nvps);
    fw_cfg_add_u16(b->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t)m->nvps);
    return create_test_devices(m, b);
}

#define ZEROED_FROM 0x100000u           /* below lies what a PC always has */

static uint64_t untouched_from(const struct ram *ram, uint64_t page, uint64_t end)
{
    uint64_t n = 0;

    while (page + n < end && !ram->touched[page + n])
        n++;
    return n;
}

/* The longest run of pages that nobody has written yet. RAM above 3 GiB appears at 4 GiB, so no run spans that line. */
void board_note_zeroed(struct machine *m)
{
    uint64_t split = RAM_LOW_MAX >> PAGE_SHIFT, pages = m->ram->len >> PAGE_SHIFT, best = 0, at = 0;

    if (m->board->hv == NULL)
        return;
    for (uint64_t page = ZEROED_FROM >> PAGE_SHIFT; page < pages;) {
        uint64_t n = untouched_from(m->ram, page, page < split && pages > split ? split : pages);

        if (n > best) {
            best = n;
            at = page < split ? page << PAGE_SHIFT : ((page - split) << PAGE_SHIFT) + GPA_4G;
        }
        page += n != 0 ? n : 1;
    }
    hv_set_zeroed(m->board->hv, at, best);
}

void board_counters(const struct machine *m, void (*counter)(void *arg, const char *name, uint64_t value), void *arg)
{
    if (m->board->hv != NULL)
        hv_counters(m->board->hv, counter, arg);
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
    dma8237_skip_firmware(b->dma);
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
    return false;
}

void board_flush_output(struct machine *m)
{
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        if (m->board->streams[k] != NULL)
            stream_flush(m->board->streams[k]);
}

struct err board_can_snapshot(const struct machine *m)
{
    for (unsigned k = 0; k < m->cfg.ndrives && m->cfg.record == NULL && m->cfg.replay == NULL; k++) {
        const struct drive_config *d = &m->cfg.drives[k];

        if (!d->readonly && !d->cdrom && !d->snapshot)
            return err_make(ERR_USAGE, "-drive file=%.120s is written in place, so its state cannot be kept: add snapshot=on", d->file);
    }
    return OK;
}

void board_mute(struct machine *m, bool mute)
{
    m->mute = mute;
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        if (m->board->streams[k] != NULL)
            stream_mute(m->board->streams[k], mute);
    if (m->board->debug_stream != NULL)
        stream_mute(m->board->debug_stream, mute);
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
