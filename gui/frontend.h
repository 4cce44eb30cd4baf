/* SPDX-License-Identifier: MIT
 * What a frontend is: it runs the machine to its end and shows what it likes of it. */
#ifndef GUI_FRONTEND_H
#define GUI_FRONTEND_H

#include "gui/options.h"
#include "machine/machine.h"

enum run frontend_show(const struct options *o, struct machine *m);     /* the one that was chosen */
enum run frontend_headless(struct machine *m);
enum run frontend_sdl(struct machine *m);

#endif
