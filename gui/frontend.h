/* SPDX-License-Identifier: MIT
 * What a frontend is: it runs the machine to its end and shows what it likes of it. */
#ifndef GUI_FRONTEND_H
#define GUI_FRONTEND_H

#include "gui/gdb_server.h"
#include "gui/options.h"
#include "machine/machine.h"

/* The one that was chosen, with a debugger if that was. */
struct err frontend_show(const struct options *o, struct machine *m, enum run *why) MUST_USE;
/* g: NULL, or the debugger's side of this machine. */
enum run frontend_headless(struct machine *m, struct gdb_server *g);
enum run frontend_sdl(struct machine *m, struct gdb_server *g);

#endif
