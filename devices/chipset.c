/* SPDX-License-Identifier: MIT
 * 82441FX (290549), 82371SB (290550) and the power management function of the 82371AB (290562). All state is in the
 * configuration spaces; the address map is derived from it. The subsystem ids are those by which SeaBIOS knows that it
 * runs on a virtual board and asks fw_cfg for memory size and tables instead of probing DRAM. */
#include "devices/chipset.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"

enum {
    SUBSYSTEM_VENDOR = 0x1af4, SUBSYSTEM = 0x1100,
    PAM = 0x59, PAMS = 7, SMRAM = 0x72, PIRQRC = 0x60, PMBA = 0x40, DEVACTB = 0x58, PMREGMISC = 0x80,
};

enum { PAM_READ = 1, PAM_WRITE = 2 };                                               /* "PAM": RE, WE */
enum { SMRAM_ENABLED = 0x08, SMRAM_LOCKED = 0x10, SMRAM_CLOSED = 0x20, SMRAM_OPEN = 0x40 };     /* "SMRAM" */

#define SEGMENTS 13         /* twelve of 16 KiB from C0000, then F0000-FFFFF */
#define SHADOW_START 0xc0000u
#define LAYER_WRITE_ONLY (LAYER_ROM + 1)
#define LAYER_SMRAM (LAYER_DEVICE + 1)      /* open SMRAM hides the VGA window */

#define CHIPSET_STATE(ONE, MANY)                                                \
    ONE(u16, shared, "levels that other chips drive on shared ISA lines")       \
    ONE(u16, routed, "ISA lines that PIRQs hold high")                          \
    ONE(u8,  pirq,   "levels of PIRQA# to PIRQD#, bits 0-3")                    \
    ONE(u8,  unused, "")
STATE_STRUCT(chipset_state, CHIPSET_STATE);
STATE_SCHEMA(chipset_state, CHIPSET_STATE);

struct chipset {
    struct device dev;
    struct chipset_state state;
    struct chipset_config cfg;
    struct pci_function *host, *isa, *pm;
    struct reg closed_rows[SEGMENTS], write_only_rows[SEGMENTS];
    uint8_t shown[SEGMENTS];        /* what the address space has now: PAM bits, or NOT_SHOWN */
    bool smram_open, smram_enabled; /* likewise, to all and to processors in SMM */
};

#define NOT_SHOWN 0xff

/* ---- 82441FX: shadow RAM ---- */

static gpa_t segment_start(unsigned segment)
{
    return SHADOW_START + segment * 0x4000;
}

static uint32_t segment_len(unsigned segment)
{
    return segment == SEGMENTS - 1 ? 0x10000 : 0x4000;
}

/* PAM0 high nibble: F0000. PAM1-PAM6: two segments each, low nibble first. */
static unsigned segment_access(const struct chipset *c, unsigned segment)
{
    if (segment == SEGMENTS - 1)
        return c->host->state.config[PAM] >> 4 & 3;
    return c->host->state.config[PAM + 1 + segment / 2] >> (segment % 2 * 4) & 3;
}

/* The firmware image byte that lies at a shadowed address, or NULL: nothing there. */
static const uint8_t *bios_at(const struct chipset *c, gpa_t at)
{
    uint64_t below_1m = 0x100000 - at;

    if (c->cfg.bios == NULL || below_1m > 0x20000 || below_1m > c->cfg.bios->len)
        return NULL;
    return c->cfg.bios->bytes + (c->cfg.bios->len - below_1m);
}

/* RE clear, WE set: reads go to the bus, writes to memory. */
static uint64_t write_only_read(struct device *dev, uint32_t at, unsigned bytes)
{
    const uint8_t *bios = bios_at((struct chipset *)dev, at);

    return bios == NULL ? reg_open_bus(dev, at, bytes) : load_bytes(bios, bytes);
}

static void write_only_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct chipset *c = (struct chipset *)dev;

    ram_present(c->cfg.ram, at >> PAGE_SHIFT);
    ram_wrote(c->cfg.ram, at, bytes);
    store_bytes(c->cfg.ram->bytes + at, bytes, value);
}

static void segment_show(struct chipset *c, unsigned segment, unsigned how)
{
    gpa_t at = segment_start(segment);
    uint32_t len = segment_len(segment);
    const uint8_t *bios = bios_at(c, at);

    switch (how) {
    case 0:
        if (bios != NULL)
            space_add_ram(c->cfg.memory, at, c->cfg.bios, (uint64_t)(bios - c->cfg.bios->bytes), len,
                          ACCESS_READ | ACCESS_EXECUTE, LAYER_ROM);
        else
            space_add_device(c->cfg.memory, at, &c->dev, &c->closed_rows[segment], 1, LAYER_ROM);
        break;
    case PAM_READ:
        space_add_ram(c->cfg.memory, at, c->cfg.ram, at, len, ACCESS_READ | ACCESS_EXECUTE, LAYER_ROM);
        break;
    case PAM_WRITE:     /* added with window base 0, so that the handlers see addresses */
        space_add_device(c->cfg.memory, 0, &c->dev, &c->write_only_rows[segment], 1, LAYER_WRITE_ONLY);
        break;
    default:        /* reads and writes reach the RAM beneath */
        break;
    }
}

static void shadow_update(struct chipset *c)
{
    bool same = true;

    for (unsigned k = 0; k < SEGMENTS; k++)
        same &= segment_access(c, k) == c->shown[k];
    if (same)
        return;
    space_remove(c->cfg.memory, 0, LAYER_WRITE_ONLY);
    for (unsigned k = 0; k < SEGMENTS; k++) {
        unsigned how = segment_access(c, k);

        if (how == c->shown[k] && how != PAM_WRITE)
            continue;
        space_remove(c->cfg.memory, segment_start(k), LAYER_ROM);
        segment_show(c, k, how);
        c->shown[k] = (uint8_t)how;
    }
}

static void show_smram(struct chipset *c, struct space *in, int layer, bool show, bool *shown)
{
    if (in == NULL || show == *shown)
        return;
    if (show)
        space_add_ram(in, 0xa0000, c->cfg.ram, 0xa0000, 0x20000, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, layer);
    else
        space_remove(in, 0xa0000, layer);
    *shown = show;
}

/* "SMRAM": G_SMRAME shows the DRAM behind A0000-BFFFF to processors in SMM, D_OPEN to everyone; D_LCK freezes the register
 * until reset. D_CLS, which would take it from the data accesses of SMM and leave it to fetches, only undoes D_OPEN here. */
static void smram_update(struct chipset *c)
{
    uint8_t reg = c->host->state.config[SMRAM];
    bool open = (reg & (SMRAM_ENABLED | SMRAM_OPEN | SMRAM_CLOSED)) == (SMRAM_ENABLED | SMRAM_OPEN);

    show_smram(c, c->cfg.memory, LAYER_SMRAM, open, &c->smram_open);
    show_smram(c, c->cfg.smm_memory, LAYER_RAM, reg & SMRAM_ENABLED, &c->smram_enabled);
}

static void host_changed(void *self, unsigned at UNUSED, unsigned bytes UNUSED)
{
    struct chipset *c = self;
    uint8_t *smram = &c->host->state.config[SMRAM];

    if (*smram & SMRAM_LOCKED)
        *smram &= (uint8_t)~SMRAM_OPEN;
    c->host->writable[SMRAM] = *smram & SMRAM_LOCKED ? SMRAM_CLOSED : 0x78;
    shadow_update(c);
    smram_update(c);
}

static void host_create(struct chipset *c, struct device_tree *t)
{
    static const struct pci_id id = {
        .vendor = 0x8086, .device = 0x1237, .revision = 2, .class_code = 0x060000,
        .subsystem_vendor = SUBSYSTEM_VENDOR, .subsystem = SUBSYSTEM,
    };
    struct pci_function *f = pci_add(c->cfg.pci, t, PCI_DEVFN(0, 0), "host-bridge", &id);

    pci_define(f, PCI_COMMAND, 2, 0x0006, PCI_COMMAND_PARITY | PCI_COMMAND_SERR);
    pci_define(f, PCI_STATUS, 2, 0x0280, 0);
    pci_define(f, 0x50, 2, 0x0000, 0xfff4);             /* PMCCFG */
    pci_define(f, 0x53, 1, 0x00, 0xff);                 /* DETURBO */
    pci_define(f, 0x54, 1, 0x00, 0xff);                 /* DBC */
    pci_define(f, 0x55, 1, 0x00, 0xff);                 /* AXC */
    pci_define(f, 0x56, 2, 0x0000, 0xffff);             /* DRT */
    pci_define(f, 0x57, 1, 0x01, 0xff);                 /* DRAMC */
    pci_define(f, 0x58, 1, 0x10, 0xff);                 /* DRAMT */
    pci_define(f, PAM, 1, 0x00, 0x30);
    for (unsigned k = 1; k < PAMS; k++)
        pci_define(f, PAM + k, 1, 0x00, 0x33);
    for (unsigned k = 0; k < 8; k++)
        pci_define(f, 0x60 + k, 1, 0x01, 0xff);         /* DRB0-DRB7; firmware knows the size from fw_cfg */
    pci_define(f, 0x68, 1, 0x00, 0xc0);                 /* FDHC */
    pci_define(f, 0x70, 1, 0x00, 0xff);                 /* MTT */
    pci_define(f, 0x71, 1, 0x10, 0xff);                 /* CLT */
    pci_define(f, SMRAM, 1, 0x02, 0x78);
    pci_define(f, 0x90, 1, 0x00, 0xff);                 /* ERRCMD */
    pci_define(f, 0x93, 1, 0x00, 0x0e);                 /* TRC */
    pci_on_change(f, host_changed, c);
    c->host = f;
}

/* ---- 82371SB function 0: PIRQ routing ---- */

/* "PIRQRC": bit 7 turns routing off; IRQ 0-2, 8 and 13 are reserved. -1: routed nowhere. */
static int routed_to(const struct chipset *c, unsigned pirq)
{
    uint8_t reg = c->isa->state.config[PIRQRC + pirq];
    unsigned line = reg & 15;

    return reg & 0x80 || !(0xdef8u >> line & 1) ? -1 : (int)line;
}

static void drive_isa(struct chipset *c, uint16_t shared, uint16_t routed)
{
    uint16_t before = c->state.shared | c->state.routed, after = shared | routed;

    c->state.shared = shared;
    c->state.routed = routed;
    for (unsigned line = 0; line < 16; line++)
        if ((before ^ after) >> line & 1)
            irq_set(&c->cfg.isa[line], after >> line & 1);
}

static void routing_update(struct chipset *c)
{
    uint16_t routed = 0;

    for (unsigned k = 0; k < 4; k++)
        if (c->state.pirq >> k & 1 && routed_to(c, k) >= 0)
            routed |= (uint16_t)BIT((unsigned)routed_to(c, k));
    drive_isa(c, c->state.shared, routed);
}

static void pirq_set(void *self, unsigned line, bool level)
{
    struct chipset *c = self;

    c->state.pirq = (uint8_t)bits_put(c->state.pirq, line, line, level);
    routing_update(c);
}

static void shared_set(void *self, unsigned line, bool level)
{
    struct chipset *c = self;

    drive_isa(c, (uint16_t)bits_put(c->state.shared, line, line, level), c->state.routed);
}

struct irq chipset_shared_irq(struct chipset *c, unsigned line)
{
    return (struct irq){ shared_set, c, line };
}

static void isa_changed(void *self, unsigned at UNUSED, unsigned bytes UNUSED)
{
    routing_update(self);
}

static void isa_create(struct chipset *c, struct device_tree *t)
{
    static const struct pci_id id = {
        .vendor = 0x8086, .device = 0x7000, .class_code = 0x060100,
        .subsystem_vendor = SUBSYSTEM_VENDOR, .subsystem = SUBSYSTEM, .multifunction = true,
    };
    struct pci_function *f = pci_add(c->cfg.pci, t, PCI_DEVFN(1, 0), "isa-bridge", &id);

    pci_define(f, PCI_COMMAND, 2, 0x0007, PCI_COMMAND_SERR | 0x0008);
    pci_define(f, PCI_STATUS, 2, 0x0280, 0);
    pci_define(f, 0x4c, 1, 0x4d, 0xff);                 /* IORT */
    pci_define(f, 0x4e, 2, 0x0003, 0x01f7);             /* XBCS */
    for (unsigned k = 0; k < 4; k++)
        pci_define(f, PIRQRC + k, 1, 0x80, 0x8f);
    pci_define(f, 0x69, 1, 0x02, 0xfe);                 /* TOM */
    pci_define(f, 0x6a, 2, 0x0000, 0x807d);             /* MSTAT */
    pci_define(f, 0x70, 1, 0x80, 0xef);                 /* MBIRQ0 */
    pci_define(f, 0x76, 2, 0x0c0c, 0x8f8f);             /* MBDMA0, MBDMA1 */
    pci_define(f, 0x78, 2, 0x0002, 0xffff);             /* PCSC */
    pci_define(f, 0x80, 1, 0x00, 0x7f);                 /* APICBASE */
    pci_define(f, 0x82, 1, 0x00, 0x0d);                 /* DLC */
    pci_define(f, 0xa0, 1, 0x08, 0x1f);                 /* SMICNTL */
    pci_define(f, 0xa2, 2, 0x0000, 0x00ff);             /* SMIEN */
    pci_define(f, 0xa4, 4, 0x00000000, 0xffffffff);     /* SEE */
    pci_define(f, 0xa8, 1, 0x0f, 0xff);                 /* FTMR */
    pci_on_change(f, isa_changed, c);
    c->isa = f;
}

/* ---- 82371AB function 3: where the power management ports lie ---- */

static void pm_changed(void *self, unsigned at UNUSED, unsigned bytes UNUSED)
{
    struct chipset *c = self;
    uint16_t base = load16(c->pm->state.config + PMBA) & 0xffc0;

    if (c->cfg.pm_base != NULL)
        c->cfg.pm_base(c->cfg.pm_self, base, (c->pm->state.config[PMREGMISC] & 1) && base != 0);
}

bool chipset_apmc_smi_enabled(const struct chipset *c)
{
    return c->cfg.smm && c->pm->state.config[DEVACTB + 3] & 2;
}

/* There is no SMBus host: its enable bit in SMBHSTCFG (D2h) stays clear, which drivers take for "not present". */
static void pm_create(struct chipset *c, struct device_tree *t)
{
    static const struct pci_id id = {
        .vendor = 0x8086, .device = 0x7113, .revision = 3, .class_code = 0x068000,
        .subsystem_vendor = SUBSYSTEM_VENDOR, .subsystem = SUBSYSTEM, .irq_pin = 1,
    };
    struct pci_function *f = pci_add(c->cfg.pci, t, PCI_DEVFN(1, 3), "pm", &id);

    pci_define(f, PCI_COMMAND, 2, 0x0000, PCI_COMMAND_IO);
    pci_define(f, PCI_STATUS, 2, 0x0280, 0);
    pci_define(f, PMBA, 4, 0x00000001, 0x0000ffc0);
    for (unsigned at = 0x44; at < 0x58; at += 4)
        pci_define(f, at, 4, 0, 0xffffffff);            /* CNTA, CNTB, GPICTL, DEVRESD, DEVACTA */
    /* "DEVACTB" bit 25: SMI on APM control writes. Set from the start where no SMI can come: firmware leaves SMM be. */
    pci_define(f, DEVACTB, 4, c->cfg.smm ? 0 : 0x02000000, 0xffffffff);
    for (unsigned at = 0x5c; at < 0x80; at += 4)
        pci_define(f, at, 4, 0, 0xffffffff);            /* DEVRESA-DEVRESJ */
    pci_define(f, PMREGMISC, 1, 0x00, 0x01);
    pci_define(f, 0x90, 4, 0x00000001, 0x0000fff0);     /* SMBBA */
    pci_define(f, 0xd2, 1, 0x00, 0x0e);                 /* SMBHSTCFG */
    pci_define(f, 0xd3, 3, 0x000000, 0xffffff);         /* SMBSLVC, SMBSHDW1, SMBSHDW2 */
    pci_define(f, 0xd6, 1, 0x00, 0);                    /* SMBREV */
    pci_on_change(f, pm_changed, c);
    c->pm = f;
}

/* ---- life ---- */

static void chipset_reset(struct device *dev)
{
    memset(&((struct chipset *)dev)->state, 0, sizeof(struct chipset_state));
}

static const struct device_class chipset_class = {
    .name = "chipset", .size = sizeof(struct chipset),
    .state = &chipset_state_schema, .state_at = offsetof(struct chipset, state),
    .reset = chipset_reset,
};

/* The whole image ends at 4 GiB, whatever PAM says. */
static void show_bios(struct chipset *c)
{
    struct ram *bios = c->cfg.bios;

    if (bios != NULL)
        space_add_ram(c->cfg.memory, UINT64_C(0x100000000) - bios->len, bios, 0, bios->len,
                      ACCESS_READ | ACCESS_EXECUTE, LAYER_ROM);
}

static void segment_rows(struct chipset *c)
{
    for (unsigned k = 0; k < SEGMENTS; k++) {
        uint32_t at = (uint32_t)segment_start(k), len = segment_len(k);

        c->write_only_rows[k] = (struct reg){ at, 8, "write-only shadow RAM", write_only_read, write_only_write, len };
        c->closed_rows[k] = (struct reg){ 0, 8, "closed shadow RAM", reg_open_bus, reg_ignore, len };
        c->shown[k] = NOT_SHOWN;
    }
}

struct chipset *chipset_create(struct device_tree *t, const struct chipset_config *cfg)
{
    struct chipset *c = (struct chipset *)device_create(t, &chipset_class, "chipset");
    struct irq pirq[4];

    invariant(cfg->ram->len >= 0x100000, "the board needs 1 MiB of RAM");
    c->cfg = *cfg;
    for (unsigned k = 0; k < 4; k++)
        pirq[k] = (struct irq){ pirq_set, c, k };
    pci_connect_pirq(cfg->pci, pirq);
    segment_rows(c);
    show_bios(c);
    host_create(c, t);
    isa_create(c, t);
    pm_create(c, t);
    return c;
}

void chipset_skip_firmware(struct chipset *c, uint16_t pm_base)
{
    static const uint8_t lines[4] = { 10, 10, 11, 11 };

    pci_write_config(c->host, PAM, 1, 0x30);
    for (unsigned k = 1; k < PAMS; k++)
        pci_write_config(c->host, PAM + k, 1, 0x33);
    for (unsigned k = 0; k < 4; k++)
        pci_write_config(c->isa, PIRQRC + k, 1, lines[k]);
    pci_write_config(c->pm, PMBA, 4, pm_base);
    pci_write_config(c->pm, PMREGMISC, 1, 1);
    pci_write_config(c->pm, PCI_IRQ_LINE, 1, 9);
}
