/* SPDX-License-Identifier: MIT
 * `partita past`. */
#ifndef GUI_PAST_H
#define GUI_PAST_H

int  command_past(int nargs, char **args);
void past_help(void);

#endif
