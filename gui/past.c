/* SPDX-License-Identifier: MIT
 * `partita past`: who last did it before an instant of a recording, and every time; a line of JSON for each answer. */
#include "gui/past.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gui/options.h"
#include "gui/status.h"
#include "machine/past.h"
#include "machine/replay.h"

struct past {
    const char *path;
    struct point what;
    bool asked, all;
    uint64_t at, limit, answers;
    struct recording *recording;
    struct options options;
    struct machine *machine;
};

static const struct { const char *name; enum point_kind kind; bool physical; } kinds[] = {
    { "write:", POINT_WRITE, false }, { "read:", POINT_READ, false }, { "access:", POINT_ACCESS, false },
    { "pwrite:", POINT_WRITE, true }, { "pread:", POINT_READ, true }, { "paccess:", POINT_ACCESS, true },
    { "reached:", POINT_BREAK, false },
};

void past_help(void)
{
    puts("  partita past FILE QUESTION [--at INSNS] [--all [--limit N]] [host options of run]\n"
         "        QUESTION: write:ADDRESS[+LENGTH], read:, access:, the same of physical addresses by pwrite:, pread:, paccess:,\n"
         "        or reached:ADDRESS of an instruction. The last time up to --at (default: the end), with --all each time.");
}

static bool is_question(const char *arg)
{
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strncmp(arg, kinds[k].name, strlen(kinds[k].name)) == 0)
            return true;
    return false;
}

static struct err set_question(struct past *p, const char *arg)
{
    const char *rest = strchr(arg, ':') + 1;

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strncmp(arg, kinds[k].name, strlen(kinds[k].name)) == 0)
            p->what = (struct point){ kinds[k].kind, kinds[k].physical, 0, 1 };
    p->asked = options_number(rest, &p->what.at, &rest);
    if (p->asked && *rest == '+')
        p->asked = options_number(rest + 1, &p->what.len, &rest) && p->what.len > 0;
    return p->asked && *rest == '\0' ? OK : err_make(ERR_USAGE, "past %s: give an address, and +LENGTH if you like", arg);
}

/* Ours are taken out, the others left together at the start. */
static struct err parse(struct past *p, int *nargs, char **args)
{
    const char *rest = "";
    int left = 0;

    p->limit = p->at = UINT64_MAX;
    for (int k = 0; k < *nargs; k++) {
        if (is_question(args[k]))
            TRY(set_question(p, args[k]));
        else if (strcmp(args[k], "--all") == 0)
            p->all = true;
        else if ((strcmp(args[k], "--at") == 0 || strcmp(args[k], "--limit") == 0) && k + 1 < *nargs) {
            if (!options_number(args[k + 1], args[k][2] == 'a' ? &p->at : &p->limit, &rest) || *rest != '\0')
                return err_make(ERR_USAGE, "past %s %s: give a number", args[k], args[k + 1]);
            k++;
        } else if (args[k][0] != '-' && p->path == NULL && (left == 0 || !options_takes_value(args[left - 1])))
            p->path = args[k];
        else
            args[left++] = args[k];
    }
    *nargs = left;
    return p->path != NULL && p->asked ? OK : err_make(ERR_USAGE, "past: give a recording and a question such as write:0x1000+8");
}

static struct err start(struct past *p, int nargs, char **args)
{
    struct recording_about about;
    struct machine_config cfg;

    TRY(parse(p, &nargs, args));
    TRY(recording_open(&p->recording, p->path));
    recording_about(p->recording, &about);
    if (p->at > about.insns)
        p->at = about.insns;
    recording_config(p->recording, &cfg);
    cfg.replay_blind = true;
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)      /* the ports stay, what they said is known */
        if (cfg.serial[k] != NULL)
            cfg.serial[k] = "null";
    TRY(options_parse_host(&p->options, &cfg, nargs, args));
    return machine_create(&p->machine, &p->options.machine);
}

static void print_bytes(const char *name, const uint8_t *bytes, unsigned n)
{
    printf(", \"%s\": \"", name);
    for (unsigned k = 0; k < n; k++)
        printf("%02x", bytes[k]);
    printf("\"");
}

static bool print(void *arg, const struct past_answer *a)
{
    struct past *p = arg;
    const struct point_hit *h = &a->hit;

    printf("{\"insns\": %" PRIu64, a->insns);
    if (h->vp != POINT_NOBODY)
        printf(", \"vp\": %u, \"rip\": \"%#" PRIx64 "\"", h->vp, h->rip);
    if (h->point.kind != POINT_BREAK) {
        printf(", \"%s\": \"%#" PRIx64 "\", \"bytes\": %u, \"wrote\": %s", h->point.physical ? "physical" : "address", h->at, h->bytes,
               h->wrote ? "true" : "false");
        if (h->has_old)
            print_bytes("old", h->old, h->bytes);
        print_bytes("now", h->now, h->bytes);
    }
    puts("}");
    return ++p->answers < p->limit;
}

static struct err answer(struct past *p)
{
    struct debug *d = machine_debug(p->machine);
    struct past_answer last = { 0 };

    TRY(debug_travel(d));
    if (p->all)
        return past_each(d, &p->what, p->at, print, p);
    TRY(past_last(d, &p->what, p->at, &last));
    if (last.found)
        (void)print(p, &last);
    return OK;
}

int command_past(int nargs, char **args)
{
    struct past p = { 0 };
    struct err e = start(&p, nargs, args);
    int status = STATUS_OK;

    if (!failed(&e))
        e = answer(&p);
    if (failed(&e))
        status = complain(&e);
    if (failed(&e) && p.path == NULL)
        past_help();
    if (!failed(&e) && p.answers == 0)
        puts("{}");
    machine_free(p.machine);
    recording_close(p.recording);
    options_free(&p.options);
    return status;
}
