/* SPDX-License-Identifier: MIT
 * The user's terminal as a serial line: raw mode, a reader thread, Ctrl-A commands. */
#ifndef GUI_TERMINAL_H
#define GUI_TERMINAL_H

#include "machine/machine.h"

/* Start feeding standard input to serial port 0. With a terminal: raw mode until terminal_stop(), Ctrl-A x quits,
 * Ctrl-A p presses the power button, Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A. */
void terminal_start(struct machine *m);
void terminal_stop(void);

#endif
