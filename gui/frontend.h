/* SPDX-License-Identifier: MIT
 * What a frontend is: it runs the machine to its end and shows what it likes of it. */
#ifndef GUI_FRONTEND_H
#define GUI_FRONTEND_H

#include "machine/machine.h"

enum run frontend_headless(struct machine *m);
enum run frontend_sdl(struct machine *m);

#endif
