/* SPDX-License-Identifier: MIT
 * No window; and the choice between windows and none. */
#include "gui/frontend.h"

#include "config.h"

enum run frontend_headless(struct machine *m)
{
    return machine_run(m, UINT64_MAX);
}

enum run frontend_show(const struct options *o, struct machine *m)
{
#ifdef HAVE_SDL2
    if (o->display == DISPLAY_SDL)
        return frontend_sdl(m);
#endif
    (void)o;
    return frontend_headless(m);
}
