/* SPDX-License-Identifier: MIT
 * `partita diverge`: a recording replayed twice, the second time with other options; which instruction makes the difference? */
#include "gui/diverge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gui/options.h"
#include "gui/status.h"
#include "machine/diverge.h"
#include "machine/replay.h"

struct twins {
    struct recording *recording;
    struct options options;         /* of the second */
    struct machine *first, *second;
    struct divergence found;
};

static struct err make(struct twins *t, int nargs, char **args)
{
    static char interp[] = "interp", accel[] = "-accel";
    char *engines[] = { accel, interp };
    struct machine_config cfg;

    if (nargs < 1 || args[0][0] == '-' || (nargs > 1 && strcmp(args[1], "--") != 0))
        return err_make(ERR_USAGE, "diverge: give a recording, and after -- the options of the second machine");
    TRY(recording_open(&t->recording, args[0]));
    recording_config(t->recording, &cfg);
    cfg.replay_blind = true;
    if (nargs > 2)
        TRY(options_parse_over(&t->options, &cfg, nargs - 2, args + 2));
    else
        TRY(options_parse_over(&t->options, &cfg, 2, engines));
    TRY(machine_create(&t->first, &cfg));
    return machine_create(&t->second, &t->options.machine);
}

static void print(const struct divergence *d)
{
    if (!d->found) {
        printf("no difference in %" PRIu64 " instructions\n", d->equal_until);
        return;
    }
    if (d->within == 0) {
        printf("different before the first instruction\n%s\n", d->what);
        return;
    }
    printf("equal until instruction %" PRIu64 "; %s after %" PRIu64 " more\n", d->equal_until, d->within > 1 ? "not" : "different",
           d->within);
    printf("processor %u, %016" PRIx64 ":", d->vp, d->rip);
    for (unsigned k = 0; k < d->code_len; k++)
        printf(" %02x", d->code[k]);
    printf("\n%s\n", d->what);
}

int command_diverge(int nargs, char **args)
{
    struct twins t = { 0 };
    struct err e = make(&t, nargs, args);
    int status = STATUS_OK;

    if (!failed(&e))
        e = machine_diverge(t.first, t.second, &t.found);
    if (failed(&e)) {
        status = complain(&e);
    } else {
        print(&t.found);
        status = t.found.found ? STATUS_DIFFERS : STATUS_OK;
    }
    machine_free(t.first);
    machine_free(t.second);
    recording_close(t.recording);
    options_free(&t.options);
    return status;
}
