/* SPDX-License-Identifier: MIT
 * -screen: the screen as the run left it, as a file. */
#ifndef GUI_SCREEN_H
#define GUI_SCREEN_H

#include "base/err.h"
#include "machine/machine.h"

/* A picture (binary PPM) when the name ends in .ppm, otherwise the lines of the text screen. */
struct err screen_write(struct machine *m, const char *path) MUST_USE;

#endif
