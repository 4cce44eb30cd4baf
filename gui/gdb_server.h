/* SPDX-License-Identifier: MIT
 * -gdb tcp:HOST:PORT: one debugger at a time, served on the machine's own thread between its turns. */
#ifndef GUI_GDB_SERVER_H
#define GUI_GDB_SERVER_H

#include "machine/machine.h"

struct gdb_server;

/* wait: do not run before a debugger says so. Says on stderr where it listens. */
struct err gdb_server_open(struct gdb_server **out, struct machine *m, const char *where, bool wait) MUST_USE;
void       gdb_server_close(struct gdb_server *g);

/* As machine_run(m, UINT64_MAX), with stops. g NULL: just that. */
enum run   gdb_server_run(struct gdb_server *g, struct machine *m);

#endif
