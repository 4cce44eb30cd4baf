/* SPDX-License-Identifier: MIT */
#include "base/invariant.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define HOOKS 8

static struct { void (*dump)(void *arg); void *arg; } hooks[HOOKS];
static unsigned nhooks;

void invariant_on_failure(void (*dump)(void *arg), void *arg)
{
    if (nhooks < HOOKS) {
        hooks[nhooks].dump = dump;
        hooks[nhooks++].arg = arg;
    }
}

void invariant_failed(const char *file, int line, const char *cond, const char *format, ...)
{
    static bool failing;
    va_list args;

    fprintf(stderr, "partita: bug at %s:%d: %s: ", file, line, cond);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (!failing) {
        failing = true;     /* a hook that fails in turn must not loop */
        while (nhooks > 0) {
            nhooks--;
            hooks[nhooks].dump(hooks[nhooks].arg);
        }
    }
    abort();
}
