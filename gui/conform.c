/* SPDX-License-Identifier: MIT */
#include "gui/conform.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attrs.h"
#include "base/file.h"
#include "base/log.h"
#include "conform/run.h"
#include "conform/suite.h"

enum { STATUS_OK = 0, STATUS_NOT_AS_EXPECTED = 1, STATUS_USAGE = 2, STATUS_HOST = 14 };

struct conform {
    struct conform_config run;
    const char *out, *reference, *expect, *log;
};

struct row {
    const char *name, *takes, *help;
    size_t at;                  /* of a const char * in struct conform */
};
static const struct row rows[] = {
    { "o",         "DIRECTORY", "where conform.tap, conform.xml (JUnit) and conform.html go (default conform-report)",
      offsetof(struct conform, out) },
    { "only",      "IDS",       "clauses or sections to run, separated by commas: 7.8.1-03,12.5", offsetof(struct conform,
                                                                                                           run.only) },
    { "reference", "FILE",      "the suite's log on another hypervisor, shown beside this run", offsetof(struct conform,
                                                                                                         reference) },
    { "expect",    "FILE",      "clauses that are to fail, one a line: another failure, or a pass of one of these, is an error",
      offsetof(struct conform, expect) },
    { "log",       "FILE",      "take the results from this log of the guest instead of running it", offsetof(struct conform,
                                                                                                              log) },
    { "hv",        "SPEC",      "the partition, as of run; default: one with everything, then some that lack much",
      offsetof(struct conform, run.machine.hv_spec) },
    { "append",    "STRING",    "more of the guest's command line", offsetof(struct conform, run.append) },
    { "image",     "FILE",      "the guest (default: the one built into this program)", offsetof(struct conform,
                                                                                                 run.image) },
};

void conform_help(void)
{
    for (size_t k = 0; k < COUNT_OF(rows); k++)
        printf("  -%s %s\n        %s\n", rows[k].name, rows[k].takes, rows[k].help);
    puts("  -smp N, -cpu MODEL, -accel interp|jit\n        as of run (default 4 processors)\n"
         "  -write-image FILE\n        write the guest, a Multiboot image for other hypervisors, and end");
}

static struct err set_smp(struct conform *c, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (*value == '\0' || *end != '\0' || n < 1 || n > 16)
        return err_make(ERR_USAGE, "-smp %s: give 1 to 16 processors", value);
    c->run.machine.nvps = (unsigned)n;
    return OK;
}

static struct err set_accel(struct conform *c, const char *value)
{
    c->run.machine.jit = strcmp(value, "jit") == 0;
    if (!c->run.machine.jit && strcmp(value, "interp") != 0)
        return err_make(ERR_USAGE, "-accel %s: interp and jit are known", value);
    if (c->run.machine.jit && !machine_can_translate())
        return err_make(ERR_UNSUPPORTED, "-accel jit: this host has the interpreter only; use -accel interp");
    return OK;
}

static struct err set(struct conform *c, const char *name, const char *value)
{
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        if (strcmp(name, rows[k].name) == 0) {
            *(const char **)((char *)c + rows[k].at) = value;
            return OK;
        }
    }
    if (strcmp(name, "smp") == 0)
        return set_smp(c, value);
    if (strcmp(name, "accel") == 0)
        return set_accel(c, value);
    if (strcmp(name, "cpu") == 0)
        c->run.machine.cpu = value;
    else
        return err_make(ERR_USAGE, "unknown option '-%s' of conform; `partita --help` lists them", name);
    return OK;
}

static struct err parse(struct conform *c, int nargs, char **args)
{
    log_configure("all=quiet");
    *c = (struct conform){ .out = "conform-report" };
    conform_config_default(&c->run);
    for (int k = 0; k < nargs; k += 2) {
        const char *name = args[k] + (args[k][0] == '-') + (args[k][0] == '-' && args[k][1] == '-');

        if (args[k][0] != '-')
            return err_make(ERR_USAGE, "conform takes options only, not '%s'", args[k]);
        if (k + 1 == nargs)
            return err_make(ERR_USAGE, "-%s needs a value", name);
        TRY(set(c, name, args[k + 1]));
    }
    return OK;
}

/* ---- results ---- */

static struct err take_file(struct suite *s, enum side side, const char *path)
{
    struct blob b;
    char *text;

    TRY(file_read_all(path, &b));
    text = calloc(1, b.len + 1);
    if (text != NULL) {
        memcpy(text, b.bytes, b.len);
        tap_take(s, side, text);
        free(text);
    }
    blob_free(&b);
    return text != NULL ? OK : err_make(ERR_MEMORY, "out of memory for '%s'", path);
}

static struct err take_results(const struct conform *c, struct suite *s)
{
    char *log;

    if (c->log != NULL) {
        TRY(take_file(s, HERE, c->log));
    } else {
        TRY(conform_run(&c->run, &log));
        tap_take(s, HERE, log);
        free(log);
    }
    if (c->reference != NULL)
        TRY(take_file(s, REFERENCE, c->reference));
    return OK;
}

static struct err write_reports(const struct conform *c, const struct suite *s)
{
    static const struct { const char *name; struct err (*write)(const struct suite *s, const char *path); } reports[] = {
        { "conform.tap", write_tap }, { "conform.xml", write_junit }, { "conform.html", write_html },
    };
    char path[4096];

    if (mkdir(c->out, 0777) != 0 && errno != EEXIST)
        return err_make(ERR_IO, "cannot make the directory '%s': %s", c->out, strerror(errno));
    for (size_t k = 0; k < COUNT_OF(reports); k++) {
        snprintf(path, sizeof path, "%s/%s", c->out, reports[k].name);
        TRY(reports[k].write(s, path));
    }
    return OK;
}

/* Is the id the first word of a line? */
static bool listed(const char *list, const char *id)
{
    size_t len = strlen(id);

    for (const char *at = list; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, id, len) == 0 && strchr(" \t\r\n", at[len]) != NULL)
            return true;
    return false;
}

/* How many results are not as the list says; each is printed. */
static unsigned surprises(const struct suite *s, const char *list)
{
    unsigned n = 0;

    for (size_t k = 0; k < s->n; k++) {
        const struct clause *c = &s->clauses[k];
        bool fails = c->results[HERE].outcome == FAILED, known = listed(list, c->id);

        if (c->results[HERE].outcome == NOT_RUN || fails == known)
            continue;
        n++;
        printf("%s %s: %s\n", fails ? "FAIL" : "no longer fails:", c->id,
               fails && c->results[HERE].detail != NULL ? c->results[HERE].detail : c->statement);
    }
    return n;
}

static struct err judge(const struct conform *c, const struct suite *s, unsigned *wrong)
{
    struct blob list = { NULL, 0 };
    char *text;

    if (c->expect != NULL)
        TRY(file_read_all(c->expect, &list));
    text = calloc(1, list.len + 1);
    if (text == NULL)
        return err_make(ERR_MEMORY, "out of memory");
    if (list.len > 0)
        memcpy(text, list.bytes, list.len);
    *wrong = surprises(s, text);
    free(text);
    blob_free(&list);
    return OK;
}

static struct err run(const struct conform *c, struct suite *s, unsigned *wrong)
{
    struct counts n;

    TRY(suite_load(s));
    TRY(take_results(c, s));
    TRY(write_reports(c, s));
    TRY(judge(c, s, wrong));
    n = suite_count(s, NULL);
    if (n.passed + n.failed + n.skipped == 0)
        return err_make(ERR_FORMAT, "no test ran: the machine has no Hv#1 interface, or -only names none");
    printf("%u passed, %u failed, %u skipped; %u of %u testable clauses have a test; report in %s/conform.html\n", n.passed,
           n.failed,
           n.skipped, n.with_test, n.testable, c->out);
    return OK;
}

int command_conform(int nargs, char **args)
{
    struct conform c;
    struct suite s = { 0 };
    unsigned wrong = 0;
    struct err e;

    if (nargs == 2 && (strcmp(args[0], "-write-image") == 0 || strcmp(args[0], "--write-image") == 0)) {
        e = conform_write_image(args[1]);
    } else {
        e = parse(&c, nargs, args);
        if (!failed(&e))
            e = run(&c, &s, &wrong);
        suite_free(&s);
    }
    if (failed(&e)) {
        fprintf(stderr, "partita: %s\n", e.text);
        return e.code == ERR_MEMORY ? STATUS_HOST : STATUS_USAGE;
    }
    return wrong == 0 ? STATUS_OK : STATUS_NOT_AS_EXPECTED;
}
