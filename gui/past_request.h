/* SPDX-License-Identifier: MIT
 * Questions to the past as people type them, on the command line and to gdb's monitor, and the answers as lines of JSON. */
#ifndef GUI_PAST_REQUEST_H
#define GUI_PAST_REQUEST_H

#include "base/symbols.h"
#include "machine/past.h"

struct past_request {
    const char *text;               /* the question; NULL: none yet */
    bool all;
    uint64_t from, at, limit, nth, back;
    uint64_t cr3;                   /* UINT64_MAX: that of `space` */
    unsigned vp, space;
    const char *symbol_file;
    struct symbols *symbols;
    struct past_question what;      /* by past_request_run() */
};

void past_request_init(struct past_request *r);
void past_request_free(struct past_request *r);

/* How many words from the first on are its own: 0: none. */
struct err past_request_take(struct past_request *r, char *const *words, int n, int *taken) MUST_USE;

/* Answers, a line each, without its end; "{}" when there is none. */
struct err past_request_run(struct past_request *r, struct debug *d, void (*line)(void *arg, const char *text), void *arg) MUST_USE;

void past_request_help(void (*line)(void *arg, const char *text), void *arg);

#endif
