/* SPDX-License-Identifier: MIT
 * How the program ends: exit statuses and the lines that go with them. */
#ifndef GUI_STATUS_H
#define GUI_STATUS_H

#include "machine/machine.h"

/* isa-debug-exit gives odd ones, so ours are even. Documented in docs/partita.1. */
enum {
    STATUS_OK = 0, STATUS_USAGE = 2, STATUS_TRIPLE_FAULT = 4, STATUS_RESET = 6, STATUS_STOP_AT = 8, STATUS_QUIT = 10,
    STATUS_HALTED = 12, STATUS_HOST = 14, STATUS_CUT_SHORT = 16, STATUS_DIFFERS = 18,
};

int complain(const struct err *e);                      /* prints it */
int status_of(struct machine *m, enum run why);         /* prints what the user should know of it */

void print_hash(void *arg, uint64_t insns, uint64_t hash);      /* for machine_on_hash */

/* SIGINT and SIGTERM quit this machine; NULL: none. */
void signals_to(struct machine *m);

#endif
