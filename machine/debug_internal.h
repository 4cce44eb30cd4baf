/* SPDX-License-Identifier: MIT
 * struct debug, shared by the files of the debugger's side of a machine. */
#ifndef MACHINE_DEBUG_INTERNAL_H
#define MACHINE_DEBUG_INTERNAL_H

#include "machine/debug.h"
#include "machine/internal.h"

struct debug {
    struct machine *machine;
    struct points *points;
    volatile sig_atomic_t paused;
    bool stood;                 /* the last stop was before an instruction of ... that the debugger has been told of */
    unsigned stood_vp;
    void (*poll)(void *arg);
    void *poll_arg;
    struct debug_reg *regs;     /* made when first asked for */
    unsigned nregs;
};

#endif
