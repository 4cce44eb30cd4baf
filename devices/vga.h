/* SPDX-License-Identifier: MIT
 * A VGA with the Bochs VBE extensions (PCI 1234:1111, what SeaBIOS's vgabios-stdvga drives): registers, planar memory in
 * the A0000 window, a linear frame buffer, and pictures of what it shows. */
#ifndef DEVICES_VGA_H
#define DEVICES_VGA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/frame.h"
#include "core/space.h"
#include "devices/pci.h"

#define VGA_MEMORY (16u << 20)

struct vga;

struct vga_config {
    struct pci *pci;
    uint8_t devfn;
    struct space *memory, *io;
    struct clock *clock;
    const void *rom;        /* video BIOS for the expansion ROM, copied; NULL: none */
    size_t rom_len;
};

struct err vga_create(struct vga **out, struct device_tree *t, const struct vga_config *cfg) MUST_USE;

/* Draw what the screen shows now. Reads guest state only. */
void vga_frame(struct vga *v, struct frame *out);

/* Text modes: the characters row by row, each row ended by a newline, the whole by a zero; what is not printable ASCII is
 * '?', zero is a space. Returns the length, 0 in graphics modes. */
size_t vga_text(struct vga *v, char *out, size_t room);

/* Mode 3 (80x25 text) as a video BIOS sets it, with a plain font. Call after reset, for machines without firmware. */
void vga_skip_firmware(struct vga *v);

/* The video memory, for whoever saves and hashes memory apart from devices: the device does both itself. */
struct ram *vga_memory(struct vga *v);

#endif
