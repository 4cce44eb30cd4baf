/* SPDX-License-Identifier: MIT
 * The arena of both sides starts equal and is put back after each case; the model runs first, so that a case without an end
 * never reaches the host. */
#include "tests/oracle/host/compare.h"

#include <string.h>

#include "base/attrs.h"
#include "cpu/flags.h"
#include "tests/oracle/host/model.h"
#include "tests/oracle/host/native.h"
#include "tests/oracle/host/rules.h"
#include "tests/oracle/host_has.h"

/* ---- memory ---- */

static uint8_t background[ARENA_PAGES][ARENA_PAGE], before[ARENA_PAGES][ARENA_PAGE];
static uint8_t stand_in[ARENA_PAGES][ARENA_PAGE];       /* for the host's pages where there is no oracle */
static bool oracle;

static uint8_t *host_page(unsigned n)
{
    return oracle ? native_page(n) : stand_in[n];
}

static void put_everywhere(unsigned page, unsigned at, const uint8_t *bytes, unsigned len)
{
    memcpy(before[page] + at, bytes, len);
    memcpy(host_page(page) + at, bytes, len);
    memcpy(model_page(page) + at, bytes, len);
}

/* The part of a patch that lies on a page; undo: what was there instead. */
static void patch_page(const struct host_case *c, const struct host_patch *p, unsigned page, bool undo)
{
    uint64_t first = arena_page(page), from = p->at > first ? p->at : first;
    uint64_t end = p->at + p->len < first + ARENA_PAGE ? p->at + p->len : first + ARENA_PAGE;

    if (from >= end || p->at + p->len < p->at)
        return;
    put_everywhere(page, (unsigned)(from - first),
                   undo ? background[page] + (from - first) : c->patch_data + p->from + (from - p->at), (unsigned)(end - from));
}

static void patches(const struct host_case *c, bool undo)
{
    for (unsigned n = 0; n < c->patches; n++)
        for (unsigned page = 0; page < ARENA_PAGES; page++)
            patch_page(c, &c->patch[n], page, undo);
}

static void restore(void)
{
    for (unsigned n = 0; n < ARENA_PAGES; n++) {
        if (memcmp(host_page(n), before[n], ARENA_PAGE) != 0)
            memcpy(host_page(n), before[n], ARENA_PAGE);
        if (memcmp(model_page(n), before[n], ARENA_PAGE) != 0)
            memcpy(model_page(n), before[n], ARENA_PAGE);
    }
}

/* ---- opening ---- */

void compare_start(void)
{
    if (oracle)
        native_clear_code();
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        put_everywhere(n, 0, background[n], ARENA_PAGE);
}

static bool lacking(unsigned feature)
{
    return host_has(feature) && !model_has(feature);
}

bool compare_open(bool everything)
{
    oracle = native_open();
    model_open(oracle ? host_has : NULL, everything);
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        case_background(background[n], n);
    compare_start();
    rules_lacking = oracle ? lacking : NULL;
    return oracle;
}

/* ---- what differs ---- */

static void say(struct verdict *v, const char *word)
{
    size_t at = strlen(v->what);

    v->result = DIFFERENT;
    snprintf(v->what + at, sizeof v->what - at, " %s", word);
}

static const char *vector_name(unsigned vector)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP", "#SS", "#GP", "#PF", "15", "#MF", "#AC",
        "#MC", "#XM"
    };

    return vector == CASE_COMPLETED ? "done" : vector < COUNT_OF(names) ? names[vector] : "?";
}

static void compare_regs(struct verdict *v, const struct host_case *c)
{
    const struct host_regs *h = &v->host.out.regs, *m = &v->model.regs;
    static const struct { uint32_t bit; const char *name; } flags[] = {
        { FLAG_CF, "CF" }, { FLAG_PF, "PF" }, { FLAG_AF, "AF" }, { FLAG_ZF, "ZF" }, { FLAG_SF, "SF" }, { FLAG_OF, "OF" },
        { FLAG_TF, "TF" }, { FLAG_DF, "DF" }, { FLAG_RF, "RF" }, { FLAG_NT, "NT" }, { FLAG_AC, "AC" }, { FLAG_ID, "ID" },
    };

    if (h->rip != m->rip)
        say(v, "rip");
    if (memcmp(h->gpr, m->gpr, sizeof h->gpr) != 0)
        say(v, "gpr");
    if (h->rflags != m->rflags)
        say(v, "flags");
    for (unsigned n = 0; n < COUNT_OF(flags); n++)
        if ((h->rflags ^ m->rflags) & flags[n].bit)
            say(v, flags[n].name);
    if (memcmp(h->seg, m->seg, sizeof h->seg) != 0)
        say(v, "seg");
    if (c->mode == CASE_64 && (h->fs_base != m->fs_base || h->gs_base != m->gs_base))
        say(v, "base");
    if (memcmp(h->mant, m->mant, sizeof h->mant) != 0 || memcmp(h->se, m->se, sizeof h->se) != 0)
        say(v, "st");
    if (h->fcw != m->fcw)
        say(v, "fcw");
    if (h->fsw != m->fsw)
        say(v, "fsw");
    if (h->ftag != m->ftag)
        say(v, "ftag");
    if (h->fop != m->fop)
        say(v, "fop");
    if (h->fip != m->fip)
        say(v, "fip");
    if (h->fdp != m->fdp)
        say(v, "fdp");
    if (h->mxcsr != m->mxcsr)
        say(v, "mxcsr");
    if (h->pkru != m->pkru)
        say(v, "pkru");
    if (memcmp(h->k, m->k, sizeof h->k) != 0)
        say(v, "k");
    if (memcmp(h->zmm, m->zmm, sizeof h->zmm) != 0)
        say(v, "zmm");
}

static void compare_memory(struct verdict *v)
{
    for (unsigned n = 0; n < ARENA_PAGES; n++) {
        const uint8_t *h = host_page(n), *m = model_page(n);
        unsigned at = 0, len = 0;

        if (memcmp(h, m, ARENA_PAGE) == 0)
            continue;
        say(v, "memory");
        while (h[at] == m[at])
            at++;
        len = (unsigned)snprintf(v->memory, sizeof v->memory, "memory at %llx host", (unsigned long long)arena_page(n) + at);
        for (unsigned k = at; k < at + 16 && k < ARENA_PAGE; k++)
            len += (unsigned)snprintf(v->memory + len, sizeof v->memory - len, " %02x", h[k]);
        len += (unsigned)snprintf(v->memory + len, sizeof v->memory - len, " model");
        for (unsigned k = at; k < at + 16 && k < ARENA_PAGE; k++)
            len += (unsigned)snprintf(v->memory + len, sizeof v->memory - len, " %02x", m[k]);
        return;
    }
}

static void compare_fault(struct verdict *v)
{
    char text[32];

    if (v->host.out.vector != v->model.vector) {
        snprintf(text, sizeof text, "%s/%s", vector_name(v->host.out.vector), vector_name(v->model.vector));
        say(v, text);
        return;
    }
    if (v->host.out.error != v->model.error)
        say(v, "error");
    if (v->host.out.cr2 != v->model.cr2)
        say(v, "cr2");
}

static void name_case(struct verdict *v, const struct host_case *c)
{
    static const char *const modes[] = { "64", "32", "16" };
    size_t count;
    const struct insn_row *row = c->row >= 0 ? &index_rows(&count)[c->row] : NULL;

    snprintf(v->what, sizeof v->what, "%s%s%s%s%s:", c->op < OP_COUNT ? op_names[c->op] : "(none)",
             c->insns > 1 ? "..." : "", c->insn.flags & INSN_EVEX ? " evex" : c->insn.vl ? " vex" : "",
             c->op < OP_COUNT && row == NULL ? " bytes" : "", c->mode == CASE_64 ? "" : c->mode == CASE_32 ? " in 32" : " in 16");
    (void)modes;
}

/* After a difference in the vector the rest follows from it and only blurs. */
static void judge(struct verdict *v, const struct host_case *c)
{
    const struct host_out raw = v->host.out;        /* what is kept is what was seen */

    v->memory[0] = '\0';
    if (v->host.out.vector == v->model.vector && memcmp(&v->host.out, &v->model, sizeof v->model) == 0) {
        compare_memory(v);
        return;
    }
    rules_normalise(c, &v->host.out, &v->model);
    compare_fault(v);
    if (v->host.out.vector == v->model.vector) {
        compare_regs(v, c);
        compare_memory(v);
    }
    v->host.out = raw;
}

/* What the host changed, in pieces of at most 16 bytes. */
static void record_memory(struct host_record *h)
{
    h->present = true;
    h->count = 0;
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        for (unsigned at = 0; at < ARENA_PAGE && h->count < COUNT_OF(h->memory); at += 16)
            if (memcmp(host_page(n) + at, before[n] + at, 16) != 0) {
                h->memory[h->count].at = arena_page(n) + at;
                h->memory[h->count].len = 16;
                memcpy(h->memory[h->count++].bytes, host_page(n) + at, 16);
            }
}

static void run_model(const struct host_case *c, struct verdict *v)
{
    static const unsigned chunks[] = { 1, 2, 50, 100000 };

    patches(c, false);
    model_run(c, &v->model, chunks[(c->number ^ c->code[0]) & 3]);
    v->result = v->model.vector == CASE_LOOPED ? LOOPED : SAME;
}

static void finish(const struct host_case *c)
{
    restore();
    patches(c, true);
}

void compare_case(struct host_case *c, struct verdict *v)
{
    case_settle(c);
    v->result = EXCLUDED;
    v->why = rules_excluded(c);
    if (v->why != NULL)
        return;
    run_model(c, v);
    if (v->result != LOOPED)
        v->why = rules_beyond(c, &v->model, native_taken);
    if (v->why != NULL) {
        v->result = EXCLUDED;
    } else if (v->result != LOOPED) {
        native_run(c, &v->host.out);
        name_case(v, c);
        judge(v, c);
        if (v->result == DIFFERENT)
            record_memory(&v->host);
    }
    finish(c);
}

static void put_record(const struct host_record *host)
{
    for (unsigned n = 0; n < host->count; n++)
        for (unsigned page = 0; page < ARENA_PAGES; page++)
            if ((host->memory[n].at & ~(uint64_t)(ARENA_PAGE - 1)) == arena_page(page))
                memcpy(host_page(page) + host->memory[n].at % ARENA_PAGE, host->memory[n].bytes, host->memory[n].len);
}

void compare_record(struct host_case *c, const struct host_record *host, struct verdict *v)
{
    case_settle(c);
    run_model(c, v);
    v->host = *host;
    put_record(host);
    name_case(v, c);
    judge(v, c);
    finish(c);
}

/* ---- smaller ---- */

/* Zeros at `at` unless that changes the difference. */
static void try_zero(struct host_case *c, struct verdict *v, void *at, size_t len)
{
    static struct verdict again;
    uint8_t keep[64];

    memcpy(keep, at, len);
    memset(at, 0, len);
    compare_case(c, &again);
    if (again.result != DIFFERENT || strcmp(again.what, v->what) != 0)
        memcpy(at, keep, len);
    else
        *v = again;
}

void compare_shrink(struct host_case *c, struct verdict *v)
{
    for (unsigned n = 0; n < 32; n++)
        try_zero(c, v, c->in.zmm[n], 64);
    for (unsigned n = 0; n < 8; n++) {
        try_zero(c, v, &c->in.mant[n], 8);
        try_zero(c, v, &c->in.se[n], 2);
        try_zero(c, v, &c->in.k[n], 8);
    }
    for (unsigned n = 0; n < 16; n++)
        try_zero(c, v, &c->in.gpr[n], 8);
}
