/* SPDX-License-Identifier: MIT
 * The Bochs VBE registers ("VBE Display Interface", interface version B0C5h) at ports 1CEh/1CFh and in the register BAR as
 * the "standard VGA" of QEMU lays it out: 400h VGA ports, 500h VBE registers, 600h size and byte order. */
#include "devices/vga_state.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"

enum { MAX_X = 16000, MAX_Y = 12000, MAX_BPP = 32 };

void vbe_reset(struct vga *v)
{
    memset(v->state.vbe, 0, sizeof v->state.vbe);
    v->state.vbe[VBE_ID] = 0xb0c5;
    v->state.vbe[VBE_MEMORY_64K] = VGA_MEMORY >> 16;
}

bool vbe_active(const struct vga *v)
{
    return v->state.vbe[VBE_ENABLE] & VBE_ENABLED;
}

static unsigned pixel_bits(const struct vga *v)
{
    return v->state.vbe[VBE_BPP] == 15 ? 16 : v->state.vbe[VBE_BPP];
}

unsigned vbe_line_bytes(const struct vga *v)
{
    unsigned width = v->state.vbe[VBE_VIRT_WIDTH], bits = pixel_bits(v);

    return bits == 4 ? width / 8 : width * (bits / 8);
}

/* Bytes of video memory that rows take up: four planes with 4 bits a pixel. */
static uint64_t row_memory(const struct vga *v)
{
    return (uint64_t)vbe_line_bytes(v) * (pixel_bits(v) == 4 ? 4 : 1);
}

/* Bring the geometry into what the memory can show: virtual width first, then height, then the offsets. */
static void fix_geometry(struct vga *v)
{
    uint16_t *r = v->state.vbe;
    uint64_t rows;

    if (r[VBE_BPP] != 4 && r[VBE_BPP] != 8 && r[VBE_BPP] != 15 && r[VBE_BPP] != 16 && r[VBE_BPP] != 24 && r[VBE_BPP] != 32)
        r[VBE_BPP] = 8;
    r[VBE_XRES] &= 0xfff8;
    if (r[VBE_XRES] == 0)
        r[VBE_XRES] = 8;
    if (r[VBE_XRES] > MAX_X)
        r[VBE_XRES] = MAX_X;
    r[VBE_VIRT_WIDTH] &= 0xfff8;
    if (r[VBE_VIRT_WIDTH] > MAX_X)
        r[VBE_VIRT_WIDTH] = MAX_X;
    if (r[VBE_VIRT_WIDTH] < r[VBE_XRES])
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    rows = VGA_MEMORY / row_memory(v);
    r[VBE_VIRT_HEIGHT] = rows > 0xffff ? 0xffff : (uint16_t)rows;
    if (r[VBE_YRES] == 0)
        r[VBE_YRES] = 1;
    if (r[VBE_YRES] > MAX_Y)
        r[VBE_YRES] = MAX_Y;
    if (r[VBE_YRES] > r[VBE_VIRT_HEIGHT])
        r[VBE_YRES] = r[VBE_VIRT_HEIGHT];
    if (r[VBE_X_OFFSET] > r[VBE_VIRT_WIDTH] - r[VBE_XRES])
        r[VBE_X_OFFSET] = (uint16_t)(r[VBE_VIRT_WIDTH] - r[VBE_XRES]);
    if (r[VBE_Y_OFFSET] > r[VBE_VIRT_HEIGHT] - r[VBE_YRES])
        r[VBE_Y_OFFSET] = (uint16_t)(r[VBE_VIRT_HEIGHT] - r[VBE_YRES]);
}

bool vbe_state_valid(const struct vga *v)
{
    struct vga fixed = { .state = v->state };

    fix_geometry(&fixed);
    return !vbe_active(v) || memcmp(&fixed.state, &v->state, sizeof v->state) == 0;
}

static void clear_screen(struct vga *v)
{
    uint64_t len = row_memory(v) * v->state.vbe[VBE_YRES];

    memset(v->vram->bytes, 0, len);
    ram_wrote(v->vram, 0, len);
}

/* Turning the extension on starts a mode: virtual size as shown, no offsets, bank 0, memory cleared unless told not to. */
static void write_enable(struct vga *v, uint16_t value)
{
    uint16_t *r = v->state.vbe, before = r[VBE_ENABLE];

    r[VBE_ENABLE] = value & (VBE_ENABLED | VBE_GET_CAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NO_CLEAR);
    if (value & VBE_ENABLED && !(before & VBE_ENABLED)) {
        r[VBE_VIRT_WIDTH] = 0;
        r[VBE_X_OFFSET] = r[VBE_Y_OFFSET] = 0;
        fix_geometry(v);
        if (!(value & VBE_NO_CLEAR))
            clear_screen(v);
    }
    r[VBE_BANK] = 0;
}

uint16_t vbe_read(const struct vga *v, unsigned index)
{
    bool caps = v->state.vbe[VBE_ENABLE] & VBE_GET_CAPS;

    switch (index) {
    case VBE_XRES: return caps ? MAX_X : v->state.vbe[index];
    case VBE_YRES: return caps ? MAX_Y : v->state.vbe[index];
    case VBE_BPP:  return caps ? MAX_BPP : v->state.vbe[index];
    default:       return index < VBE_COUNT ? v->state.vbe[index] : 0;
    }
}

void vbe_write(struct vga *v, unsigned index, uint16_t value)
{
    uint16_t *r = v->state.vbe;

    switch (index) {
    case VBE_ID:
        if (value >= 0xb0c0 && value <= 0xb0c5)
            r[VBE_ID] = value;
        break;
    case VBE_XRES: case VBE_YRES: case VBE_BPP:
        if (!vbe_active(v))
            r[index] = value;
        break;
    case VBE_VIRT_WIDTH: case VBE_X_OFFSET: case VBE_Y_OFFSET:
        r[index] = value;
        if (vbe_active(v))
            fix_geometry(v);
        break;
    case VBE_BANK:
        r[index] = value & ((VGA_MEMORY >> 16) - 1);
        break;
    case VBE_ENABLE:
        write_enable(v, value);
        break;
    default:        /* read-only or unknown */
        break;
    }
}

/* ---- ports ---- */

static uint64_t index_read(struct device *dev, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    return ((struct vga *)dev)->state.vbe_index;
}

static void index_write(struct device *dev, uint32_t at UNUSED, unsigned bytes, uint64_t value)
{
    if (bytes == 2)
        ((struct vga *)dev)->state.vbe_index = (uint16_t)value;
}

/* The data port is 16 bits wide at an odd address, so accesses arrive as two bytes; the second one completes a write.
 * The aligned port 1D0h takes whole words. */
static uint64_t data_read(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct vga *v = (struct vga *)dev;
    uint16_t value = vbe_read(v, v->state.vbe_index);

    return bytes == 2 ? value : at == 0x1cf ? value & 0xffu : (unsigned)value >> 8;
}

static void data_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct vga *v = (struct vga *)dev;

    if (bytes == 2)
        vbe_write(v, v->state.vbe_index, (uint16_t)value);
    else if (at == 0x1cf)
        v->state.vbe_low = (uint8_t)value;
    else
        vbe_write(v, v->state.vbe_index, (uint16_t)(value << 8 | v->state.vbe_low));
}

const struct reg vbe_ports[2] = {
    { 0x1ce, 2, "VBE index", index_read, index_write, 1 },
    { 0x1cf, 2, "VBE data",  data_read,  data_write,  2 },
};

/* ---- the register BAR ---- */

static uint64_t mmio_port_read(struct device *dev, uint32_t at, unsigned bytes)
{
    return vga_port_read(dev, at - 0x400 + 0x3c0, bytes);
}

static void mmio_port_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    vga_port_write(dev, at - 0x400 + 0x3c0, bytes, value);
}

static uint64_t mmio_vbe_read(struct device *dev, uint32_t at, unsigned bytes)
{
    uint16_t value = vbe_read((struct vga *)dev, (at - 0x500) / 2);

    return bytes == 2 ? value : (unsigned)value >> (at % 2 * 8) & 0xff;
}

static void mmio_vbe_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    if (bytes == 2)
        vbe_write((struct vga *)dev, (at - 0x500) / 2, (uint16_t)value);
}

/* Size of this register block, then the frame buffer's byte order, which is little-endian and stays so. */
static uint64_t extension_read(struct device *dev UNUSED, uint32_t at, unsigned bytes)
{
    static const uint32_t words[2] = { 8, 0x1e1e1e1e };

    return load_bytes((const uint8_t *)words + (at - 0x600), bytes);
}

static uint64_t nothing_read(struct device *dev UNUSED, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    return 0;
}

const struct reg vbe_mmio[4] = {
    { 0x000, 4, "EDID (none)",   nothing_read,   reg_ignore,      0x400 },
    { 0x400, 1, "VGA ports",     mmio_port_read, mmio_port_write, 0x20 },
    { 0x500, 2, "VBE registers", mmio_vbe_read,  mmio_vbe_write,  2 * VBE_COUNT },
    { 0x600, 4, "extension",     extension_read, reg_ignore,      8 },
};
