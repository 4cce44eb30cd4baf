/* SPDX-License-Identifier: MIT
 * The clauses, their tests, and what came of them. */
#ifndef CONFORM_SUITE_H
#define CONFORM_SUITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum outcome { NOT_RUN, PASSED, FAILED, SKIPPED };
enum side { HERE, REFERENCE, SIDES };

struct result {
    enum outcome outcome;
    char *detail;                   /* why it failed or was skipped; NULL: nothing said */
};

struct clause {
    const char *id, *section, *kind, *testable, *statement, *note;      /* of clauses.tsv */
    const char *title;              /* what the test proves; NULL: no test */
    const char *reason;             /* why there is no test; NULL: none stated */
    const char *choice;             /* what Partita does where the text leaves it open, or settles a contradiction */
    const char *source, *file;      /* source_len bytes */
    size_t source_len;
    unsigned line;
    struct result results[SIDES];
};

struct suite {
    struct clause *clauses;
    size_t n, room;
    char *text;                     /* that the clauses point into */
    char *reasons, *choices, *requirements;
    bool ran[SIDES];
    char *about[SIDES];             /* the "# hypervisor:" lines of the log */
    char *names[SIDES];
};

/* testable: a must, by a guest alone, and not of the chapters that come later. */
struct counts { unsigned clauses, testable, with_test, reasons, later, passed, failed, skipped; };

struct err suite_load(struct suite *s) MUST_USE;
void       suite_free(struct suite *s);
struct clause *suite_find(struct suite *s, const char *id, size_t len);
struct counts suite_count(const struct suite *s, const char *chapter);     /* NULL: all; "7" */
bool       clause_testable(const struct clause *c);     /* by a guest alone, and a must */
const char *outcome_name(enum outcome o);

/* Takes the results of a TAP log. Lines of our guest: "ok 12 - ID text", "# SKIP why"; "#   ID: why" after a failure. */
void       tap_take(struct suite *s, enum side side, const char *log);

struct err write_tap(const struct suite *s, const char *path) MUST_USE;
struct err write_junit(const struct suite *s, const char *path) MUST_USE;
struct err write_html(const struct suite *s, const char *path) MUST_USE;

#endif
