/* SPDX-License-Identifier: MIT
 * `partita past`: questions to the past of a recording; a line of JSON for each answer. */
#include "gui/past.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gui/options.h"
#include "gui/past_request.h"
#include "gui/status.h"
#include "machine/replay.h"

struct past {
    const char *path;
    struct past_request request;
    struct recording *recording;
    struct options options;
    struct machine *machine;
    struct recording_about about;
    uint64_t told;                  /* host time when somebody was told how far it is; 0: never */
};

#define WITHOUT ((uint64_t)1 << 28)     /* instructions run again: that is noticed */
#define PATIENCE_NS 1000000000u

static void print(void *arg, const char *text)
{
    (void)arg;
    puts(text);
}

void past_help(void)
{
    puts("  partita past FILE QUESTION [--at N] [--from N] [--all [--limit N]] [--nth N] [--vp N] [--symbols FILE] [--back N]\n"
         "        [host options of run]: the last time up to --at, or each time, as JSON");
    past_request_help(print, NULL);
}

/* Ours are taken out, the others left together at the start. */
static struct err parse(struct past *p, int *nargs, char **args)
{
    int left = 0, taken;

    for (int k = 0; k < *nargs; k += taken) {
        const bool value = left > 0 && options_takes_value(args[left - 1]) && args[left - 1] == args[k - 1];

        taken = 0;
        if (!value)
            TRY(past_request_take(&p->request, args + k, *nargs - k, &taken));
        if (taken != 0)
            continue;
        taken = 1;
        if (args[k][0] != '-' && p->path == NULL && !value)
            p->path = args[k];
        else
            args[left++] = args[k];
    }
    *nargs = left;
    return p->path != NULL && p->request.text != NULL
           ? OK : err_make(ERR_USAGE, "past: give a recording and a question such as write:0x1000+8");
}

static struct err start(struct past *p, int nargs, char **args)
{
    struct machine_config cfg;

    TRY(parse(p, &nargs, args));
    TRY(recording_open(&p->recording, p->path));
    recording_about(p->recording, &p->about);
    if (p->request.at > p->about.insns)
        p->request.at = p->about.insns;
    recording_config(p->recording, &cfg);
    cfg.replay_blind = true;
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)      /* the ports stay, what they said is known */
        if (cfg.serial[k] != NULL)
            cfg.serial[k] = "null";
    TRY(options_parse_host(&p->options, &cfg, nargs, args));
    return machine_create(&p->machine, &p->options.machine);
}

/* To who sits before it. */
static void progress(void *arg)
{
    struct past *p = arg;
    const uint64_t now = debug_host_ns();

    if (p->told == 0)
        p->told = now;
    if (now - p->told < PATIENCE_NS)
        return;
    p->told = now;
    fprintf(stderr, "\rpartita: looking at instruction %" PRIu64 " of %" PRIu64 "\033[K\r", machine_insns(p->machine), p->request.at);
}

static struct err answer(struct past *p)
{
    struct debug *d = machine_debug(p->machine);
    struct err e;

    TRY(debug_travel(d));
    if (isatty(STDERR_FILENO))
        debug_on_poll(d, progress, p);
    e = past_request_run(&p->request, d, print, NULL);
    if (p->told != 0)
        fputs("\033[K", stderr);
    if (!failed(&e) && p->about.checkpoints == 0 && machine_ran(p->machine) >= WITHOUT)
        fprintf(stderr, "partita: '%s' has no checkpoints: once `partita replay FILE --checkpoints add` has made them, questions take less time\n",
                p->path);
    return e;
}

int command_past(int nargs, char **args)
{
    struct past p = { 0 };
    struct err e;
    int status = STATUS_OK;

    past_request_init(&p.request);
    e = start(&p, nargs, args);
    if (!failed(&e))
        e = answer(&p);
    if (failed(&e))
        status = complain(&e);
    if (failed(&e) && (p.path == NULL || p.request.text == NULL))
        past_help();
    machine_free(p.machine);
    recording_close(p.recording);
    options_free(&p.options);
    past_request_free(&p.request);
    return status;
}
