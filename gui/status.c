/* SPDX-License-Identifier: MIT */
#include "gui/status.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static struct machine *running;

static void on_signal(int number)
{
    /* The second signal ends a program that does not come back. */
    signal(number, SIG_DFL);
    if (running != NULL)
        machine_interrupt(running);
}

void signals_to(struct machine *m)
{
    running = m;
    if (m == NULL)
        return;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
}

int complain(const struct err *e)
{
    fprintf(stderr, "partita: %s\n", e->text);
    return e->code == ERR_USAGE || e->code == ERR_FORMAT || e->code == ERR_UNSUPPORTED || e->code == ERR_IO ? STATUS_USAGE : STATUS_HOST;
}

void print_hash(void *arg, uint64_t insns, uint64_t hash)
{
    (void)arg;
    fflush(stdout);
    fprintf(stderr, "insns=%" PRIu64 " hash=%016" PRIx64 "\n", insns, hash);
}

int status_of(struct machine *m, enum run why)
{
    switch (why) {
    case RUN_POWEROFF:
    case RUN_LIMIT:
    case RUN_RECORDING_LEFT: return STATUS_OK;
    case RUN_DEBUG_EXIT:   return (int)((machine_exit_value(m) << 1 | 1) & 0xff);
    case RUN_TRIPLE_FAULT: return STATUS_TRIPLE_FAULT;
    case RUN_RESET:        return STATUS_RESET;
    case RUN_STOP_AT:      return STATUS_STOP_AT;
    case RUN_QUIT:         return STATUS_QUIT;
    case RUN_HALTED:
        fprintf(stderr, "partita: every processor is halted and nothing can wake one\n");
        return STATUS_HALTED;
    case RUN_RECORDING_CUT:
        fprintf(stderr, "partita: the recording is cut short here, at instruction %" PRIu64 "\n", machine_insns(m));
        return STATUS_CUT_SHORT;
    case RUN_DIFFERS:
        fprintf(stderr, "partita: %s\n", machine_error(m));
        return STATUS_DIFFERS;
    case RUN_BREAK:
    case RUN_FAILED:
        break;
    }
    fprintf(stderr, "partita: %s\n", machine_error(m));
    return STATUS_HOST;
}
