/* SPDX-License-Identifier: MIT
 * What a debugger asks of a machine: why it stopped, registers by name, memory as a processor sees it, running to the next stop.
 * Nothing here changes what the run would be without it, but for what is written on request. It knows no debugger. */
#ifndef MACHINE_DEBUG_H
#define MACHINE_DEBUG_H

#include "cpu/points.h"
#include "machine/machine.h"

struct debug;

/* The machine's own; made when first asked for. Calls come from the thread of machine_run(), between its calls. */
struct debug *machine_debug(struct machine *m);

/* ---- running ---- */

enum debug_why {
    DEBUG_NOTHING,      /* as many instructions as asked for */
    DEBUG_BREAK,        /* a breakpoint is about to be run: hit */
    DEBUG_WATCH,        /* a watchpoint was met: hit */
    DEBUG_STEP,         /* debug_step() is done */
    DEBUG_PAUSE,        /* debug_pause() */
    DEBUG_END,          /* the machine came to its end: how */
    DEBUG_BEGIN,        /* backwards: nothing lies before here */
};

struct debug_stop {
    enum debug_why why;
    enum run how;
    unsigned vp;                /* whom it is about: hit, stepped, or whose turn it is */
    uint64_t insns;
    struct point_hit hit;
};

struct debug_stop debug_run(struct debug *d, uint64_t instructions);
/* Until this processor has done something that takes the time of an instruction (docs/determinism.md); others have their turns
 * meanwhile, as ever. */
struct debug_stop debug_step(struct debug *d, unsigned vp);

/* ---- backwards ---- */

/* From now on the machine may go back to any instant from here on. An error when its input is not fixed, or state cannot be kept. */
struct err debug_travel(struct debug *d) MUST_USE;
bool       debug_can_go_back(const struct debug *d);
/* Only when it can: to before the last thing this processor did; to the last hit of any point, where a watchpoint's place is before
 * the instruction that it saw. */
struct debug_stop debug_step_back(struct debug *d, unsigned vp);
struct debug_stop debug_run_back(struct debug *d);
struct err debug_goto(struct debug *d, uint64_t insns, struct debug_stop *stop) MUST_USE;     /* either way */

/* A replay goes on from here as a run of its own, recorded to `path`, its beginning kept in a file beside it; backwards one cannot go
 * any more. After an error that comes late it is live all the same. */
struct err debug_record(struct debug *d, const char *path) MUST_USE;

/* The machine as it is, under a name, and it again; one that had that name is replaced. Loading leaves
 * a history only if nothing was changed by hand in between: else one cannot go back beyond it. */
struct err debug_save(struct debug *d, const char *name) MUST_USE;
struct err debug_load(struct debug *d, const char *name) MUST_USE;     /* a name, or a file of machine_save() */
/* A branch begins here: whatever is done or changed from now on, debug_load() of the name leads back to here, and to the history that
 * was left, its future too. */
struct err debug_fork(struct debug *d, const char *name) MUST_USE;

/* ---- on the way ---- */

void debug_pause(struct debug *d);      /* as soon as may be; from a poll, or a signal handler */
/* Called now and then while the machine runs or waits, on its thread. */
void debug_on_poll(struct debug *d, void (*poll)(void *arg), void *arg);
uint64_t debug_host_ns(void);           /* for who polls: the host's time */
void debug_show(struct debug *d);       /* the machine stands, but its window wants to be drawn */

/* False: an empty range, one beyond what addresses can be, a physical one that is too long. Adding twice makes two. */
bool debug_add(struct debug *d, const struct point *what);
bool debug_remove(struct debug *d, const struct point *what);
void debug_clear(struct debug *d);

/* ---- processors ---- */

unsigned debug_vps(const struct debug *d);
unsigned debug_current(const struct debug *d);      /* whose turn it is */
const char *debug_activity(const struct debug *d, unsigned vp);

enum debug_group { DEBUG_CORE, DEBUG_X87, DEBUG_SSE, DEBUG_SEGMENT_BASES, DEBUG_AVX, DEBUG_AVX512, DEBUG_PKEYS, DEBUG_SYSTEM,
                   DEBUG_MSR, DEBUG_GROUPS };

struct debug_reg {
    const char *name;           /* as gdb has it where it knows the register */
    enum debug_group group;
    uint16_t bits;
    uint8_t kind;               /* machine/debug_regs.c */
    uint32_t index;
};
#define DEBUG_REG_BYTES 32u

const struct debug_reg *debug_regs(struct debug *d, unsigned *count);       /* grouped, in gdb's order */
const struct debug_reg *debug_reg_find(struct debug *d, const char *name);
struct debug_reg debug_reg_of_msr(uint32_t msr);        /* one without a name here */
/* Little-endian, reg->bits / 8 bytes. False: the processor has no such register, or refuses the value. */
bool debug_reg_read(struct debug *d, unsigned vp, const struct debug_reg *reg, uint8_t out[DEBUG_REG_BYTES]);
bool debug_reg_write(struct debug *d, unsigned vp, const struct debug_reg *reg, const uint8_t value[DEBUG_REG_BYTES]);
bool debug_msr_read(struct debug *d, unsigned vp, uint32_t msr, uint64_t *value);
bool debug_msr_write(struct debug *d, unsigned vp, uint32_t msr, uint64_t value);

/* The code of blocks with a byte at this address, by this processor's tables, and what the translator makes of it. */
struct cpu_translation;
void debug_show_code(struct debug *d, unsigned vp, uint64_t gva, void (*show)(void *arg, const struct cpu_translation *t), void *arg);

/* ---- memory ---- */

/* Through the processor's page tables, whatever the rights, marking nothing as used. */
bool   debug_translate(struct debug *d, unsigned vp, uint64_t gva, uint64_t *gpa);
/* How many bytes from the first on could be moved; plain memory only, no device is asked. Writing reaches ROM too. */
size_t debug_read(struct debug *d, unsigned vp, uint64_t gva, void *to, size_t len);
size_t debug_write(struct debug *d, unsigned vp, uint64_t gva, const void *from, size_t len);
size_t debug_read_physical(struct debug *d, unsigned vp, uint64_t gpa, void *to, size_t len);
size_t debug_write_physical(struct debug *d, unsigned vp, uint64_t gpa, const void *from, size_t len);

#endif
