/* SPDX-License-Identifier: MIT
 * Pictures of what the VGA shows. VGA modes are drawn line by line as the CRT controller scans them, so start address,
 * line compare, panning and the addressing modes fall out; VBE modes are copied from linear memory. Nothing here changes
 * state. */
#include "devices/vga_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"

#define PLANES (256u << 10)
#define LINE_DOTS (256 * 9 * 2 + 64)    /* the most characters a line can have, doubled, and room for panning */

/* What stays the same while a picture is drawn. */
struct scan {
    const struct vga_state *s;
    const uint8_t *vram;
    uint32_t palette[256];              /* DAC entries as pixels */
    uint8_t colors[16];                 /* attribute index to DAC index */
    unsigned chars, char_dots, lines, max_row;
    bool graphics, halved;
    bool cursor_on, blink_off;
    uint32_t cursor_at;
    uint32_t row_step;                  /* address counter from one row to the next */
};

static void room_for(struct vga *v, unsigned width, unsigned height, size_t shadow_len)
{
    struct vga_picture *p = &v->picture;
    size_t need = (size_t)width * height;

    if (need > p->pixels_room) {
        p->pixels = realloc(p->pixels, need * sizeof *p->pixels);
        p->pixels_room = need;
    }
    if (shadow_len > p->shadow_len) {
        p->shadow = realloc(p->shadow, shadow_len);
        p->shadow_len = shadow_len;
    }
    invariant(p->pixels != NULL && (shadow_len == 0 || p->shadow != NULL), "out of memory for a picture of %u by %u",
              width, height);
    p->width = width;
    p->height = height;
}

/* The registers a picture depends on. */
static struct vga_state visible_state(const struct vga_state *s)
{
    struct vga_state t = *s;

    t.latch = 0;
    t.vbe_index = 0;
    t.vbe_low = t.seq_index = t.crtc_index = t.gfx_index = t.attr_data = 0;
    t.attr_index &= 0x20;
    t.dac_reading = t.dac_index = t.dac_part = 0;
    memset(t.dac_latch, 0, sizeof t.dac_latch);
    t.vbe[VBE_BANK] = 0;
    t.gfx[4] = t.gfx[8] = 0;
    t.seq[2] = 0;
    return t;
}

/* Whether the picture was drawn from the same registers; they are kept for the next time. */
static bool same_registers(struct vga *v)
{
    struct vga_state now = visible_state(&v->state);
    bool same = v->picture.drawn && memcmp(&now, &v->picture.state, sizeof now) == 0;

    v->picture.state = now;
    v->picture.drawn = true;
    return same;
}

/* ---- colours ---- */

static uint32_t dac_color(const struct vga_state *s, unsigned index)
{
    const uint8_t *part = s->palette + (index & s->dac_mask) * 3;
    uint32_t color = 0;

    for (unsigned k = 0; k < 3; k++) {
        uint32_t level = s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? part[k] : (part[k] & 0x3fu) << 2 | (part[k] & 0x3fu) >> 4;

        color = color << 8 | level;
    }
    return color;
}

static void load_palette(const struct vga_state *s, uint32_t palette[256])
{
    for (unsigned k = 0; k < 256; k++)
        palette[k] = dac_color(s, k);
}

/* "Color Select Register": it gives bits 7-6, and with bit 7 of the mode register also bits 5-4, of the DAC index. */
static uint8_t attribute_color(const struct vga_state *s, unsigned index)
{
    unsigned color = s->attr[index & s->attr[0x12] & 15] & 0x3f, select = s->attr[0x14];

    if (s->attr[0x10] & 0x80)
        color = (color & 0x0f) | (select & 3) << 4;
    return (uint8_t)(color | (select & 0x0c) << 4);
}

/* ---- the address counter ---- */

/* "CRT Mode Control": byte, word or doubleword addresses; bits 13 and 14 may come from the row scan counter. */
static uint32_t map_address(const struct vga_state *s, uint32_t counter, unsigned row)
{
    uint32_t at;

    if (s->crtc[0x14] & 0x40)
        at = (counter << 2 & 0xfffc) | (counter >> 14 & 3);
    else if (!(s->crtc[0x17] & 0x40))
        at = (counter << 1 & 0xfffe) | (counter >> (s->crtc[0x17] & 0x20 ? 15 : 13) & 1);
    else
        at = counter & 0xffff;
    if (!(s->crtc[0x17] & 0x01))
        at = (at & ~0x2000u) | (row & 1) << 13;
    if (!(s->crtc[0x17] & 0x02))
        at = (at & ~0x4000u) | (row >> 1 & 1) << 14;
    return at & 0xffff;
}

/* How often the counter steps: every character clock, every second or every fourth. */
static unsigned count_shift(const struct vga_state *s)
{
    return s->crtc[0x14] & 0x20 ? 2 : s->crtc[0x17] & 0x08 ? 1 : 0;
}

/* ---- one character clock ---- */

/* "Character Map Select": where in plane 2 a font starts. */
static uint32_t font_start(const struct vga_state *s, bool map_a)
{
    unsigned select = s->seq[3];
    unsigned map = map_a ? (select >> 2 & 3) | (select >> 3 & 4) : (select & 3) | (select >> 2 & 4);

    return (map & 3) * 0x4000u + (map >> 2) * 0x2000u;
}

static bool cursor_here(const struct scan *c, uint32_t counter, unsigned row)
{
    unsigned start = c->s->crtc[0x0a] & 0x1f, end = c->s->crtc[0x0b] & 0x1f;

    return c->cursor_on && counter == c->cursor_at && row >= start && row <= end;
}

static void draw_text(const struct scan *c, uint32_t counter, unsigned row, uint8_t *out)
{
    const struct vga_state *s = c->s;
    const uint8_t *cell = c->vram + map_address(s, counter, row) * 4;
    uint8_t code = cell[0], attribute = cell[1];
    unsigned bits = c->vram[(font_start(s, attribute & 8) + code * 32u + row) * 4 + 2];
    unsigned fore = attribute & 15, back = attribute >> 4;

    if (s->attr[0x10] & 0x08) {         /* blink instead of bright backgrounds */
        back &= 7;
        if (attribute & 0x80 && c->blink_off)
            bits = 0;
    }
    bits <<= 1;                         /* the ninth dot repeats the eighth in line graphics */
    if (s->attr[0x10] & 0x04 && (code & 0xe0) == 0xc0)
        bits |= bits >> 1 & 1;
    if (s->attr[0x10] & 0x02 && (attribute & 7) == 1 && row == (s->crtc[0x14] & 0x1fu))
        bits = 0x1ff;                   /* underline */
    if (cursor_here(c, counter, row))
        bits = 0x1ff;
    for (unsigned dot = 0; dot < c->char_dots; dot++)
        out[dot] = c->colors[bits >> (8 - dot) & 1 ? fore : back];
}

static void draw_planar(const struct scan *c, const uint8_t *p, uint8_t *out)
{
    for (unsigned dot = 0; dot < 8; dot++) {
        unsigned shift = 7 - dot;
        unsigned low = (p[0] >> shift & 1u) | (p[1] >> shift & 1u) << 1;
        unsigned high = (p[2] >> shift & 1u) | (p[3] >> shift & 1u) << 1;

        out[dot] = c->colors[low | high << 2];
    }
}

/* Shift register mode 1: two bits a dot from planes 0 and 1, two more from planes 2 and 3. */
static void draw_pairs(const struct scan *c, const uint8_t *p, uint8_t *out)
{
    for (unsigned dot = 0; dot < 8; dot++) {
        unsigned shift = 6 - dot % 4 * 2;

        out[dot] = c->colors[(p[dot / 4] >> shift & 3) | (p[2 + dot / 4] >> shift & 3) << 2];
    }
}

static void draw_graphics(const struct scan *c, uint32_t counter, unsigned row, uint8_t *out)
{
    const uint8_t *p = c->vram + map_address(c->s, counter, row) * 4;

    if (c->s->gfx[5] & 0x40) {          /* 256 colours, two dots a pixel */
        for (unsigned dot = 0; dot < 8; dot++)
            out[dot] = p[dot / 2];
    } else if (c->s->gfx[5] & 0x20) {
        draw_pairs(c, p, out);
    } else {
        draw_planar(c, p, out);
    }
    if (c->char_dots == 9)
        out[8] = out[7];
}

/* ---- one line ---- */

static void draw_line(const struct scan *c, uint32_t counter, unsigned row, unsigned pan, uint32_t *out, unsigned width)
{
    uint8_t dots[LINE_DOTS];
    unsigned shift = count_shift(c->s);

    for (unsigned k = 0; k <= c->chars; k++) {
        uint8_t *at = dots + k * c->char_dots;

        if (c->graphics)
            draw_graphics(c, counter + (k >> shift), row, at);
        else
            draw_text(c, counter + (k >> shift), row, at);
    }
    for (unsigned k = 0; k < width; k++)
        out[k] = c->palette[dots[pan + (c->halved ? k / 2 : k)]];
}

/* "Horizontal PEL Panning": dots to the left; with nine dots a character 8 means none. */
static unsigned panning(const struct scan *c)
{
    unsigned pan = c->s->attr[0x13] & 15;

    if (c->char_dots == 9)
        return pan >= 8 ? 0 : pan + 1;
    return pan & 7;                     /* in dots: of 256-colour pixels each has two */
}

static unsigned line_compare(const struct vga_state *s)
{
    return s->crtc[0x18] | (s->crtc[7] >> 4 & 1u) << 8 | (s->crtc[9] >> 6 & 1u) << 9;
}

static void draw_lines(const struct vga *v, const struct scan *c, uint32_t *pixels, unsigned width)
{
    const struct vga_state *s = c->s;
    uint32_t start = ((uint32_t)s->crtc[0x0c] << 8 | s->crtc[0x0d]) + (s->crtc[8] >> 5 & 3u);
    unsigned row = s->crtc[8] & 0x1f, pan = panning(c), split = line_compare(s);
    bool doubled = s->crtc[9] & 0x80, second = false;

    for (unsigned line = 0; line < vga_lines(v); line++) {
        draw_line(c, start, row, pan, pixels + (size_t)line * width, width);
        if (line == split) {
            start = 0;
            row = 0;
            second = false;
            if (s->attr[0x10] & 0x20)
                pan = 0;
            continue;
        }
        second = doubled && !second;
        if (second)
            continue;
        if (row == c->max_row) {
            row = 0;
            start += c->row_step;
        } else {
            row = (row + 1) & 0x1f;
        }
    }
}

/* ---- VGA modes ---- */

static struct scan scan_begin(const struct vga *v)
{
    const struct vga_state *s = &v->state;
    uint64_t frame = vga_beam(v).frame;
    struct scan c = {
        .s = s, .vram = v->vram->bytes, .chars = s->crtc[1] + 1u, .char_dots = s->seq[1] & 1 ? 8 : 9,
        .max_row = s->crtc[9] & 0x1f, .graphics = s->gfx[6] & 1, .halved = s->seq[1] & 8,
        .cursor_on = !(s->crtc[0x0a] & 0x20) && (frame / 8 & 1) == 0, .blink_off = frame / 16 & 1,
        .cursor_at = ((uint32_t)s->crtc[0x0e] << 8 | s->crtc[0x0f]) + (s->crtc[0x0b] >> 5 & 3u),
        .row_step = s->crtc[0x13] * 2u,
    };

    load_palette(s, c.palette);
    for (unsigned k = 0; k < 16; k++)
        c.colors[k] = attribute_color(s, k);
    return c;
}

/* Screen off, palette under the processor's control, or no mode set yet. */
static bool is_blank(const struct vga_state *s)
{
    return s->seq[1] & 0x20 || !(s->attr_index & 0x20) || !(s->crtc[0x17] & 0x80) || s->crtc[0] < 10;
}

static void draw_blank(struct vga *v)
{
    if (same_registers(v))
        return;
    room_for(v, 640, 400, 0);
    memset(v->picture.pixels, 0, 640 * 400 * sizeof *v->picture.pixels);
    v->picture.serial++;
}

/* All 256 KiB of planes are compared: fonts lie anywhere in them. */
static void draw_vga(struct vga *v)
{
    struct scan c = scan_begin(v);
    struct vga_picture *p = &v->picture;
    bool same = same_registers(v) && p->cursor_on == c.cursor_on && p->blink_off == c.blink_off;

    if (same && memcmp(p->shadow, v->vram->bytes, PLANES) == 0)
        return;
    room_for(v, c.chars * c.char_dots * (c.halved ? 2 : 1), vga_lines(v), PLANES);
    memcpy(p->shadow, v->vram->bytes, PLANES);
    p->cursor_on = c.cursor_on;
    p->blink_off = c.blink_off;
    draw_lines(v, &c, p->pixels, p->width);
    p->serial++;
}

/* ---- VBE modes ---- */

static uint32_t rgb555(uint32_t p)
{
    uint32_t r = p >> 10 & 31, g = p >> 5 & 31, b = p & 31;

    return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}

static uint32_t rgb565(uint32_t p)
{
    uint32_t r = p >> 11 & 31, g = p >> 5 & 63, b = p & 31;

    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static void vbe_line(const uint8_t *from, unsigned bpp, const uint32_t palette[256], uint32_t *out, unsigned width)
{
    switch (bpp) {
    case 8:
        for (unsigned k = 0; k < width; k++)
            out[k] = palette[from[k]];
        break;
    case 15:
        for (unsigned k = 0; k < width; k++)
            out[k] = rgb555(load16(from + 2 * k));
        break;
    case 16:
        for (unsigned k = 0; k < width; k++)
            out[k] = rgb565(load16(from + 2 * k));
        break;
    case 24:
        for (unsigned k = 0; k < width; k++)
            out[k] = (uint32_t)from[3 * k + 2] << 16 | (uint32_t)from[3 * k + 1] << 8 | from[3 * k];
        break;
    default:
        for (unsigned k = 0; k < width; k++)
            out[k] = load32(from + 4 * k) & 0xffffff;
        break;
    }
}

static void vbe_line_planar(const struct scan *c, const uint8_t *from, unsigned x, uint32_t *out, unsigned width)
{
    uint8_t dots[8];

    for (unsigned k = 0; k < width; k++) {
        if (k == 0 || (x + k) % 8 == 0)
            draw_planar(c, from + (x + k) / 8 * 4, dots);
        out[k] = c->palette[dots[(x + k) % 8]];
    }
}

/* One row from memory, unless memory is as it was. */
static bool draw_vbe_row(struct vga *v, const struct scan *c, unsigned y, bool same)
{
    const uint16_t *r = v->state.vbe;
    unsigned bpp = r[VBE_BPP], pixel_bytes = bpp == 15 ? 2 : bpp / 8, scale = bpp == 4 ? 4 : 1;
    size_t row_bytes = (size_t)vbe_line_bytes(v) * scale, at = (size_t)(r[VBE_Y_OFFSET] + y) * row_bytes;
    const uint8_t *from = v->vram->bytes + at;
    uint8_t *shadow = v->picture.shadow + y * row_bytes;
    uint32_t *to = v->picture.pixels + (size_t)y * v->picture.width;

    if (same && memcmp(shadow, from, row_bytes) == 0)
        return false;
    memcpy(shadow, from, row_bytes);
    if (bpp == 4)
        vbe_line_planar(c, from, r[VBE_X_OFFSET], to, v->picture.width);
    else
        vbe_line(from + r[VBE_X_OFFSET] * pixel_bytes, bpp, c->palette, to, v->picture.width);
    return true;
}

static void draw_vbe(struct vga *v)
{
    const uint16_t *r = v->state.vbe;
    struct scan c = scan_begin(v);
    bool same = same_registers(v), changed = false;

    room_for(v, r[VBE_XRES], r[VBE_YRES], (size_t)r[VBE_YRES] * vbe_line_bytes(v) * (r[VBE_BPP] == 4 ? 4 : 1));
    for (unsigned y = 0; y < v->picture.height; y++)
        changed |= draw_vbe_row(v, &c, y, same);
    v->picture.serial += changed;
}

void vga_frame(struct vga *v, struct frame *out)
{
    if (vbe_active(v))
        draw_vbe(v);
    else if (is_blank(&v->state))
        draw_blank(v);
    else
        draw_vga(v);
    *out = (struct frame){ v->picture.pixels, v->picture.width, v->picture.height, v->picture.width, v->picture.serial };
}

/* ---- characters ---- */

static char printable(uint8_t code)
{
    return code == 0 ? ' ' : code >= 0x20 && code < 0x7f ? (char)code : '?';
}

size_t vga_text(struct vga *v, char *out, size_t room)
{
    const struct vga_state *s = &v->state;
    unsigned columns = s->crtc[1] + 1u, rows = vga_lines(v) / ((s->crtc[9] & 0x1fu) + 1);
    uint32_t start = (uint32_t)s->crtc[0x0c] << 8 | s->crtc[0x0d];
    size_t len = 0;

    invariant(room > 0, "no room for the text of the screen");
    out[0] = 0;
    if (vbe_active(v) || s->gfx[6] & 1 || s->crtc[0] < 10)
        return 0;
    for (unsigned y = 0; y < rows; y++) {
        for (unsigned x = 0; x <= columns && len + 1 < room; x++) {
            uint32_t at = map_address(s, start + y * s->crtc[0x13] * 2 + x, 0);

            out[len++] = x < columns ? printable(v->vram->bytes[at * 4]) : '\n';
        }
    }
    out[len] = 0;
    return len;
}
