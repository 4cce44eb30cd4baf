/* SPDX-License-Identifier: MIT
 * `partita past`: questions to the past of a recording; a line of JSON for each answer. */
#include "gui/past.h"

#include <stdio.h>
#include <string.h>

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
};

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
    struct recording_about about;
    struct machine_config cfg;

    TRY(parse(p, &nargs, args));
    TRY(recording_open(&p->recording, p->path));
    recording_about(p->recording, &about);
    if (p->request.at > about.insns)
        p->request.at = about.insns;
    recording_config(p->recording, &cfg);
    cfg.replay_blind = true;
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)      /* the ports stay, what they said is known */
        if (cfg.serial[k] != NULL)
            cfg.serial[k] = "null";
    TRY(options_parse_host(&p->options, &cfg, nargs, args));
    return machine_create(&p->machine, &p->options.machine);
}

static struct err answer(struct past *p)
{
    struct debug *d = machine_debug(p->machine);

    TRY(debug_travel(d));
    return past_request_run(&p->request, d, print, NULL);
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
