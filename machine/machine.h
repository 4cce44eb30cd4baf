/* SPDX-License-Identifier: MIT
 * All that a frontend, a test or the monitor may do with a machine; also the public face of libpartita. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/frame.h"

#define MACHINE_MAX_VPS     64
#define MACHINE_MAX_DRIVES  6
#define MACHINE_MAX_HASHES  64
#define MACHINE_SERIALS     4
#define MACHINE_MAX_MCES    16

enum drive_bus { DRIVE_IDE, DRIVE_FLOPPY };

struct drive_config {
    const char *file;
    enum drive_bus bus;
    int index;                      /* IDE: 0..3 (channel * 2 + unit), floppy 0..1; -1: next free */
    bool cdrom, readonly, snapshot;
};

enum clock_policy { CLOCK_VIRTUAL, CLOCK_HOST };

/* Does the chipset make SMIs, and in which format do 64-bit processors then save their state? On: AMD's, which is what
 * firmware for virtual boards knows. */
enum smm_policy { SMM_OFF, SMM_ON, SMM_INTEL64 };

/* A hardware error, as a bank of one processor would log it (SDM 3B "Machine-Check Architecture"). */
struct machine_mce {
    uint64_t at;                    /* after so many instructions */
    uint64_t status, mcg_status, addr, misc;
    unsigned cpu, bank;
    bool broadcast;                 /* Intel's: a machine check reaches all processors */
};

/* Strings are borrowed: they must outlive the machine. */

struct cpu_translation;
struct recording;                   /* machine/replay.h */

/* A new field that the guest could notice belongs into the tables of manifest.c. */
#define CHECKPOINTS_OFF UINT64_MAX

struct machine_config {
    uint64_t ram_bytes;
    unsigned nvps;
    const char *cpu;                /* "max", "max,-sse4_2" */
    const char *trace;              /* "hv" or "hv,file=PATH": what passes between guest and hypervisor, to stderr or there */
    const char *hv_spec;            /* with hv: what the guest is offered (hv_offer_parse); NULL: the default */
    const char *bios;               /* firmware image; NULL: the distribution's SeaBIOS */
    const char *kernel, *initrd, *append;
    struct drive_config drives[MACHINE_MAX_DRIVES];
    unsigned ndrives;
    const char *boot_order;         /* letters of QEMU's -boot: a c d */
    const char *serial[MACHINE_SERIALS];    /* "stdio", "null", "file:P", "tcp:H:P[,server]"; NULL: no port */
    const char *debugcon;           /* stream of port 402h; NULL: dropped */
    bool debug_exit, testdev, hyperv_testdev, hv, no_reboot, vga;
    uint16_t debug_exit_port, debug_exit_bytes;
    enum clock_policy clock;
    enum smm_policy smm;
    uint64_t seed;                  /* of the numbers that RDRAND and RDSEED give */
    uint64_t rtc_start_ns;          /* ns since 1970 when the machine starts; 0: ask the host (through the door) */
    uint64_t ps_per_insn;           /* virtual picoseconds an instruction takes at start */
    uint64_t stop_at;               /* instructions; 0: never */
    uint64_t idle_limit_ns;         /* no processor ran for so long: RUN_HALTED; 0: idle for ever */
    uint64_t hash_at[MACHINE_MAX_HASHES];   /* ascending */
    unsigned nhashes;
    struct machine_mce mces[MACHINE_MAX_MCES];  /* ascending */
    unsigned nmces;
    bool jit;                       /* translate code that runs often */
    unsigned jit_off;               /* what of it is left out: a bit for each cpu_jit_pass() (cpu/cpu.h) */
    bool jit_counts;                /* entries of translations are counted, for debug_show_code() */
    void (*translated)(void *arg, const struct cpu_translation *t);     /* NULL, or told of each translation (cpu/cpu.h) */
    void *translated_arg;
    bool count_handlers;            /* for machine_write_stats(): what translated code called handlers for */
    bool window;                    /* a person sits before it: it waits for input where others would end */
    uint64_t schedule_turn;         /* instructions of one processor's turn with several; 0: default */
    uint64_t schedule_seed;         /* turns of varying length, as this number has it; 0: all of the same */
    const char *start_from;         /* a file of machine_save(), or NULL */
    const char *record;             /* file to record to, or NULL. Disks stay as they are */
    bool record_whole;              /* ... with all input files inside */
    uint64_t record_every;          /* ... with a hash of everything after so many instructions; 0: as often as it costs little */
    uint64_t checkpoints;           /* ... with a checkpoint after so many instructions; 0: where they pay; CHECKPOINTS_OFF */
    const struct recording *replay; /* by recording_config() */
    bool add_checkpoints;           /* ... which gets checkpoints on the way */
    bool replay_blind;              /* ... without comparing hashes */
};

void machine_config_default(struct machine_config *cfg);

/* Why machine_run returned. */
enum run {
    RUN_LIMIT,          /* the instructions asked for were retired */
    RUN_POWEROFF,
    RUN_DEBUG_EXIT,     /* machine_exit_value() holds v */
    RUN_TRIPLE_FAULT,   /* with no_reboot */
    RUN_RESET,          /* with no_reboot */
    RUN_STOP_AT,        /* stop_at reached */
    RUN_HALTED,         /* every processor halted, nothing can wake one */
    RUN_QUIT,           /* REQUEST_QUIT came through the door */
    RUN_FAILED,         /* the host failed; machine_error() says how */
    RUN_DIFFERS,        /* a replay went another way than the recording; machine_error() says where. From here on never recorded */
    RUN_RECORDING_CUT,  /* a replay came to the end of a recording that was cut short */
    RUN_RECORDING_LEFT, /* ... or to where the recorder let the machine be */
    RUN_BREAK,          /* a debugger's: debug_run() knows more (machine/debug.h) */
};

struct machine;

struct err machine_create(struct machine **out, const struct machine_config *cfg) MUST_USE;
void       machine_free(struct machine *m);
enum run   machine_run(struct machine *m, uint64_t instructions);
unsigned   machine_exit_value(const struct machine *m);
const char *machine_error(const struct machine *m);

/* Called with each -hash-at line as its instruction is reached. */
void       machine_on_hash(struct machine *m, void (*hash)(void *arg, uint64_t insns, uint64_t hash), void *arg);
uint64_t   machine_hash(struct machine *m);         /* of the whole guest-visible state, now */
uint64_t   machine_ran(const struct machine *m);          /* instructions that it had to run so far, those of travels in time too */
uint64_t   machine_insns(const struct machine *m);

uint64_t   machine_hashes_equal(const struct machine *m);       /* a replay: so many were compared with the recording's */

struct machine_where {
    uint64_t insns, ns, rip;        /* of the processor whose turn it is */
    unsigned vp, vps;
};
void       machine_where(struct machine *m, struct machine_where *out);

/* Told of each byte that the guest sends on its first serial port. machine_pause() in there, or anywhere on the thread of
 * machine_run, makes that return RUN_LIMIT at the next boundary between instructions. */
void       machine_on_serial(struct machine *m, void (*byte)(void *arg, uint8_t byte), void *arg);
void       machine_pause(struct machine *m);

/* All that the guest can tell, to a file and back into a machine of the same configuration; between calls of machine_run. Disks must
 * not be written in place. After a failed load the machine is what it was. */
struct err machine_save(struct machine *m, const char *path) MUST_USE;
struct err machine_load(struct machine *m, const char *path) MUST_USE;

/* Now; from the thread of machine_run, between its calls. machine_config.mces do so at an instruction. */
struct err machine_inject_mce(struct machine *m, const struct machine_mce *error) MUST_USE;

/* Input; any thread. */
void       machine_key(struct machine *m, uint16_t scancode, bool pressed);
void       machine_mouse(struct machine *m, int dx, int dy, int dz, unsigned buttons);
void       machine_serial_input(struct machine *m, unsigned port, const void *bytes, size_t len);
void       machine_quit(struct machine *m);
void       machine_interrupt(struct machine *m);    /* like machine_quit, safe in a signal handler */
bool       machine_interrupted(const struct machine *m);
void       machine_power_button(struct machine *m);

/* Called between turns, about sixty times a host second, on the thread of machine_run: the place to draw and to poll input. */
void       machine_on_tick(struct machine *m, void (*tick)(void *arg), void *arg);

bool       machine_frame(struct machine *m, struct frame *out);     /* pull; false: no display. From a tick or when not running */
bool       machine_text(struct machine *m, char *out, size_t room); /* text screen as lines; false: not in text mode */

/* Whether this host has a translator, so that `jit` may be set. */
bool       machine_can_translate(void);

/* Models and features, and what the Hv#1 interface can offer; a line each. */
void       machine_hv_help(void (*line)(void *arg, const char *text), void *arg);
void       machine_cpu_help(void (*line)(void *arg, const char *text), void *arg);

/* One JSON object of counters. */
struct err machine_write_stats(struct machine *m, const char *path, double host_seconds) MUST_USE;

#endif
