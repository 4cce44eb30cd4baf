/* SPDX-License-Identifier: MIT
 * The program: reads the command line, builds the machine, runs it under the chosen frontend, turns the end into an exit
 * status. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gui/conform.h"
#include "gui/frontend.h"
#include "gui/options.h"
#include "gui/screen.h"
#include "gui/terminal.h"
#include "config.h"

/* Exit statuses. isa-debug-exit gives odd ones, so ours are even. Documented in docs/partita.1. */
enum {
    STATUS_OK = 0, STATUS_USAGE = 2, STATUS_TRIPLE_FAULT = 4, STATUS_RESET = 6, STATUS_STOP_AT = 8, STATUS_QUIT = 10,
    STATUS_HALTED = 12, STATUS_HOST = 14,
};

static struct machine *running;

static void on_signal(int number)
{
    /* The second signal ends a program that does not come back. */
    signal(number, SIG_DFL);
    if (running != NULL)
        machine_interrupt(running);
}

static int complain(const struct err *e)
{
    fprintf(stderr, "partita: %s\n", e->text);
    return e->code == ERR_USAGE || e->code == ERR_FORMAT || e->code == ERR_UNSUPPORTED || e->code == ERR_IO ? STATUS_USAGE : STATUS_HOST;
}

static void print_line(void *arg, const char *text)
{
    (void)arg;
    puts(text);
}

static void print_hash(void *arg, uint64_t insns, uint64_t hash)
{
    (void)arg;
    fflush(stdout);
    fprintf(stderr, "insns=%" PRIu64 " hash=%016" PRIx64 "\n", insns, hash);
}

static int status_of(struct machine *m, enum run why)
{
    switch (why) {
    case RUN_POWEROFF:
    case RUN_LIMIT:        return STATUS_OK;
    case RUN_DEBUG_EXIT:   return (int)((machine_exit_value(m) << 1 | 1) & 0xff);
    case RUN_TRIPLE_FAULT: return STATUS_TRIPLE_FAULT;
    case RUN_RESET:        return STATUS_RESET;
    case RUN_STOP_AT:      return STATUS_STOP_AT;
    case RUN_QUIT:         return STATUS_QUIT;
    case RUN_HALTED:
        fprintf(stderr, "partita: every processor is halted and nothing can wake one\n");
        return STATUS_HALTED;
    case RUN_FAILED:
        break;
    }
    fprintf(stderr, "partita: %s\n", machine_error(m));
    return STATUS_HOST;
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

static enum run show(const struct options *o, struct machine *m)
{
#ifdef HAVE_SDL2
    if (o->display == DISPLAY_SDL)
        return frontend_sdl(m);
#endif
    (void)o;
    return frontend_headless(m);
}

static int run_machine(struct options *o)
{
    struct machine *m;
    double start = seconds();
    enum run why;
    int status;
    struct err e = code_dump_start(&o->machine, &o->dump);

    o->machine.count_handlers = o->stats != NULL;
    if (!failed(&e))
        e = machine_create(&m, &o->machine);
    if (failed(&e))
        return complain(&e);
    machine_on_hash(m, print_hash, NULL);
    running = m;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (o->stdio)
        terminal_start(m);
    why = show(o, m);
    running = NULL;
    terminal_stop();
    status = status_of(m, why);
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

static int command_run(int nargs, char **args)
{
    struct options o;
    struct err e = options_parse(&o, nargs, args);
    int status;

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

static int help(void)
{
    puts("Partita " PACKAGE_VERSION ", an exact and deterministic x86-64 full-system emulator with Microsoft's Hv#1 interface\n\n"
         "partita run [options]     run a machine\n"
         "partita conform [options] run the conformance suite of the TLFS and write a report\n"
         "partita --help            this text\n"
         "partita --version         the version\n\n"
         "Options of run, as QEMU's where they exist there:");
    options_help();
    puts("\nOptions of conform:");
    conform_help();
    puts("\nOn the terminal Ctrl-A x quits and Ctrl-A h lists the other keys.\n"
         "Exit status: 0 powered off, (v<<1)|1 isa-debug-exit, 2 bad input, 4 triple fault and 6 reset with -no-reboot,\n"
         "8 -stop-at reached, 10 quit by the user, 12 all processors halted for good, 14 the host failed.");
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "--help";

    if (strcmp(command, "run") == 0)
        return command_run(argc - 2, argv + 2);
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
