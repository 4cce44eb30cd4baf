/* SPDX-License-Identifier: MIT
 * struct debug, shared by the files of the debugger's side of a machine. */
#ifndef MACHINE_DEBUG_INTERNAL_H
#define MACHINE_DEBUG_INTERNAL_H

#include "machine/debug.h"
#include "machine/internal.h"

struct debug {
    struct machine *machine;
    struct points *points;
    struct travel *travel;      /* NULL: forwards only */
    volatile sig_atomic_t paused;
    bool busy;                  /* on the way to where it will stand */
    bool stood;                 /* the last stop was before an instruction of ... that the debugger has been told of */
    unsigned stood_vp;
    void (*poll)(void *arg);
    void *poll_arg;
    struct debug_saved *saved;  /* debug_save.c */
    uint64_t changes;           /* made by hand so far */
    struct debug_reg *regs;     /* made when first asked for */
    unsigned nregs;
};

bool     debug_may_change(const struct debug *d);       /* debug.c */
/* debug.c: without checkpoints on the way */
struct debug_stop debug_run_plain(struct debug *d, uint64_t instructions);

/* debug_save.c */
void     debug_saved_free(struct debug *d);
void     debug_forget_histories(struct debug *d);       /* those that forks left: there is no way back */

/* debug_back.c */
void     debug_travel_free(struct debug *d);
void     debug_note_travel(struct debug *d);            /* how far the run had come */
void     debug_changed(struct debug *d);        /* by hand: what came later will not come like that */
uint64_t debug_slice(struct debug *d, uint64_t left);   /* how far to run at once */

#endif
