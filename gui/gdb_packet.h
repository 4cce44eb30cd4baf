/* SPDX-License-Identifier: MIT
 * Framing of gdb's remote serial protocol (gdb manual "Overview" of "Remote Protocol"): bytes to packets and back. */
#ifndef GUI_GDB_PACKET_H
#define GUI_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x10000u     /* bytes between $ and #, as we tell gdb */

/* What the bytes so far came to. */
enum gdb_event { GDB_MORE, GDB_PACKET, GDB_BAD_SUM, GDB_INTERRUPT, GDB_ACK, GDB_NACK };

struct gdb_reader {
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM1, GDB_SUM2 } state;
    uint8_t sum, given;
    bool too_long;
    size_t len;
    char text[GDB_PACKET_MAX + 1];  /* unescaped, with a zero behind */
};

enum gdb_event gdb_read_byte(struct gdb_reader *r, uint8_t byte);

/* A reply under construction. */
struct gdb_writer {
    char *bytes;
    size_t len, room;
};

void gdb_put(struct gdb_writer *w, const void *bytes, size_t len);
void gdb_put_text(struct gdb_writer *w, const char *text);
void gdb_put_hex(struct gdb_writer *w, const void *bytes, size_t len);
void gdb_put_number(struct gdb_writer *w, uint64_t v);          /* hexadecimal, as short as may be */
void gdb_put_escaped(struct gdb_writer *w, const void *bytes, size_t len);
/* $text#sum behind what w holds. */
void gdb_frame(struct gdb_writer *w, const void *text, size_t len);

/* Numbers and bytes of a packet. False: there is none at *at, which then stays. */
bool gdb_take_number(const char **at, uint64_t *v);             /* hexadecimal */
bool gdb_take_hex(const char **at, uint8_t *bytes, size_t len);
bool gdb_take_char(const char **at, char c);

#endif
