/* SPDX-License-Identifier: MIT
 * Reads the tables that were built in, and finds the source of each test among the sources that were built in. */
#include "conform/suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/invariant.h"
#include "conform/embedded.h"

static char *copy_text(const unsigned char *bytes)
{
    char *text = strdup((const char *)bytes);

    invariant(text != NULL, "out of memory for the clauses");
    return text;
}

/* Cuts the next line off *at; false at the end. Comments and the header line are the caller's. */
static bool next_line(char **at, char **line)
{
    if (**at == '\0')
        return false;
    *line = *at;
    *at += strcspn(*at, "\n");
    if (**at == '\n')
        *(*at)++ = '\0';
    return true;
}

static char *next_field(char **line)
{
    char *field = *line;

    *line += strcspn(*line, "\t");
    if (**line == '\t')
        *(*line)++ = '\0';
    return field;
}

static struct clause *add_clause(struct suite *s)
{
    if (s->n == s->room) {
        s->room = s->room == 0 ? 512 : s->room * 2;
        s->clauses = realloc(s->clauses, s->room * sizeof *s->clauses);
        invariant(s->clauses != NULL, "out of memory for the clauses");
    }
    s->clauses[s->n] = (struct clause){ 0 };
    return &s->clauses[s->n++];
}

static void load_clauses(struct suite *s)
{
    char *at = s->text, *line;

    while (next_line(&at, &line)) {
        struct clause *c;

        if (line[0] == '#' || strncmp(line, "id\t", 3) == 0 || line[0] == '\0')
            continue;
        c = add_clause(s);
        c->id = next_field(&line);
        c->section = next_field(&line);
        c->kind = next_field(&line);
        c->testable = next_field(&line);
        c->statement = next_field(&line);
        c->note = next_field(&line);
    }
}

/* Rows of requirements.tsv are clauses of a section "R". */
static void load_requirements(struct suite *s)
{
    char *at = s->requirements, *line;

    while (next_line(&at, &line)) {
        struct clause *c;

        if (line[0] != 'R')
            continue;
        c = add_clause(s);
        c->id = next_field(&line);
        c->section = "R";
        c->kind = next_field(&line);
        c->testable = next_field(&line);
        c->statement = next_field(&line);
        c->note = "";
    }
}

struct clause *suite_find(struct suite *s, const char *id, size_t len)
{
    for (size_t k = 0; k < s->n; k++)
        if (strlen(s->clauses[k].id) == len && memcmp(s->clauses[k].id, id, len) == 0)
            return &s->clauses[k];
    return NULL;
}

/* Does the pattern, an id or the beginning of one that ends in '*', mean this id? */
static bool means(const char *pattern, const char *id)
{
    size_t len = strlen(pattern);

    return len > 0 && pattern[len - 1] == '*' ? strncmp(pattern, id, len - 1) == 0 : strcmp(pattern, id) == 0;
}

/* Tables of two columns: clause id (or ID*), text. */
static void load_remarks(struct suite *s, char *at, bool choices)
{
    char *line;

    while (next_line(&at, &line)) {
        const char *pattern;

        if (line[0] == '#' || line[0] == '\0')
            continue;
        pattern = next_field(&line);
        for (size_t k = 0; k < s->n; k++) {
            if (!means(pattern, s->clauses[k].id))
                continue;
            if (choices)
                s->clauses[k].choice = line;
            else if (s->clauses[k].reason == NULL)
                s->clauses[k].reason = line;
        }
    }
}

/* ---- sources ---- */

/* The string literal at or after `at`, without its quotes. */
static const char *literal(const char *at, size_t *len)
{
    const char *from = strchr(at, '"'), *to;

    if (from == NULL)
        return NULL;
    for (to = from + 1; *to != '\0' && (*to != '"' || to[-1] == '\\'); to++)
        ;
    *len = (size_t)(to - from - 1);
    return from + 1;
}

/* A test goes to the line "}" that closes it, or is one statement in parentheses. */
static size_t test_length(const char *at)
{
    const char *line_end = strchr(at, '\n');
    const char *body = strstr(at, "\n{"), *close;

    if (strncmp(at, "CLAUSE_IS(", 10) == 0) {
        const char *next = strstr(at, ")\n");

        return next == NULL ? strlen(at) : (size_t)(next - at) + 1;
    }
    if (line_end != NULL && strrchr(at, '}') != NULL && line_end[-1] == '}')
        return (size_t)(line_end - at);
    if (body == NULL)
        return strlen(at);
    close = strstr(body, "\n}");
    return close == NULL ? strlen(at) : (size_t)(close - at) + 2;
}

static void take_source(struct suite *s, const char *at, const char *file, unsigned line)
{
    size_t len, title_len;
    const char *id = literal(at, &len), *title;
    struct clause *c = id == NULL ? NULL : suite_find(s, id, len);

    if (c == NULL)
        return;
    title = literal(id + len + 1, &title_len);
    if (title == NULL)
        return;
    c->title = strndup(title, title_len);
    invariant(c->title != NULL, "out of memory for the clauses");
    c->file = file;
    c->line = line;
    c->source = at;
    c->source_len = test_length(at);
}

static void load_sources(struct suite *s)
{
    const char *file = "";
    unsigned line = 0;

    for (const char *at = (const char *)conform_sources; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
        line++;
        if (strncmp(at, "=== ", 4) == 0) {
            file = at + 4;
            line = 0;
        } else if (strncmp(at, "CLAUSE(\"", 8) == 0 || strncmp(at, "CLAUSE_IS(\"", 11) == 0 || strncmp(at, "CLAUSE_LAST(\"",
                                                                                                       13) == 0) {
            take_source(s, at, file, line);
        }
    }
}

struct err suite_load(struct suite *s)
{
    *s = (struct suite){ 0 };
    s->text = copy_text(conform_clauses);
    s->requirements = copy_text(conform_requirements);
    s->reasons = copy_text(conform_reasons);
    s->choices = copy_text(conform_choices);
    load_clauses(s);
    load_requirements(s);
    load_remarks(s, s->reasons, false);
    load_remarks(s, s->choices, true);
    load_sources(s);
    return s->n > 0 ? OK : err_make(ERR_FORMAT, "the table of clauses is empty");
}

void suite_free(struct suite *s)
{
    for (size_t k = 0; k < s->n; k++) {
        free((char *)s->clauses[k].title);
        for (int side = HERE; side < SIDES; side++)
            free(s->clauses[k].results[side].detail);
    }
    for (int side = HERE; side < SIDES; side++) {
        free(s->about[side]);
        free(s->names[side]);
    }
    free(s->clauses);
    free(s->text);
    free(s->requirements);
    free(s->reasons);
    free(s->choices);
}

bool clause_testable(const struct clause *c)
{
    return strcmp(c->kind, "must") == 0 && (strcmp(c->testable, "guest") == 0 || strcmp(c->testable, "both") == 0);
}

static bool in_chapter(const struct clause *c, const char *chapter)
{
    size_t len = chapter == NULL ? 0 : strlen(chapter);

    return chapter == NULL || (strncmp(c->section, chapter, len) == 0 && (c->section[len] == '.' ||
                                                                          c->section[len] == '\0'));
}

struct counts suite_count(const struct suite *s, const char *chapter)
{
    struct counts n = { 0 };

    for (size_t k = 0; k < s->n; k++) {
        const struct clause *c = &s->clauses[k];

        if (!in_chapter(c, chapter))
            continue;
        n.clauses++;
        if (clause_testable(c)) {
            bool later = c->title == NULL && c->reason != NULL && strncmp(c->reason, "Later", 5) == 0;

            n.later += later;
            n.testable += !later;
            n.with_test += c->title != NULL;
            n.reasons += !later && c->title == NULL && c->reason != NULL;
        }
        n.passed += c->results[HERE].outcome == PASSED;
        n.failed += c->results[HERE].outcome == FAILED;
        n.skipped += c->results[HERE].outcome == SKIPPED;
    }
    return n;
}

const char *outcome_name(enum outcome o)
{
    static const char *const names[] = { [NOT_RUN] = "none", [PASSED] = "pass", [FAILED] = "fail", [SKIPPED] = "skip" };

    return names[o];
}
