/* SPDX-License-Identifier: MIT
 * Reads the tables of docs/tlfs for tests that hold rows against them. */
#ifndef TESTS_HV_TABLES_H
#define TESTS_HV_TABLES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define COLUMNS 14

/* One table in memory; rows are cut in place. */
struct table {
    struct blob text;
    char *at;
    char *column[COLUMNS];
};

static inline void table_open(struct table *t, const char *name)
{
    const char *top = getenv("srcdir");
    char path[512];
    struct err err;

    snprintf(path, sizeof path, "%s/docs/tlfs/%s.tsv", top != NULL ? top : ".", name);
    err = file_read_all(path, &t->text);
    if (failed(&err))
        fail_msg("%s", err.text);
    t->text.bytes = realloc(t->text.bytes, t->text.len + 1);
    assert_non_null(t->text.bytes);
    t->text.bytes[t->text.len] = 0;
    t->at = strchr((char *)t->text.bytes, '\n') + 1;    /* past the header */
}

static inline bool table_row(struct table *t)
{
    char *end;

    while (*t->at == '#')
        t->at = strchr(t->at, '\n') + 1;
    if (*t->at == 0)
        return false;
    end = strchr(t->at, '\n');
    *end = 0;
    memset(t->column, 0, sizeof t->column);
    for (unsigned n = 0; n < COLUMNS && t->at != NULL; n++)
        t->column[n] = strsep(&t->at, "\t");
    t->at = end + 1;
    return true;
}

static inline void table_close(struct table *t)
{
    blob_free(&t->text);
}

#endif
