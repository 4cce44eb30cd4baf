/* SPDX-License-Identifier: MIT
 * The VGA: register protocols, planar memory in every mode, VBE, the beam, and what the pictures show. */
#include "devices/vga.h"

#include <string.h>

#include "tests/devices/rig.h"

#define VGA PCI_DEVFN(2, 0)
#define LFB 0xe0000000u
#define MMIO 0xfebf0000u

static struct rig rig;
static struct vga *vga;
static uint8_t *vram;

static int setup(void **state)
{
    static const uint8_t rom[3] = { 0x55, 0xaa, 2 };
    struct vga_config cfg = { .devfn = VGA, .rom = rom, .rom_len = sizeof rom };

    (void)state;
    rig_init(&rig);
    cfg.pci = pci_create(&rig.tree, rig.memory, rig.io);
    cfg.memory = rig.memory;
    cfg.io = rig.io;
    cfg.clock = &rig.clock;
    MUST(vga_create(&vga, &rig.tree, &cfg));
    vram = vga_memory(vga)->bytes;
    device_reset_all(&rig.tree);
    rig_set_config(&rig, VGA, 0x10, 4, LFB);
    rig_set_config(&rig, VGA, 0x18, 4, MMIO);
    vga_skip_firmware(vga);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void set(uint16_t port, uint8_t index, uint8_t value)
{
    out8(&rig, port, index);
    out8(&rig, (uint16_t)(port + 1), value);
}

static uint8_t get(uint16_t port, uint8_t index)
{
    out8(&rig, port, index);
    return in8(&rig, (uint16_t)(port + 1));
}

static void poke(uint32_t at, uint8_t value) { space_write(rig.memory, at, 1, value); }
static uint8_t peek(uint32_t at) { return (uint8_t)space_read(rig.memory, at, 1); }

/* Mode 12h as far as memory is concerned: planar, all planes, A0000. */
static void planar(void)
{
    set(0x3c4, 4, 0x06);
    set(0x3c4, 2, 0x0f);
    set(0x3ce, 5, 0x00);
    set(0x3ce, 6, 0x05);
    set(0x3ce, 8, 0xff);
    set(0x3ce, 3, 0x00);
    set(0x3ce, 1, 0x00);
}

/* ---- registers ---- */

static void absent_bits_read_as_zero(void **state)
{
    (void)state;
    set(0x3c4, 1, 0xff);
    assert_int_equal(get(0x3c4, 1), 0x3d);
    set(0x3ce, 5, 0xff);
    assert_int_equal(get(0x3ce, 5), 0x7b);
    out16(&rig, 0x3ce, 0x3305);                     /* index and data in one word */
    assert_int_equal(get(0x3ce, 5), 0x33);
}

static void crtc_protects_its_timing(void **state)
{
    (void)state;
    assert_int_equal(get(0x3d4, 0x11) & 0x80, 0x80);
    set(0x3d4, 0, 0x11);
    assert_int_equal(get(0x3d4, 0), 0x5f);
    set(0x3d4, 7, 0x00);
    assert_int_equal(get(0x3d4, 7), 0x0f);          /* only line compare bit 8 changes */
    set(0x3d4, 0x11, 0x0e);
    set(0x3d4, 0, 0x11);
    assert_int_equal(get(0x3d4, 0), 0x11);
}

static void misc_moves_the_crtc(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, 0x3b4), 0xff);
    out8(&rig, 0x3c2, 0x66);
    assert_int_equal(in8(&rig, 0x3d4), 0xff);
    assert_int_equal(get(0x3b4, 1), 0x4f);
    assert_int_equal(in8(&rig, 0x3cc), 0x66);
}

static void attribute_flip_flop(void **state)
{
    (void)state;
    in8(&rig, 0x3da);
    out8(&rig, 0x3c0, 0x03);
    out8(&rig, 0x3c0, 0x2a);
    out8(&rig, 0x3c0, 0x11);
    in8(&rig, 0x3da);                               /* back to index */
    out8(&rig, 0x3c0, 0x23);
    assert_int_equal(in8(&rig, 0x3c0), 0x23);
    assert_int_equal(in8(&rig, 0x3c1), 0x2a);
}

static void dac_cycles_through_parts(void **state)
{
    (void)state;
    out8(&rig, 0x3c8, 10);
    for (unsigned k = 0; k < 6; k++)
        out8(&rig, 0x3c9, (uint8_t)(0xc0 | (k + 1)));
    out8(&rig, 0x3c7, 10);
    assert_int_equal(in8(&rig, 0x3c7), 3);
    for (unsigned k = 0; k < 6; k++)
        assert_int_equal(in8(&rig, 0x3c9), k + 1);
    assert_int_equal(in8(&rig, 0x3c8), 12);
    out8(&rig, 0x3c8, 0);
    assert_int_equal(in8(&rig, 0x3c7), 0);
}

/* ---- memory ---- */

static void windows_follow_the_memory_map(void **state)
{
    (void)state;
    planar();
    poke(0xa0000, 1);
    assert_int_equal(peek(0xa0000), 1);
    assert_int_equal(peek(0xb8000), 0xff);
    set(0x3ce, 6, 0x0d);                            /* B8000, 32 KiB */
    assert_int_equal(peek(0xa0000), 0xff);
    assert_int_equal(peek(0xb8000), 1);
    set(0x3ce, 6, 0x09);                            /* B0000 */
    assert_int_equal(peek(0xb0000), 1);
    assert_int_equal(peek(0xb8000), 0xff);
    out8(&rig, 0x3c2, 0x65);                        /* RAM disabled */
    assert_int_equal(peek(0xb0000), 0xff);
}

static void text_is_odd_even(void **state)
{
    (void)state;
    space_write(rig.memory, 0xb8000, 4, 0x1f421e41);
    assert_int_equal(vram[0], 0x41);                /* plane 0, offset 0 */
    assert_int_equal(vram[1], 0x1e);                /* plane 1, offset 0 */
    assert_int_equal(vram[8], 0x42);                /* plane 0, offset 2 */
    assert_int_equal(space_read(rig.memory, 0xb8000, 4), 0x1f421e41);
}

static void write_mode_0(void **state)
{
    (void)state;
    planar();
    memset(vram + 0x40, 0, 4);
    set(0x3c4, 2, 0x05);
    poke(0xa0010, 0xa5);
    assert_memory_equal(vram + 0x40, "\xa5\x00\xa5\x00", 4);
    set(0x3c4, 2, 0x0f);
    set(0x3ce, 3, 0x04);                            /* rotate by 4 */
    poke(0xa0010, 0x12);
    assert_memory_equal(vram + 0x40, "\x21\x21\x21\x21", 4);
    set(0x3ce, 3, 0);
    set(0x3ce, 0, 0x0a);                            /* set/reset on planes 2 and 3 */
    set(0x3ce, 1, 0x0c);
    poke(0xa0010, 0x3c);
    assert_memory_equal(vram + 0x40, "\x3c\x3c\x00\xff", 4);
}

static void bit_mask_and_logic_use_the_latches(void **state)
{
    (void)state;
    planar();
    memcpy(vram + 0x40, "\x0f\xf0\xff\x00", 4);
    peek(0xa0010);
    set(0x3ce, 8, 0x3c);
    poke(0xa0010, 0xff);
    assert_memory_equal(vram + 0x40, "\x3f\xfc\xff\x3c", 4);
    set(0x3ce, 8, 0xff);
    for (unsigned op = 1; op < 4; op++) {
        static const char expect[4][5] = { "", "\x0a\xa0\xaa\x00", "\xaf\xfa\xff\xaa", "\xa5\x5a\x55\xaa" };

        memcpy(vram + 0x40, "\x0f\xf0\xff\x00", 4);
        peek(0xa0010);
        set(0x3ce, 3, (uint8_t)(op << 3));
        poke(0xa0010, 0xaa);
        assert_memory_equal(vram + 0x40, expect[op], 4);
    }
}

static void write_mode_1_copies_latches(void **state)
{
    (void)state;
    planar();
    memcpy(vram + 0x40, "\x01\x02\x03\x04", 4);
    set(0x3ce, 5, 0x01);
    peek(0xa0010);
    poke(0xa0020, 0x99);
    assert_memory_equal(vram + 0x80, "\x01\x02\x03\x04", 4);
}

static void write_mode_2_spreads_a_colour(void **state)
{
    (void)state;
    planar();
    memset(vram + 0x40, 0, 4);
    set(0x3ce, 5, 0x02);
    set(0x3ce, 8, 0x80);
    peek(0xa0010);
    poke(0xa0010, 0x09);
    assert_memory_equal(vram + 0x40, "\x80\x00\x00\x80", 4);
}

static void write_mode_3_masks_by_data(void **state)
{
    (void)state;
    planar();
    memset(vram + 0x40, 0x11, 4);
    set(0x3ce, 5, 0x03);
    set(0x3ce, 0, 0x05);
    set(0x3ce, 8, 0xf0);
    peek(0xa0010);
    poke(0xa0010, 0x3c);                            /* mask 30h */
    assert_memory_equal(vram + 0x40, "\x31\x01\x31\x01", 4);
}

static void read_mode_1_compares(void **state)
{
    (void)state;
    planar();
    memcpy(vram + 0x40, "\xf0\x00\xcc\x00", 4);
    set(0x3ce, 5, 0x08);
    set(0x3ce, 2, 0x05);
    set(0x3ce, 7, 0x0f);
    assert_int_equal(peek(0xa0010), 0xc0);
    set(0x3ce, 7, 0x01);                            /* only plane 0 matters */
    assert_int_equal(peek(0xa0010), 0xf0);
}

static void read_map_selects_a_plane(void **state)
{
    (void)state;
    planar();
    memcpy(vram + 0x40, "\x01\x02\x03\x04", 4);
    for (uint8_t plane = 0; plane < 4; plane++) {
        set(0x3ce, 4, plane);
        assert_int_equal(peek(0xa0010), plane + 1);
    }
}

static void chain_4_spreads_over_planes(void **state)
{
    (void)state;
    planar();
    set(0x3c4, 4, 0x0e);
    space_write(rig.memory, 0xa0104, 4, 0x44332211);
    assert_memory_equal(vram + 0x104 * 4, "\x11\x22\x33\x44", 4);       /* at offset 104h of each plane */
    assert_int_equal(space_read(rig.memory, 0xa0104, 4), 0x44332211);
}

/* ---- VBE ---- */

static void vbe(uint16_t index, uint16_t value)
{
    out16(&rig, 0x1ce, index);
    out16(&rig, 0x1cf, value);
}

static uint16_t vbe_get(uint16_t index)
{
    out16(&rig, 0x1ce, index);
    return in16(&rig, 0x1cf);
}

static void vbe_mode(uint16_t x, uint16_t y, uint16_t bpp, uint16_t flags)
{
    vbe(4, 0);
    vbe(1, x);
    vbe(2, y);
    vbe(3, bpp);
    vbe(4, 1 | flags);
}

static void vbe_answers_by_its_id(void **state)
{
    (void)state;
    assert_int_equal(vbe_get(0), 0xb0c5);
    vbe(0, 0xb0c0);
    assert_int_equal(vbe_get(0), 0xb0c0);
    vbe(0, 0x1234);
    assert_int_equal(vbe_get(0), 0xb0c0);
    assert_int_equal(vbe_get(10), 256);             /* 16 MiB */
    vbe(4, 2);
    assert_int_equal(vbe_get(1), 16000);
    assert_int_equal(vbe_get(3), 32);
}

static void vbe_frame_buffer_is_plain_memory(void **state)
{
    struct frame f;

    (void)state;
    vbe_mode(640, 480, 32, 0x40);
    space_write(rig.memory, LFB + (100 * 640 + 7) * 4, 4, 0x00c0ffee);
    vga_frame(vga, &f);
    assert_int_equal(f.width, 640);
    assert_int_equal(f.height, 480);
    assert_int_equal(f.pixels[100 * f.stride + 7], 0x00c0ffee);
    assert_non_null(space_page(rig.memory, LFB).host);
}

static void vbe_clears_unless_told_not_to(void **state)
{
    (void)state;
    vbe_mode(320, 200, 8, 0);
    vram[10] = 1;
    vbe_mode(320, 200, 8, 0x80);
    assert_int_equal(vram[10], 1);
    vbe_mode(320, 200, 8, 0);
    assert_int_equal(vram[10], 0);
}

static void vbe_banks_show_at_a0000(void **state)
{
    (void)state;
    vbe_mode(1024, 768, 8, 0);
    vbe(5, 3);
    poke(0xa0123, 0x42);
    assert_int_equal(vram[0x30123], 0x42);
    assert_int_equal(peek(0xa0123), 0x42);
}

static void vbe_scrolls_and_formats(void **state)
{
    struct frame f;

    (void)state;
    vbe_mode(640, 400, 16, 0x40);
    vbe(6, 800);
    vbe(8, 8);
    vbe(9, 2);
    assert_int_equal(vbe_get(7), (16u << 20) / 1600);
    space_write(rig.memory, LFB + (2 * 800 + 8) * 2, 2, 0xf81f);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[0], 0x00ff00ff);
    vbe_mode(640, 400, 24, 0x40);
    space_write(rig.memory, LFB + 3, 4, 0x332211);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[1], 0x00332211);
    vbe_mode(640, 400, 15, 0x40);
    space_write(rig.memory, LFB, 2, 0x7c1f);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[0], 0x00ff00ff);
}

static void vbe_refuses_impossible_sizes(void **state)
{
    struct frame f;

    (void)state;
    vbe_mode(0xffff, 0xffff, 33, 0);
    vbe(6, 0xffff);
    vbe(8, 0xffff);
    vbe(9, 0xffff);
    vga_frame(vga, &f);
    assert_in_range(f.width, 8, 16000);
    assert_in_range(f.height, 1, 12000);
    vbe_mode(0, 0, 0, 0);
    vga_frame(vga, &f);
    assert_int_equal(f.width, 8);
}

static void register_bar_mirrors_ports(void **state)
{
    (void)state;
    assert_int_equal(space_read(rig.memory, MMIO + 0x500, 2), 0xb0c5);
    space_write(rig.memory, MMIO + 0x502, 2, 1280);
    assert_int_equal(vbe_get(1), 1280);
    assert_int_equal(space_read(rig.memory, MMIO + 0x40c, 1), 0x67);    /* 3CC */
    assert_int_equal(space_read(rig.memory, MMIO + 0x604, 4), 0x1e1e1e1e);
    assert_int_equal(space_read(rig.memory, MMIO, 4), 0);
}

static void rom_is_offered(void **state)
{
    (void)state;
    rig_set_config(&rig, VGA, 0x30, 4, 0xfebe0001);
    assert_int_equal(space_read(rig.memory, 0xfebe0000, 2), 0xaa55);
}

/* ---- the beam ---- */

static void retrace_comes_with_virtual_time(void **state)
{
    unsigned retraces = 0, blanks = 0;
    bool before = false;

    (void)state;
    for (unsigned k = 0; k < 100000; k++) {         /* a tenth of a second: seven frames of 70 Hz */
        uint8_t status = in8(&rig, 0x3da);

        retraces += (status & 8) && !before;
        before = status & 8;
        blanks += status & 1;
        rig_wait(&rig, 1000);
    }
    assert_in_range(retraces, 7, 8);
    assert_in_range(blanks, 27000, 33000);          /* what 80 of 100 characters and 400 of 449 lines leave */
}

/* ---- pictures ---- */

static void load_glyph(uint8_t code, uint8_t row, uint8_t bits) { vram[(code * 32u + row) * 4 + 2] = bits; }

static void clear_font(void)
{
    for (unsigned k = 0; k < 256 * 32; k++)
        vram[k * 4 + 2] = 0;
}

static void without_firmware_there_is_a_font(void **state)
{
    struct frame f;
    unsigned dots = 0;

    (void)state;
    poke(0xb8000, 'T');
    poke(0xb8002, 0xc4);
    vga_frame(vga, &f);
    for (unsigned x = 1; x < 6; x++)
        dots += f.pixels[f.stride + x] != 0;
    assert_int_equal(dots, 5);                      /* the bar of the T */
    assert_int_not_equal(f.pixels[7 * f.stride + 9 + 8], 0);
}

static void text_is_drawn_with_the_font_in_plane_2(void **state)
{
    struct frame f;

    (void)state;
    clear_font();
    load_glyph('A', 3, 0x81);
    space_write(rig.memory, 0xb8000 + 2 * 81, 2, 0x1e41);               /* row 1, column 1: yellow on blue */
    vga_frame(vga, &f);
    assert_int_equal(f.width, 720);
    assert_int_equal(f.height, 400);
    assert_int_equal(f.pixels[(16 + 3) * f.stride + 9], 0xffff55);
    assert_int_equal(f.pixels[(16 + 3) * f.stride + 10], 0x0000aa);
    assert_int_equal(f.pixels[(16 + 3) * f.stride + 16], 0xffff55);
    assert_int_equal(f.pixels[(16 + 3) * f.stride + 17], 0x0000aa);     /* the ninth dot is background */
    assert_int_equal(f.pixels[(16 + 3) * f.stride + 18], 0x000000);
}

static void line_graphics_reach_the_ninth_dot(void **state)
{
    struct frame f;

    (void)state;
    load_glyph(0xc4, 0, 0x01);
    space_write(rig.memory, 0xb8000, 2, 0x0fc4);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[7], 0xffffff);
    assert_int_equal(f.pixels[8], 0xffffff);
}

static void the_cursor_blinks(void **state)
{
    struct frame f;
    unsigned on = 0;

    (void)state;
    set(0x3d4, 0x0f, 2);                            /* column 2 */
    for (unsigned k = 0; k < 100; k++) {
        vga_frame(vga, &f);
        on += f.pixels[14 * f.stride + 2 * 9] != 0;
        assert_int_equal(f.pixels[14 * f.stride], 0);
        rig_wait(&rig, 20000000);
    }
    assert_in_range(on, 40, 60);
    set(0x3d4, 0x0a, 0x2d);                         /* cursor off */
    for (unsigned k = 0; k < 20; k++) {
        vga_frame(vga, &f);
        assert_int_equal(f.pixels[14 * f.stride + 2 * 9], 0);
        rig_wait(&rig, 20000000);
    }
}

static void text_comes_as_characters(void **state)
{
    static char text[81 * 25 + 1];

    (void)state;
    for (unsigned k = 0; k < 5; k++)
        poke(0xb8000 + 2 * (24 * 80 + k), (uint8_t)"hello"[k]);
    poke(0xb8000, 0xdb);
    assert_int_equal(vga_text(vga, text, sizeof text), 81 * 25);
    assert_memory_equal(text + 24 * 81, "hello ", 6);
    assert_int_equal(text[0], '?');
    assert_int_equal(text[80], '\n');
    set(0x3d4, 0x0d, 80);                           /* scrolled by one row */
    vga_text(vga, text, sizeof text);
    assert_memory_equal(text + 23 * 81, "hello ", 6);
    vbe_mode(640, 480, 32, 0);
    assert_int_equal(vga_text(vga, text, sizeof text), 0);
}

/* The registers of mode 13h that matter to the picture. */
static void mode_13(void)
{
    static const uint8_t crtc[] = { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x0e,
                                    0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff };

    set(0x3d4, 0x11, 0);
    for (unsigned k = 0; k < sizeof crtc; k++)
        set(0x3d4, (uint8_t)k, crtc[k]);
    set(0x3c4, 1, 0x01);
    set(0x3c4, 2, 0x0f);
    set(0x3c4, 4, 0x0e);
    set(0x3ce, 5, 0x40);
    set(0x3ce, 6, 0x05);
    in8(&rig, 0x3da);
    out8(&rig, 0x3c0, 0x10);
    out8(&rig, 0x3c0, 0x41);
    out8(&rig, 0x3c0, 0x13);
    out8(&rig, 0x3c0, 0x00);
    out8(&rig, 0x3c0, 0x20);
}

static void mode_13_doubles_pixels(void **state)
{
    struct frame f;

    (void)state;
    mode_13();
    out8(&rig, 0x3c8, 200);
    out8(&rig, 0x3c9, 63);
    out8(&rig, 0x3c9, 0);
    out8(&rig, 0x3c9, 0);
    poke(0xa0000 + 100 * 320 + 7, 200);
    poke(0xa0000 + 199 * 320 + 319, 200);
    vga_frame(vga, &f);
    assert_int_equal(f.width, 640);
    assert_int_equal(f.height, 400);
    assert_int_equal(f.pixels[200 * f.stride + 14], 0xff0000);
    assert_int_equal(f.pixels[201 * f.stride + 15], 0xff0000);
    assert_int_equal(f.pixels[202 * f.stride + 15], 0);
    assert_int_equal(f.pixels[200 * f.stride + 13], 0);
    assert_int_equal(f.pixels[399 * f.stride + 639], 0xff0000);
}

static void planar_graphics_go_through_the_palette(void **state)
{
    struct frame f;

    (void)state;
    mode_13();
    planar();
    set(0x3d4, 0x14, 0);
    set(0x3d4, 0x17, 0xe3);                         /* byte mode */
    set(0x3d4, 0x09, 0);
    in8(&rig, 0x3da);
    out8(&rig, 0x3c0, 0x30);
    out8(&rig, 0x3c0, 0x01);
    set(0x3c4, 2, 0x06);                            /* planes 1 and 2: colour 6, attribute 14h, brown */
    poke(0xa0000 + 80 * 5 + 2, 0x80);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[5 * f.stride + 16], 0xaa5500);
    assert_int_equal(f.pixels[5 * f.stride + 17], 0);
}

static void line_compare_splits_the_screen(void **state)
{
    struct frame f;

    (void)state;
    load_glyph('T', 0, 0xff);
    poke(0xb8000, 'T');
    poke(0xb8001, 0x0f);
    set(0x3d4, 0x0c, 0x04);                         /* start further down */
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[0], 0);
    set(0x3d4, 0x07, 0x0f);
    set(0x3d4, 0x09, 0x0f);
    set(0x3d4, 0x18, 99);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[100 * f.stride], 0xffffff);
    assert_int_equal(f.pixels[101 * f.stride], 0);
}

static void a_blank_screen_is_black(void **state)
{
    struct frame f;

    (void)state;
    load_glyph('T', 0, 0xff);
    space_write(rig.memory, 0xb8000, 2, 0x0f54);
    set(0x3c4, 1, 0x20);
    vga_frame(vga, &f);
    assert_int_equal(f.pixels[0], 0);
    device_reset_all(&rig.tree);
    vga_frame(vga, &f);
    assert_true(f.width > 0 && f.height > 0);
}

static void snapshot_keeps_memory_and_modes(void **state)
{
    (void)state;
    vbe_mode(640, 480, 32, 0x40);
    space_write(rig.memory, LFB + 0x234560, 4, 0x1234);
    rig_check_snapshot(&rig);
    assert_int_equal(space_read(rig.memory, LFB + 0x234560, 4), 0x1234);
    assert_int_equal(vbe_get(1), 640);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(absent_bits_read_as_zero), T(crtc_protects_its_timing), T(misc_moves_the_crtc), T(attribute_flip_flop),
        T(dac_cycles_through_parts), T(windows_follow_the_memory_map), T(text_is_odd_even), T(write_mode_0),
        T(bit_mask_and_logic_use_the_latches), T(write_mode_1_copies_latches), T(write_mode_2_spreads_a_colour),
        T(write_mode_3_masks_by_data), T(read_mode_1_compares), T(read_map_selects_a_plane),
        T(chain_4_spreads_over_planes), T(vbe_answers_by_its_id), T(vbe_frame_buffer_is_plain_memory),
        T(vbe_clears_unless_told_not_to), T(vbe_banks_show_at_a0000), T(vbe_scrolls_and_formats),
        T(vbe_refuses_impossible_sizes), T(register_bar_mirrors_ports), T(rom_is_offered),
        T(retrace_comes_with_virtual_time), T(without_firmware_there_is_a_font), T(text_is_drawn_with_the_font_in_plane_2),
        T(line_graphics_reach_the_ninth_dot), T(the_cursor_blinks), T(text_comes_as_characters),
        T(mode_13_doubles_pixels), T(planar_graphics_go_through_the_palette), T(line_compare_splits_the_screen),
        T(a_blank_screen_is_black), T(snapshot_keeps_memory_and_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
