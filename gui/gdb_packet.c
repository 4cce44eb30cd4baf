/* SPDX-License-Identifier: MIT */
#include "gui/gdb_packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- reading ---- */

static void begin(struct gdb_reader *r)
{
    r->state = GDB_INSIDE;
    r->sum = 0;
    r->len = 0;
    r->too_long = false;
}

static void keep(struct gdb_reader *r, uint8_t byte)
{
    if (r->len < GDB_PACKET_MAX)
        r->text[r->len++] = (char)byte;
    else
        r->too_long = true;
}

static enum gdb_event outside(struct gdb_reader *r, uint8_t byte)
{
    switch (byte) {
    case '$':  begin(r); return GDB_MORE;
    case '+':  return GDB_ACK;
    case '-':  return GDB_NACK;
    case 0x03: return GDB_INTERRUPT;
    default:   return GDB_MORE;
    }
}

static enum gdb_event inside(struct gdb_reader *r, uint8_t byte)
{
    if (byte == '$') {              /* the rest of the last one was lost */
        begin(r);
        return GDB_MORE;
    }
    if (byte == '#') {
        r->state = GDB_SUM1;
        return GDB_MORE;
    }
    r->sum = (uint8_t)(r->sum + byte);
    if (byte == '}')
        r->state = GDB_ESCAPED;
    else
        keep(r, byte);
    return GDB_MORE;
}

static enum gdb_event sum_digit(struct gdb_reader *r, uint8_t byte, bool last)
{
    const int digit = hex_digit((char)byte);

    r->given = (uint8_t)(r->given << 4 | (digit & 15));
    r->too_long |= digit < 0;
    r->state = last ? GDB_OUTSIDE : GDB_SUM2;
    if (!last)
        return GDB_MORE;
    r->text[r->len] = '\0';
    return r->given == r->sum && !r->too_long ? GDB_PACKET : GDB_BAD_SUM;
}

enum gdb_event gdb_read_byte(struct gdb_reader *r, uint8_t byte)
{
    switch (r->state) {
    case GDB_OUTSIDE:
        return outside(r, byte);
    case GDB_INSIDE:
        return inside(r, byte);
    case GDB_ESCAPED:
        r->sum = (uint8_t)(r->sum + byte);
        r->state = GDB_INSIDE;
        keep(r, byte ^ 0x20);
        return GDB_MORE;
    default:
        return sum_digit(r, byte, r->state == GDB_SUM2);
    }
}

/* ---- writing ---- */

void gdb_put(struct gdb_writer *w, const void *bytes, size_t len)
{
    if (w->len + len > w->room) {
        w->room = 2 * (w->len + len) + 256;
        w->bytes = realloc(w->bytes, w->room);
        invariant(w->bytes != NULL, "out of memory for a reply to gdb");
    }
    if (len != 0)
        memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

void gdb_put_text(struct gdb_writer *w, const char *text)
{
    gdb_put(w, text, strlen(text));
}

void gdb_put_hex(struct gdb_writer *w, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t n = 0; n < len; n++) {
        const uint8_t byte = ((const uint8_t *)bytes)[n];
        const char pair[2] = { digits[byte >> 4], digits[byte & 15] };

        gdb_put(w, pair, 2);
    }
}

void gdb_put_number(struct gdb_writer *w, uint64_t v)
{
    char text[16];
    size_t at = sizeof text;

    do {
        text[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    gdb_put(w, text + at, sizeof text - at);
}

void gdb_put_escaped(struct gdb_writer *w, const void *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        const char c = ((const char *)bytes)[n], pair[2] = { '}', (char)(c ^ 0x20) };

        if (c == '#' || c == '$' || c == '}' || c == '*')
            gdb_put(w, pair, 2);
        else
            gdb_put(w, &c, 1);
    }
}

void gdb_frame(struct gdb_writer *w, const void *text, size_t len)
{
    uint8_t sum = 0;

    for (size_t n = 0; n < len; n++)
        sum = (uint8_t)(sum + ((const uint8_t *)text)[n]);
    gdb_put(w, "$", 1);
    gdb_put(w, text, len);
    gdb_put(w, "#", 1);
    gdb_put_hex(w, &sum, 1);
}

/* ---- the inside of a packet ---- */

bool gdb_take_number(const char **at, uint64_t *v)
{
    const char *p = *at;

    *v = 0;
    while (hex_digit(*p) >= 0)
        *v = *v << 4 | (unsigned)hex_digit(*p++);
    if (p == *at || p - *at > 16)
        return false;
    *at = p;
    return true;
}

bool gdb_take_hex(const char **at, uint8_t *bytes, size_t len)
{
    const char *p = *at;

    for (size_t n = 0; n < len; n++, p += 2) {
        if (hex_digit(p[0]) < 0 || hex_digit(p[1]) < 0)
            return false;
        bytes[n] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
    }
    *at = p;
    return true;
}

bool gdb_take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}
