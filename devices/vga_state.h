/* SPDX-License-Identifier: MIT
 * What the files of the VGA share. vga.c owns the registers and the PCI function, vga_memory.c the planar window,
 * vga_vbe.c the Bochs VBE registers, vga_font.c the font of a machine without firmware; vga_draw.c makes pictures and never
 * changes state. */
#ifndef DEVICES_VGA_STATE_H
#define DEVICES_VGA_STATE_H

#include <stdbool.h>

#include "devices/vga.h"

enum vbe_index {
    VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET,
    VBE_MEMORY_64K, VBE_COUNT
};
enum vbe_enable { VBE_ENABLED = 0x01, VBE_GET_CAPS = 0x02, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40, VBE_NO_CLEAR = 0x80 };

#define VGA_STATE(ONE, MANY)                                                    \
    ONE (u32, latch,         "the four plane latches, plane 0 lowest")          \
    MANY(u16, vbe, 12,       "VBE registers by index")                          \
    ONE (u16, vbe_index,     "VBE register chosen at 1CEh")                     \
    ONE (u8,  vbe_low,       "low byte of a VBE data write in two halves")      \
    ONE (u8,  misc,          "miscellaneous output")                            \
    ONE (u8,  feature,       "feature control")                                 \
    ONE (u8,  seq_index,     "")                                                \
    ONE (u8,  crtc_index,    "")                                                \
    ONE (u8,  gfx_index,     "")                                                \
    ONE (u8,  attr_index,    "with the palette address source in bit 5")        \
    ONE (u8,  attr_data,     "flip-flop: the next write to 3C0h is data")       \
    ONE (u8,  dac_mask,      "pixel mask")                                      \
    ONE (u8,  dac_reading,   "the last index was written to 3C7h")              \
    ONE (u8,  dac_index,     "palette entry being read or written")             \
    ONE (u8,  dac_part,      "0 red, 1 green, 2 blue")                          \
    MANY(u8,  dac_latch, 3,  "parts of an entry being written")                 \
    MANY(u8,  seq, 8,        "sequencer")                                       \
    MANY(u8,  crtc, 32,      "CRT controller")                                  \
    MANY(u8,  gfx, 16,       "graphics controller")                             \
    MANY(u8,  attr, 32,      "attribute controller")                            \
    MANY(u8,  palette, 768,  "red, green, blue of each entry")                  \
    MANY(u8,  unused, 3,     "")
STATE_STRUCT(vga_state, VGA_STATE);

struct vga {
    struct device dev;
    struct vga_state state;
    struct pci_function *function;
    struct space *memory;
    struct clock *clock;
    struct ram *vram, *rom;
    struct vga_picture {        /* what was drawn last and from what, so that only changes are drawn again; no state */
        uint32_t *pixels;
        size_t pixels_room;
        uint8_t *shadow;        /* video memory then */
        size_t shadow_len;
        struct vga_state state;
        unsigned width, height, serial;
        bool drawn, cursor_on, blink_off;
    } picture;
};

/* vga.c */
uint64_t vga_port_read(struct device *dev, uint32_t at, unsigned bytes);
void     vga_port_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value);
/* Where the beam is: lines from the top of the frame, frames since time zero. */
struct vga_beam { uint64_t frame; unsigned line; bool retrace, blank; };
struct vga_beam vga_beam(const struct vga *v);
unsigned vga_lines(const struct vga *v);            /* vertical display end */

/* vga_memory.c: offset is from A0000 */
uint64_t vga_window_read(struct device *dev, uint32_t at, unsigned bytes);
void     vga_window_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value);
extern const struct reg vga_window[1];

/* vga_font.c */
void     vga_load_font(struct vga *v);

/* vga_vbe.c */
void     vbe_reset(struct vga *v);
bool     vbe_active(const struct vga *v);           /* a VBE mode is shown */
unsigned vbe_line_bytes(const struct vga *v);       /* from one row to the next; per plane with 4 bits a pixel */
bool     vbe_state_valid(const struct vga *v);      /* what a snapshot may hold */
uint16_t vbe_read(const struct vga *v, unsigned index);
void     vbe_write(struct vga *v, unsigned index, uint16_t value);
extern const struct reg vbe_ports[2], vbe_mmio[4];

#endif
