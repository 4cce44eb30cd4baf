/* SPDX-License-Identifier: MIT */
#ifndef GUI_DIVERGE_H
#define GUI_DIVERGE_H

/* `partita diverge`; args: what follows it. Returns the exit status. */
int command_diverge(int nargs, char **args);

#endif
