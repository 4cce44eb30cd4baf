/* SPDX-License-Identifier: MIT */
#ifndef GUI_REPLAY_H
#define GUI_REPLAY_H

/* `partita replay`; args: what follows it. Returns the exit status. */
int  command_replay(int nargs, char **args);
void replay_help(void);

#endif
