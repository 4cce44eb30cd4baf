/* SPDX-License-Identifier: MIT
 * `partita replay`: runs a recording again, to its end or to a point, with pictures and serial output on the way. */
#include "gui/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gui/frontend.h"
#include "gui/options.h"
#include "gui/screen.h"
#include "gui/status.h"
#include "machine/debug.h"
#include "machine/replay.h"

#define MAX_SHOTS 64

struct shot { uint64_t insns; const char *file; char room[40]; };

struct replay {
    const char *path, *serial;
    struct recording *recording;
    struct recording_about about;
    struct options options;
    struct shot shots[MAX_SHOTS];       /* ascending */
    unsigned nshots, done_shots;
    bool has_goal, has_rip;
    bool add;                           /* checkpoints to the recording */
    uint64_t every;                     /* ... so many instructions apart */
    bool no_checkpoints;                /* those that the recording has are not used */
    uint64_t goal, rip;                 /* instructions; address */
    const char *text;                   /* on the first serial port; NULL: none */
    size_t matched;
    bool found, skipped;
    struct machine *machine;
};

struct replay_row {
    const char *name, *takes, *help;
    struct err (*set)(struct replay *r, const char *value);
};

static struct err set_goto(struct replay *r, const char *value)
{
    const char *rest;

    r->has_goal = true;
    if (!options_number(value, &r->goal, &rest) || *rest != '\0')
        return err_make(ERR_USAGE, "--goto %s: give a number of instructions", value);
    return OK;
}

static struct err set_until(struct replay *r, const char *value)
{
    const char *rest;

    if (strncmp(value, "insns=", 6) == 0)
        return set_goto(r, value + 6);
    if (strncmp(value, "serial=", 7) == 0 && value[7] != '\0') {
        r->text = value + 7;
        return OK;
    }
    if (strncmp(value, "rip=", 4) == 0 && options_number(value + 4, &r->rip, &rest) && *rest == '\0') {
        r->has_rip = true;
        return OK;
    }
    return err_make(ERR_USAGE, "--until %s: insns=N, rip=ADDRESS and serial=TEXT are known", value);
}

static struct err set_screenshot(struct replay *r, const char *value)
{
    struct shot s = { 0 };
    const char *rest;
    unsigned at = r->nshots;

    if (!options_number(value, &s.insns, &rest) || (*rest != '\0' && (*rest != '=' || rest[1] == '\0')))
        return err_make(ERR_USAGE, "--screenshot-at %s: give a number of instructions, and =FILE if you like", value);
    if (at == MAX_SHOTS)
        return err_make(ERR_USAGE, "--screenshot-at: at most %d of them", MAX_SHOTS);
    if (*rest == '=')
        s.file = rest + 1;
    for (; at > 0 && r->shots[at - 1].insns > s.insns; at--)
        r->shots[at] = r->shots[at - 1];
    r->shots[at] = s;
    r->nshots++;
    return OK;
}

static struct err set_serial(struct replay *r, const char *value)
{
    r->serial = value;
    return OK;
}

static struct err set_checkpoints(struct replay *r, const char *value)
{
    const char *rest = "";

    r->add = strncmp(value, "add", 3) == 0;
    r->no_checkpoints = r->add || strcmp(value, "off") == 0;
    if (r->add && value[3] != '\0' && (strncmp(value + 3, ",every=", 7) != 0 || !options_number(value + 10, &r->every, &rest) || r->every == 0))
        rest = "?";
    if (!r->no_checkpoints || *rest != '\0')
        return err_make(ERR_USAGE, "--checkpoints %s: add, add,every=INSNS and off are known", value);
    return OK;
}

static const struct replay_row rows[] = {
    { "goto",          "INSNS",        "stop there", set_goto },
    { "until",         "insns=N|rip=ADDRESS|serial=TEXT", "stop when so many instructions ran, when one at ADDRESS is next,\n"
      "        when the first serial port has sent TEXT", set_until },
    { "screenshot-at", "INSNS[=FILE]", "write the screen at that instruction; a picture unless FILE ends otherwise than in .ppm", set_screenshot },
    { "checkpoints",   "add[,every=INSNS]|off", "add checkpoints to the recording, for going quickly to any instant; do not use those it has", set_checkpoints },
    { "serial",        "FILE",         "write what the first serial port sends there (default: standard output)", set_serial },
};

void replay_help(void)
{
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        printf("  --%s %s\n        %s\n", rows[k].name, rows[k].takes, rows[k].help);
    puts("  and of the options of run:");
    options_host_help();
}

static const struct replay_row *find_row(const char *arg)
{
    arg += arg[0] == '-' && arg[1] == '-';
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (arg[0] == '-' && strcmp(arg + 1, rows[k].name) == 0)
            return &rows[k];
    return NULL;
}

/* Ours are taken out; the others, moved together, are left for options_parse_host(). */
static struct err parse(struct replay *r, int *nargs, char **args)
{
    int left = 0;

    for (int k = 0; k < *nargs; k++) {
        const struct replay_row *row = find_row(args[k]);

        if (row != NULL) {
            if (++k == *nargs)
                return err_make(ERR_USAGE, "--%s needs a value: %s", row->name, row->takes);
            TRY(row->set(r, args[k]));
        } else if (args[k][0] != '-' && r->path == NULL && (left == 0 || !options_takes_value(args[left - 1]))) {
            r->path = args[k];
        } else {
            args[left++] = args[k];
        }
    }
    *nargs = left;
    return r->path != NULL ? OK : err_make(ERR_USAGE, "replay needs the name of a recording");
}

/* ---- running ---- */

static void on_serial(void *arg, uint8_t byte)
{
    struct replay *r = arg;

    /* A text that begins anew inside itself ("aab" in "aaab"): fall back as far as what was seen is a beginning of it. */
    while (r->matched > 0 && (uint8_t)r->text[r->matched] != byte) {
        size_t shorter = r->matched - 1;

        while (shorter > 0 && memcmp(r->text, r->text + r->matched - shorter, shorter) != 0)
            shorter--;
        r->matched = shorter;
    }
    if ((uint8_t)r->text[r->matched] == byte)
        r->matched++;
    if (r->text[r->matched] == '\0') {
        r->found = true;
        r->matched = 0;
        machine_pause(r->machine);
    }
}

static void on_tick(void *arg)
{
    struct replay *r = arg;
    static unsigned ticks;

    if (++ticks % 12 == 0 && r->about.insns > 0)
        fprintf(stderr, "\r%3u%%  %" PRIu64 " million instructions ", (unsigned)(machine_insns(r->machine) * 100 / r->about.insns),
                machine_insns(r->machine) / 1000000);
}

static struct err take_shots(struct replay *r)
{
    while (r->done_shots < r->nshots && r->shots[r->done_shots].insns <= machine_insns(r->machine)) {
        struct shot *s = &r->shots[r->done_shots++];

        if (s->file == NULL) {
            snprintf(s->room, sizeof s->room, "screen-%" PRIu64 ".ppm", s->insns);
            s->file = s->room;
        }
        TRY(screen_write(r->machine, s->file));
    }
    return OK;
}

/* An instruction at --until rip= is a breakpoint, which no guest notices. */
static enum run run_to_break(struct replay *r, uint64_t instructions)
{
    struct debug_stop stop = debug_run(machine_debug(r->machine), instructions);

    r->found = stop.why == DEBUG_BREAK;
    return stop.why == DEBUG_END ? stop.how : RUN_LIMIT;
}

/* The first stretch ends at the point `to`, and nobody listens on the way: it may be left out. */
static struct err skip(struct replay *r, uint64_t to)
{
    if (r->skipped || r->no_checkpoints || to == UINT64_MAX || r->has_rip || r->text != NULL || r->serial != NULL)
        return OK;
    r->skipped = true;
    return replay_skip(r->machine, to);
}

/* Up to the next point where something is to be done. */
static enum run run_piece(struct replay *r)
{
    uint64_t now = machine_insns(r->machine), to = UINT64_MAX;
    enum run why = RUN_LIMIT;
    struct err e;

    if (r->done_shots < r->nshots)
        to = r->shots[r->done_shots].insns;
    if (r->has_goal && r->goal < to)
        to = r->goal;
    if (to <= now)
        return RUN_LIMIT;
    e = skip(r, to);
    if (failed(&e)) {
        complain(&e);
        return RUN_FAILED;
    }
    now = machine_insns(r->machine);
    if (r->has_rip)
        return run_to_break(r, to - now);
    if ((r->options.display != DISPLAY_SDL && r->options.gdb == NULL) || to != UINT64_MAX)
        return machine_run(r->machine, to - now);
    e = frontend_show(&r->options, r->machine, &why);
    if (failed(&e)) {
        complain(&e);
        why = RUN_FAILED;
    }
    return why;
}

static bool arrived(const struct replay *r)
{
    return r->found || (r->has_goal && machine_insns(r->machine) >= r->goal);
}

static void say_where(const struct replay *r)
{
    struct machine_where where;

    machine_where(r->machine, &where);
    fprintf(stderr, "partita: at instruction %" PRIu64 ", %" PRIu64 ".%09" PRIu64 " s: processor %u of %u is next, at %016" PRIx64 "\n",
            where.insns, where.ns / 1000000000, where.ns % 1000000000, where.vp, where.vps, where.rip);
}

static int run(struct replay *r)
{
    const bool asked = r->has_goal || r->has_rip || r->text != NULL;
    enum run why = RUN_LIMIT;
    struct err e = OK;

    while (why == RUN_LIMIT && !failed(&e) && !arrived(r)) {
        why = run_piece(r);
        e = take_shots(r);
    }
    if (failed(&e))
        return complain(&e);
    if (why != RUN_LIMIT && why != RUN_DIFFERS && why != RUN_QUIT && asked)
        fprintf(stderr, "partita: the recording ends at instruction %" PRIu64 ", before that point\n", machine_insns(r->machine));
    if (arrived(r))
        say_where(r);
    else if (why != RUN_DIFFERS)
        fprintf(stderr, "partita: replayed %" PRIu64 " instructions, %" PRIu64 " hashes equal\n", machine_insns(r->machine),
                machine_hashes_equal(r->machine));
    return arrived(r) ? STATUS_OK : status_of(r->machine, why);
}

static int finish(struct replay *r, int status)
{
    struct err e = r->options.screen == NULL ? OK : screen_write(r->machine, r->options.screen);

    if (failed(&e))
        status = complain(&e);
    e = r->options.snapshot_save == NULL ? OK : machine_save(r->machine, r->options.snapshot_save);
    if (failed(&e))
        status = complain(&e);
    e = code_dump_end();
    if (failed(&e))
        status = complain(&e);
    e = r->options.stats == NULL ? OK : machine_write_stats(r->machine, r->options.stats, 0);
    if (failed(&e))
        status = complain(&e);
    return status;
}

/* Where the first port's output goes: the file that was asked for, standard output, or nowhere if nobody watched it then. */
static void choose_serial(struct replay *r, struct machine_config *cfg)
{
    static char spec[4100];

    if (cfg->serial[0] == NULL && r->serial == NULL)
        return;
    snprintf(spec, sizeof spec, r->serial == NULL || strcmp(r->serial, "-") == 0 ? "stdio" : "file:%s", r->serial);
    cfg->serial[0] = spec;
}

static struct err start(struct replay *r, int nargs, char **args)
{
    struct machine_config cfg;

    TRY(parse(r, &nargs, args));
    TRY(recording_open(&r->recording, r->path));
    recording_about(r->recording, &r->about);
    recording_config(r->recording, &cfg);
    TRY(options_parse_host(&r->options, &cfg, nargs, args));
    if (r->add && (r->has_goal || r->has_rip || r->text != NULL))
        return err_make(ERR_USAGE, "--checkpoints add replays all of a recording: without --goto and --until");
    if (r->add && r->about.whole)
        return err_make(ERR_USAGE, "'%s' has all its checkpoints already", r->path);
    r->options.machine.add_checkpoints = r->add;
    r->options.machine.checkpoints = r->every;
    if (r->options.snapshot_at != 0)
        return err_make(ERR_USAGE, "-snapshot-save ...,at= is for run; replay saves where it stops, by --goto");
    choose_serial(r, &r->options.machine);
    TRY(code_dump_start(&r->options.machine, &r->options.dump));
    r->options.machine.count_handlers = r->options.stats != NULL;
    return machine_create(&r->machine, &r->options.machine);
}

int command_replay(int nargs, char **args)
{
    struct replay *r = calloc(1, sizeof *r);
    const bool terminal = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    struct err e;
    int status;

    if (r == NULL)
        return STATUS_HOST;
    e = start(r, nargs, args);
    if (failed(&e)) {
        status = complain(&e);
    } else {
        if (r->has_rip && !debug_add(machine_debug(r->machine), &(struct point){ .kind = POINT_BREAK, .at = r->rip }))
            r->has_rip = false;
        machine_on_hash(r->machine, print_hash, NULL);
        if (r->text != NULL)
            machine_on_serial(r->machine, on_serial, r);
        if (terminal)
            machine_on_tick(r->machine, on_tick, r);
        signals_to(r->machine);
        status = run(r);
        signals_to(NULL);
        status = finish(r, status);
    }
    machine_free(r->machine);
    recording_close(r->recording);
    options_free(&r->options);
    free(r);
    return status;
}
