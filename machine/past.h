/* SPDX-License-Identifier: MIT
 * Questions to the past: when was something last done before an instant, and every time it was. The machine must be one that can go
 * back (debug_travel()); it stands afterwards where it stood, and the debugger's own points do not matter. */
#ifndef MACHINE_PAST_H
#define MACHINE_PAST_H

#include "machine/debug.h"

enum past_kind {
    PAST_POINT,         /* memory written or read, by linear or physical address; an instruction about to run. Who wrote by a linear address
                           is asked of the memory that lies behind it at the end of what is looked at, whichever way it was written */
    PAST_CHANGED,       /* a register got another value */
    PAST_EVENT,         /* something happened to a processor, or between guest and hypervisor */
};

/* Those up to PAST_CR3 are told by processors, the others are lines of -trace hv. */
enum past_event {
    PAST_EXCEPTION,     /* delivered, page faults too */
    PAST_PAGE_FAULT,
    PAST_SOFTWARE,      /* INT n and its kin */
    PAST_INTERRUPT, PAST_NMI, PAST_SMI,
    PAST_CR3,           /* loaded, be it with the value it had */
    PAST_HYPERCALL, PAST_MSR, PAST_MESSAGE, PAST_TIMER, PAST_PAGE,
    PAST_EVENTS
};
extern const char *const past_event_names[PAST_EVENTS];

#define PAST_ANY 0xffffffffu

struct past_question {
    enum past_kind kind;
    unsigned vp;                /* by this processor, or PAST_ANY */
    struct point point;         /* PAST_POINT */
    unsigned space;             /* ... written, linear: by the tables of this processor; PAST_ANY: whose turn it is */
    bool has_cr3;               /* ... or by these */
    uint64_t cr3;
    struct debug_reg reg;       /* PAST_CHANGED; not RIP */
    uint32_t events;            /* PAST_EVENT: a bit for each that counts */
    unsigned vector;            /* ... and only with this vector, or PAST_ANY */
};

#define PAST_TEXT 1024u

struct past_answer {
    bool found;
    uint64_t insns;             /* when it was done: instructions retired, the one that did it included; of a break: before it */
    unsigned vp;                /* or POINT_NOBODY */
    uint64_t rip;               /* of the instruction that did it, or before which it came; unless nobody did */
    struct point_hit hit;       /* PAST_POINT: for writes what was there and is */
    bool behind;                /* ... of memory behind a linear address: */
    uint64_t linear;            /* where hit.at, which is physical, then lay */
    uint64_t mapped;            /* since when it lay there, if that came later than the write; else 0 */
    uint8_t old[DEBUG_REG_BYTES], now[DEBUG_REG_BYTES];     /* PAST_CHANGED */
    enum past_event event;      /* PAST_EVENT: */
    unsigned vector;
    bool has_error;
    uint32_t error;
    uint64_t before, after;     /* CR3; of a page fault `after` is the address */
    char text[PAST_TEXT];       /* of the hypervisor's */
};

/* Memory behind a linear address that is not mapped, no RAM, or longer than this: accesses by that address are looked for, in whatever
 * address space. */
#define PAST_BEHIND_MAX 32768u

/* The last time after instruction `from` and up to instruction `before`; of a break, before it. */
struct err past_last(struct debug *d, const struct past_question *what, uint64_t from, uint64_t before, struct past_answer *out) MUST_USE;

/* Every time after `from` and up to `until`, in order; false from `each` ends it. A register that has no value that lasts (RIP, or one
 * that the processor does not have) is an error. */
struct err past_each(struct debug *d, const struct past_question *what, uint64_t from, uint64_t until,
                     bool (*each)(void *arg, const struct past_answer *a), void *arg) MUST_USE;

/* ---- who called whom ---- */

enum past_frame_kind {
    FRAME_HERE,         /* where the processor stands */
    FRAME_CALL,         /* a call that the replay saw and that has not returned */
    FRAME_INTERRUPT,    /* an interrupt or exception, likewise */
    FRAME_SYSCALL,
    FRAME_POINTER,      /* found by the chain of frame pointers: older than what was gone through again */
};
extern const char *const past_frame_names[];

struct past_frame {
    enum past_frame_kind kind;
    uint64_t rip;               /* FRAME_HERE: RIP, else where it will go on */
    uint64_t callee;            /* what was called, or 0 */
    uint64_t sp;                /* where the return address lies, or 0 */
    uint64_t insns;             /* when it was called, or 0 */
    unsigned vector;            /* FRAME_INTERRUPT */
};

/* Of a processor (PAST_ANY: whose turn it is) at an instruction, from the inside out, at most `room`. What was called in the `back` instructions before is known for
 * certain, also where code keeps no frame pointers; for the rest their chain is followed as far as it is one. */
struct err past_stack(struct debug *d, unsigned vp, uint64_t at, uint64_t back, struct past_frame *frames, unsigned room,
                      unsigned *count) MUST_USE;

#endif
