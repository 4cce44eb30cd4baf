/* SPDX-License-Identifier: MIT
 * The command `partita conform`: runs the conformance suite and writes its reports. */
#ifndef GUI_CONFORM_H
#define GUI_CONFORM_H

/* args: what follows `conform`. The exit status: 0 as expected, 1 not, 2 bad input, 14 the host failed. */
int  command_conform(int nargs, char **args);
void conform_help(void);

#endif
