/* SPDX-License-Identifier: MIT
 * gdb's `monitor` command: what the protocol has no packet for. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "gui/code_dump.h"
#include "gui/gdb_session.h"
#include "gui/past_request.h"
#include "gui/screen.h"

#define WORDS 16

struct command {
    const char *name, *takes, *help;
    unsigned least, most;               /* words behind the name */
    void (*run)(struct gdb_session *s, char **words, unsigned n);
};

/* Text for the user's console, in a packet of its own. */
static void say(struct gdb_session *s, const char *text)
{
    struct gdb_writer w = { 0 };
    size_t len = strlen(text);

    for (size_t done = 0; done < len; done += GDB_PACKET_MAX / 4) {
        const size_t n = len - done < GDB_PACKET_MAX / 4 ? len - done : GDB_PACKET_MAX / 4;

        w.len = 0;
        gdb_put(&w, "O", 1);
        gdb_put_hex(&w, text + done, n);
        gdb_frame(&s->out, w.bytes, w.len);
    }
    free(w.bytes);
}

static void sayf(struct gdb_session *s, const char *format, ...) PRINTF_LIKE(2, 3);
static void sayf(struct gdb_session *s, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(s, text);
}

static bool number(struct gdb_session *s, const char *text, uint64_t *v)
{
    char *end;

    *v = strtoull(text, &end, 0);
    if (*text != '\0' && *text != '-' && *end == '\0')
        return true;
    sayf(s, "'%s' is no number\n", text);
    return false;
}

/* ---- looking ---- */

static void insns(struct gdb_session *s, char **words, unsigned n)
{
    (void)words, (void)n;
    sayf(s, "%" PRIu64 "\n", machine_insns(s->machine));
}

static void hash(struct gdb_session *s, char **words, unsigned n)
{
    (void)words, (void)n;
    sayf(s, "insns=%" PRIu64 " hash=%016" PRIx64 "\n", machine_insns(s->machine), machine_hash(s->machine));
}

static uint64_t value_of(struct gdb_session *s, const char *name)
{
    uint8_t bytes[DEBUG_REG_BYTES] = { 0 };
    const struct debug_reg *r = debug_reg_find(s->debug, name);
    uint64_t v;

    if (r != NULL)
        (void)debug_reg_read(s->debug, s->vp, r, bytes);
    memcpy(&v, bytes, sizeof v);
    return v;
}

static void segments(struct gdb_session *s)
{
    static const char *const names[] = { "cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr" };

    for (unsigned n = 0; n < COUNT_OF(names); n++) {
        char base[16], limit[16], attr[16];

        snprintf(base, sizeof base, "%s_base", names[n]);
        snprintf(limit, sizeof limit, "%s_limit", names[n]);
        snprintf(attr, sizeof attr, "%s_attr", names[n]);
        sayf(s, "%-4s %04" PRIx64 " base %016" PRIx64 " limit %08" PRIx64 " attr %05" PRIx64 "\n", names[n], value_of(s, names[n]),
             value_of(s, base), value_of(s, limit), value_of(s, attr));
    }
}

static void registers(struct gdb_session *s, char **words, unsigned n)
{
    static const char *const names[] = {
        "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
        "eflags", "cr0", "cr2", "cr3", "cr4", "cr8", "efer", "xcr0", "dr6", "dr7", "gdtr_base", "gdtr_limit", "idtr_base",
        "idtr_limit",
    };

    (void)words, (void)n;
    sayf(s, "processor %u, %s\n", s->vp, debug_activity(s->debug, s->vp));
    for (unsigned k = 0; k < COUNT_OF(names); k++)
        sayf(s, "%-10s %016" PRIx64 "%s", names[k], value_of(s, names[k]), k % 3 == 2 || k + 1 == COUNT_OF(names) ? "\n" : "  ");
    segments(s);
}

static void info(struct gdb_session *s, char **words, unsigned n)
{
    if (strcmp(words[0], "registers") == 0)
        registers(s, words, n);
    else
        sayf(s, "info %s: registers is known\n", words[0]);
}

static void xp(struct gdb_session *s, char **words, unsigned n)
{
    uint8_t bytes[4096];
    uint64_t at, len = 64;
    size_t got;

    if (!number(s, words[0], &at) || (n > 1 && !number(s, words[1], &len)))
        return;
    got = debug_read_physical(s->debug, s->vp, at, bytes, len < sizeof bytes ? (size_t)len : sizeof bytes);
    for (size_t k = 0; k < got; k += 16) {
        char line[96];
        int room = snprintf(line, sizeof line, "%016" PRIx64 ":", at + k);

        for (size_t b = k; b < k + 16 && b < got; b++)
            room += snprintf(line + room, sizeof line - (size_t)room, " %02x", bytes[b]);
        sayf(s, "%s\n", line);
    }
    if (got < len && got < sizeof bytes)
        sayf(s, "%016" PRIx64 ": no plain memory\n", at + got);
}

static void gva2gpa(struct gdb_session *s, char **words, unsigned n)
{
    uint64_t gva, gpa;

    (void)n;
    if (!number(s, words[0], &gva))
        return;
    if (debug_translate(s->debug, s->vp, gva, &gpa))
        sayf(s, "0x%" PRIx64 "\n", gpa);
    else
        say(s, "not mapped\n");
}

static void msr(struct gdb_session *s, char **words, unsigned n)
{
    uint64_t which, v;

    if (!number(s, words[0], &which))
        return;
    if (n > 1 && (!number(s, words[1], &v) || !debug_msr_write(s->debug, s->vp, (uint32_t)which, v)))
        say(s, "refused\n");
    else if (!debug_msr_read(s->debug, s->vp, (uint32_t)which, &v))
        say(s, "no such MSR\n");
    else
        sayf(s, "0x%" PRIx64 "\n", v);
}

/* gdb does not know that the machine is elsewhere then. */
static void goto_insns(struct gdb_session *s, char **words, unsigned n)
{
    struct debug_stop stop;
    uint64_t at;
    struct err e;

    (void)n;
    if (!number(s, words[0], &at))
        return;
    e = debug_goto(s->debug, at, &stop);
    if (failed(&e))
        sayf(s, "%s\n", e.text);
    else
        s->stop = stop;
    sayf(s, "at instruction %" PRIu64 "; tell gdb: maintenance flush register-cache\n", machine_insns(s->machine));
}

static void jit(struct gdb_session *s, char **words, unsigned n)
{
    char *text = NULL;
    uint64_t at;
    struct err e;

    (void)n;
    if (!number(s, words[0], &at))
        return;
    e = code_show(s->debug, s->vp, at, &text);
    if (failed(&e))
        sayf(s, "%s\n", e.text);
    else
        say(s, text != NULL && *text != '\0' ? text : "no block lies there\n");
    free(text);
}

static void screen(struct gdb_session *s, char **words, unsigned n)
{
    static char text[1 << 16];

    (void)words, (void)n;
    say(s, machine_text(s->machine, text, sizeof text) ? text : "the screen is not in text mode\n");
}

static void screenshot(struct gdb_session *s, char **words, unsigned n)
{
    struct err e = screen_write(s->machine, words[0]);

    (void)n;
    if (failed(&e))
        sayf(s, "%s\n", e.text);
}

/* ---- the past, and other places ---- */

static void say_line(void *arg, const char *text)
{
    say(arg, text);
    say(arg, "\n");
}

static void say_error(struct gdb_session *s, const struct err *e)
{
    if (failed(e))
        sayf(s, "%s\n", e->text);
}

/* Here, unless they say when. */
static void past(struct gdb_session *s, char **words, unsigned n)
{
    struct past_request r;
    struct err e = OK;
    int taken = 1;

    past_request_init(&r);
    for (unsigned k = 0; k < n && taken > 0 && !failed(&e); k += (unsigned)taken) {
        e = past_request_take(&r, words + k, (int)(n - k), &taken);
        if (!failed(&e) && taken == 0)
            e = err_make(ERR_USAGE, "'%.60s' is no part of a question", words[k]);
    }
    if (r.at == UINT64_MAX)
        r.at = machine_insns(s->machine);
    if (r.text != NULL && strcmp(r.text, "stack") == 0 && r.vp == PAST_ANY)
        r.vp = s->vp;
    r.space = s->vp;
    if (!failed(&e) && r.text == NULL)
        past_request_help(say_line, s);
    else if (!failed(&e))
        e = past_request_run(&r, s->debug, say_line, s);
    say_error(s, &e);
    past_request_free(&r);
}

static void savevm(struct gdb_session *s, char **words, unsigned n)
{
    struct err e = debug_save(s->debug, words[0]);

    if (!failed(&e) && n > 1)
        e = machine_save(s->machine, words[1]);
    say_error(s, &e);
}

static void fork_here(struct gdb_session *s, char **words, unsigned n)
{
    struct err e = debug_fork(s->debug, words[0]);

    (void)n;
    say_error(s, &e);
    if (!failed(&e))
        sayf(s, "a branch; loadvm %s leads back\n", words[0]);
}

/* As after `goto`, gdb does not know. */
static void loadvm(struct gdb_session *s, char **words, unsigned n)
{
    struct err e = debug_load(s->debug, words[0]);

    (void)n;
    say_error(s, &e);
    if (failed(&e))
        return;
    s->stop = (struct debug_stop){ .why = DEBUG_NOTHING, .vp = debug_current(s->debug), .insns = machine_insns(s->machine) };
    sayf(s, "at instruction %" PRIu64 "; tell gdb: maintenance flush register-cache\n", machine_insns(s->machine));
}

static void record(struct gdb_session *s, char **words, unsigned n)
{
    struct err e = debug_record(s->debug, words[0]);

    (void)n;
    say_error(s, &e);
    if (!failed(&e))
        sayf(s, "from here on a run of its own, recorded to %s\n", words[0]);
}

/* ---- points by physical address ---- */

static void added(struct gdb_session *s, const struct point *p)
{
    say(s, gdb_point_add(s, GDB_MONITOR, p) ? "set\n" : "refused: physical addresses have 52 bits, ranges at most 1 MiB\n");
}

static void pbreak(struct gdb_session *s, char **words, unsigned n)
{
    struct point p = { .kind = POINT_BREAK, .physical = true };

    (void)n;
    if (number(s, words[0], &p.at))
        added(s, &p);
}

static void pwatch(struct gdb_session *s, char **words, unsigned n)
{
    struct point p = { .kind = POINT_WRITE, .physical = true, .len = 8 };
    const char *kind = n > 2 ? words[2] : "w";

    if (!number(s, words[0], &p.at) || (n > 1 && !number(s, words[1], &p.len)))
        return;
    p.kind = kind[0] == 'r' ? POINT_READ : kind[0] == 'a' ? POINT_ACCESS : POINT_WRITE;
    added(s, &p);
}

static void points(struct gdb_session *s, char **words, unsigned n)
{
    static const char *const kinds[] = { "break", "write", "read", "access" };

    (void)words, (void)n;
    for (unsigned k = 0; k < s->npoints; k++)
        if (s->points[k].type == GDB_MONITOR)
            sayf(s, "%-6s physical 0x%" PRIx64 " %" PRIu64 "\n", kinds[s->points[k].point.kind], s->points[k].point.at,
                 s->points[k].point.len);
}

static void punset(struct gdb_session *s, char **words, unsigned n)
{
    uint64_t at;

    (void)n;
    if (!number(s, words[0], &at))
        return;
    for (unsigned k = s->npoints; k-- > 0;) {
        const struct point p = s->points[k].point;

        if (s->points[k].type == GDB_MONITOR && p.at == at)
            (void)gdb_point_remove(s, GDB_MONITOR, &p);
    }
}

/* ---- doing ---- */

static void power(struct gdb_session *s, char **words, unsigned n)
{
    (void)words, (void)n;
    machine_power_button(s->machine);
}

static void quit(struct gdb_session *s, char **words, unsigned n)
{
    (void)words, (void)n;
    s->wish = GDB_KILL;
}

static void help(struct gdb_session *s, char **words, unsigned n);

static const struct command commands[] = {
    { "fork", "NAME", "a branch begins here: loadvm NAME leads back, whatever was changed", 1, 1, fork_here },
    { "goto", "INSNS", "travel there, forwards or backwards", 1, 1, goto_insns },
    { "gva2gpa", "ADDRESS", "the physical address of a virtual one, by the selected processor's tables", 1, 1, gva2gpa },
    { "hash", "", "of the whole guest-visible state", 0, 0, hash },
    { "help", "", "this list", 0, 0, help },
    { "info", "registers", "registers of the selected processor", 1, 1, info },
    { "insns", "", "instructions since the start, of all processors", 0, 0, insns },
    { "jit", "ADDRESS", "the block there: guest code, host code, how often it ran, who leads there", 1, 1, jit },
    { "loadvm", "NAME|FILE", "the machine as it was saved", 1, 1, loadvm },
    { "msr", "NUMBER [VALUE]", "read or write an architectural MSR", 1, 2, msr },
    { "past", "[QUESTION ...]", "who did it last, and when; without a question: how to ask", 0, WORDS - 1, past },
    { "pbreak", "ADDRESS", "breakpoint at a physical address", 1, 1, pbreak },
    { "points", "", "list what pbreak and pwatch set", 0, 0, points },
    { "power", "", "press the power button", 0, 0, power },
    { "punset", "ADDRESS", "take back what pbreak and pwatch set there", 1, 1, punset },
    { "pwatch", "ADDRESS [BYTES [w|r|a]]", "watch physical memory, writes by devices included", 1, 3, pwatch },
    { "quit", "", "end the machine", 0, 0, quit },
    { "record", "FILE", "a replay goes on from here as a run of its own, recorded; for other runs: savevm, then record -snapshot-load", 1, 1, record },
    { "savevm", "NAME [FILE]", "the machine as it is, under that name and to a file", 1, 2, savevm },
    { "screen", "", "the text on the screen", 0, 0, screen },
    { "screenshot", "FILE", "write the screen there: a picture when the name ends in .ppm, else text", 1, 1, screenshot },
    { "xp", "ADDRESS [BYTES]", "physical memory", 1, 2, xp },
};

static void help(struct gdb_session *s, char **words, unsigned n)
{
    (void)words, (void)n;
    for (unsigned k = 0; k < COUNT_OF(commands); k++)
        sayf(s, "%-10s %-24s %s\n", commands[k].name, commands[k].takes, commands[k].help);
}

/* gdb waits two seconds for a word and then believes that there will be none. */
#define SILENCE_NS 1000000000u

static void run_command(struct gdb_session *s, const struct command *c, char **words, unsigned n)
{
    s->silent_since = debug_host_ns();
    c->run(s, words, n);
    s->silent_since = 0;
}

void gdb_session_alive(struct gdb_session *s, uint64_t now)
{
    if (s->silent_since == 0 || now - s->silent_since < SILENCE_NS)
        return;
    s->silent_since = now;
    sayf(s, "... at instruction %" PRIu64 "\n", machine_insns(s->machine));
}

static void run(struct gdb_session *s, char **words, unsigned n)
{
    for (unsigned k = 0; k < COUNT_OF(commands); k++) {
        const struct command *c = &commands[k];

        if (strcmp(words[0], c->name) != 0)
            continue;
        if (n - 1 < c->least || n - 1 > c->most)
            sayf(s, "usage: monitor %s %s\n", c->name, c->takes);
        else
            run_command(s, c, words + 1, n - 1);
        return;
    }
    sayf(s, "unknown command '%s'; `monitor help` lists them\n", words[0]);
}

void gdb_monitor(struct gdb_session *s, const char *line)
{
    char copy[512], *words[WORDS], *rest = NULL;
    unsigned n = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " \t", &rest); w != NULL && n < WORDS; w = strtok_r(NULL, " \t", &rest))
        words[n++] = w;
    if (n == 0)
        help(s, words, n);
    else
        run(s, words, n);
    gdb_put_text(&s->reply, "OK");
}
