/* SPDX-License-Identifier: MIT
 * The command line of `partita run`, after the habits of QEMU. */
#ifndef GUI_OPTIONS_H
#define GUI_OPTIONS_H

#include "base/err.h"
#include "gui/code_dump.h"
#include "machine/machine.h"

enum display { DISPLAY_NONE, DISPLAY_SDL };

struct options {
    struct machine_config machine;
    enum display display;
    const char *screen;         /* file for -screen, or NULL */
    const char *stats;          /* file for -stats, or NULL */
    const char *snapshot_save;  /* file, or NULL */
    uint64_t snapshot_at;       /* instruction of -snapshot-save; 0: the end of the run */
    struct dump_wish dump;      /* -d, -D and -dfilter */
    bool rtc_given;             /* -rtc was */
    bool clock_given;           /* -clock was on the command line */
    bool stdio;                 /* some stream uses the terminal */
    const char *gdb;            /* where -gdb listens, or NULL */
    bool gdb_wait;              /* -S */
    bool cpu_help, hv_help;
    char *storage[64];          /* copies that the configuration borrows */
    unsigned nstorage;
};

/* args: what follows `run`. Errors name the option and what it takes. */
struct err options_parse(struct options *out, int nargs, char **args) MUST_USE;
/* The same for a replay: `recorded` with what only the host sees changed by `args`. */
struct err options_parse_host(struct options *out, const struct machine_config *recorded, int nargs, char **args) MUST_USE;
/* The same with all options, for `partita diverge`. */
struct err options_parse_over(struct options *out, const struct machine_config *recorded, int nargs, char **args) MUST_USE;
/* The number that a text begins with, in any base that C knows; *rest: what follows it. False: it begins with none. */
bool       options_number(const char *text, uint64_t *out, const char **rest);
bool       options_takes_value(const char *arg);        /* an option that a value follows */
void       options_host_help(void);
void       options_free(struct options *o);
void       options_help(void);

#endif
