/* SPDX-License-Identifier: MIT
 * VGA registers at 3B0-3DF by the IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; the beam's position is
 * computed from CRTC timing and virtual time. */
#include "devices/vga.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "devices/vga_state.h"

STATE_SCHEMA(vga_state, VGA_STATE);

/* Bits that exist in each register. */
static const uint8_t seq_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
static const uint8_t gfx_mask[16] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };
static const uint8_t attr_mask[32] = {
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0xef, 0xff, 0x3f, 0x0f, 0x0f,
};
#define CRTC_COUNT 0x19

/* ---- the beam ---- */

/* Bit 8 and 9 of vertical values live in the overflow register. */
static unsigned with_overflow(const struct vga_state *s, unsigned reg, unsigned bit8, unsigned bit9)
{
    unsigned overflow = s->crtc[7];

    return s->crtc[reg] | (overflow >> bit8 & 1) << 8 | (overflow >> bit9 & 1) << 9;
}

unsigned vga_lines(const struct vga *v)
{
    return with_overflow(&v->state, 0x12, 1, 6) + 1;
}

struct timing {
    unsigned dots_per_line, lines;          /* totals */
    unsigned shown_dots, shown_lines, retrace_start, retrace_lines;
    uint64_t khz;
};

/* Modes without usable CRTC values (VBE, before the first mode set) run at 60 Hz. */
static struct timing timing_of(const struct vga *v)
{
    const struct vga_state *s = &v->state;
    unsigned char_dots = s->seq[1] & 1 ? 8 : 9, half = s->seq[1] & 8 ? 2 : 1;
    struct timing t = {
        .dots_per_line = (s->crtc[0] + 5u) * char_dots * half, .lines = with_overflow(s, 6, 0, 5) + 2,
        .shown_dots = (s->crtc[1] + 1u) * char_dots * half, .shown_lines = vga_lines(v),
        .retrace_start = with_overflow(s, 0x10, 2, 7), .khz = s->misc & 4 ? 28322 : 25175,
    };

    t.retrace_lines = (s->crtc[0x11] - t.retrace_start) & 15;
    if (vbe_active(v) || s->crtc[0] < 10 || t.retrace_start >= t.lines || t.shown_lines > t.lines)
        t = (struct timing){ .dots_per_line = 800, .lines = 525, .shown_dots = 640, .shown_lines = 480,
                             .retrace_start = 490, .retrace_lines = 2, .khz = 25175 };
    return t;
}

struct vga_beam vga_beam(const struct vga *v)
{
    struct timing t = timing_of(v);
    uint64_t dots = (uint64_t)((unsigned __int128)clock_ns(v->clock) * t.khz / 1000000);
    uint64_t frame_dots = (uint64_t)t.dots_per_line * t.lines, in_frame = dots % frame_dots;
    unsigned line = (unsigned)(in_frame / t.dots_per_line), dot = (unsigned)(in_frame % t.dots_per_line);

    return (struct vga_beam){
        .frame = dots / frame_dots, .line = line,
        .retrace = line - t.retrace_start < (t.retrace_lines ? t.retrace_lines : 16),
        .blank = line >= t.shown_lines || dot >= t.shown_dots,
    };
}

/* "Input Status Register 1": bit 0 display not enabled, bit 3 vertical retrace. Reading resets the attribute flip-flop. */
static uint8_t status_1(struct vga *v)
{
    struct vga_beam beam = vga_beam(v);

    v->state.attr_data = 0;
    return (uint8_t)((beam.blank ? 1 : 0) | (beam.retrace ? 8 : 0));
}

/* ---- register files ---- */

/* CRTC 0-7 are protected by bit 7 of register 11h, but for the line compare bit in the overflow register. */
static void crtc_write(struct vga_state *s, uint8_t value)
{
    unsigned index = s->crtc_index;

    if (index >= CRTC_COUNT)
        return;
    if (index <= 7 && s->crtc[0x11] & 0x80) {
        if (index == 7)
            s->crtc[7] = (uint8_t)((s->crtc[7] & ~0x10) | (value & 0x10));
        return;
    }
    s->crtc[index] = value;
}

static void attr_write(struct vga_state *s, uint8_t value)
{
    if (!s->attr_data)
        s->attr_index = value & 0x3f;
    else
        s->attr[s->attr_index & 31] = value & attr_mask[s->attr_index & 31];
    s->attr_data ^= 1;
}

/* "Digital-to-Analog Converter": three accesses an entry, then the next one. Six bits a part, eight in VBE 8-bit mode. */
static uint8_t dac_read(struct vga_state *s)
{
    uint8_t value = s->palette[s->dac_index * 3 + s->dac_part];

    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_index++;
    }
    return value;
}

static void dac_write(struct vga_state *s, uint8_t value)
{
    s->dac_latch[s->dac_part] = s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? value : value & 0x3f;
    if (++s->dac_part == 3) {
        memcpy(s->palette + s->dac_index * 3, s->dac_latch, 3);
        s->dac_part = 0;
        s->dac_index++;
    }
}

static void dac_select(struct vga_state *s, uint8_t index, bool reading)
{
    s->dac_index = index;
    s->dac_part = 0;
    s->dac_reading = reading;
}

/* ---- ports ---- */

/* 3Bx and 3Dx are the same registers; bit 0 of miscellaneous output says which ones answer. */
static bool not_decoded(const struct vga_state *s, unsigned port)
{
    return port < 0x3c0 ? s->misc & 1 : port >= 0x3d0 && !(s->misc & 1);
}

static uint8_t read_port(struct vga *v, unsigned port)
{
    struct vga_state *s = &v->state;

    switch (port) {
    case 0x3c0: return s->attr_index;
    case 0x3c1: return s->attr[s->attr_index & 31];
    case 0x3c2: return 0x10;        /* "Input Status Register 0": a colour monitor is sensed, no interrupt */
    case 0x3c4: return s->seq_index;
    case 0x3c5: return s->seq[s->seq_index];
    case 0x3c6: return s->dac_mask;
    case 0x3c7: return s->dac_reading ? 3 : 0;
    case 0x3c8: return s->dac_index;
    case 0x3c9: return dac_read(s);
    case 0x3ca: return s->feature;
    case 0x3cc: return s->misc;
    case 0x3ce: return s->gfx_index;
    case 0x3cf: return s->gfx[s->gfx_index];
    case 0x3b4: case 0x3d4: return s->crtc_index;
    case 0x3b5: case 0x3d5: return s->crtc[s->crtc_index];
    case 0x3ba: case 0x3da: return status_1(v);
    default: return 0xff;
    }
}

static void write_port(struct vga *v, unsigned port, uint8_t value)
{
    struct vga_state *s = &v->state;

    switch (port) {
    case 0x3c0: attr_write(s, value); break;
    case 0x3c2: s->misc = value; break;
    case 0x3c4: s->seq_index = value & 7; break;
    case 0x3c5: s->seq[s->seq_index] = value & seq_mask[s->seq_index]; break;
    case 0x3c6: s->dac_mask = value; break;
    case 0x3c7: dac_select(s, value, true); break;
    case 0x3c8: dac_select(s, value, false); break;
    case 0x3c9: dac_write(s, value); break;
    case 0x3ce: s->gfx_index = value & 15; break;
    case 0x3cf: s->gfx[s->gfx_index] = value & gfx_mask[s->gfx_index]; break;
    case 0x3b4: case 0x3d4: s->crtc_index = value & 31; break;
    case 0x3b5: case 0x3d5: crtc_write(s, value); break;
    case 0x3ba: case 0x3da: s->feature = value & 0x10; break;
    default: break;
    }
}

uint64_t vga_port_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    struct vga *v = (struct vga *)dev;

    return not_decoded(&v->state, at) ? 0xff : read_port(v, at);
}

void vga_port_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    struct vga *v = (struct vga *)dev;

    if (!not_decoded(&v->state, at))
        write_port(v, at, (uint8_t)value);
}

static const struct reg vga_ports[] = {
    { 0x3b4, 1, "CRTC (mono)",         vga_port_read, vga_port_write, 2 },
    { 0x3ba, 1, "status 1 (mono)",     vga_port_read, vga_port_write, 1 },
    { 0x3c0, 1, "VGA",                 vga_port_read, vga_port_write, 16 },
    { 0x3d4, 1, "CRTC",                vga_port_read, vga_port_write, 2 },
    { 0x3da, 1, "status 1",            vga_port_read, vga_port_write, 1 },
};

/* ---- life ---- */

static void vga_reset(struct device *dev)
{
    struct vga *v = (struct vga *)dev;

    memset(&v->state, 0, sizeof v->state);
    v->state.dac_mask = 0xff;
    vbe_reset(v);
}

static void vga_destroy(struct device *dev)
{
    struct vga *v = (struct vga *)dev;

    ram_free(v->vram);
    ram_free(v->rom);
    free(v->picture.pixels);
    free(v->picture.shadow);
}

static void vga_save(struct device *dev, struct writer *out)
{
    (void)dev, (void)out;
}

static struct err vga_load(struct device *dev, struct reader *in)
{
    const struct vga_state *s = &((struct vga *)dev)->state;

    (void)in;
    if (s->seq_index > 7 || s->gfx_index > 15 || s->crtc_index > 31 || s->dac_part > 2 ||
        !vbe_state_valid((struct vga *)dev))
        return err_make(ERR_FORMAT, "the snapshot has an impossible VGA state");
    return OK;
}

static bool vga_backing(struct device *dev, unsigned n, struct backing *out)
{
    *out = (struct backing){ .ram = ((struct vga *)dev)->vram };
    return n == 0;
}

static uint64_t vga_hash(struct device *dev, uint64_t seed)
{
    return ram_hash(((struct vga *)dev)->vram, seed);
}

static const struct device_class vga_class = {
    .name = "vga", .size = sizeof(struct vga),
    .state = &vga_state_schema, .state_at = offsetof(struct vga, state),
    .reset = vga_reset, .destroy = vga_destroy,
    .save_more = vga_save, .load_more = vga_load, .hash_more = vga_hash, .backing = vga_backing,
};

static struct err load_rom(struct vga *v, const struct vga_config *cfg)
{
    uint64_t len = PAGE_SIZE;

    if (cfg->rom == NULL)
        return OK;
    while (len < cfg->rom_len)
        len *= 2;
    TRY(ram_create(&v->rom, "video BIOS", len));
    memcpy(v->rom->bytes, cfg->rom, cfg->rom_len);
    ram_wrote(v->rom, 0, len);
    pci_bar_ram(v->function, PCI_BAR_ROM, PCI_BAR_MEMORY, v->rom, ACCESS_READ | ACCESS_EXECUTE);
    return OK;
}

struct err vga_create(struct vga **out, struct device_tree *t, const struct vga_config *cfg)
{
    static const struct pci_id id = {
        .vendor = 0x1234, .device = 0x1111, .revision = 2, .class_code = 0x030000,
        .subsystem_vendor = 0x1af4, .subsystem = 0x1100,
    };
    struct vga *v = (struct vga *)device_create(t, &vga_class, "vga");

    v->memory = cfg->memory;
    v->clock = cfg->clock;
    v->function = pci_add(cfg->pci, t, cfg->devfn, "vga-pci", &id);
    TRY(ram_create(&v->vram, "video memory", VGA_MEMORY));
    pci_bar_ram(v->function, 0, PCI_BAR_PREFETCH, v->vram, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    pci_bar_registers(v->function, 2, PCI_BAR_MEMORY, 4096, &v->dev, vbe_mmio, COUNT_OF(vbe_mmio));
    TRY(load_rom(v, cfg));
    v->function->writable[PCI_COMMAND] |= PCI_COMMAND_IO;
    space_add_device(cfg->io, 0, &v->dev, vga_ports, COUNT_OF(vga_ports), LAYER_DEVICE);
    space_add_device(cfg->io, 0, &v->dev, vbe_ports, COUNT_OF(vbe_ports), LAYER_DEVICE);
    space_add_device(cfg->memory, 0xa0000, &v->dev, vga_window, COUNT_OF(vga_window), LAYER_DEVICE);
    *out = v;
    return OK;
}

struct ram *vga_memory(struct vga *v)
{
    return v->vram;
}

/* ---- mode 3, for machines without firmware ---- */

static void default_palette(struct vga_state *s)
{
    for (unsigned k = 0; k < 64; k++)
        for (unsigned part = 0; part < 3; part++)       /* rgbRGB: a third and two thirds */
            s->palette[k * 3 + part] = (uint8_t)((k >> (2 - part) & 1) * 0x2a + (k >> (5 - part) & 1) * 0x15);
}

void vga_skip_firmware(struct vga *v)
{
    static const uint8_t seq[5] = { 0x03, 0x00, 0x03, 0x00, 0x02 };
    static const uint8_t crtc[CRTC_COUNT] = {
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
        0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
    };
    static const uint8_t gfx[9] = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff };
    static const uint8_t attr[21] = {
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
        0x0c, 0x00, 0x0f, 0x08, 0x00,
    };
    struct vga_state *s = &v->state;

    memcpy(s->seq, seq, sizeof seq);
    memcpy(s->crtc, crtc, sizeof crtc);
    memcpy(s->gfx, gfx, sizeof gfx);
    memcpy(s->attr, attr, sizeof attr);
    s->misc = 0x67;
    s->attr_index = 0x20;
    default_palette(s);
    vga_load_font(v);
    for (unsigned cell = 0; cell < 80 * 25; cell++)     /* blanks, grey on black */
        space_write(v->memory, 0xb8000 + 2 * cell, 2, 0x0720);
    pci_write_config(v->function, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}
