/* SPDX-License-Identifier: MIT
 * One conversation with gdb: bytes in, bytes out, and what the machine is to do. Knows no sockets, so tests can talk to it. */
#ifndef GUI_GDB_SESSION_H
#define GUI_GDB_SESSION_H

#include "gui/gdb_packet.h"
#include "machine/debug.h"

/* What gdb wants the machine to do next. */
enum gdb_wish { GDB_STAY, GDB_CONTINUE, GDB_STEP, GDB_CONTINUE_BACK, GDB_STEP_BACK, GDB_DETACH, GDB_KILL };

#define GDB_POINTS_MAX 65536u

struct gdb_point {
    struct point point;
    uint8_t type;               /* of Z packets, or GDB_MONITOR */
};
#define GDB_MONITOR 'm'         /* set by a monitor command */

struct gdb_session {
    struct debug *debug;
    struct machine *machine;
    struct gdb_reader reader;
    struct gdb_writer out;      /* to be sent; whoever sends it takes it away */
    struct gdb_writer reply;    /* to the packet being answered */
    bool no_ack, no_ack_next, swbreak, hwbreak;
    enum gdb_wish wish;
    unsigned step_vp;           /* GDB_STEP */
    unsigned vp;                /* Hg: whose registers and memory are meant */
    unsigned resume_vp;         /* Hc; meaningless while ... */
    bool resume_any;            /* ... it named none: the one that stopped steps; Hg is whom gdb happened to look at last */
    struct debug_stop stop;     /* the last one */
    bool linger;                /* the machine can go back: its end is a stop like others */
    bool interrupted;           /* ctrl-C since the machine was told to run */
    uint64_t silent_since;      /* host time since when a command works and says nothing; 0: none does */
    struct gdb_point *points;
    unsigned npoints, points_room;
    char *target_xml;           /* gdb_regs.c */
};

void gdb_session_init(struct gdb_session *s, struct machine *m);
void gdb_session_free(struct gdb_session *s);

/* Bytes from gdb. While s->wish asks for a run only ctrl-C has a meaning; the caller then runs the machine. */
void gdb_session_feed(struct gdb_session *s, const uint8_t *bytes, size_t len);

/* The machine stopped; tells gdb. */
void gdb_session_stopped(struct gdb_session *s, const struct debug_stop *stop);

/* While a command works: it says now and then that it does. `now`: host time. */
void gdb_session_alive(struct gdb_session *s, uint64_t now);

/* ---- between the files of the session ---- */

void gdb_reply_stop(struct gdb_session *s);                 /* a stop reply into s->reply */
void gdb_points_clear(struct gdb_session *s);
bool gdb_point_add(struct gdb_session *s, uint8_t type, const struct point *p);
bool gdb_point_remove(struct gdb_session *s, uint8_t type, const struct point *p);

/* gdb_regs.c */
const char *gdb_target_xml(struct gdb_session *s);
void gdb_regs_read(struct gdb_session *s);                  /* g */
bool gdb_regs_write(struct gdb_session *s, const char *hex);    /* G */
bool gdb_reg_read(struct gdb_session *s, uint64_t n);       /* p */
bool gdb_reg_write(struct gdb_session *s, uint64_t n, const char *hex);     /* P */
void gdb_reg_hex(struct gdb_session *s, unsigned vp, unsigned n);

/* gdb_monitor.c: a line that the user typed after `monitor` */
void gdb_monitor(struct gdb_session *s, const char *line);

#endif
