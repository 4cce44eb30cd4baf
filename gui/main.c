/* SPDX-License-Identifier: MIT
 * The program: reads the command line, builds the machine, runs it under the chosen frontend, turns the end into an exit
 * status. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gui/conform.h"
#include "gui/diverge.h"
#include "gui/frontend.h"
#include "gui/options.h"
#include "gui/past.h"
#include "gui/replay.h"
#include "gui/screen.h"
#include "gui/status.h"
#include "gui/terminal.h"
#include "config.h"

static void print_line(void *arg, const char *text)
{
    (void)arg;
    puts(text);
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* A person at a terminal or a window expects seconds to be seconds; a script expects runs to repeat. */
static void choose_clock(struct options *o)
{
    bool person = o->display == DISPLAY_SDL || (o->stdio && isatty(STDIN_FILENO));

    if (!o->clock_given && person)
        o->machine.clock = CLOCK_HOST;
    if (!o->rtc_given && o->machine.clock == CLOCK_HOST)
        o->machine.rtc_start_ns = 0;
}

/* Up to the instruction of -snapshot-save, and the save. *why: how the run went, RUN_LIMIT when it goes on. */
static struct err run_to_save(const struct options *o, struct machine *m, enum run *why)
{
    *why = RUN_LIMIT;
    if (o->snapshot_save == NULL || o->snapshot_at == 0)
        return OK;
    if (o->snapshot_at < machine_insns(m))
        return err_make(ERR_USAGE, "-snapshot-save at=%" PRIu64 ": the machine begins at %" PRIu64, o->snapshot_at, machine_insns(m));
    *why = machine_run(m, o->snapshot_at - machine_insns(m));
    if (machine_insns(m) < o->snapshot_at)
        return err_make(ERR_USAGE, "-snapshot-save at=%" PRIu64 ": the run ended at %" PRIu64, o->snapshot_at, machine_insns(m));
    return machine_save(m, o->snapshot_save);
}

static int run_machine(struct options *o)
{
    struct machine *m;
    double start = seconds();
    enum run why;
    int status;
    struct err e = code_dump_start(&o->machine, &o->dump);

    o->machine.count_handlers = o->stats != NULL;
    o->machine.window = o->display == DISPLAY_SDL;
    if (!failed(&e))
        e = machine_create(&m, &o->machine);
    if (failed(&e))
        return complain(&e);
    machine_on_hash(m, print_hash, NULL);
    signals_to(m);
    if (o->stdio)
        terminal_start(m);
    e = run_to_save(o, m, &why);
    if (!failed(&e) && why == RUN_LIMIT)
        e = frontend_show(o, m, &why);
    signals_to(NULL);
    terminal_stop();
    status = failed(&e) ? complain(&e) : status_of(m, why);
    if (o->snapshot_save != NULL && o->snapshot_at == 0) {
        e = machine_save(m, o->snapshot_save);
        if (failed(&e))
            status = complain(&e);
    }
    if (o->screen != NULL) {
        e = screen_write(m, o->screen);
        if (failed(&e))
            status = complain(&e);
    }
    e = code_dump_end();
    if (failed(&e))
        status = complain(&e);
    if (o->stats != NULL) {
        e = machine_write_stats(m, o->stats, seconds() - start);
        if (failed(&e))
            status = complain(&e);
    }
    fflush(stdout);
    /* The reader thread may still stand in read(); the process ends with it, so the machine is left to the system. */
    if (!o->stdio)
        machine_free(m);
    return status;
}

static int run_with(int nargs, char **args, bool record)
{
    struct options o;
    struct err e = options_parse(&o, nargs, args);
    int status;

    if (!failed(&e) && record && o.machine.record == NULL)
        e = err_make(ERR_USAGE, "record needs a file: -o FILE");
    if (failed(&e)) {
        status = complain(&e);
    } else if (o.cpu_help) {
        machine_cpu_help(print_line, NULL);
        status = STATUS_OK;
    } else if (o.hv_help) {
        machine_hv_help(print_line, NULL);
        status = STATUS_OK;
    } else {
        choose_clock(&o);
        status = run_machine(&o);
    }
    options_free(&o);
    return status;
}

static int command_run(int nargs, char **args) { return run_with(nargs, args, false); }
static int command_record(int nargs, char **args) { return run_with(nargs, args, true); }

static int help(void)
{
    puts("Partita " PACKAGE_VERSION ", an exact and deterministic x86-64 full-system emulator with Microsoft's Hv#1 interface\n\n"
         "partita run [options]     run a machine\n"
         "partita record -o FILE [options]   the same, recorded\n"
         "partita replay FILE [options]      run a recording again, to the bit\n"
         "partita past FILE QUESTION   who last wrote, read or reached an address before an instant; `partita past` says how to ask\n"
         "partita diverge FILE [-- options]  replay it twice, also with these options (default -accel interp): where do they part?\n"
         "partita conform [options] run the conformance suite of the TLFS and write a report\n"
         "partita --help            this text\n"
         "partita --version         the version\n\n"
         "Options of run, as QEMU's where they exist there:");
    options_help();
    puts("\nOptions of replay:");
    replay_help();
    puts("\nOptions of conform:");
    conform_help();
    puts("\nOn the terminal Ctrl-A x quits and Ctrl-A h lists the other keys.\n"
         "Exit status: 0 powered off, (v<<1)|1 isa-debug-exit, 2 bad input, 4 triple fault and 6 reset with -no-reboot,\n"
         "8 -stop-at reached, 10 quit by the user, 12 all processors halted for good, 14 the host failed,\n"
         "16 the recording is cut short, 18 the replay differs from the recording.");
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "--help";

    if (strcmp(command, "run") == 0)
        return command_run(argc - 2, argv + 2);
    if (strcmp(command, "record") == 0)
        return command_record(argc - 2, argv + 2);
    if (strcmp(command, "replay") == 0)
        return command_replay(argc - 2, argv + 2);
    if (strcmp(command, "past") == 0)
        return command_past(argc - 2, argv + 2);
    if (strcmp(command, "diverge") == 0)
        return command_diverge(argc - 2, argv + 2);
    if (strcmp(command, "conform") == 0)
        return command_conform(argc - 2, argv + 2);
    if (strcmp(command, "--version") == 0) {
        puts("partita " PACKAGE_VERSION);
        return STATUS_OK;
    }
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
        return help();
    if (command[0] == '-')              /* `partita -m 512M ...` as fingers type it */
        return command_run(argc - 1, argv + 1);
    fprintf(stderr, "partita: unknown command '%s'; `partita --help` lists them\n", command);
    return STATUS_USAGE;
}
