/* SPDX-License-Identifier: MIT
 * TAP in and out, and JUnit XML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "conform/suite.h"

static char *keep(const char *from, size_t len)
{
    char *text = strndup(from, len);

    invariant(text != NULL, "out of memory for the results");
    return text;
}

/* A failure in one run weighs more than a pass in another, a pass more than a skip. */
static void take(struct result *r, enum outcome outcome, const char *detail, size_t len)
{
    static const int weight[] = { [NOT_RUN] = 0, [SKIPPED] = 1, [PASSED] = 2, [FAILED] = 3 };

    if (weight[outcome] <= weight[r->outcome])
        return;
    free(r->detail);
    r->outcome = outcome;
    r->detail = detail == NULL ? NULL : keep(detail, len);
}

static void take_line(struct suite *s, enum side side, const char *line, size_t len)
{
    bool failed = strncmp(line, "not ok ", 7) == 0;
    const char *dash, *id, *end = line + len, *hash = NULL;
    struct clause *c;

    if (!failed && strncmp(line, "ok ", 3) != 0)
        return;
    dash = strstr(line, " - ");
    if (dash == NULL || dash >= end)
        return;
    id = dash + 3;
    c = suite_find(s, id, strcspn(id, " \r\n"));
    if (c == NULL)
        return;
    for (const char *at = id; at + 7 <= end; at++)
        if (strncmp(at, "# SKIP", 6) == 0)
            hash = at;
    if (hash != NULL)
        take(&c->results[side], SKIPPED, hash + 6 + (hash[6] == ' '), (size_t)(end - hash) - 6 - (hash[6] == ' '));
    else
        take(&c->results[side], failed ? FAILED : PASSED, NULL, 0);
}

/* "#   ID: why" */
static void take_detail(struct suite *s, enum side side, const char *line, size_t len)
{
    const char *id = line + 4, *colon = memchr(line, ':', len);
    struct clause *c;

    if (strncmp(line, "#   ", 4) != 0 || colon == NULL)
        return;
    c = suite_find(s, id, (size_t)(colon - id));
    if (c == NULL || c->results[side].outcome != FAILED || (size_t)(colon - line) + 2 > len)
        return;
    free(c->results[side].detail);
    c->results[side].detail = keep(colon + 2, len - (size_t)(colon - line) - 2);
}

static void take_about(struct suite *s, enum side side, const char *line, size_t len)
{
    if (strncmp(line, "# hypervisor: ", 14) == 0 && s->about[side] == NULL)
        s->about[side] = keep(line + 14, len - 14);
}

void tap_take(struct suite *s, enum side side, const char *log)
{
    s->ran[side] = true;
    while (*log != '\0') {
        size_t all = strcspn(log, "\n"), len = all;

        while (len > 0 && log[len - 1] == '\r')
            len--;
        take_line(s, side, log, len);
        take_detail(s, side, log, len);
        take_about(s, side, log, len);
        log += all + (log[all] == '\n');
    }
}

/* ---- out ---- */

static void put(struct writer *w, const char *text) { writer_copy(w, text, strlen(text)); }

static void put_xml(struct writer *w, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&': put(w, "&amp;"); break;
        case '<': put(w, "&lt;"); break;
        case '>': put(w, "&gt;"); break;
        case '"': put(w, "&quot;"); break;
        default:
            if ((unsigned char)*text >= ' ')
                writer_uint(w, 1, (unsigned char)*text);
        }
    }
}

static struct err write_out(struct writer *w, const char *path)
{
    struct err e = file_write_all(path, w->bytes, w->len);

    writer_free(w);
    return e;
}

struct err write_tap(const struct suite *s, const char *path)
{
    struct writer w = { 0 };
    char line[64];
    unsigned n = 0, number = 0;

    for (size_t k = 0; k < s->n; k++)
        n += s->clauses[k].results[HERE].outcome != NOT_RUN;
    put(&w, "TAP version 13\n");
    if (s->about[HERE] != NULL) {
        put(&w, "# hypervisor: ");
        put(&w, s->about[HERE]);
        put(&w, "\n");
    }
    snprintf(line, sizeof line, "1..%u\n", n);
    put(&w, line);
    for (size_t k = 0; k < s->n; k++) {
        const struct clause *c = &s->clauses[k];
        const struct result *r = &c->results[HERE];

        if (r->outcome == NOT_RUN)
            continue;
        snprintf(line, sizeof line, "%sok %u - ", r->outcome == FAILED ? "not " : "", ++number);
        put(&w, line);
        put(&w, c->id);
        put(&w, " ");
        put(&w, c->title != NULL ? c->title : c->statement);
        if (r->outcome == SKIPPED) {
            put(&w, " # SKIP ");
            put(&w, r->detail != NULL ? r->detail : "");
        }
        put(&w, "\n");
        if (r->outcome == FAILED) {
            put(&w, "#   ");
            put(&w, c->id);
            put(&w, ": ");
            put(&w, r->detail != NULL ? r->detail : "failed");
            put(&w, "\n");
        }
    }
    return write_out(&w, path);
}

static void junit_case(struct writer *w, const struct clause *c)
{
    const struct result *r = &c->results[HERE];

    put(w, "  <testcase classname=\"tlfs.");
    put_xml(w, c->section);
    put(w, "\" name=\"");
    put_xml(w, c->id);
    put(w, " ");
    put_xml(w, c->title != NULL ? c->title : c->statement);
    put(w, "\"");
    if (r->outcome == PASSED) {
        put(w, "/>\n");
        return;
    }
    put(w, r->outcome == FAILED ? "><failure message=\"" : "><skipped message=\"");
    put_xml(w, r->detail != NULL ? r->detail : "");
    put(w, "\"/></testcase>\n");
}

struct err write_junit(const struct suite *s, const char *path)
{
    struct counts n = suite_count(s, NULL);
    struct writer w = { 0 };
    char line[160];

    snprintf(line, sizeof line, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<testsuite name=\"TLFS\" tests=\"%u\" failures=\"%u\" skipped=\"%u\">\n", n.passed + n.failed + n.skipped,
                 n.failed, n.skipped);
    put(&w, line);
    for (size_t k = 0; k < s->n; k++)
        if (s->clauses[k].results[HERE].outcome != NOT_RUN)
            junit_case(&w, &s->clauses[k]);
    put(&w, "</testsuite>\n");
    return write_out(&w, path);
}
