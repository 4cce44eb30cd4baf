/* SPDX-License-Identifier: MIT
 * No window; and the choice between windows and none. */
#include "gui/frontend.h"

#include "config.h"

enum run frontend_headless(struct machine *m, struct gdb_server *g)
{
    return gdb_server_run(g, m);
}

static enum run show(const struct options *o, struct machine *m, struct gdb_server *g)
{
#ifdef HAVE_SDL2
    if (o->display == DISPLAY_SDL)
        return frontend_sdl(m, g);
#endif
    (void)o;
    return frontend_headless(m, g);
}

struct err frontend_show(const struct options *o, struct machine *m, enum run *why)
{
    struct gdb_server *g = NULL;

    if (o->gdb != NULL)
        TRY(gdb_server_open(&g, m, o->gdb, o->gdb_wait));
    *why = show(o, m, g);
    gdb_server_close(g);
    return OK;
}
