/* SPDX-License-Identifier: MIT
 * The A0000-BFFFF window by the IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": which planes and which
 * byte an address means (sequential, odd/even, chain 4), and the graphics controller's read and write modes. Byte o of plane
 * p is at o * 4 + p of the video memory, so the four planes of an address are one 32-bit word. */
#include "devices/vga_state.h"

#include "base/attrs.h"
#include "base/bytes.h"

enum { SEQ_MAP_MASK = 2, SEQ_MODE = 4, SEQ_SEQUENTIAL = 0x04, SEQ_CHAIN4 = 0x08 };
enum { GFX_SET_RESET, GFX_ENABLE_SET_RESET, GFX_COMPARE, GFX_ROTATE, GFX_READ_MAP, GFX_MODE, GFX_MISC, GFX_DONT_CARE,
       GFX_BIT_MASK };

/* A 4-bit plane mask as byte lanes. */
static uint32_t lanes(unsigned planes)
{
    return ((planes & 1u) | (planes & 2u) << 7 | (planes & 4u) << 14 | (planes & 8u) << 21) * 0xffu;
}

/* "Graphics Controller Miscellaneous Register" bits 3-2: what part of A0000-BFFFF answers. False: not this address. */
static bool decode_window(const struct vga_state *s, uint32_t *at)
{
    static const struct { uint32_t start, len; } maps[4] = {
        { 0x00000, 0x20000 }, { 0x00000, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 },
    };
    unsigned map = s->gfx[GFX_MISC] >> 2 & 3;

    if (!(s->misc & 2) || *at - maps[map].start >= maps[map].len)
        return false;
    *at -= maps[map].start;
    return true;
}

/* VBE modes with whole-byte pixels show a linear 64 KiB bank at A0000. */
static bool linear_window(const struct vga *v, uint32_t at, uint32_t *offset)
{
    if (!vbe_active(v) || v->state.vbe[VBE_BPP] == 4 || at >= 0x10000)
        return false;
    *offset = ((uint32_t)v->state.vbe[VBE_BANK] << 16 | at) & (VGA_MEMORY - 1);
    return true;
}

/* Byte within the planes, and the planes an access to this address can reach. */
static uint32_t plane_offset(const struct vga *v, uint32_t at, unsigned *planes)
{
    const struct vga_state *s = &v->state;
    uint32_t bank = vbe_active(v) ? (uint32_t)s->vbe[VBE_BANK] << 16 : 0;

    if (s->seq[SEQ_MODE] & SEQ_CHAIN4) {
        *planes = 1u << (at & 3);
        at = (at & 0xfffc) | (at >> 16 & 3);
    } else if (!(s->seq[SEQ_MODE] & SEQ_SEQUENTIAL)) {
        *planes = at & 1 ? 0xa : 0x5;
        at = (at & 0xfffe) | (at >> 16 & 1);
    } else {
        *planes = 0xf;
    }
    return (bank | (at & 0xffff)) & (VGA_MEMORY / 4 - 1);
}

/* ---- reading ---- */

/* Read mode 1: bits where every plane that matters has the compared colour. */
static uint8_t color_compare(const struct vga_state *s)
{
    uint32_t differ = (s->latch ^ lanes(s->gfx[GFX_COMPARE])) & lanes(s->gfx[GFX_DONT_CARE]);

    return (uint8_t)~(differ | differ >> 8 | differ >> 16 | differ >> 24);
}

static unsigned read_plane(const struct vga_state *s, uint32_t at)
{
    if (s->seq[SEQ_MODE] & SEQ_CHAIN4)
        return at & 3;
    if (s->gfx[GFX_MODE] & 0x10)        /* odd/even */
        return (s->gfx[GFX_READ_MAP] & 2u) | (at & 1);
    return s->gfx[GFX_READ_MAP];
}

static uint8_t read_byte(struct vga *v, uint32_t at)
{
    struct vga_state *s = &v->state;
    uint32_t offset;
    unsigned planes;

    if (linear_window(v, at, &offset))
        return v->vram->bytes[offset];
    if (!decode_window(s, &at))
        return 0xff;
    offset = plane_offset(v, at, &planes);
    s->latch = load32(v->vram->bytes + offset * 4);
    if (s->gfx[GFX_MODE] & 0x08)
        return color_compare(s);
    return (uint8_t)(s->latch >> (8 * read_plane(s, at)));
}

uint64_t vga_window_read(struct device *dev, uint32_t at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned k = 0; k < bytes; k++)
        value |= (uint64_t)read_byte((struct vga *)dev, at + k) << (8 * k);
    return value;
}

/* ---- writing ---- */

static uint8_t rotate(const struct vga_state *s, uint8_t value)
{
    unsigned by = s->gfx[GFX_ROTATE] & 7;

    return (uint8_t)(value >> by | value << (8 - by));
}

static uint32_t logic(const struct vga_state *s, uint32_t data)
{
    switch (s->gfx[GFX_ROTATE] >> 3 & 3) {
    case 1: return data & s->latch;
    case 2: return data | s->latch;
    case 3: return data ^ s->latch;
    default: return data;
    }
}

/* "Graphics Mode Register", write modes 0 to 3: the four bytes that go to the planes. */
static uint32_t write_data(const struct vga_state *s, uint8_t value)
{
    uint32_t data, mask = s->gfx[GFX_BIT_MASK], enable;

    switch (s->gfx[GFX_MODE] & 3) {
    case 0:
        enable = lanes(s->gfx[GFX_ENABLE_SET_RESET]);
        data = rotate(s, value) * 0x01010101u;
        data = (data & ~enable) | (lanes(s->gfx[GFX_SET_RESET]) & enable);
        break;
    case 1:
        return s->latch;
    case 2:
        data = lanes(value & 15);
        break;
    default:
        mask &= rotate(s, value);
        data = lanes(s->gfx[GFX_SET_RESET]);
        break;
    }
    mask *= 0x01010101u;
    return (logic(s, data) & mask) | (s->latch & ~mask);
}

static void write_byte(struct vga *v, uint32_t at, uint8_t value)
{
    struct vga_state *s = &v->state;
    uint32_t offset, old, keep;
    unsigned planes;

    if (linear_window(v, at, &offset)) {
        v->vram->bytes[offset] = value;
        ram_wrote(v->vram, offset, 1);
        return;
    }
    if (!decode_window(s, &at))
        return;
    offset = plane_offset(v, at, &planes) * 4;
    keep = ~lanes(planes & s->seq[SEQ_MAP_MASK]);
    old = load32(v->vram->bytes + offset);
    store32(v->vram->bytes + offset, (old & keep) | (write_data(s, value) & ~keep));
    ram_wrote(v->vram, offset, 4);
}

void vga_window_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    for (unsigned k = 0; k < bytes; k++)
        write_byte((struct vga *)dev, at + k, (uint8_t)(value >> (8 * k)));
}

const struct reg vga_window[1] = {
    { 0, 8, "VGA memory", vga_window_read, vga_window_write, 0x20000 },
};
