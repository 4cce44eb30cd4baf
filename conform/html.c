/* SPDX-License-Identifier: MIT
 * The report: one page that needs nothing else. Its frame, with styles and the filters, is conform/page.html. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "conform/embedded.h"
#include "conform/suite.h"

static void put(struct writer *w, const char *text) { writer_copy(w, text, strlen(text)); }

static void put_text(struct writer *w, const char *text, size_t len)
{
    for (size_t k = 0; k < len; k++) {
        switch (text[k]) {
        case '&': put(w, "&amp;"); break;
        case '<': put(w, "&lt;"); break;
        case '>': put(w, "&gt;"); break;
        case '"': put(w, "&quot;"); break;
        default:  writer_copy(w, &text[k], 1);
        }
    }
}

static void put_string(struct writer *w, const char *text) { put_text(w, text, strlen(text)); }

static void put_number(struct writer *w, unsigned n)
{
    char text[16];

    snprintf(text, sizeof text, "%u", n);
    put(w, text);
}

static unsigned percent10(unsigned part, unsigned whole)        /* in tenths */
{
    return whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;
}

static void put_percent(struct writer *w, unsigned part, unsigned whole)
{
    char text[32];
    unsigned p = percent10(part, whole);

    snprintf(text, sizeof text, "%u.%u %%", p / 10, p % 10);
    put(w, text);
}

static const struct { const char *number, *name; } chapters[] = {
    { "1", "Introduction" }, { "2", "Feature and interface discovery" }, { "3", "Hypercall interface" },
    { "4", "Partition management" }, { "5", "Guest physical address spaces" }, { "6", "Host intercepts" },
    { "7", "Virtual processor management" }, { "8", "Virtual processor execution" }, { "9", "Virtual MMU and caching" },
    { "10", "Virtual interrupt control" }, { "11", "Inter-partition communication" }, { "12", "Timers" },
    { "13", "Message formats" }, { "14", "Scheduler" }, { "15", "Virtual secure mode" }, { "16", "Nested virtualization" },
    { "A", "Hypercall codes" }, { "B", "Status codes" }, { "C", "Synthetic MSRs" },
        { "R", "Requirements for the minimal interface" },
};
enum { NCHAPTERS = sizeof chapters / sizeof chapters[0] };

static bool in_chapter(const struct clause *c, const char *chapter)
{
    size_t len = strlen(chapter);

    return strncmp(c->section, chapter, len) == 0 && (c->section[len] == '.' || c->section[len] == '\0');
}

/* ---- head ---- */

static void card(struct writer *w, const char *class, const char *label, unsigned n)
{
    put(w, "<div class=\"card ");
    put(w, class);
    put(w, "\"><b>");
    put_number(w, n);
    put(w, "</b><span>");
    put(w, label);
    put(w, "</span></div>");
}

static void bar_part(struct writer *w, const char *class, unsigned n, unsigned all)
{
    char text[64];
    unsigned p = percent10(n, all);

    snprintf(text, sizeof text, "<i class=\"%s\" style=\"width:%u.%u%%\"></i>", class, p / 10, p % 10);
    put(w, text);
}

static void about(struct writer *w, const struct suite *s, enum side side, const char *label)
{
    if (s->about[side] == NULL)
        return;
    put(w, "<p>");
    put(w, label);
    if (s->names[side] != NULL) {
        put_string(w, s->names[side]);
        put(w, ", ");
    }
    put_string(w, s->about[side]);
    put(w, "</p>");
}

static void head(struct writer *w, const struct suite *s)
{
    struct counts n = suite_count(s, NULL);
    unsigned all = n.passed + n.failed + n.skipped;

    put(w, "<header><div class=\"in\"><h1>Hypervisor TLFS conformance</h1>");
    about(w, s, HERE, "Under test: ");
    about(w, s, REFERENCE, "Reference: ");
    put(w, "<p>");
    put_number(w, n.with_test);
    put(w, " of ");
    put_number(w, n.testable);
    put(w, " clauses that a guest can test have a test (");
    put_percent(w, n.with_test, n.testable);
    put(w, "); ");
    put_number(w, n.reasons);
    put(w, " more state why not. ");
    put_number(w, n.later);
    put(w, " of chapters 15 and 16 come later.</p><div class=\"cards\">");
    card(w, "pass", "passed", n.passed);
    card(w, "fail", "failed", n.failed);
    card(w, "skip", "skipped", n.skipped);
    card(w, "", "tests run", all);
    card(w, "", "clauses in all", n.clauses);
    put(w, "</div><div class=\"bar\">");
    bar_part(w, "pass", n.passed, all);
    bar_part(w, "fail", n.failed, all);
    bar_part(w, "skip", n.skipped, all);
    put(w, "</div></div></header>");
}

/* Chapter k by number and name, between an opening that ends in its value and what closes that. */
static void chapter_as(struct writer *w, unsigned k, const char *open, const char *close)
{
    put(w, open);
    put(w, chapters[k].number);
    put(w, "\">");
    put(w, chapters[k].number);
    put(w, " ");
    put(w, chapters[k].name);
    put(w, close);
}

/* ---- body ---- */

static void overview(struct writer *w, const struct suite *s)
{
    static const char *const heads[] = { "Clauses", "Testable", "With test", "Passed", "Failed", "Skipped" };

    put(w, "<div class=\"overview\"><h2>Chapters</h2><div class=\"wrap\"><table><tr><th>Chapter</th>");
    for (unsigned k = 0; k < sizeof heads / sizeof heads[0]; k++) {
        put(w, "<th class=\"n\">");
        put(w, heads[k]);
        put(w, "</th>");
    }
    put(w, "</tr>\n");
    for (unsigned k = 0; k < NCHAPTERS; k++) {
        struct counts n = suite_count(s, chapters[k].number);
        const unsigned columns[] = { n.clauses, n.testable, n.with_test, n.passed, n.failed, n.skipped };

        if (n.clauses == 0)
            continue;
        chapter_as(w, k, "<tr><td><a href=\"#chapter-", "</a></td>");
        for (unsigned c = 0; c < sizeof columns / sizeof columns[0]; c++) {
            put(w, "<td class=\"n\">");
            put_number(w, columns[c]);
            put(w, "</td>");
        }
        put(w, "</tr>\n");
    }
    put(w, "</table></div></div>\n");
}

/* What the text leaves to the implementer, or contradicts itself about. */
static void choices(struct writer *w, const struct suite *s)
{
    put(w, "<div class=\"overview\"><h2>Left open by the text <small>and what Partita chose</small></h2>"
           "<div class=\"wrap\"><table><tr><th>Clause</th><th>Text</th><th>Partita</th></tr>\n");
    for (size_t k = 0; k < s->n; k++) {
        const struct clause *c = &s->clauses[k];

        if (c->choice == NULL)
            continue;
        put(w, "<tr><td><a href=\"#");
        put_string(w, c->id);
        put(w, "\">");
        put_string(w, c->id);
        put(w, "</a></td><td>");
        put_string(w, c->statement);
        put(w, "</td><td>");
        put_string(w, c->choice);
        put(w, "</td></tr>\n");
    }
    put(w, "</table></div></div>\n");
}

static void badge(struct writer *w, enum outcome o)
{
    put(w, "<span class=\"st ");
    put(w, outcome_name(o));
    put(w, "\">");
    put(w, o == NOT_RUN ? "&ndash;" : outcome_name(o));
    put(w, "</span>");
}

static void paragraph(struct writer *w, const char *class, const char *label, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    put(w, "<p class=\"");
    put(w, class);
    put(w, "\">");
    put(w, label);
    put_string(w, text);
    put(w, "</p>");
}

static const char *reason_of(const struct clause *c)
{
    if (c->reason != NULL)
        return c->reason;
    if (strcmp(c->kind, "guest-guidance") == 0)
        return "it tells guests what to do, and asks nothing of the hypervisor.";
    if (strcmp(c->testable, "host") == 0)
        return "only a parent partition or the hypervisor's own tests can see it.";
    if (strcmp(c->kind, "may") == 0 || strcmp(c->kind, "undefined") == 0)
        return "it permits and asks for nothing, so nothing can fail.";
    return "not written yet.";
}

static void details(struct writer *w, const struct suite *s, const struct clause *c)
{
    const struct result *here = &c->results[HERE], *there = &c->results[REFERENCE];
    char line[160];

    put(w, "<div class=\"body\">");
    snprintf(line, sizeof line, "Section %.40s &middot; %.20s &middot; testable: %.10s", c->section, c->kind, c->testable);
    put(w, "<p class=\"soft\">");
    put(w, line);
    put(w, "</p>");
    paragraph(w, "soft", "Note: ", c->note);
    paragraph(w, here->outcome == FAILED ? "why" : "why skip", "", here->detail);
    if (s->ran[REFERENCE])
        paragraph(w, there->outcome == FAILED ? "why" : "why skip", "Reference: ", there->detail);
    paragraph(w, "why choice", "Partita: ", c->choice);
    if (c->title == NULL) {
        paragraph(w, "why none", "No test: ", reason_of(c));
    } else {
        paragraph(w, "", "Test: ", c->title);
        snprintf(line, sizeof line, "conform/tests/%.*s:%u", (int)strcspn(c->file, "\n"), c->file, c->line);
        paragraph(w, "soft", "", line);
        put(w, "<pre>");
        put_text(w, c->source, c->source_len);
        put(w, "</pre>");
    }
    put(w, "</div>");
}

static void clause(struct writer *w, const struct suite *s, const struct clause *c, const char *chapter)
{
    put(w, "<details id=\"");
    put_string(w, c->id);
    put(w, "\" data-c=\"");
    put(w, chapter);
    put(w, "\" data-r=\"");
    put(w, outcome_name(c->results[HERE].outcome));
    put(w, "\" data-ref=\"");
    put(w, outcome_name(c->results[REFERENCE].outcome));
    put(w, "\"><summary>");
    badge(w, c->results[HERE].outcome);
    if (s->ran[REFERENCE])
        badge(w, c->results[REFERENCE].outcome);
    put(w, "<a class=\"id\" href=\"#");
    put_string(w, c->id);
    put(w, "\">");
    put_string(w, c->id);
    put(w, "</a><span class=\"text\">");
    put_string(w, c->statement);
    put(w, "</span></summary>");
    details(w, s, c);
    put(w, "</details>\n");
}

static void chapter(struct writer *w, const struct suite *s, unsigned k)
{
    struct counts n = suite_count(s, chapters[k].number);
    char line[400];

    if (n.clauses == 0)
        return;
    snprintf(line, sizeof line, "<section%s id=\"chapter-%s\"><h2>%s %s <small>%u with a test of %u testable &middot; "
             "%u passed, %u failed, %u skipped"
             "</small></h2>\n", s->ran[REFERENCE] ? " class=\"both\"" : "", chapters[k].number, chapters[k].number,
                 chapters[k].name,
             n.with_test, n.testable, n.passed, n.failed, n.skipped);
    put(w, line);
    for (size_t c = 0; c < s->n; c++)
        if (in_chapter(&s->clauses[c], chapters[k].number))
            clause(w, s, &s->clauses[c], chapters[k].number);
    put(w, "</section>\n");
}

static void chapter_options(struct writer *w, const struct suite *s)
{
    for (unsigned k = 0; k < NCHAPTERS; k++) {
        if (suite_count(s, chapters[k].number).clauses == 0)
            continue;
        chapter_as(w, k, "<option value=\"", "</option>");
    }
}

/* Copies the frame up to the mark; what follows it. */
static const char *frame(struct writer *w, const char *from, const char *mark)
{
    const char *at = strstr(from, mark);

    if (at == NULL)
        return from;
    writer_copy(w, from, (size_t)(at - from));
    return at + strlen(mark);
}

struct err write_html(const struct suite *s, const char *path)
{
    struct writer w = { 0 };
    const char *rest = frame(&w, (const char *)conform_page, "<!--HEAD-->");
    struct err e;

    head(&w, s);
    rest = frame(&w, rest, "<!--CHAPTERS-->");
    chapter_options(&w, s);
    rest = frame(&w, rest, "<!--BODY-->");
    overview(&w, s);
    choices(&w, s);
    for (unsigned k = 0; k < NCHAPTERS; k++)
        chapter(&w, s, k);
    put(&w, rest);
    e = file_write_all(path, w.bytes, w.len);
    writer_free(&w);
    return e;
}
