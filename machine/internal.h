/* SPDX-License-Identifier: MIT
 * struct machine, shared by the files of machine/. */
#ifndef MACHINE_INTERNAL_H
#define MACHINE_INTERNAL_H

#include <signal.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/nondet.h"
#include "core/ram.h"
#include "core/space.h"
#include "cpu/cpu.h"
#include "machine/inputs.h"
#include "machine/machine.h"

#define MACHINE_TSC_HZ   1000000000u    /* the TSC counts virtual nanoseconds */
#define MACHINE_APIC_HZ  200000000u     /* as Hyper-V's */

#define MACHINE_EPOCH_NS 1767225600000000000u   /* 2026-01-01 00:00 UTC: the wall clock of runs that must repeat */

#define RAM_LOW_MAX      0xc0000000u    /* RAM above 3 GiB moves to 4 GiB */
#define GPA_4G           0x100000000u

/* The scheduler's own state: whose turn it is. Part of what is saved and hashed. */
#define LOOP_STATE(ONE, MANY)                                           \
    ONE (u64, deaf_since,  "virtual ns since when no processor runs or could take an interrupt; 0: one does") \
    ONE (u64, busy_until,  "virtual time at the end of the last turn")  \
    ONE (u64, turn_left,   "instructions left of the running turn")     \
    ONE (u64, idle_insns,  "instructions retired when every processor was last idle") \
    ONE (u64, idles,       "idle waits since then")                     \
    ONE (u32, current,     "virtual processor whose turn it is")        \
    ONE (u32, exit_value,  "value written to the exit port")            \
    ONE (u8,  stopped,     "an enum run that ended the machine, or 0")  \
    ONE (u8,  reset_asked, "reset before the next instruction")         \
    ONE (u8,  mces_done,   "configured machine checks that have happened") \
    MANY(u8,  reserved, 5, "")
STATE_STRUCT(loop_state, LOOP_STATE);
extern const struct state_schema loop_state_schema;

struct board;

struct machine {
    struct machine_config cfg;
    struct device_tree tree;
    struct clock clock;
    struct nondet *nondet;
    struct space *memory, *smm_memory, *io;     /* smm_memory: what processors in system-management mode see */
    struct ram *ram;
    struct cpu *vps[MACHINE_MAX_VPS];
    unsigned nvps;
    struct loop_state loop;
    uint64_t ran;                       /* not of the guest: the past that runs again counts too */
    struct board *board;                /* pc.c: chips and their wiring */
    struct boot *boot;                  /* boot.c: what to load at each reset */
    struct inputs inputs;
    struct recorder *recorder;          /* cfg.record */
    struct replayer *replayer;          /* cfg.replay */
    char *live_record, *live_start;     /* live.c: names of files */
    struct debug *debug;                /* debug.c; NULL: nobody asked for one */
    void *trace_file;                   /* FILE * of -trace */
    char error[256];
    volatile sig_atomic_t interrupted;  /* by machine_interrupt() */

    void (*hash_line)(void *arg, uint64_t insns, uint64_t hash);
    void *hash_arg;
    unsigned next_hash;
    void (*serial_byte)(void *arg, uint8_t byte);
    void *serial_arg;
    bool pause;                         /* by machine_pause() */
    bool mute;                          /* by board_mute() */
    void (*tick)(void *arg);
    void *tick_arg;
    uint64_t next_tick;                 /* host time */
    struct snapshots *snapshots;        /* snapshot.c: NULL: none were ever taken */

    /* For the door: where the loop wants to stand, so that what comes in there can come in there again. 0: nowhere */
    uint64_t stand_at, record_at;
    bool exact;                         /* it stands so */
    bool made;                          /* machine_create() is done */

    struct pace {                       /* clock policy "host"; host-side only, reaches the guest through the door */
        uint64_t host_start, virtual_start, last_check, last_insns, last_host;
    } pace;
};

/* pc.c */
struct err board_create(struct machine *m);
void       board_free(struct machine *m);
void       board_select_vp(struct machine *m, unsigned index);      /* whose local APIC answers at FEE00000h */
void       board_input(struct machine *m, const struct nondet_event *e);
bool       board_has_input(const struct machine *m);                /* could the host still send something? */
void       board_flush_output(struct machine *m);
void       board_mute(struct machine *m, bool mute);                /* does what the guest sends reach the host? */
/* What passes between guest and hypervisor, as -trace hv has it; NULL: as the configuration says. */
void       board_trace(struct machine *m, void (*trace)(void *self, const char *line), void *self);
struct err board_can_snapshot(const struct machine *m) MUST_USE;   /* is all that the guest can change in this process? */

/* boot.c */
struct err boot_create(struct machine *m);      /* reads the kernel, initrd and firmware */
void       boot_reset(struct machine *m);       /* after a reset: load what goes to memory, start processor 0 there */
void       boot_free(struct machine *m);

/* loop.c */
void machine_ask_reset(struct machine *m);                          /* takes effect before the next instruction */
void machine_stop(struct machine *m, enum run why);
void machine_restored(struct machine *m);                           /* the state is another now */
struct moment machine_moment(const struct machine *m);

/* debug.c */
void debug_free(struct debug *d);
bool debug_wants_stop(struct debug *d);
void debug_poll(struct debug *d);

/* acpi_tables.c */
struct acpi_tables {
    uint8_t *bytes;                     /* all tables but the RSDP, 64-byte aligned FACS first */
    size_t len;
    uint8_t rsdp[36];
    struct { uint32_t at, size; } pointers[80];     /* offsets relative to the start of bytes, to be relocated */
    unsigned npointers;
    struct { uint32_t start, len, at; } sums[40];   /* bytes to checksum, place of the checksum */
    unsigned nsums;
    uint32_t rsdt_at, xsdt_at;
};
void acpi_tables_build(struct acpi_tables *out, const struct machine *m);
void acpi_tables_relocate(struct acpi_tables *t, uint32_t base);    /* for a direct boot: fix pointers and checksums */

#endif
